"""Several processes in one simulated time. Each has a loop of its own, may be stopped for a while,
and its machine may sleep."""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.loop import SimulatedLoop
from tests.simulation.server import Owner


class Pause(NamedTuple):
    """From `at` on, nothing of a process runs for this many seconds. `sleeps`: its machine sleeps,
    so its timers stand still; otherwise the process is stopped."""

    at: float
    seconds: float
    sleeps: bool


class Process(Owner):
    """A process that began `now`. The clock of its loop begins at its own zero."""

    def __init__(self, name: str, loop: SimulatedLoop, now: float) -> None:
        self.name = name
        self.loop = loop
        self.slept = 0.0
        """For how long its machine slept meanwhile, which its loop's clock does not count."""
        self._offset = now - loop.time()
        self._stopped_until = -math.inf
        self._pauses: list[Pause] = []

    def now(self) -> float:
        """The time as its loop has it."""
        return self.loop.time() + self._offset

    def pause(self, pause: Pause) -> None:
        """Stop it, or let its machine sleep, later."""
        insort(self._pauses, pause)

    def due(self) -> float:
        """When it continues. A pause that begins before that is over by then."""
        due = max(self.loop.due() + self._offset, self._stopped_until)
        while self._pauses and self._pauses[0].at <= due:
            pause = self._pauses.pop(0)
            if pause.sleeps:
                self._offset += pause.seconds
                self.slept += pause.seconds
            end = max(pause.at, self._stopped_until) + pause.seconds
            self._stopped_until = self.trouble_at = end
            due = max(self.loop.due() + self._offset, end)
        return due

    def step(self, now: float) -> None:
        """Run what is due `now`."""
        self.loop.step(now - self._offset)


class Timeline:
    """The time that all processes share."""

    def __init__(self, start: float) -> None:
        self._now = start
        self.active: Process | None = None
        """The process that runs at this moment."""
        self._processes: list[tuple[Process, Callable[[], None]]] = []
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = 0

    def now(self) -> float:
        """Seconds since 1970."""
        return self._now if self.active is None else max(self._now, self.active.now())

    def wait(self, seconds: float) -> None:
        """Let time pass without a process."""
        self._now += seconds

    def at(self, when: float, happen: Callable[[], None]) -> None:
        """Call something at this time."""
        self._numbers += 1
        heapq.heappush(self._coming, (when, self._numbers, happen))

    def add(self, process: Process, ended: Callable[[], None]) -> None:
        """Run a process from now on. `ended` is called when it has ended or died."""
        self._processes.append((process, ended))

    def run(self) -> None:
        """Continue until every process has ended and nothing else is due."""
        while self._processes or self._coming:
            due, place = min(
                ((one.due(), place) for place, (one, _) in enumerate(self._processes)),
                default=(math.inf, -1),
            )
            if self._coming and self._coming[0][0] <= due:
                when, _, happen = heapq.heappop(self._coming)
                self._now = max(self._now, when)
                happen()
                continue
            process, ended = self._processes[place]
            self._now = max(self._now, due)
            self.active = process
            try:
                process.step(self._now)
            finally:
                self._now, self.active = self.now(), None
            if process.loop.over:
                self._processes.remove((process, ended))
                ended()
