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
from worker.rate.limit import Throttle, accepted, rate_at, throttled
from worker.rate.window import answered, spread, window

SLOTS = 2.0
"""A throttled answer that lowers the rate and asks for no pause makes all wait for so many slots at
most, if it is the first one."""

GUESSED_S = 0.1
"""How long answers are thought to take before one has come."""

AHEAD_PER_SENDER = 12
"""So many items may wait for each sender, where nothing but the API's speed limits them."""


class Pacer:
    """Holds one pace for all senders and makes them wait. `most` requests may be under way. `wait`
    sleeps up to so many seconds and returns early when the run is asked to stop, which `stopped`
    tells."""

    def __init__(
        self, ceiling: float | None, most: int, clock: Clock, rng: random.Random, emit: Emit,
        wait: Callable[[float], Awaitable[None]], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.state = slots.pace(ceiling)
        self._evidence = Evidence()
        self.window = window(most, gently=ceiling is None)
        self.in_flight = 0
        self._most = most
        self._clock = clock
        self._rng = rng
        self._emit = emit
        self._wait = wait
        self._stopped = stopped
        self._door = anyio.Lock(fast_acquire=True)
        self._landed = anyio.Event()
        self._next_place = -math.inf

    def serve(
        self,
        emit: Emit,
        wait: Callable[[float], Awaitable[None]],
        stopped: Callable[[], bool],
    ) -> None:
        """Serve the next run of this process, after the last one has ended. What was learned about
        the API's pace stays."""
        self._emit, self._wait, self._stopped = emit, wait, stopped
        self.in_flight = 0
        self._door = anyio.Lock(fast_acquire=True)  # the last run may have had its own event loop
        self._landed = anyio.Event()

    # -- leaving

    async def acquire(self, patience: float) -> bool:
        """Wait until a request may leave, and count it as under way (`release` ends that). False
        where the run is asked to stop, or the wait would be longer than `patience` seconds."""
        deadline = self._clock.monotonic() + patience
        while await self._granted(deadline):
            if (wait := self._place()) > 0:
                await anyio.sleep(wait)
            if wait <= 0 or not (self._stopped() or self.waiting_s()):
                return True
            self.release()
        return False

    def _place(self) -> float:
        """Take the next place among those that may leave at once; seconds until it is there."""
        now, place = self._clock.monotonic(), self._next_place
        self._next_place = slots.following(place, now, spread(self.window))
        return place - now

    async def _granted(self, deadline: float) -> bool:
        """Wait until the slots and the window let a request leave, at most until `deadline`."""
        if not self._stopped() and self._leaves(self._clock.monotonic()):
            return True
        async with self._door:
            while not self._stopped():
                now = self._clock.monotonic()
                if self._leaves(now):
                    return True
                if self._full():
                    if now >= deadline:
                        return False
                    self._landed = anyio.Event()
                    with anyio.move_on_after(deadline - now):
                        await self._landed.wait()
                    continue
                at = slots.due(self.state)
                if at > deadline:
                    return False
                await self._wait(at - now)
        return False

    def _leaves(self, now: float) -> bool:
        """Let a request leave now, if it may."""
        if slots.due(self.state) > now or self._full():
            return False
        self.state = slots.left(self.state, now)
        self.in_flight += 1
        return True

    def _full(self) -> bool:
        """Whether as many are under way as may be."""
        return self.in_flight >= (1 if slots.probing(self.state) else int(self.window.size))

    def release(self) -> None:
        """A request that had its turn is over."""
        self.in_flight -= 1
        self._landed.set()

    # -- claiming

    def prefetch(self) -> int:
        """How many items may be claimed and wait for their turn: as many as leave soon."""
        if slots.probing(self.state) and self.in_flight:
            return 0
        latency = self.window.latency
        most = self.window.size * (slots.HORIZON_S / latency if latency else 1.0)
        most = max(1.0, min(most, AHEAD_PER_SENDER * self._most))
        return slots.slots_within(self.state, self._clock.monotonic(), int(most))

    def opens_in(self) -> float:
        """Seconds until something may be claimed again."""
        return max(0.0, slots.due(self.state) - slots.HORIZON_S - self._clock.monotonic())

    # -- for people and for the end of a run

    def waiting_s(self) -> float:
        """Seconds until sending goes on; 0 where it does."""
        return max(0.0, self.state.pause_until - self._clock.monotonic())

    def rate(self) -> float | None:
        """Requests a second that may leave now; None where nothing limits them."""
        return slots.rate(self.state, self._clock.monotonic())

    def unusable_for(self) -> float:
        """Seconds for which the API has been, and by its own word will be, unusable."""
        return slots.unusable_for(self.state, self._clock.monotonic())

    # -- answers

    def good(self, left_at: float) -> None:
        """A usable answer came to a request that left at `left_at`."""
        before = self.state
        self.state = slots.good(before, left_at)
        limit, self._evidence = accepted(before.limit, self._evidence, left_at)
        if limit is not before.limit:
            self.state = self.state._replace(limit=limit)
        self.window = answered(self.window, self._clock.monotonic() - left_at)
        if before.pauses and not self.state.pauses:
            self._emit(Event("pace.recovered", fields={"rate": self._told_rate()}))

    def observe_quota(self, quota: Quota) -> None:
        """An answer's headers say how many requests are left, and for how long."""
        before = self.waiting_s()
        self.state = slots.with_quota(self.state, self._clock.monotonic(), quota)
        if self.waiting_s() > max(before, 1.0):
            self._tell("the API says that no requests are left for now")

    def throttled(self, left_at: float, asked: float | None) -> None:
        """The API said 'too many' to a request that left at `left_at`, and asked to wait `asked`
        seconds."""
        state, now = self.state, self._clock.monotonic()
        if not slots.is_news(state, left_at):
            self.state = slots.throttled_again(state, now, asked)
            self._rest(asked)
            return
        held = slots.rate(state, left_at)
        # If no pace is held, the requests under way are the limit.
        rate = min(held or math.inf, self.window.size / (self.window.latency or GUESSED_S))
        throttle = Throttle(left_at, now, rate, paced=held is not None, asked=bool(asked))
        limit, self._evidence = throttled(state.limit, self._evidence, throttle)
        # One that changes nothing, as under contention, makes nobody wait; a row of them does.
        in_row = self._evidence.in_row > (2 if limit.contention else 1)
        slows, wait = limit.since == now or in_row, 0.0
        if slows:
            first = SLOTS / min(rate, rate_at(limit, now))
            wait = slots.back_off(state.pauses + in_row, self._rng.random(), first)
        self.state = slots.throttled(state, now, asked, wait, limit)
        self._rest(asked)
        if slows or asked:
            self._tell("the API said 'too many requests'")

    def _rest(self, asked: float | None) -> None:
        """A limiter rests in a pause that the API asks for."""
        if asked:
            self._evidence = restarted(self._evidence, self.state.pause_until, BURST)

    def unusable(self, left_at: float, asked: float | None, why: str, *, patient: bool) -> None:
        """No usable answer came, and why."""
        now = self._clock.monotonic()
        before = self.state
        self.state = slots.unusable(
            before, now, left_at, asked, self._rng.random(), patient=patient
        )
        if self.state.slowed_at > before.slowed_at:
            self._tell(why)

    def _tell(self, why: str) -> None:
        fields = {"why": why, "wait_s": round(self.waiting_s(), 3), "rate": self._told_rate()}
        self._emit(Event("pace.slowed", "warning", fields))

    def _told_rate(self) -> float | None:
        rate = self.rate()
        return None if rate is None else round(rate, 3)
