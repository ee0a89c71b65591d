"""Evenly spaced slots, pauses, and probes while the API is unusable: pure functions that return a
new `Pace`.

Slots lie on an absolute clock. A slot missed by more than an interval is skipped: limiters reject
bursts. (With aiolimiter's leaky bucket, `AsyncLimiter(1, 1/rate)`, 96 % of the rate was reached,
because each wait adds its own lateness; even slots reach 100 %.)"""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.model.replies import Quota
from worker.rate.limit import Limit, rate_at

PROBE_AFTER = 5
"""Unusable answers in a row after which only one request at a time is sent."""

MOST_BACK_OFF_S = 60.0
"""The longest pause if the API does not say how long to wait. Requests left in a longer quota
window are not spread over it: a small job would take all day."""

HORIZON_S = 0.3
"""How long before its slot an item may be claimed: claimed items are unknown after a crash."""

MOMENT_S = 0.01
"""A busy moment of this process: delays up to it are made up for, requests that could leave
together leave at most this far apart, and answers faster than it allow no more to be claimed."""


class Pace(NamedTuple):
    """At most `ceiling` requests a second may be sent (infinite: no ceiling); `limit` is the limit
    that was found.

    `bad` counts unusable answers in a row, `pauses` the pauses since the last usable answer;
    `slowed_at` is when the last one began. The API is unusable since `unusable_since`
    (infinite: it is usable). Until `quota_until`, at most `quota` requests a second are sent."""

    ceiling: float = math.inf
    next_slot: float = -math.inf
    pause_until: float = -math.inf
    bad: int = 0
    pauses: int = 0
    slowed_at: float = -math.inf
    unusable_since: float = math.inf
    limit: Limit = Limit()
    quota: float = math.inf
    quota_until: float = -math.inf


def due(state: Pace) -> float:
    """When the next request may be sent (possibly in the past)."""
    return max(state.next_slot, state.pause_until)


def rate(state: Pace, now: float) -> float:
    """The rate that is allowed (infinite: it is not limited)."""
    allowed = min(state.ceiling, rate_at(state.limit, now))
    return min(allowed, state.quota) if now < state.quota_until else allowed


def after_request(state: Pace, now: float) -> Pace:
    """The pace after a request was sent."""
    seconds = 1.0 / rate(state, now)
    return state._replace(next_slot=following(state.next_slot, now, seconds)) if seconds else state


def following(slot: float, now: float, seconds: float) -> float:
    """The slot after one that was used at `now`: one interval after it, or after `now` if it was
    missed. Less than an interval is made up for, and two in a busy moment: that is two of the three
    requests that a small burst allows."""
    made_up = max(seconds, min(2 * seconds, MOMENT_S))
    return (slot if now - slot < made_up else now) + seconds


def slots_within(state: Pace, now: float, most: float, in_flight: int = 0) -> int:
    """How many requests may be sent within the horizon, at most `most`."""
    ahead = now + HORIZON_S - max(due(state), now)
    if ahead < 0:
        return 0
    if probing(state):
        return 0 if in_flight else 1
    return int(min(most, 1 + ahead * min(rate(state, now), most / HORIZON_S)))


def probing(state: Pace) -> bool:
    """Whether only one request may be under way."""
    return state.bad >= PROBE_AFTER or state.pauses > 1


def after_usable(state: Pace, left_at: float, limit: Limit) -> Pace:
    """The pace after a usable answer to a request sent at `left_at`, which shows this limit. If
    that was before the last pause, it says nothing about the pace since."""
    if limit is state.limit and (state.bad, state.pauses, state.unusable_since) == (0, 0, math.inf):
        return state  # nearly always
    bad, pauses = (state.bad, state.pauses) if left_at < state.slowed_at else (0, 0)
    return state._replace(bad=bad, pauses=pauses, unusable_since=math.inf, limit=limit)


def with_quota(state: Pace, now: float, quota: Quota) -> Pace:
    """The pace after an answer said how many requests are left. If none are, senders wait as if the
    API had asked for it; otherwise they are spread over a short window."""
    if quota.remaining <= 0:
        return paused(state, now, quota.reset_s)
    if not 0 < quota.reset_s <= MOST_BACK_OFF_S:
        return state
    return state._replace(quota=quota.remaining / quota.reset_s, quota_until=now + quota.reset_s)


def paused(state: Pace, now: float, wait: float, *, counts: bool = False) -> Pace:
    """The pace with a pause of at least `wait` seconds, while the API is not usable. A limit that
    is new begins after the pause; an old one does not age during it. With `counts`, it is one more
    pause, which begins now."""
    before, until = max(state.pause_until, now), max(state.pause_until, now + wait)
    limit = state.limit._replace(since=state.limit.since + until - before)
    since = min(now, state.unusable_since)
    state = state._replace(pause_until=until, unusable_since=since, limit=limit)
    return state._replace(pauses=state.pauses + 1, slowed_at=now) if counts else state


def unusable(
    state: Pace, now: float, left_at: float, asked: float | None, jitter: float, *, patient: bool
) -> Pace:
    """The pace after a 5xx, a broken connection or a timeout. With `patient`, single ones cause no
    pause (their items stay unknown and are not sent again). `jitter` is a random number from 0
    to 1."""
    state = paused(state, now, asked or 0.0)._replace(bad=state.bad + 1)
    if left_at < state.slowed_at or (patient and not probing(state)):
        return state
    return paused(state, now, back_off(state.pauses, jitter), counts=True)


def back_off(times: int, jitter: float, first: float = 1.0) -> float:
    """Exponential from `first` seconds on; half is random, so workers do not return together."""
    return min(MOST_BACK_OFF_S, first * 2.0 ** min(times, 16)) * (0.5 + 0.5 * jitter)
