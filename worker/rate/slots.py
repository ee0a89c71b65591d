"""Even slots, pauses that the API asks for, and care while it is unusable: pure functions from a
`Pace` to a `Pace`.

Slots lie on an absolute clock, and one that was missed by more than `lateness` is not caught up
with: a burst is what real limiters reject. (aiolimiter's leaky bucket, told to spread evenly with
`AsyncLimiter(1, 1/rate)`, was measured at 96 % of its rate, because each wait adds its own
lateness; even slots keep 100 %.)"""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.model.replies import Quota
from worker.rate.limit import Limit, rate_at

PROBE_AFTER = 5
"""Unusable answers in a row after which one request at a time asks whether the API is back."""

BACK_OFF_S = 1.0
MOST_BACK_OFF_S = 60.0
"""The first and the longest pause where the API does not say how long to wait."""

HORIZON_S = 0.3
"""How far ahead of its slot an item may be claimed: what is claimed and has not left is unknown
after a crash."""

LONGEST_SPREAD_S = 60.0
"""What is left of a longer window is not spread over it: a small job would take the whole day of a
daily quota."""

LATE_SLOTS = 2
LATE_S = 0.01
"""A slot that is late by less than so many intervals, and by less than so many seconds, is made up
for: a busy moment of this process costs no throughput. Of a limiter's burst of three, one is left
for a busy moment of its own."""


class Pace(NamedTuple):
    """`interval` is the seconds between slots at the ceiling (0: no ceiling), `limit` what is known
    of the API's own limit .

    `bad` counts unusable answers in a row, `pauses` the pauses that they and throttled answers led
    to; `slowed_at` is when the last of these began; `unusable_since` is when the API was last known
    to be usable, None while it is. Until `quota_until` slots are `quota_step` seconds apart at
    least, because the API's headers say so."""

    interval: float
    next_slot: float = -math.inf
    pause_until: float = -math.inf
    bad: int = 0
    pauses: int = 0
    slowed_at: float = -math.inf
    unusable_since: float | None = None
    limit: Limit = Limit()
    quota_step: float = 0.0
    quota_until: float = -math.inf


def pace(ceiling: float | None) -> Pace:
    """The pace at the start, for at most `ceiling` requests a second (None: as many as there are
    senders)."""
    return Pace(0.0 if ceiling is None else 1.0 / ceiling)


def due(state: Pace) -> float:
    """When the next request may leave (it may be in the past)."""
    return max(state.next_slot, state.pause_until)


def step(state: Pace, now: float) -> float:
    """Seconds between two slots now (0: no need to space them)."""
    least = max(state.interval, 1.0 / rate_at(state.limit, now))
    return max(least, state.quota_step) if now < state.quota_until else least


def rate(state: Pace, now: float) -> float | None:
    """Requests a second that may leave now; None where nothing limits them."""
    seconds = step(state, now)
    return 1.0 / seconds if seconds else None


def lateness(seconds: float) -> float:
    """By how much a slot may be missed and is made up for, where slots are so many seconds
    apart."""
    return max(seconds, min(LATE_SLOTS * seconds, LATE_S))


def left(state: Pace, now: float) -> Pace:
    """A request left at `now`: the next slot is one interval after this one's, or after now if that
    is long gone."""
    seconds = step(state, now)
    if not seconds:
        return state
    return state._replace(next_slot=following(state.next_slot, now, seconds))


def following(slot: float, now: float, seconds: float) -> float:
    """The slot after one that was used at `now`, where slots are so many seconds apart."""
    return (slot if now - slot < lateness(seconds) else now) + seconds


def slots_within(state: Pace, now: float, most: int) -> int:
    """How many requests may leave within the horizon, at most `most`."""
    start = due(state)
    if start > now + HORIZON_S:
        return 0
    if probing(state):
        return 1
    seconds = step(state, now)
    return (
        most if seconds == 0 else min(most, 1 + int((now + HORIZON_S - max(start, now)) / seconds))
    )


def probing(state: Pace) -> bool:
    """Whether only one request may be under way."""
    return state.bad >= PROBE_AFTER


