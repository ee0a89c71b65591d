"""Clocks that tests move by hand, and waits that move them: no test sleeps for a back-off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from worker.model.stop import Stop

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class HandClock:
    """A clock that stands still until `advance`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000.0)

    def advance(self, seconds: float) -> None:
        self.now += seconds


class SkippingStop(Stop):
    """A stop whose waits pass at once on the hand clock, and are noted."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None
        self._clock = clock

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.on_wait()
        self._clock.advance(seconds)
