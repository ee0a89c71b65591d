"""Holds the pace of all senders, and makes them wait."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable

import anyio

from worker.model.clock import Clock
from worker.model.events import Emit, Event
from worker.model.replies import Quota
from worker.rate import slots
from worker.rate.evidence import BURST, Evidence, restarted
from worker.rate.limit import NO_CEILING, Throttle, accepted, rate_at, throttled
from worker.rate.window import FIRST, Window, answered, spread


class Pacer:
    """Holds one pace for all senders. At most `most` requests are under way. `wait` sleeps up to
    that many seconds, and returns early if the run is asked to stop, which `stopped` reports."""

    def __init__(
        self, ceiling: float | None, most: int, clock: Clock, rng: random.Random, emit: Emit,
        wait: Callable[[float], Awaitable[None]], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.state = slots.Pace(ceiling) if ceiling else slots.Pace(limit=NO_CEILING)
        self.window = Window(most, most if ceiling else min(FIRST, most))
        self._evidence = Evidence()
        self._clock, self._rng = clock, rng
        self._next_place = -math.inf
        self.serve(emit, wait, stopped)

    def serve(
        self, emit: Emit, wait: Callable[[float], Awaitable[None]], stopped: Callable[[], bool]
    ) -> None:
        """Serve the next run of this process. What was learned about the API's pace stays."""
        self._emit, self._wait, self._stopped = emit, wait, stopped
        self.in_flight = 0
        self._queue = anyio.Lock(fast_acquire=True)  # a run may have its own event loop
        self._released = anyio.Event()

    # -- sending

    async def acquire(self, patience: float) -> bool:
        """Wait until a request may be sent, and count it as under way until `release`. False if the
        run is asked to stop, or the wait would be longer than `patience` seconds."""
        deadline = self._clock.monotonic() + patience
        while await self._granted(deadline):
            now, place = self._clock.monotonic(), self._next_place
            self._next_place = slots.following(place, now, spread(self.window))
            if place > now:
                await anyio.sleep(place - now)
            if place <= now or not (self._stopped() or self.waiting_s()):
                return True
            self.release()
        return False

    async def _granted(self, deadline: float) -> bool:
        """Wait until slots and window allow a request, at most until `deadline`, and count it."""
        if not self._stopped() and self._take_slot(self._clock.monotonic()):
            return True
        async with self._queue:
            while not self._stopped():
                now = self._clock.monotonic()
                if self._take_slot(now):
                    return True
                full, at = self._full(), slots.due(self.state)
                if now >= deadline if full else at > deadline:
                    return False
                if full:
                    self._released = anyio.Event()
                    with anyio.move_on_after(deadline - now):
                        await self._released.wait()
                else:
                    await self._wait(at - now)
        return False

    def _take_slot(self, now: float) -> bool:
        """Count a request as under way if it may be sent now."""
        if slots.due(self.state) > now or self._full():
            return False
        self.state = slots.after_request(self.state, now)
        self.in_flight += 1
        return True

    def _full(self) -> bool:
        """Whether no further request may be under way."""
        return self.in_flight >= (1 if slots.probing(self.state) else int(self.window.size))

    def release(self) -> None:
        """A request is no longer under way."""
        self.in_flight -= 1
        self._released.set()

    def prefetch(self) -> int:
        """How many items may be claimed now: as many as are sent soon."""
        size, latency = self.window.size, self.window.latency
        most = size * slots.HORIZON_S / max(latency, slots.MOMENT_S) if latency else size
        return slots.slots_within(self.state, self._clock.monotonic(), max(1, most), self.in_flight)

    def opens_in(self) -> float:
        """Seconds until an item may be claimed again."""
        return max(0.0, slots.due(self.state) - slots.HORIZON_S - self._clock.monotonic())

    def waiting_s(self) -> float:
        """Seconds until the present pause ends; 0 without one."""
        return max(0.0, self.state.pause_until - self._clock.monotonic())

    def rate(self) -> float | None:
        """The rate that is allowed now; None if it is not limited."""
        rate = slots.rate(self.state, self._clock.monotonic())
        return rate if rate < math.inf else None

    def unusable_for(self) -> float:
        """Seconds for which the API has been unusable, including a pause that it asks for."""
        until = max(self._clock.monotonic(), self.state.pause_until)
        return max(0.0, until - self.state.unusable_since)

    # -- answers

    def good(self, left_at: float) -> None:
        """A usable answer came to a request sent at `left_at`."""
        before = self.state
        limit, self._evidence = accepted(before.limit, self._evidence, left_at)
        self.state = slots.after_usable(before, left_at, limit)
        self.window = answered(self.window, self._clock.monotonic() - left_at)
        if before.pauses and not self.state.pauses:
            self._emit(Event("pace.recovered", fields={"rate": self._rounded_rate()}))

    def observe_quota(self, quota: Quota) -> None:
        """An answer's headers say how many requests are left, and for how long."""
        before = self.waiting_s()
        self.state = slots.with_quota(self.state, self._clock.monotonic(), quota)
        if self.waiting_s() > max(before, 1.0):
            self._emit_slowed("the API says that no requests are left for now")

    def throttled(self, left_at: float, asked: float | None) -> None:
        """A throttled answer came to a request sent at `left_at`; the API asks to wait for `asked`
        seconds. Requests sent before the last pause only change how long it lasts."""
        state, now = self.state, self._clock.monotonic()
        current = left_at >= state.slowed_at
        limit, wait = state.limit, asked or 0.0
        if current:
            # Without a held rate, it is guessed from the number under way.
            latency = self.window.latency or max(now - left_at, 1e-3)
            rate = min(slots.rate(state, left_at), self.window.size / latency)
            throttle = Throttle(left_at, now, rate, asked=wait > 0)
            limit, self._evidence = throttled(limit, self._evidence, throttle)
            # Contention needs no wait. A row that it hardly explains is probably a used up window.
            row = self._evidence.in_row > (2 if limit.contention else 1)
            if not asked and (row or limit.since == now):
                slot = 1.0 / min(rate, rate_at(limit, now))
                wait = slots.back_off(state.pauses + row + 1, self._rng.random(), slot)
        counts = current and wait > 0
        self.state = slots.paused(state._replace(limit=limit), now, wait, counts=counts)
        if asked:
            self._evidence = restarted(self._evidence, self.state.pause_until, BURST)
        if counts:
            self._emit_slowed("the API said 'too many requests'")

    def unusable(self, left_at: float, asked: float | None, why: str, *, patient: bool) -> None:
        """No usable answer came, because of `why`."""
        before, now, jitter = self.state, self._clock.monotonic(), self._rng.random()
        self.state = slots.unusable(before, now, left_at, asked, jitter, patient=patient)
        if self.state.slowed_at > before.slowed_at:
            # In a pause the limiter becomes idle, and the time does not count as sending.
            self._evidence = restarted(self._evidence, self.state.pause_until, BURST)
            self._emit_slowed(why)

    def _emit_slowed(self, why: str) -> None:
        fields = {"why": why, "wait_s": round(self.waiting_s(), 3), "rate": self._rounded_rate()}
        self._emit(Event("pace.slowed", "warning", fields))

    def _rounded_rate(self) -> float | None:
        return (rate := self.rate()) and round(rate, 3)
