"""Evenly spaced slots, pauses, and probes while the API is unusable: pure functions that return a
new `Pace`.

Slots lie on an absolute clock. A slot missed by more than `lateness` is skipped, because limiters
reject bursts. (aiolimiter's leaky bucket, set to spread evenly with `AsyncLimiter(1, 1/rate)`,
reached 96 % of its rate, because each wait adds its own lateness; even slots reach 100 %.)"""

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
    """`interval` is the seconds between slots at the ceiling (0: no ceiling), `limit` the limit
    that was found.

    `bad` counts unusable answers in a row, `pauses` the pauses since the last usable answer;
    `slowed_at` is when the last one began. The API is unusable since `unusable_since` (None: it is
    usable). Until `quota_until`, slots are at least `quota_step` seconds apart."""

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
    """The pace at the start, with at most `ceiling` requests a second (None: no ceiling)."""
    return Pace(0.0 if ceiling is None else 1.0 / ceiling)


def due(state: Pace) -> float:
    """When the next request may be sent (possibly in the past)."""
    return max(state.next_slot, state.pause_until)


def step(state: Pace, now: float) -> float:
    """Seconds between two slots (0: no spacing)."""
    least = max(state.interval, 1.0 / rate_at(state.limit, now))
    return max(least, state.quota_step) if now < state.quota_until else least


def rate(state: Pace, now: float) -> float | None:
    """The rate that is allowed; None if it is not limited."""
    seconds = step(state, now)
    return 1.0 / seconds if seconds else None


def after_request(state: Pace, now: float) -> Pace:
    """The pace after a request was sent."""
    seconds = step(state, now)
    return state._replace(next_slot=following(state.next_slot, now, seconds)) if seconds else state


def following(slot: float, now: float, seconds: float) -> float:
    """The slot after one that was used at `now`: one interval after it, or after `now` if it was
    missed. Less than an interval is made up for, and two in a busy moment: that is two of the three
    requests that a small burst allows."""
    made_up = max(seconds, min(2 * seconds, MOMENT_S))
    return (slot if now - slot < made_up else now) + seconds


def slots_within(state: Pace, now: float, most: int) -> int:
    """How many requests may be sent within the horizon, at most `most`."""
    ahead = now + HORIZON_S - max(due(state), now)
    if ahead < 0:
        return 0
    if probing(state):
        return 1
    seconds = step(state, now)
    return min(most, 1 + int(ahead / seconds)) if seconds else most


def probing(state: Pace) -> bool:
    """Whether only one request may be under way."""
    return state.bad >= PROBE_AFTER or state.pauses > 1


def after_usable(state: Pace, left_at: float) -> Pace:
    """The pace after a usable answer to a request sent at `left_at`. If that was before the last
    pause, it says nothing about the pace since."""
    if state.unusable_since is not None:
        state = state._replace(unusable_since=None)
    if left_at < state.slowed_at or not (state.bad or state.pauses):
        return state
    return state._replace(bad=0, pauses=0)


def with_quota(state: Pace, now: float, quota: Quota) -> Pace:
    """The pace after an answer said how many requests are left. If none are, senders wait as if the
    API had asked for it; otherwise they are spread over a short window."""
    if quota.remaining <= 0:
        return paused(state, now, quota.reset_s)
    if quota.reset_s > MOST_BACK_OFF_S:
        return state
    step_s = quota.reset_s / quota.remaining
    return state._replace(quota_step=step_s, quota_until=now + quota.reset_s)


def paused(state: Pace, now: float, wait: float) -> Pace:
    """The pace with a pause of at least `wait` seconds, while the API is not usable."""
    since = now if state.unusable_since is None else state.unusable_since
    until = max(state.pause_until, now + wait)
    return state._replace(pause_until=until, unusable_since=since)


def throttled(state: Pace, now: float, wait: float, limit: Limit) -> Pace:
    """The pace after a throttled answer that makes senders wait for `wait` seconds. A new limit
    begins after the pause; an old one does not age during it."""
    before = max(state.pause_until, now)
    state = paused(state, now, wait)
    until = state.pause_until
    since = until if limit.since >= now else limit.since + until - before
    return state._replace(limit=limit._replace(since=since))


def slowed(state: Pace, now: float) -> Pace:
    """The pace with one more pause counted, which begins now."""
    return state._replace(pauses=state.pauses + 1, slowed_at=now)


def unusable(
    state: Pace, now: float, left_at: float, asked: float | None, jitter: float, *, patient: bool
) -> Pace:
    """The pace after a 5xx, a broken connection or a timeout. With `patient`, single ones cause no
    pause (their items stay unknown and are not sent again). `jitter` is a random number from 0
    to 1."""
    state = paused(state, now, asked or -math.inf)._replace(bad=state.bad + 1)
    if left_at < state.slowed_at or (patient and not probing(state)):
        return state
    return slowed(paused(state, now, back_off(state.pauses, jitter)), now)


def unusable_for(state: Pace, now: float) -> float:
    """Seconds for which the API has been unusable, including a pause that it asks for."""
    since = state.unusable_since
    return 0.0 if since is None else max(now, state.pause_until) - since


def back_off(times: int, jitter: float, first: float = 1.0) -> float:
    """Exponential from `first` seconds on; half of it is random, so that workers do not return
    together."""
    return min(MOST_BACK_OFF_S, first * 2.0 ** min(times, 16)) * (0.5 + 0.5 * jitter)
