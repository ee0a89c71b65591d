"""Looking at batches that may be set up, with an API that is scripted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from tests.support.clocks import HandClock
from tests.support.ledgers import WORKSPACE
from worker.api.reader import ListingResult
from worker.api.verdicts import StatusVerdict
from worker.model.batch import Batch, listed
from worker.model.setups import ERROR, UNINITIALISED, Copy
from worker.model.stop import Stop
from worker.setup.looking import Looking


@dataclass
class Api:
    """Lists these batches, and answers what `says` about one; each answer takes `takes` seconds."""

    clock: HandClock
    shown: dict[str, str] = field(default_factory=dict)
    says: StatusVerdict = field(default_factory=lambda: StatusVerdict(UNINITIALISED))
    takes: float = 0.0
    give_up_after_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    async def listing(
        self, _workspace_id: str, take: Callable[[int, Any], Awaitable[None]]
    ) -> ListingResult:
        await take(1, list(map(batch, self.shown, self.shown.values())))
        return ListingResult(1, self.clock.monotonic(), len(self.shown), None)

    async def status(self, batch_id: str) -> StatusVerdict:
        self.asked.append(batch_id)
        self.clock.advance(self.takes)
        return self.says


def batch(batch_id: str, status: str) -> Any:
    return listed(Batch(batch_id, "Wave", status, None, None, WORKSPACE, (), None))


def looking(api: Api) -> Looking:
    return Looking(cast(Any, api), cast(Any, api.clock), Stop())


def copy(number: int) -> Copy:
    return Copy(
        number, number, 1, f"b{number}", WORKSPACE, UNINITIALISED, None, None, False, timeout_s=60.0
    )


async def test_a_batch_that_a_listing_shows_in_error_is_set_up_whatever_a_late_host_says() -> None:
    api = Api(HandClock(), shown={"b1": ERROR, "b2": UNINITIALISED})
    seen = await looking(api).look([copy(1), copy(2)])
    assert api.asked == ["b1"]
    assert {one: what.status for one, what in seen.items()} == {"b1": ERROR, "b2": UNINITIALISED}


async def test_an_api_without_clear_answers_is_not_asked_for_every_batch() -> None:
    api = Api(HandClock(), says=StatusVerdict(again=True), takes=190.0, give_up_after_s=900.0)
    seen = await looking(api).look([copy(number) for number in range(1, 1001)])
    assert len(api.asked) == 5
    assert {what.status for what in seen.values()} == {None}
    assert len(seen) == 1000


async def test_every_batch_is_asked_for_as_long_as_answers_come() -> None:
    api = Api(HandClock(), takes=10.0)
    await looking(api).look([copy(number) for number in range(1, 1001)])
    assert len(api.asked) == 1000
