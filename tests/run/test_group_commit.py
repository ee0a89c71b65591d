"""What a group commit asks of the ledger, with a ledger that is scripted."""

from __future__ import annotations

import random
from typing import Any, cast

import anyio

from worker.model.clock import MachineClock, ServerClock
from worker.model.differences import Content
from worker.model.records import AttemptResult, Intent
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.group_commit import Claimed, GroupCommit
from worker.run.limits import Gate, Limits, Tally

INTENT = Intent(1, 1, 2, 1, "source", "Wave", "Wave", False, 1, Content(1, None, ()))


def ended(outcome: str) -> AttemptResult:
    at = "2026-03-02T20:00:00.000Z"
    retry = outcome == "not_left"
    return AttemptResult(INTENT, outcome, True, at, at, None, None, None, 0.1, retry=retry)


class ReclaimingDatabase:
    """Gives out its only item, and once more as soon as its first attempt has ended: after a commit
    was rolled back, the ledger claims from the job's beginning."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    async def transact(
        self, _: object, results: list[AttemptResult], again: list[int], *_more: Any
    ) -> Any:
        self.asked.append(again)
        pending = not results or results[0].outcome == "not_left"
        return results, [INTENT] if pending else [], False


async def test_an_item_that_is_claimed_again_waits_to_be_sent_again_no_more() -> None:
    database, stop, clock = ReclaimingDatabase(), Stop(), MachineClock()
    pacer = Pacer(
        None, 1, clock, random.Random(1), lambda event: None, stop.wait, lambda: stop.asked
    )
    limits, tally = Limits(1, None, None, 900.0), Tally()
    commits = GroupCommit(
        cast(Any, database),
        clock,
        ServerClock(),
        pacer,
        lambda event: None,
        Gate(stop),
        limits,
        tally,
    )
    give, take = anyio.create_memory_object_stream[Claimed](20)
    async with give, take, anyio.create_task_group() as group:
        group.start_soon(commits.run, give)
        with anyio.fail_after(10):
            for outcome in ("not_left", "created"):
                assert (await take.receive())[0] is INTENT
                commits.start()
                commits.end(ended(outcome))
    assert database.asked == [[], [], []]
    assert tally.created == 1
