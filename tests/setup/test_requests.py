"""Setup requests by themselves: what leaves, and what is taken back."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.support.clocks import HandClock
from worker.ledger.threads import Database
from worker.model.clock import iso
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S
from worker.model.setups import Copy, SetupIntent, SetupLabel, SetupResult
from worker.rate.pacer import Pacer
from worker.setup.requests import Requests


class Pace:
    """Gives a slot at once, after `sleeps` seconds in which the machine slept."""

    def __init__(self, clock: HandClock, sleeps: float) -> None:
        self.clock, self.sleeps, self.released = clock, sleeps, 0

    def prefetch(self) -> int:
        return 5

    def opens_in(self) -> float:
        return 0.0

    async def acquire(self, _patience: float) -> bool:
        self.clock.advance(self.sleeps)
        self.sleeps = 0.0
        return True

    def release(self) -> None:
        self.released += 1


class Records:
    """Records one setup; its first commit takes `takes` seconds."""

    def __init__(self, clock: HandClock, takes: float) -> None:
        self.clock, self.takes = clock, takes
        self.outcomes: list[str] = []

    async def call(self, _commit: object, ended: list[SetupResult], chosen: Any, _at: str) -> Any:
        self.clock.advance(self.takes)
        self.takes = 0.0
        self.outcomes += [result.outcome for result in ended]
        return [], [SetupIntent(7, item, batch, 3) for item, batch in chosen.items()]


@pytest.mark.parametrize(
    ("sleeps", "takes"),
    [(INTENT_EXPIRES_AFTER_S + 1, 0.0), (0.0, INTENT_EXPIRES_AFTER_S + 1)],
    ids=["the machine slept", "the commit took long"],
)
async def test_a_setup_that_waited_too_long_is_taken_back_and_does_not_leave(
    sleeps: float, takes: float
) -> None:
    """Another machine that has taken over counts on that."""
    clock = HandClock()
    pace, records = Pace(clock, sleeps), Records(clock, takes)
    left: list[float] = []

    async def send(intent: SetupIntent) -> SetupResult:
        left.append(clock.monotonic())
        return SetupResult(intent, "accepted", iso(clock.wall()), clock.monotonic())

    def note(_result: SetupResult, _label: SetupLabel) -> None:
        pass

    requests = Requests(
        cast(Database, records), clock, cast(Pacer, pace), 4, send, note, lambda: False
    )
    await requests.run([Copy(1, 1, 1, "batch", "", None, None, None, True, 60.0)])
    assert records.outcomes == ["not_left", "accepted"]
    assert len(left) == 1
    assert pace.released == (2 if sleeps else 1)
