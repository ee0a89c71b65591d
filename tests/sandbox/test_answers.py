"""The six operations without faults: what they answer, in what shape, and what they refuse."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.sandbox.conftest import BATCHES, SOURCE, Client, Start

CREATED_FIELDS = {
    "id": str,
    "created_at": str,
    "created_by": str,
    "datasets": list,
    "name": str,
    "status": str,
    "total_task_count": int,
    "total_instruction_count": int,
    "workspace_id": str,
    "task_details": dict,
}
FULL_FIELDS = CREATED_FIELDS | {"schema_version": int, "total_task_groups": int}
STATUSES = {"UNINITIALISED", "PROCESSING", "READY", "ERROR"}


def assert_fields(batch: dict[str, object], fields: dict[str, type]) -> None:
    assert {name: type(value) for name, value in batch.items()} == fields
    assert batch["status"] in STATUSES
    details = batch["task_details"]
    assert isinstance(details, dict)
    assert details.keys() == {"task_name", "task_introduction", "task_steps"}


def assert_error(body: dict[str, dict[str, object]], status: int) -> None:
    assert body.keys() == {"error"}
    error = body["error"]
    assert error["status"] == status
    assert {name: type(value) for name, value in error.items()} == {
        "status": int,
        "error_code": int,
        "title": str,
        "detail": str,
    }


async def test_a_source_is_made_up_for_any_uuid_and_is_always_the_same(client: Client) -> None:
    status, batch = await client.get()
    again = await client.get(SOURCE.upper())
    assert status == 200
    assert_fields(batch, FULL_FIELDS)
    assert [d.keys() for d in batch["datasets"]] == [{"id", "total_datapoint_count", "filename"}]
    assert batch["id"] == SOURCE
    assert batch["status"] == "READY"
    assert datetime.fromisoformat(batch["created_at"]) < datetime(2026, 1, 1, tzinfo=UTC)
    assert again == (200, batch)


async def test_two_sources_differ_in_name_details_and_dataset(client: Client) -> None:
    _, one = await client.get()
    _, other = await client.get(str(uuid.uuid4()))
    assert one["name"] != other["name"]
    assert one["task_details"] != other["task_details"]
    assert one["datasets"] != other["datasets"]
    assert one["workspace_id"] == other["workspace_id"]


async def test_a_duplicate_is_answered_with_201_and_the_fields_of_a_creation(
    client: Client,
) -> None:
    before = datetime.now(UTC)
    status, copy, _ = await client.duplicate()
    _, source = await client.get()
    _, me, _ = await client.call("GET", "/api/v1/users/me/")
    assert status == 201
    assert_fields(copy, CREATED_FIELDS)
    assert [d.keys() for d in copy["datasets"]] == [{"id", "total_datapoint_count"}]
    assert uuid.UUID(copy["id"]).version == 4
    assert copy["name"] == f"{source['name']} (Copy)"
    assert copy["status"] == "UNINITIALISED"
    assert copy["task_details"] == source["task_details"]
    assert copy["datasets"][0]["id"] == source["datasets"][0]["id"]
    assert copy["created_by"] == me["id"] != source["created_by"]
    assert copy["created_at"].endswith("Z")
    assert len(copy["created_at"]) == len("2026-08-01T12:00:00.123456Z")
    created_at = datetime.fromisoformat(copy["created_at"])
    assert before - timedelta(milliseconds=1) <= created_at <= datetime.now(UTC)


async def test_a_duplicate_has_the_name_it_was_given(client: Client) -> None:
    _, copy, _ = await client.duplicate(name="Wave 1 – ünïcode 🙂")
    assert copy["name"] == "Wave 1 – ünïcode 🙂"


async def test_a_duplicate_for_a_new_dataset_has_none(client: Client) -> None:
    _, copy, _ = await client.duplicate(upload_new_dataset=True)
    assert copy["datasets"] == []


async def test_a_copy_can_be_fetched_and_copied_again(client: Client) -> None:
    _, copy, _ = await client.duplicate(name="First")
    status, fetched = await client.get(copy["id"])
    _, second, _ = await client.duplicate(copy["id"])
    assert status == 200
    assert_fields(fetched, FULL_FIELDS)
    assert fetched["total_task_groups"] == fetched["total_task_count"] == 0
    assert fetched["datasets"][0].keys() == {"id", "total_datapoint_count", "filename"}
    assert second["name"] == "First (Copy)"
    assert second["task_details"] == copy["task_details"]


async def test_the_same_request_twice_makes_two_batches(client: Client) -> None:
    _, one, _ = await client.duplicate(name="Twin")
    _, two, _ = await client.duplicate(name="Twin")
    assert one["id"] != two["id"]
    assert [(b["id"], b["name"], b["source_batch_id"]) for b in client.world.duplicates] == [
        (one["id"], "Twin", SOURCE),
        (two["id"], "Twin", SOURCE),
    ]
    assert client.world.made == 2


async def test_a_listing_has_the_sources_that_were_asked_for_and_every_copy(client: Client) -> None:
    assert (await client.listing())["meta"] == {"count": 1}
    _, copy, _ = await client.duplicate()
    listing = await client.listing()
    assert listing.keys() == {"results", "meta"}
    assert [batch["id"] for batch in listing["results"]] == [SOURCE, copy["id"]]
    assert listing["meta"] == {"count": 2}
    assert listing["results"] == [
        (await client.get(batch["id"]))[1] for batch in listing["results"]
    ]


async def test_a_long_listing_comes_in_pieces_and_whole(client: Client) -> None:
    _, source = await client.get()
    batch = client.world.find(SOURCE)
    assert batch is not None
    for number in range(1000):
        client.world.duplicate(batch, f"Copy {number}", False)
    _, listing, response = await client.call(
        "GET", BATCHES, params={"workspace_id": source["workspace_id"]}
    )
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert listing["meta"]["count"] == 1001
    assert [b["name"] for b in listing["results"][1:]] == [
        f"Copy {number}" for number in range(1000)
    ]


async def test_a_listing_of_another_workspace_is_empty(client: Client) -> None:
    await client.duplicate()
    _, listing, _ = await client.call("GET", BATCHES, params={"workspace_id": "f" * 24})
    assert listing == {"results": [], "meta": {"count": 0}}


async def test_a_listing_without_a_workspace_is_refused(client: Client) -> None:
    status, body, _ = await client.call("GET", BATCHES)
    assert status == 400
    assert_error(body, 400)


async def test_a_new_copy_is_missing_from_the_listing_for_the_listing_lag(start: Start) -> None:
    client = await start(listing_lag=100.0)
    _, copy, _ = await client.duplicate()
    listing = await client.listing()
    assert [batch["id"] for batch in listing["results"]] == [SOURCE]
    assert listing["meta"] == {"count": 1}
    assert (await client.get(copy["id"]))[0] == 200


async def test_a_copy_is_set_up_and_then_has_tasks(client: Client) -> None:
    _, copy, _ = await client.duplicate()
    path = f"{BATCHES}/{copy['id']}"
    assert (await client.call("GET", f"{path}/status"))[1] == {"status": "UNINITIALISED"}
    status, body, _ = await client.call("POST", f"{path}/setup", json={"tasks_per_group": 2})
    assert (status, body) == (202, {})
    assert (await client.call("GET", f"{path}/status"))[1] == {"status": "PROCESSING"}


@pytest.mark.parametrize(
    "body",
    [
        {"dataset_id": "no"},
        {"tasks_per_group": 0},
        {"tasks_per_group": True},
        {"tasks_per_group": "2"},
        {},
    ],
)
async def test_a_setup_that_makes_no_sense_is_refused(
    client: Client, body: dict[str, object]
) -> None:
    _, copy, _ = await client.duplicate(upload_new_dataset=True)
    status, answer, _ = await client.call("POST", f"{BATCHES}/{copy['id']}/setup", json=body)
    assert status == 400
    assert_error(answer, 400)


async def test_a_copy_without_a_dataset_is_set_up_with_one(client: Client) -> None:
    _, copy, _ = await client.duplicate(upload_new_dataset=True)
    dataset_id = str(uuid.uuid4())
    status, _, _ = await client.call(
        "POST", f"{BATCHES}/{copy['id']}/setup", json={"dataset_id": dataset_id}
    )
    assert status == 202
    assert (await client.get(copy["id"]))[1]["datasets"][0]["id"] == dataset_id


async def test_me_is_an_id_and_an_address(client: Client) -> None:
    status, body, _ = await client.call("GET", "/api/v1/users/me")
    assert status == 200
    assert body.keys() == {"id", "email"}


@pytest.mark.parametrize(
    "batch_id", ["00000000-0000-4000-8000-000000000001", "not-a-uuid", SOURCE.replace("-", "")]
)
@pytest.mark.parametrize(
    ("method", "end"), [("GET", ""), ("GET", "/status"), ("POST", "/duplicate")]
)
async def test_what_does_not_exist_is_404(
    client: Client, batch_id: str, method: str, end: str
) -> None:
    more: dict[str, object] = {"json": {}} if method == "POST" else {}
    status, body, _ = await client.call(method, f"{BATCHES}/{batch_id}{end}", **more)
    assert status == 404
    assert_error(body, 404)
    assert client.world.made == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": 1}',
        b'{"name": null}',
        b'{"upload_new_dataset": "yes"}',
        b"\xff",
    ],
)
async def test_a_duplicate_body_that_is_not_as_documented_is_refused(
    client: Client, raw: bytes
) -> None:
    status, body, _ = await client.call("POST", f"{BATCHES}/{SOURCE}/duplicate", data=raw)
    assert status == 400
    assert_error(body, 400)
    assert client.world.made == 0


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Token other"}, {"Authorization": "Bearer sandbox-token"}]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{BATCHES}/{SOURCE}/duplicate"),
        ("POST", f"{BATCHES}/{SOURCE}/setup"),
        ("GET", f"{BATCHES}/{SOURCE}/status"),
        ("GET", f"{BATCHES}/{SOURCE}"),
        ("GET", f"{BATCHES}?workspace_id=1"),
        ("GET", "/api/v1/users/me"),
    ],
)
async def test_no_operation_takes_another_token(
    client: Client, headers: dict[str, str], method: str, path: str
) -> None:
    status, body, _ = await client.call(method, path, headers=headers)
    assert status == 401
    assert_error(body, 401)


@pytest.mark.parametrize(
    ("method", "path", "good"),
    [
        ("POST", f"{BATCHES}/{SOURCE}/duplicate/", 201),
        ("POST", f"{BATCHES}/{SOURCE}/setup/", 202),
        ("GET", f"{BATCHES}/{SOURCE}/status/", 200),
        ("GET", f"{BATCHES}/{SOURCE}/", 200),
        ("GET", f"{BATCHES}/?workspace_id=1", 200),
        ("GET", "/api/v1/users/me/", 200),
    ],
)
async def test_every_operation_takes_a_trailing_slash_and_answers_with_a_date(
    client: Client, method: str, path: str, good: int
) -> None:
    more: dict[str, object] = {"json": {}} if method == "POST" else {}
    status, _, response = await client.call(method, path, **more)
    assert status == good
    assert abs(parsedate_to_datetime(response.headers["Date"]) - datetime.now(UTC)) < timedelta(
        seconds=5
    )


async def test_other_paths_and_methods_are_refused_in_the_same_shape(client: Client) -> None:
    status, body, _ = await client.call("GET", "/api/v1/studies")
    assert status == 404
    assert_error(body, 404)
    status, body, _ = await client.call("DELETE", f"{BATCHES}/{SOURCE}")
    assert status == 405
    assert_error(body, 405)


async def test_requests_and_answers_are_counted(client: Client) -> None:
    await client.duplicate()
    await client.duplicate(name=5)
    await client.get()
    assert client.world.requests == {"duplicate": 2, "get": 1}
    assert client.world.responses == {("duplicate", 201): 1, ("duplicate", 400): 1, ("get", 200): 1}
