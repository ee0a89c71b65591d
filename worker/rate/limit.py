"""The rate that the API allows, as far as its answers show: pure functions. docs/pace.md explains
the rule.

A throttled answer has one of two causes: a rate above a limit, or contention, which throttles a
share of requests at any rate. If a limit is the cause, it is about the rate that was accepted. So a
rate slightly lower is held as a test: there a limiter stops throttling, contention does not."""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.rate.evidence import (
    BURST,
    CONFIDENT,
    RARE,
    Evidence,
    anew,
    estimate,
    restarted,
    share,
    with_accepted,
    with_throttled,
)

MARGIN = 0.01
"""How far the rate stays under an estimate; a trial that gains three times as much is repeated."""

LEAST_LEFT = 0.7
"""Share of the rate that is kept at least if the estimate is not confident."""

LEAST_AT_START = 0.15
"""The same at the start of a run without a ceiling, where the rate is only a guess."""

HOLD_S = 3.5
"""Seconds to hold a rate before a higher one is tried; a trial doubles it in as many."""

FEW = 30
"""Requests that doubling a low rate takes at least; a hold takes twice as many."""

LONGEST_HOLD = 8
"""Failed trials double the hold, up to this many times the first one."""

ASKED = 3
"""How much rarer trials are if throttled answers ask for a pause."""

OVERSHOOT = 0.125
"""A repeated trial raises the rate this far towards the throttled one: the average of a rising rate
lags behind, and a limit that counts in windows accepts no burst to make up for it."""

MOVED = 6.0
"""The limit has moved if the score rises this far above its lowest value (CUSUM)."""

SURE = 3.0
"""A test ends at this score (contention) or its negative (a limit): Wald's sequential test. As long
as few were sent, `MOVED` is necessary to lower the rate again: unlucky answers began the test."""

MOST_CONTENTION = 0.2
"""A larger share of throttled answers is always taken for a limit."""


class Limit(NamedTuple):
    """The rate since `since`: it begins at `start` (infinite: no limit is known) and approaches
    `target`, or is held for `hold` seconds; then a higher one is tried. `trials` have failed.

    While a rate is tested, `proven` is false; if contention was the cause, the rate returns to
    `top`. `contention` is the share of requests that is throttled at any rate."""

    start: float = math.inf
    since: float = -math.inf
    target: float | None = None
    hold: float = 0.0
    trials: int = 0
    proven: bool = True
    top: float = 0.0
    contention: float = 0.0


class Throttle(NamedTuple):
    """A throttled answer that came at `now` to a request sent at `left_at`, at `rate` (guessed from
    the number under way unless `paced`). `asked`: the API asked for a pause."""

    left_at: float
    now: float
    rate: float
    paced: bool = True
    asked: bool = False


def rate_at(limit: Limit, now: float) -> float:
    """The rate that is allowed at `now`."""
    if limit.start == math.inf:
        return math.inf
    seconds = max(0.0, now - limit.since)
    if limit.target is not None:
        nearing = at_least(HOLD_S / 2, limit.target, FEW)
        gap = (limit.target - limit.start) * math.exp(-min(seconds / nearing, 3.0))
        return (limit.target - gap) * _growth(seconds - 2 * nearing, limit)
    return limit.start * _growth(seconds - limit.hold, limit) if limit.proven else limit.start


def _growth(seconds: float, limit: Limit) -> float:
    """The factor of a trial after this many seconds: it grows slowly at first."""
    doubling = at_least(HOLD_S, limit.start, FEW)
    return float(2.0 ** min(30.0, (max(0.0, seconds) / doubling) ** 2))


def at_least(seconds: float, rate: float, requests: int) -> float:
    """Seconds, or the longer time that this many requests take."""
    return max(seconds, requests / rate)


def held_for(trials: int, rate: float, *, asked: bool) -> float:
    """Seconds until a higher rate is tried, after this many failed trials."""
    hold = at_least(HOLD_S, rate, 2 * FEW) * min(2.0**trials, LONGEST_HOLD)
    return hold * ASKED if asked else hold


def is_limit(in_row: int, contention: float) -> bool:
    """Whether so many throttled answers in a row are too unlikely under contention. Unknown
    contention may be half the most, known contention twice what was measured."""
    return -in_row * math.log(max(2 * contention, MOST_CONTENTION / 2)) >= MOVED + SURE


def is_trial(limit: Limit, left_at: float) -> bool:
    """Whether a request sent at `left_at` tried a higher rate than the one held."""
    return limit.proven and limit.start < math.inf and left_at >= limit.since + limit.hold


