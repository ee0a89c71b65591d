"""When the next request may leave: an even ceiling, pauses that the API asks for, and care while it is unusable.

The rules are pure functions from a `Pace` and a time to a `Pace`; `Pacer` holds one and waits. What a reply means is
not decided here. All times are the monotonic clock's seconds.

Slots lie on an absolute clock, and a slot that was missed by more than its interval is not caught up with: a burst is
what real limiters reject. aiolimiter's leaky bucket was measured at 96 % of its rate when it is told to spread evenly
(`AsyncLimiter(1, 1/rate)`), because each wait adds its own lateness; even slots keep 100 %.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import anyio

from worker.clock import Clock
from worker.events import Emit, Event

PROBE_AFTER = 5
"""Unusable answers in a row after which one request at a time asks whether the API is back."""

BACK_OFF_S = 1.0
MOST_BACK_OFF_S = 60.0
"""The first and the longest pause where the API does not say how long to wait."""

SLOWEST = 0.05
"""The smallest share of the ceiling that push-backs lead to."""

HORIZON_S = 0.3
"""How far ahead of its slot an item may be claimed: what is claimed and has not left is unknown after a crash."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`interval` is the seconds between slots at the ceiling (0: no ceiling), `share` how much of it is used now.

    `bad` counts unusable answers in a row, `pauses` the pauses that they and push-backs led to; `slowed_at` is when
    the last of these began; `unusable_since` is when the API was last known to be usable, None while it is."""

    interval: float
    share: float = 1.0
    next_slot: float = -math.inf
    pause_until: float = -math.inf
    bad: int = 0
    pauses: int = 0
    slowed_at: float = -math.inf
    unusable_since: float | None = None


def pace(ceiling: float | None) -> Pace:
    """The pace at the start, for at most `ceiling` requests a second (None: as many as there are senders)."""
    return Pace(0.0 if ceiling is None else 1.0 / ceiling)


def due(state: Pace) -> float:
    """When the next request may leave (it may be in the past)."""
    return max(state.next_slot, state.pause_until)


def left(state: Pace, now: float) -> Pace:
    """A request left at `now`: the next slot is one interval after this one's, or after now if that is long gone."""
    step = state.interval / state.share
    slot = state.next_slot if now - state.next_slot < step else now
    return replace(state, next_slot=slot + step)


def slots_ahead(state: Pace, now: float, most: int) -> int:
    """How many requests may leave within the horizon, at most `most`."""
    start = due(state)
    if start > now + HORIZON_S:
        return 0
    if probing(state):
        return 1
    step = state.interval / state.share
    return most if step == 0 else min(most, 1 + int((now + HORIZON_S - max(start, now)) / step))


def probing(state: Pace) -> bool:
    """Whether only one request may be under way."""
    return state.bad >= PROBE_AFTER


def good(state: Pace, left_at: float) -> Pace:
    """A usable answer came to a request that left at `left_at`."""
    if left_at < state.slowed_at:
        # It left before the push-back, so it says nothing about the pace since.
        return replace(state, unusable_since=None)
    return replace(state, bad=0, pauses=0, unusable_since=None, share=min(1.0, state.share + 0.02))


def pushed_back(state: Pace, now: float, left_at: float, asked: float | None, jitter: float) -> Pace:
    """The API said 'too many' to a request that left at `left_at`, and asked to wait `asked` seconds.

    One push-back slows all senders once: the answers to requests that were under way then change only how long.
    `jitter` is a random number from 0 to 1."""
    since = state.unusable_since if state.unusable_since is not None else now
    if left_at < state.slowed_at:
        until = max(state.pause_until, now + (asked or 0.0))
        return replace(state, pause_until=until, unusable_since=since)
    wait = asked or _back_off(state.pauses, jitter)
    return replace(
        state, pauses=state.pauses + 1, slowed_at=now, pause_until=max(state.pause_until, now + wait),
        share=max(SLOWEST, state.share * 0.7), unusable_since=since,
    )  # fmt: skip


