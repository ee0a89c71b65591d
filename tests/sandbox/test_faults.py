"""Each fault over real HTTP: what the client sees, and whether a batch exists afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import aiohttp
import pytest

from tests.sandbox.conftest import BATCHES, SOURCE, Start
from tests.sandbox.test_answers import assert_error
from worker.model.errors import UsageError
from worker.sandbox.faults import FAULTS, parse_faults
from worker.sandbox.options import SandboxOptions
from worker.sandbox.server import NO_ANSWER


@pytest.mark.parametrize(("fault", "made"), [("drop-answer", 1), ("drop-request", 0)])
async def test_a_dropped_connection_has_no_answer(start: Start, fault: str, made: int) -> None:
    client = await start(faults={fault: 1})
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await client.duplicate()
    assert client.world.made == made
    assert client.world.responses == {("duplicate", NO_ANSWER): 1}
    assert (await client.get())[0] == 200  # other requests are served as ever


async def test_a_late_batch_is_created_after_its_answer(start: Start) -> None:
    client = await start(faults={"late": 1})
    for _ in range(8):
        try:
            status, _, response = await client.duplicate()
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            continue
        assert status == 504
        assert response.content_type == "text/html"
        assert "Date" in response.headers
    assert client.world.made == 0
    assert client.world.responses.keys() == {("duplicate", NO_ANSWER), ("duplicate", 504)}
    await asyncio.sleep(0.3)
    assert client.world.made == 8


@pytest.mark.parametrize(
    ("fault", "status", "made"),
    [
        ("error-500", 500, 0),
        ("error-500-after", 500, 1),
        ("refuse", 422, 0),
        ("unauthorised", 401, 0),
    ],
)
async def test_an_error_has_the_documented_shape(
    start: Start, fault: str, status: int, made: int
) -> None:
    client = await start(faults={fault: 1})
    got, body, _ = await client.duplicate()
    assert got == status
    assert_error(body, status)
    assert client.world.made == made


async def test_a_gateway_answers_a_page(start: Start) -> None:
    client = await start(faults={"error-502": 1})
    status, _, response = await client.duplicate()
    assert status == 502
    assert response.content_type == "text/html"
    assert "502 Bad Gateway" in await response.text()
    assert client.world.made == 0


@pytest.mark.parametrize(("sends_header", "header"), [(True, "1"), (False, None)])
async def test_busy_is_429(start: Start, sends_header: bool, header: str | None) -> None:
    client = await start(faults={"busy": 1}, retry_after=sends_header)
    status, body, response = await client.duplicate()
    assert status == 429
    assert_error(body, 429)
    assert response.headers.get("Retry-After") == header
    assert client.world.made == 0


async def test_a_slow_answer_takes_a_second_more(start: Start) -> None:
    client = await start(faults={"slow": 1})
    began = time.monotonic()
    status, _, _ = await client.duplicate()
    assert status == 201
    assert time.monotonic() - began >= 1


async def test_a_batch_exists_although_the_client_gave_up_waiting_for_its_slow_answer(
    start: Start,
) -> None:
    client = await start(faults={"slow": 1})
    with pytest.raises(TimeoutError):
        await client.call(
            "POST",
            f"{BATCHES}/{SOURCE}/duplicate",
            json={},
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    assert client.world.made == 1


async def test_a_cut_answer_is_a_201_that_ends_in_its_body(start: Start) -> None:
    client = await start(faults={"cut-answer": 1})
    for _ in range(5):
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.duplicate()
    assert client.world.made == 5
    assert client.world.responses == {("duplicate", 201): 5}


async def test_a_hanging_request_is_never_answered_and_ends_with_its_client(start: Start) -> None:
    client = await start(faults={"hang": 1})
    with pytest.raises(TimeoutError):
        await client.call(
            "POST",
            f"{BATCHES}/{SOURCE}/duplicate",
            json={},
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    await asyncio.sleep(0.3)
    assert client.world.made == 0
    assert client.world.responses == {("duplicate", NO_ANSWER): 1}


async def test_faults_leave_no_trace_in_the_servers_log(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    client = await start(
        faults={"drop-answer": 0.25, "drop-request": 0.25, "cut-answer": 0.25, "late": 0.25}
    )
    for _ in range(30):
        with contextlib.suppress(aiohttp.ClientError):
            await client.duplicate()
    assert caplog.text == ""


async def test_a_client_that_leaves_in_the_middle_of_a_listing_is_no_error(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    client = await start()
    _, source = await client.get()
    batch = client.world.find(SOURCE)
    assert batch is not None
    for _ in range(20_000):  # more than the sockets' buffers hold
        client.world.duplicate(batch, None, False)
    async with aiohttp.ClientSession(
        client.url, headers={"Authorization": "Token sandbox-token"}
    ) as session:
        response = await session.get(BATCHES, params={"workspace_id": source["workspace_id"]})
        await response.content.readany()
        response.close()
    await asyncio.sleep(0.1)
    assert client.world.responses["list", NO_ANSWER] == 1
    assert caplog.text == ""


async def test_a_copy_may_lack_an_instruction_and_its_source_keeps_it(start: Start) -> None:
    client = await start(faults={"fewer-instructions": 1})
    _, source = await client.get()
    _, copy, _ = await client.duplicate()
    assert copy["total_instruction_count"] == source["total_instruction_count"] - 1
    assert (await client.get(copy["id"]))[1]["total_instruction_count"] == (
        copy["total_instruction_count"]
    )
    assert (await client.get())[1] == source


async def test_a_failing_listing_is_500(start: Start) -> None:
    client = await start(faults={"list-500": 1})
    status, body, _ = await client.call("GET", BATCHES, params={"workspace_id": "1"})
    assert status == 500
    assert_error(body, 500)
    assert (await client.duplicate())[0] == 201


async def test_a_short_listing_lacks_batches_that_it_counts(start: Start) -> None:
    client = await start(faults={"list-short": 1})
    for _ in range(20):
        await client.duplicate()
    listing = await client.listing()
    assert listing["meta"]["count"] == 21
    assert 0 < len(listing["results"]) < 21


async def test_an_empty_listing_cannot_be_short(start: Start) -> None:
    client = await start(faults={"list-short": 1})
    _, listing, _ = await client.call("GET", BATCHES, params={"workspace_id": "1"})
    assert listing == {"results": [], "meta": {"count": 0}}


async def test_a_setup_that_fails_ends_in_error_and_a_second_one_is_counted(start: Start) -> None:
    client = await start(faults={"setup-error": 1}, processing=0.0)
    _, copy, _ = await client.duplicate()
    path = f"{BATCHES}/{copy['id']}"
    for _ in range(2):
        status, _, _ = await client.call("POST", f"{path}/setup", json={"tasks_per_group": 3})
        assert status == 202
    _, shown, _ = await client.call("GET", f"{path}/status")
    assert shown == {"status": "ERROR"}
    assert client.sandbox.world.set_ups[copy["id"]] == 2


def test_every_fault_is_shown_by_a_test_above() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if f'"{name}"' not in tests] == []


async def test_the_same_seed_misbehaves_alike(start: Start) -> None:
    async def statuses(seed: int) -> list[int]:
        client = await start(seed=seed, latency=0.001, faults={"error-500": 0.3, "busy": 0.3})
        return [(await client.duplicate())[0] for _ in range(30)]

    first = await statuses(7)
    assert {201, 429, 500} == set(first)
    assert await statuses(7) == first
    assert await statuses(8) != first


async def test_faults_come_about_as_often_as_asked(start: Start) -> None:
    client = await start(faults={"error-500": 0.25, "refuse": 0.25})
    for _ in range(400):
        await client.duplicate()
    for status, share in ((500, 100), (422, 100), (201, 200)):
        assert client.world.responses["duplicate", status] == pytest.approx(share, abs=40)


async def test_more_than_the_rate_is_429_until_the_time_has_come(start: Start) -> None:
    client = await start(rate=2.0, burst=3)
    answers = [await client.duplicate() for _ in range(5)]
    assert [status for status, _, _ in answers] == [201, 201, 201, 429, 429]
    assert_error(answers[-1][1], 429)
    assert answers[-1][2].headers["Retry-After"] == "1"
    await asyncio.sleep(0.6)
    assert (await client.duplicate())[0] == 201
    assert (await client.get())[0] == 200


def test_faults_are_read_from_text() -> None:
    assert parse_faults("drop-answer=0.05, late = 0.02") == {"drop-answer": 0.05, "late": 0.02}
    assert parse_faults(" ") == {}
    assert parse_faults("hang=1,") == {"hang": 1.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("drop-anser=0.1", "did you mean drop-answer?"),
        ("xyzzy=0.1", "Faults: drop-answer, "),
        ("late", "needs a probability"),
        ("late=", "needs a probability"),
        ("late=5%", "'5%'"),
        ("late=1.5", "from 0 to 1, not 1.5"),
        ("late=-0.1", "from 0 to 1, not -0.1"),
        ("late=nan", "from 0 to 1, not nan"),
        ("late=0.1,late=0.2", "twice"),
        ("late=0.6,hang=0.6", "add up to 1.2"),
    ],
)
def test_faults_that_make_no_sense_are_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_faults(text)
    assert says in str(refused.value)


def test_a_duplicate_fault_and_a_listing_fault_may_both_be_certain() -> None:
    assert len(parse_faults("late=1,list-500=1")) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"port": 70_000},
        {"rate": 0.0},
        {"burst": 0},
        {"latency": -1.0},
        {"listing_lag": -1.0},
        {"faults": {"lat": 1.0}},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SandboxOptions(**options)  # type: ignore[arg-type]
