"""A setup request leaves soon after its intent, or never."""

from __future__ import annotations

from typing import Any, cast

import pytest

from worker.ledger.threads import Database
from worker.model.clock import MachineClock
from worker.model.records import LEAVES_WITHIN_S
from worker.model.setups import Copy, SetupIntent, SetupLabel, SetupResult
from worker.rate.pacer import Pacer
from worker.setup.requests import Requests


class Slept(MachineClock):
    """A clock that a sleep of the machine advances."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Slots:
    """A pacer at which the machine sleeps for `seconds`."""

    def __init__(self, clock: Slept, seconds: float) -> None:
        self._clock, self._seconds, self.in_flight = clock, seconds, 0

    async def acquire(self, patience: float) -> bool:
        self._clock.now += self._seconds
        self.in_flight += 1
        return True

    def release(self) -> None:
        self.in_flight -= 1

    def prefetch(self) -> int:
        return 1

    def opens_in(self) -> float:
        return 0.0


class Commits:
    """Records every intent, and keeps what is recorded as ended."""

    def __init__(self) -> None:
        self.ended: list[SetupResult] = []

    async def call(self, _operation: object, ended: Any, chosen: dict[int, str], _at: str) -> Any:
        self.ended += ended
        label = cast(SetupLabel, None)
        intents = [SetupIntent(1, item, batch, 5) for item, batch in chosen.items()]
        return [(result, label) for result in ended], intents


@pytest.mark.parametrize(
    ("asleep_s", "outcome"),
    [(0.0, "accepted"), (LEAVES_WITHIN_S - 1, "accepted"), (LEAVES_WITHIN_S + 1, "not_left")],
)
async def test_after_a_long_sleep_a_setup_is_taken_back(asleep_s: float, outcome: str) -> None:
    clock, commits = Slept(), Commits()
    slots = Slots(clock, asleep_s)

    async def send(intent: SetupIntent) -> SetupResult:
        return SetupResult(intent, "accepted", "", clock.now)

    requests = Requests(
        cast(Database, commits), clock, cast(Pacer, slots), 1, send, lambda _result, _label: None,
        lambda: clock.now > 100.0,
    )  # fmt: skip
    await requests.run([Copy(1, 2, 1, "batch", "workspace", None, None, None, False, 10.0)])
    assert [result.outcome for result in commits.ended] == [outcome]
    assert slots.in_flight == 0
