"""What is known of the rate that the API allows, where nobody says it: pure functions, tabled in tests.

Limiters are buckets: they take so many requests a second, and a burst besides. So a push-back says two things. The
rate that was sustained until then, less a burst, is a guess at the limit; and between two push-backs without a pause,
when the bucket is empty, what was taken is the limit, to one request. Hence:

- a guess that rests on few requests is **vague**: the rate goes back to it and then nears the rate that was pushed
  back, so that the next push-back, which comes soon, tells more;
- one that rests on many is **sharp**: the rate stays just under it, and now and then it is tried whether more is
  allowed, slowly at first, then faster: each trial costs a push-back or two. Trials that fail become rarer. After the
  limit has fallen they come sooner: what fell may rise again.

docs/pace.md shows what that does to limits that stand still, move, or are shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BURST = 4.0
"""Requests that a limiter is thought to allow at once, besides its rate."""

RESTED_BURST = 6.0
"""The same after a pause that the API asked for, when push-backs are dear: rather too slow than one more of them."""

SHARP = 25
"""A guess that rests on so many requests is sharp."""

MARGIN = 0.01
"""How far the rate stays under a sharp guess."""

LEAST_SHARE = 0.5
"""How much of the rate that was pushed back is left at least, where the guess is vague."""

FEW = 15.0
"""Requests that time constants last for at low rates: fewer say nothing."""

CALM_S = 1.0
NEARING_S = 1.5
FASTER_S = 5.0
WINDOW_S = 1.0
"""Seconds: after which a push-back begins a new series; in which a vague rate nears the one that was pushed back; in
which a trial doubles the rate; over which a rate counts as sustained. At low rates they last for `FEW` requests."""

HOLD_S = 8.0
SOON_HOLD_S = 4.0
DEAR_HOLD_S = 10.0
LONGEST_HOLD_S = 60.0
"""Seconds without trials: at first (doubled by each that fails), after the limit fell, where push-backs are dear."""

SOON_TRIALS = 3
"""So many trials come soon after the limit fell."""

MOVED = 0.2
"""A guess that differs by this share from the last one says that the limit has moved."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What is known, from `since` on: the rate begins with `start`. `near` is the rate that it nears where the guess
    is vague (None: it is sharp); then, or after `hold` seconds, more is tried.

    `roof` is the last sharp guess (0: none), `trials` counts those that failed, `fell` tells that the limit fell."""

    start: float
    since: float
    near: float | None = None
    hold: float = HOLD_S
    roof: float = 0.0
    trials: int = 0
    fell: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a push-back rests on: `rate` at which the request left, the `guess` at the limit, whether that is `sharp`,
    and whether the API asked for a pause."""

    rate: float
    guess: float
    sharp: bool
    asked: bool


def rate_at(limit: Limit, now: float) -> float:
    """Requests a second that may leave at `now`."""
    seconds = max(0.0, now - limit.since)
    faster = lasting(FASTER_S, limit.start, 4 * FEW)
    if limit.near is None:
        return limit.start * _more(seconds - limit.hold, faster)
    nearing = lasting(NEARING_S, limit.start, 2 * FEW)
    gap = (limit.near - limit.start) * math.exp(-min(seconds / nearing, 3.0))
    return (limit.near - gap) * _more(seconds - 3 * nearing, faster)


def _more(seconds: float, faster: float) -> float:
    """By how much more is tried, so many seconds after a trial began: slowly, then faster."""
    return float(2.0 ** min(30.0, (max(0.0, seconds) / faster) ** 2))


def lasting(seconds: float, rate: float, requests: float = FEW) -> float:
    """A time constant: so many seconds, or as long as so many requests take."""
    return max(seconds, requests / rate)


def sustained(left: Sequence[float], until: float, since: float, burst: float) -> tuple[float, int, float]:
    """The highest rate at which requests left (their times, in order) over any time that ended at `until`, began
    after `since` and was long enough, less a burst; how many left since then, and in how many seconds."""
    best, taken, whole, first = 0.0, 0, 0.0, until
    for at in reversed(left):
        if at >= until:
            continue
        if at < since:
            break
        taken += 1
        first = at
        seconds = until - at
        if seconds >= lasting(WINDOW_S, taken / seconds):
            best = max(best, (taken - burst) / seconds)
    if best <= 0.0 and taken:
        whole = max(taken - burst, 0.5) / max(until - first, 1e-3)
    return best or whole, taken, until - first


def is_sharp(taken: int, seconds: float, rate: float, *, asked: bool) -> bool:
    """Whether a guess that rests on so many requests in so many seconds is sharp. Where the burst is only guessed at,
    it needs some time to be outweighed, but for where each push-back is dear."""
    return taken >= SHARP and (asked or seconds >= 2 * lasting(WINDOW_S, rate))


def counted(left: Sequence[float], until: float, mark: float, rejected: int) -> tuple[float, int]:
    """The rate at which requests were taken between two push-backs, to requests that left at `mark` and at `until`;
    `rejected` of those in between were not taken. And how many were."""
    taken = max(0, sum(mark <= at < until for at in left) - rejected)
    return max(taken, 0.5) / max(until - mark, 1e-3), taken


def learned(limit: Limit | None, evidence: Evidence, now: float) -> Limit:
    """What is known after a push-back."""
    rate = evidence.rate
    before = limit or Limit(rate, now)
    guess = min(max(evidence.guess, 0.1 * rate), 0.99 * rate)
    if limit is not None and limit.near is None:
        # It was sustained for a while, so the limit is above it.
        guess = max(guess, limit.start + 0.2 * (rate - limit.start))
    fell, trials = before.fell, before.trials
    if before.roof and guess < (1 - MOVED) * before.roof:
        fell, trials = True, 0
    elif evidence.sharp and before.roof and guess > (1 + MOVED) * before.roof:
        trials = 0
    if not evidence.sharp:
        start = max(min(guess, 0.9 * rate), LEAST_SHARE * rate)
        return Limit(start, now, rate, before.hold, before.roof, trials, fell)
    if evidence.asked:
        hold = DEAR_HOLD_S * 2.0**trials
    elif fell:
        hold = SOON_HOLD_S * 2.0 ** max(0, trials - SOON_TRIALS)
    else:
        hold = HOLD_S * 2.0**trials
    hold = min(LONGEST_HOLD_S, hold)
    return Limit(guess * (1 - MARGIN), now, None, hold, guess, trials + 1, fell)