def usual(limit: Limit) -> float:
    """The share of throttled answers to expect."""
    return max(RARE, limit.contention)


def accepted(limit: Limit, seen: Evidence, left_at: float) -> tuple[Limit, Evidence]:
    """The limit and the evidence after a request sent at `left_at` was accepted."""
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    began = limit.since + limit.hold
    if is_trial(limit, left_at) and limit.hold and not limit.contention and seen.mark < began:
        seen = restarted(seen, began, BURST)  # after a hold the limiter is not full
    if left_at < max(limit.since, seen.mark):
        return limit, seen._replace(taken=seen.taken + (left_at >= seen.mark), in_row=0)
    seen = with_accepted(seen, usual(limit))
    if limit.proven:
        return limit, seen._replace(score=max(0.0, seen.score))
    if limit.target is not None or seen.score > -SURE:
        return limit, seen
    # The limit was the cause, so there is less contention than was assumed, if any.
    contention = limit.contention / 2 if limit.contention > 2 * RARE else 0.0
    hold = max(limit.hold, left_at - limit.since)
    return limit._replace(hold=hold, proven=True, contention=contention), anew(seen)


def throttled(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """The limit and the evidence after a throttled answer. A new rate begins at `throttle.now`."""
    left_at, asked, first = throttle.left_at, throttle.asked, not seen.in_row
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    trial = is_trial(limit, left_at) and first and (asked or not limit.contention)
    if limit.proven and first and not trial:
        if limit.start < math.inf and not limit.contention and seen.taken >= 4 * CONFIDENT:
            start = min(limit.start, estimate(seen._replace(first=left_at)) * (1 - MARGIN))
            limit, seen = limit._replace(start=start), restarted(seen, left_at)
        if throttle.paced and not asked and seen.score <= 0:
            seen = restarted(anew(seen), left_at)  # the evidence for a change begins here
    before, seen = seen.score, with_throttled(seen, usual(limit), left_at)
    at_start = not throttle.paced or limit.target is not None
    if at_start or is_limit(seen.in_row, limit.contention):
        return _lowered(limit, seen, throttle)
    if trial:
        return _trial_failed(limit, seen._replace(score=before), throttle)
    few = seen.sent < 2 * CONFIDENT
    if seen.score < (MOVED if limit.proven or few else SURE):
        return limit, seen
    if limit.proven or share(seen) > MOST_CONTENTION or few:
        return _lowered(limit, seen, throttle)
    start = max(limit.top, limit.start)
    found = Limit(start, throttle.now, trials=limit.trials, contention=share(seen))
    return found, restarted(anew(seen), seen.first)


def _trial_failed(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """A throttled answer in a trial: the limit is between the rate held and the rate tried. The
    first trial, and each that gains, is repeated at once, unless that costs a pause: then the
    limiter is full."""
    guess = estimate(seen) * (1 - MARGIN)
    if not limit.hold:
        guess += OVERSHOOT * (throttle.rate - guess)
    start = max(limit.start, min(guess, (limit.start + throttle.rate) / 2))
    trials = limit.trials + 1
    hold = held_for(trials, start, asked=throttle.asked)
    first = limit.hold > 0 and limit.trials == 0
    if not throttle.asked and (first or start > (1 + 3 * MARGIN) * limit.start):
        trials, hold = limit.trials, 0.0
    tried = limit._replace(start=start, since=throttle.now, hold=hold, trials=trials)
    return tried, restarted(seen, seen.first)


def _lowered(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """The rate may be too high: lower it to an estimate of the limit, and test that."""
    rate, paced, asked = throttle.rate, throttle.paced, throttle.asked
    at_start = not paced or limit.target is not None
    top = 0.0 if at_start else rate
    start = min(estimate(seen) / (1 - limit.contention), rate) * (1 - MARGIN)
    lowered = limit._replace(
        start=start, since=throttle.now, target=None, hold=0.0, proven=False,
        top=top if limit.proven else max(limit.top, top),
        trials=-1 if limit.proven and limit.start < math.inf else limit.trials,
    )  # fmt: skip
    confident = paced and seen.taken >= CONFIDENT
    if confident or seen.burst > 1:
        seen = restarted(seen, seen.first)
    seen = seen._replace(score=0.0)
    if confident:
        return lowered._replace(hold=held_for(lowered.trials, start, asked=asked)), seen
    start = max(start, (LEAST_LEFT if paced else LEAST_AT_START) * rate)
    target = (2 * start if asked else rate) if at_start else None
    return lowered._replace(start=start, target=target), seen