def unusable(state: Pace, now: float, left_at: float, asked: float | None, jitter: float, *, patient: bool) -> Pace:
    """No usable answer came: a 5xx, a broken connection, silence. With `patient`, single ones make nobody wait (their
    items stay unknown and are not asked for again); without, the next request would only meet the same wall."""
    bad = state.bad + 1
    since = state.unusable_since if state.unusable_since is not None else now
    state = replace(state, bad=bad, unusable_since=since)
    if asked:
        state = replace(state, pause_until=max(state.pause_until, now + asked))
    if left_at < state.slowed_at or (patient and bad < PROBE_AFTER):
        return state
    # Answers to requests that were under way make `bad` grow, but not the pauses.
    wait = _back_off(state.pauses, jitter)
    return replace(state, pauses=state.pauses + 1, slowed_at=now, pause_until=max(state.pause_until, now + wait))


def unusable_for(state: Pace, now: float) -> float:
    """For how many seconds the API has been, and by its own word will be, unusable."""
    if state.unusable_since is None:
        return 0.0
    return max(now, state.pause_until) - state.unusable_since


def _back_off(times: int, jitter: float) -> float:
    """Exponential, with half of it random so that many workers do not come back together."""
    whole = min(MOST_BACK_OFF_S, BACK_OFF_S * 2.0 ** min(times, 10))
    return whole * (0.5 + 0.5 * jitter)


class Pacer:
    """Holds one `Pace` for all senders and makes them wait. `wait` sleeps up to so many seconds and returns early
    when the run is asked to stop, which `stopped` tells."""

    def __init__(
        self, ceiling: float | None, clock: Clock, rng: random.Random, emit: Emit,
        wait: Callable[[float], Awaitable[None]], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.state = pace(ceiling)
        self.in_flight = 0
        self._clock = clock
        self._rng = rng
        self._emit = emit
        self._wait = wait
        self._stopped = stopped
        self._door = anyio.Lock()
        self._landed = anyio.Event()

    async def turn(self, patience: float) -> bool:
        """Wait until a request may leave, and count it as under way (`landed` ends that). False where the run is
        asked to stop, or the wait would be longer than `patience` seconds."""
        deadline = self._clock.monotonic() + patience
        async with self._door:
            while not self._stopped():
                now = self._clock.monotonic()
                if probing(self.state) and self.in_flight:
                    if now >= deadline:
                        return False
                    self._landed = anyio.Event()
                    with anyio.move_on_after(deadline - now):
                        await self._landed.wait()
                    continue
                at = due(self.state)
                if at <= now:
                    self.state = left(self.state, now)
                    self.in_flight += 1
                    return True
                if at > deadline:
                    return False
                await self._wait(at - now)
        return False

    def landed(self) -> None:
        """A request that had its turn is over."""
        self.in_flight -= 1
        self._landed.set()

    def claimable(self, most: int) -> int:
        """How many items may be claimed and wait for their turn now."""
        if probing(self.state) and self.in_flight:
            return 0
        return slots_ahead(self.state, self._clock.monotonic(), most)

    def opens_in(self) -> float:
        """Seconds until something may be claimed again."""
        return max(0.0, due(self.state) - HORIZON_S - self._clock.monotonic())

    def waiting_s(self) -> float:
        """Seconds until sending goes on; 0 where it does."""
        return max(0.0, self.state.pause_until - self._clock.monotonic())

    def unusable_for(self) -> float:
        """Seconds for which the API has been, and by its own word will be, unusable."""
        return unusable_for(self.state, self._clock.monotonic())

    def good(self, left_at: float) -> None:
        """A usable answer came."""
        before = self.state
        self.state = good(before, left_at)
        if before.pauses and not self.state.pauses:
            self._emit(Event("pace.recovered", fields={"share_of_ceiling": round(self.state.share, 3)}))

    def pushed_back(self, left_at: float, asked: float | None) -> None:
        """The API said 'too many'."""
        now = self._clock.monotonic()
        self._slow(pushed_back(self.state, now, left_at, asked, self._rng.random()), "the API said 'too many requests'")

    def unusable(self, left_at: float, asked: float | None, why: str, *, patient: bool) -> None:
        """No usable answer came, and why."""
        now = self._clock.monotonic()
        self._slow(unusable(self.state, now, left_at, asked, self._rng.random(), patient=patient), why)

    def _slow(self, state: Pace, why: str) -> None:
        new = state.slowed_at > self.state.slowed_at
        self.state = state
        if new:
            fields = {"why": why, "wait_s": round(self.waiting_s(), 3), "share_of_ceiling": round(state.share, 3)}
            self._emit(Event("pace.slowed", "warning", fields))
