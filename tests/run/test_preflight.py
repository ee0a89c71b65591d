"""Looking before sending: a preflight against a scripted API over a real ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.clocks import HandClock, SkippingStop
from tests.support.ledgers import WORKSPACE, connection_of, items, opened, uuid
from tests.support.no_setups import NoSetups
from worker.api.bodies import read_batch
from worker.api.client import Api
from worker.api.reader import ApiUnusableError, RetryingReader
from worker.ledger import views
from worker.ledger.store import Ledger
from worker.ledger.threads import ListingNotes, ThreadedDatabase
from worker.model.batch import Workspace, listed
from worker.model.clock import ServerClock
from worker.model.errors import TokenRefusedError
from worker.model.events import Event, StopReason
from worker.model.replies import Answer, Listing, NoAnswer, Page, Reply
from worker.run.preflight import Preflight, PreflightResult

OTHER = "64a0000000000000000000bb"
SOURCE = uuid(1)
T = TypeVar("T")


def said(
    status: int, json: Any = None, words: str = "", retry_after_s: float | None = None
) -> Answer:
    return Answer(status, json, words, 1_772_366_400.0, retry_after_s)


GOOD = said(200, {"id": "me", "email": "me@example.com"})
SILENCE = NoAnswer(left=True, message="no answer")


class ScriptedApi(NoSetups):
    """Answers what it was told to: `batches` by id (the last reply stays), `listings` by workspace
    in turn."""

    def __init__(self) -> None:
        self.owners: list[Reply] = [GOOD]
        self.named: Reply = said(200, {"results": [{"id": WORKSPACE, "title": "Field team"}]})
        self.batches: dict[str, list[Reply]] = {}
        self.listings: dict[str, list[tuple[list[str], Listing]]] = defaultdict(list)
        self.calls: list[tuple[str, ...]] = []
        self.before_listing: Callable[[], None] = lambda: None

    def has(self, number: int, workspace: str = WORKSPACE) -> str:
        """There is a batch; its id."""
        self.batches[uuid(number)] = [said(200, batch_body(number, workspace))]
        return uuid(number)

    async def me(self) -> Reply:
        self.calls.append(("me",))
        return next_of(self.owners)

    async def workspaces(self) -> Reply:
        self.calls.append(("workspaces",))
        return self.named

    async def batch(self, batch_id: str) -> Reply:
        self.calls.append(("batch", batch_id))
        return (
            next_of(self.batches[batch_id])
            if batch_id in self.batches
            else said(404, {}, "not found")
        )

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        raise AssertionError("a preflight creates nothing")

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        self.calls.append(("listing", workspace_id))
        self.before_listing()
        shown, ended = next_of(self.listings[workspace_id])
        bodies = [self.batches[batch_id][0] for batch_id in shown]
        await take(
            [
                listed(batch)
                for body in bodies
                if isinstance(body, Answer) and (batch := read_batch(body.json))
            ]
        )
        return ended

    def asked(self, kind: str) -> int:
        return sum(call[0] == kind for call in self.calls)


def next_of(replies: list[T]) -> T:
    return replies.pop(0) if len(replies) > 1 else replies[0]


def batch_body(number: int, workspace: str = WORKSPACE) -> dict[str, Any]:
    return {"id": uuid(number), "name": f"Source {number}", "workspace_id": workspace}


def whole(*shown: str) -> tuple[list[str], Listing]:
    return list(shown), Listing(len(shown), len(shown), None, 1_772_366_400.0)


def broken(*shown: str, retry_after_s: float | None = None) -> tuple[list[str], Listing]:
    return list(shown), Listing(len(shown), None, "cut short", None, retry_after_s)


class Rig:
    """A preflight over a ledger, with everything it leans on."""

    def __init__(self, ledger: Ledger, api: ScriptedApi, give_up_after_s: float = 900.0) -> None:
        self.ledger = ledger
        self.clock = HandClock()
        self.stop = SkippingStop(self.clock)
        self.server = ServerClock()
        self.events: list[Event] = []
        contract: Api = api
        database = ThreadedDatabase(ledger)
        self.reader = RetryingReader(
            ListingNotes(database),
            contract,
            self.clock,
            self.server,
            self.events.append,
            self.stop,
            give_up_after_s,
            rate=None,
        )
        self.preflight = Preflight(database, self.reader, self.events.append, self.stop)

    def sources(self) -> dict[str, str]:
        return dict(
            connection_of(self.ledger).execute("SELECT source_id, state FROM sources").fetchall()
        )


@pytest.fixture
def api() -> ScriptedApi:
    return ScriptedApi()


async def test_one_get_and_one_listing_answer_for_all_sources(
    tmp_path: Path, api: ScriptedApi
) -> None:
    sources = [api.has(number) for number in range(1, 41)]
    api.listings[WORKSPACE] = [whole(*sources)]
    with opened(tmp_path, "batch_id", *sources) as ledger:
        rig = Rig(ledger, api)
        findings = await rig.preflight.look_up_sources()

        assert findings == PreflightResult(40, 0, 0, (WORKSPACE,))
        assert (api.asked("batch"), api.asked("listing")) == (1, 1)
        assert set(rig.sources().values()) == {"found"}
        assert connection_of(ledger).execute("SELECT count(*) FROM seen").fetchone()[0] == 40
        row = connection_of(ledger).execute(
            "SELECT workspace_id, meta_count, shown, error, left_server FROM listings"
        )
        assert [tuple(r) for r in row] == [(WORKSPACE, 40, 40, None, 1_772_366_400.0)]
        assert (rig.events, rig.stop.waits) == ([], [])


@pytest.mark.parametrize(
    ("named", "title"),
    [
        (said(200, {"results": [{"id": WORKSPACE, "title": "Field team"}]}), "Field team"),
        (said(200, {"results": [{"id": OTHER, "title": "Another"}]}), ""),
        (said(403, {}, "you may not"), ""),
        (said(429, {}, "slow down", retry_after_s=60.0), ""),
        (said(200, {"results": 7}), ""),
        (SILENCE, ""),
    ],
)
async def test_workspaces_are_named_by_one_request_that_may_fail(
    tmp_path: Path, api: ScriptedApi, named: Reply, title: str
) -> None:
    here, there = api.has(1), api.has(2, OTHER)
    api.named = named
    api.listings[WORKSPACE], api.listings[OTHER] = [broken(here)], [whole(there)]
    with opened(tmp_path, "batch_id", here, there) as ledger:
        rig = Rig(ledger, api)
        await rig.preflight.look_up_sources()
        assert api.asked("workspaces") == 1
        (workspace,) = views.named_workspaces(ledger, [WORKSPACE])
        assert workspace == Workspace(WORKSPACE, title)
        note = rig.events[-1].fields["text"]
        assert note.startswith(f"workspace {workspace} could not be listed completely")


async def test_each_workspace_is_listed_once(tmp_path: Path, api: ScriptedApi) -> None:
    here = [api.has(number) for number in range(1, 11)]
    there = [api.has(number, OTHER) for number in range(11, 21)]
    api.listings[WORKSPACE], api.listings[OTHER] = [whole(*here)], [whole(*there)]
    with opened(tmp_path, "batch_id", *here, *there) as ledger:
        findings = await Rig(ledger, api).preflight.look_up_sources()

    assert findings == PreflightResult(20, 0, 0, (WORKSPACE, OTHER))
    assert api.asked("listing") == 2
    assert (
        api.asked("batch") <= 1 + 10
    )  # a page of look-ups is under way before the second workspace is known


async def test_a_source_that_no_listing_shows_is_asked_for_and_only_its_own_404_fails_its_rows(
    tmp_path: Path, api: ScriptedApi
) -> None:
    first, hidden = api.has(1), api.has(2)
    api.batches[uuid(4)] = [said(500, {}, "oops")]
    api.batches[uuid(5)] = [said(404, None, "gateway")]
    api.batches[uuid(6)] = [said(403, {}, "no access")]
    api.listings[WORKSPACE] = [whole(first)]
    with opened(tmp_path, "batch_id", first, hidden, uuid(3), uuid(4), uuid(5), uuid(6)) as ledger:
        rig = Rig(ledger, api)
        findings = await rig.preflight.look_up_sources()

        assert findings == PreflightResult(2, 1, 3, (WORKSPACE,))
        assert rig.sources() == {
            first: "found",
            hidden: "found",
            uuid(3): "missing",
            uuid(4): "unclear",
            uuid(5): "unclear",
            uuid(6): "unclear",
        }
        rows = items(ledger, "status, http_status, error")
        assert [row[:2] for row in rows] == [
            ("pending", None),
            ("pending", None),
            ("failed", 404),
            ("pending", 500),
            ("pending", 404),
            ("pending", 403),
        ]
        assert rows[2][2].endswith("this token may not see it: not found")
        assert "oops" in rows[3][2]
    assert [api.calls.count(("batch", uuid(number))) for number in (3, 4, 5, 6)] == [1, 3, 1, 1]
    assert rig.stop.waits == [1.0, 2.0]


async def test_a_look_up_that_fails_once_is_asked_again_after_what_the_api_asks(
    tmp_path: Path, api: ScriptedApi
) -> None:
    api.batches[SOURCE] = [said(503, {}, "", retry_after_s=7.0), SILENCE, said(200, batch_body(1))]
    api.listings[WORKSPACE] = [whole(SOURCE)]
    with opened(tmp_path, "batch_id", SOURCE) as ledger:
        rig = Rig(ledger, api)

        assert (await rig.preflight.look_up_sources()).found == 1
        assert rig.stop.waits == [7.0, 2.0]


async def test_too_many_requests_are_no_answer_and_are_waited_out(
    tmp_path: Path, api: ScriptedApi
) -> None:
    api.batches[SOURCE] = [
        *[said(429, {}, "slow")] * 5,
        said(429, {}, "slow", 30.0),
        said(200, batch_body(1)),
    ]
    api.listings[WORKSPACE] = [whole(SOURCE)]
    with opened(tmp_path, "batch_id", SOURCE) as ledger:
        rig = Rig(ledger, api)

        assert await rig.preflight.look_up_sources() == PreflightResult(1, 0, 0, (WORKSPACE,))
        assert rig.stop.waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
        assert {event.name for event in rig.events} == {"pace.slowed"}


async def test_a_wait_that_is_longer_than_the_run_may_wait_is_not_waited_for(
    tmp_path: Path, api: ScriptedApi
) -> None:
    others = [api.has(number) for number in range(2, 5)]
    api.batches[SOURCE] = [said(429, {}, "come back tomorrow", 86_400.0)]
    with opened(tmp_path, "batch_id", SOURCE, *others) as ledger:
        rig = Rig(ledger, api)

        assert (await rig.preflight.look_up_sources()).unclear == 4
        assert (api.asked("batch"), rig.stop.waits) == (1, [])


async def test_a_wait_of_no_seconds_is_no_reason_to_ask_without_a_pause(
    tmp_path: Path, api: ScriptedApi
) -> None:
    api.owners = [said(429, {}, "slow", 0.0), said(503, {}, "oops", 0.0), GOOD]
    api.batches[SOURCE] = [said(503, {}, "oops", 0.0), said(200, batch_body(1))]
    api.listings[WORKSPACE] = [broken(SOURCE, retry_after_s=0.0), whole(SOURCE)]
    with opened(tmp_path, "batch_id", SOURCE) as ledger:
        rig = Rig(ledger, api)
        await rig.preflight.check_token()
        await rig.preflight.look_up_sources()

    assert rig.stop.waits == [1.0, 1.0, 1.0, 1.0]


async def test_a_listing_that_fails_is_asked_for_three_times_and_the_run_continues(
    tmp_path: Path, api: ScriptedApi
) -> None:
    first, second = api.has(1), api.has(2)
    api.listings[WORKSPACE] = [broken(), broken(first), broken(first, second, retry_after_s=5.0)]
    with opened(tmp_path, "batch_id", first, second) as ledger:
        rig = Rig(ledger, api)
        findings = await rig.preflight.look_up_sources()

        assert findings == PreflightResult(2, 0, 0, (WORKSPACE,))
        assert (api.asked("listing"), api.asked("batch")) == (3, 1)
        assert rig.stop.waits == [1.0, 2.0]
        (note,) = rig.events
        assert (note.name, note.level) == ("note", "warning")
        assert "could not be listed completely (cut short)" in note.fields["text"]
        seen = (
            connection_of(ledger)
            .execute("SELECT batch_id, listing FROM seen ORDER BY 1")
            .fetchall()
        )
        assert [tuple(row) for row in seen] == [
            (first, 1),
            (second, 3),
        ], "no listing had shown the first"
        assert [row[0] for row in connection_of(ledger).execute("SELECT error FROM listings")] == [
            "cut short"
        ] * 3


async def test_a_listing_that_is_whole_at_last_counts_as_whole(
    tmp_path: Path, api: ScriptedApi
) -> None:
    first = api.has(1)
    api.listings[WORKSPACE] = [broken(retry_after_s=500.0), whole(first)]
    with opened(tmp_path, "batch_id", first) as ledger:
        rig = Rig(ledger, api)

        await rig.preflight.look_up_sources()
        assert rig.stop.waits == [60.0]  # a listing is not worth more
        assert rig.events == []


async def test_a_source_without_a_workspace_is_found_without_a_listing(
    tmp_path: Path, api: ScriptedApi
) -> None:
    api.batches[SOURCE] = [said(200, {"id": SOURCE})]
    with opened(tmp_path, "batch_id", SOURCE) as ledger:
        assert await Rig(ledger, api).preflight.look_up_sources() == PreflightResult(1, 0, 0, ())


async def test_a_wish_to_stop_ends_the_look_ups_and_fails_nothing(
    tmp_path: Path, api: ScriptedApi
) -> None:
    with opened(tmp_path, "batch_id", SOURCE) as ledger:
        rig = Rig(ledger, api)
        rig.stop.ask(StopReason.SIGNAL)
        await rig.preflight.look_up_sources()

        assert api.calls == []
        assert items(ledger) == [(2, 1, "pending")]


async def test_a_good_token_is_noted_with_its_owner(tmp_path: Path, api: ScriptedApi) -> None:
    with opened(tmp_path) as ledger:
        rig = Rig(ledger, api)

        assert await rig.preflight.check_token() == "me"
        assert connection_of(ledger).execute("SELECT me FROM runs").fetchone()[0] == "me"
        assert rig.server.last_date == 1_772_366_400.0


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_reported_at_once(
    status: int, tmp_path: Path, api: ScriptedApi
) -> None:
    api.owners = [said(status, {}, "bad token")]
    with opened(tmp_path) as ledger:
        rig = Rig(ledger, api)
        with pytest.raises(TokenRefusedError, match=f"HTTP {status}: bad token"):
            await rig.preflight.check_token()

    assert (api.asked("me"), rig.stop.waits) == (1, [])


async def test_an_unclear_answer_is_asked_again_until_the_token_is_known(
    tmp_path: Path, api: ScriptedApi
) -> None:
    api.owners = [
        SILENCE,
        said(502, None, "gateway"),
        said(503, {}, "busy", 40.0),
        said(200, {}),
        GOOD,
    ]
    with opened(tmp_path) as ledger:
        rig = Rig(ledger, api)

        assert await rig.preflight.check_token() == "me"
        assert rig.stop.waits == [1.0, 2.0, 40.0, 8.0]
        assert [event.name for event in rig.events] == ["pace.slowed"] * 4


@pytest.mark.parametrize("reply", [SILENCE, said(500, {}, "oops"), said(429, {}, "slow")])
async def test_an_api_that_stays_unclear_is_given_up_in_time(
    reply: Reply, tmp_path: Path, api: ScriptedApi
) -> None:
    api.owners = [reply]
    with opened(tmp_path) as ledger:
        rig = Rig(ledger, api, give_up_after_s=900.0)
        with pytest.raises(ApiUnusableError, match="no usable answer"):
            await rig.preflight.check_token()

    assert rig.stop.waits[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert 800 < sum(rig.stop.waits) <= 900


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_that_is_longer_than_the_run_may_wait_is_not_begun(
    status: int, tmp_path: Path, api: ScriptedApi
) -> None:
    api.owners = [said(status, {}, "later", 3600.0)]
    with opened(tmp_path) as ledger:
        rig = Rig(ledger, api)
        with pytest.raises(ApiUnusableError):
            await rig.preflight.check_token()

    assert (api.asked("me"), rig.stop.waits) == (1, [])


async def test_a_listing_that_ends_because_the_run_was_asked_to_stop_does_not_say_that_it_continues(
    tmp_path: Path, api: ScriptedApi
) -> None:
    source = api.has(1)
    api.listings[WORKSPACE] = [broken(source)]
    with opened(tmp_path, "batch_id", source) as ledger:
        rig = Rig(ledger, api)
        api.before_listing = lambda: rig.stop.ask(StopReason.SIGNAL)
        await rig.preflight.look_up_sources()
        assert connection_of(ledger).execute("SELECT error FROM listings").fetchone()[0]
        assert rig.events == []