def good(state: Pace, left_at: float) -> Pace:
    """A usable answer came to a request that left at `left_at`."""
    if not (state.bad or state.pauses or state.unusable_since is not None):
        return state
    if left_at < state.slowed_at:
        # It left before the throttled answer, so it says nothing about the pace since.
        return state._replace(unusable_since=None)
    return state._replace(bad=0, pauses=0, unusable_since=None)


def with_quota(state: Pace, now: float, quota: Quota) -> Pace:
    """An answer said how many requests are left, and for how long. Where none are, all wait for its
    end, which counts as a wait that the API asks for; in a short window the rest is spread."""
    until = now + quota.reset_s
    if quota.remaining <= 0:
        since = state.unusable_since if state.unusable_since is not None else now
        return state._replace(pause_until=max(state.pause_until, until), unusable_since=since)
    if quota.reset_s > LONGEST_SPREAD_S:
        return state
    return state._replace(quota_step=quota.reset_s / quota.remaining, quota_until=until)


def is_news(state: Pace, left_at: float) -> bool:
    """Whether a throttled answer to a request that left at `left_at` slows anybody: the answers to
    requests that were under way when all slowed down tell nothing more."""
    return left_at >= state.slowed_at


def throttled(state: Pace, now: float, asked: float | None, wait: float, limit: Limit) -> Pace:
    """The API said 'too many': all wait `asked` seconds, or `wait` where it does not say, and keep
    to `limit` then."""
    since = state.unusable_since if state.unusable_since is not None else now
    until = max(state.pause_until, now + (asked or wait))
    slows = bool(asked or wait)
    return state._replace(
        pauses=state.pauses + slows,
        slowed_at=now if slows else state.slowed_at,
        pause_until=until,
        unusable_since=since,
        limit=_after(limit, state, now, until),
    )


def throttled_again(state: Pace, now: float, asked: float | None) -> Pace:
    """… once more, to a request that was under way already: it changes only how long all wait."""
    since = state.unusable_since if state.unusable_since is not None else now
    until = max(state.pause_until, now + (asked or 0.0))
    limit = _after(state.limit, state, now, until)
    return state._replace(pause_until=until, unusable_since=since, limit=limit)


def _after(limit: Limit, state: Pace, now: float, until: float) -> Limit:
    """A limit that begins now, or after a pause, begins after this one. An old one goes on, but for
    the pause: time in which nobody may send says nothing."""
    paused = until - max(state.pause_until, now)
    return limit._replace(since=until if limit.since >= now else limit.since + paused)


def unusable(
    state: Pace, now: float, left_at: float, asked: float | None, jitter: float, *, patient: bool
) -> Pace:
    """No usable answer came: a 5xx, a broken connection, silence. With `patient`, single ones make
    nobody wait (their items stay unknown and are not asked for again); without, the next request
    would only meet the same wall. `jitter` is a random number from 0 to 1."""
    bad = state.bad + 1
    since = state.unusable_since if state.unusable_since is not None else now
    state = state._replace(bad=bad, unusable_since=since)
    if asked:
        state = state._replace(pause_until=max(state.pause_until, now + asked))
    if left_at < state.slowed_at or (patient and bad < PROBE_AFTER):
        return state
    # Answers to requests that were under way make `bad` grow, but not the pauses.
    wait = back_off(state.pauses, jitter)
    return state._replace(
        pauses=state.pauses + 1, slowed_at=now, pause_until=max(state.pause_until, now + wait)
    )


def unusable_for(state: Pace, now: float) -> float:
    """For how many seconds the API has been, and by its own word will be, unusable."""
    if state.unusable_since is None:
        return 0.0
    return max(now, state.pause_until) - state.unusable_since


def back_off(times: int, jitter: float, first: float = BACK_OFF_S) -> float:
    """Exponential from `first` on, with half of it random so that many workers do not come back
    together."""
    whole = min(MOST_BACK_OFF_S, first * 2.0 ** min(times, 16))
    return whole * (0.5 + 0.5 * jitter)
