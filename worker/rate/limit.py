"""What is known of the rate that the API allows, if nobody says it: pure functions, tabled in
tests. docs/pace.md explains the rule.

A throttled answer has one of two causes: the rate is above a limit, or there is contention, which
throttles a share of requests at any rate. If a share is throttled and a limit is the cause, the
limit is about what was accepted. So a rate just under that is held as a test: a limiter's throttled
answers end there, those of contention continue."""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.rate.evidence import (
    BURST,
    CONFIDENT,
    RARE,
    Evidence,
    at_new_rate,
    cleared,
    estimate,
    restarted,
    share,
    with_accepted,
    with_throttled,
)

MARGIN = 0.01
"""How far the rate stays under a confident estimate."""

LEAST_LEFT = 0.7
LEAST_AT_START = 0.15
"""Share of a rate that is kept at least if the estimate is not confident, and of what was under way
at the start of a run, where no pace is held."""

HOLD_S = 3.5
"""Seconds for which a rate is held before a higher one is tried; a trial doubles it in as many."""

FEW = 30
"""Requests that a trial takes at least to double a low rate; it is held for twice as many."""

LONGEST_HOLD = 8
"""Trials that fail double the hold, up to so many times the first one."""

ASKED = 3
"""How much rarer trials are if a throttled answer costs a pause that the API asks for."""

FAR = 1.03
"""If a trial shows that so many times the held rate is possible, the next one comes at once."""

MOVED = 6.0
"""The limit has moved if the score rises so far above its lowest value (CUSUM)."""

SURE = 3.0
"""A test ends at this score (contention) or its negative (a limit): Wald's sequential test."""

MOST_CONTENTION = 0.2
"""A larger share of throttled answers is always taken for a limit."""


class Limit(NamedTuple):
    """From `since` on the rate begins with `start` (infinite: no limit is known). It approaches
    `target`, or is held for `hold` seconds (None); then more is tried, and `trials` counts those
    that failed.

    `proven`: it is not tested whether the rate is the cause of throttled answers. If contention is
    the cause after all, the rate goes back to `top`. `contention` is the share of requests that is
    throttled at any rate."""

    start: float = math.inf
    since: float = -math.inf
    target: float | None = None
    hold: float = 0.0
    trials: int = 0
    proven: bool = True
    top: float = 0.0
    contention: float = 0.0


class Throttle(NamedTuple):
    """A throttled answer that came at `now`, to a request that left at `left_at`, at a pace of
    `rate`. `paced`: a pace was held, so that `rate` is not only what was under way. `asked`: the
    API asked for a pause."""

    left_at: float
    now: float
    rate: float
    paced: bool = True
    asked: bool = False


def rate_at(limit: Limit, now: float) -> float:
    """Requests a second that may leave at `now`."""
    if limit.start == math.inf:
        return math.inf
    seconds = max(0.0, now - limit.since)
    if limit.target is not None:
        nearing = lasting(HOLD_S / 2, limit.target, FEW)
        gap = (limit.target - limit.start) * math.exp(-min(seconds / nearing, 3.0))
        return (limit.target - gap) * _more(seconds - 2 * nearing, limit)
    return limit.start * _more(seconds - limit.hold, limit) if limit.proven else limit.start


def _more(seconds: float, limit: Limit) -> float:
    """By how much more is tried, so many seconds after a trial began: slowly, then faster."""
    doubling = lasting(HOLD_S, limit.start, FEW)
    return float(2.0 ** min(30.0, (max(0.0, seconds) / doubling) ** 2))


def lasting(seconds: float, rate: float, requests: int) -> float:
    """So many seconds, or as long as so many requests take."""
    return max(seconds, requests / rate)


def held_for(trials: int, rate: float, *, asked: bool) -> float:
    """Seconds until more is tried, after so many trials that failed."""
    hold = lasting(HOLD_S, rate, 2 * FEW) * min(2.0**trials, LONGEST_HOLD)
    return hold * ASKED if asked else hold


def is_no_chance(in_row: int, contention: float) -> bool:
    """Whether so many throttled answers in a row are too many for contention, known or not."""
    return -in_row * math.log(max(2 * contention, MOST_CONTENTION / 2)) >= MOVED + SURE


def is_trial(limit: Limit, left_at: float) -> bool:
    """Whether a request that left at `left_at` tried more than the rate that is held."""
    return limit.proven and limit.start < math.inf and left_at >= limit.since + limit.hold


def accepted(limit: Limit, seen: Evidence, left_at: float) -> tuple[Limit, Evidence]:
    """What is known after a request that left at `left_at` was accepted."""
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    began = limit.since + limit.hold
    if is_trial(limit, left_at) and limit.hold and not limit.contention and seen.mark < began:
        seen = restarted(seen, began, BURST)  # the limiter is not full when a trial begins
    if left_at < max(limit.since, seen.mark):
        return limit, seen._replace(taken=seen.taken + (left_at >= seen.mark), in_row=0)
    seen = with_accepted(seen, usual(limit))
    if limit.proven:
        return limit, seen._replace(score=max(0.0, seen.score))
    if limit.target is not None or seen.score > -_sure(seen):
        return limit, seen
    # The limit was the cause. What is throttled in spite of it is contention.
    contention = limit.contention / 2
    if seen.throttled > 1:
        contention = limit.contention or seen.throttled / seen.sent
    hold = max(limit.hold, left_at - limit.since)
    contention = contention if contention > RARE else 0.0
    return limit._replace(hold=hold, proven=True, contention=contention), cleared(seen)


def throttled(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """What is known after a throttled answer. A new rate begins at `throttle.now`."""
    left_at, contended = throttle.left_at, limit.contention > 0.0
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    trial = is_trial(limit, left_at) and not contended and not seen.in_row
    if limit.proven and limit.start < math.inf and not (contended or trial or seen.in_row):
        if seen.taken >= ASKED * CONFIDENT:
            seen = seen._replace(first=left_at)
            limit = limit._replace(start=min(limit.start, estimate(seen) * (1 - MARGIN)))
            seen = restarted(seen, left_at)
    quiet = limit.proven and seen.score <= 0.0 and not seen.in_row
    if quiet and throttle.paced and not throttle.asked and not trial:
        seen = restarted(cleared(seen), left_at)
    before, seen = seen.score, with_throttled(seen, usual(limit), left_at)
    at_start = not throttle.paced or limit.target is not None
    if at_start or is_no_chance(seen.in_row, limit.contention):
        return _lowered(limit, seen, throttle)
    if trial:
        return _trial_failed(limit, seen._replace(score=before), throttle)
    if limit.proven and seen.score >= MOVED:
        return _lowered(limit, seen, throttle)
    if limit.proven:
        return limit, seen
    if seen.score < _sure(seen):
        return limit, seen
    if share(seen) > MOST_CONTENTION or seen.earlier[0] + seen.sent < 2 * CONFIDENT:
        return _lowered(limit, seen, throttle)
    start = max(limit.top, limit.start)
    found = Limit(start, throttle.now, trials=limit.trials, contention=share(seen))
    return found, restarted(cleared(seen), seen.first)


def usual(limit: Limit) -> float:
    """The share of throttled answers that is no news."""
    return max(RARE, limit.contention)


def _sure(seen: Evidence) -> float:
    """The score that ends a test. One that takes long ends with what is likelier."""
    return SURE if seen.sent < 4 * CONFIDENT else 0.0


def _trial_failed(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """… after a throttled answer in a trial: the limit is between what was held and what was
    tried."""
    guess = estimate(seen) * (1 - MARGIN)
    if not limit.hold:
        guess += (throttle.rate - guess) / 8
    guess = min(guess, (limit.start + throttle.rate) / 2)
    start, trials = max(limit.start, guess), limit.trials + 1
    hold = held_for(trials, start, asked=throttle.asked)
    first = limit.hold > 0 and limit.trials == 0 and not throttle.asked
    if first or start > FAR * limit.start:
        trials, hold = limit.trials, 0.0
    tried = limit._replace(start=start, since=throttle.now, hold=hold, trials=trials)
    return tried, restarted(seen, seen.first)


def _lowered(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """… if the rate may be too high: an estimate of the limit, and a test of it."""
    rate, paced, asked = throttle.rate, throttle.paced, throttle.asked
    at_start = not paced or limit.target is not None
    top = 0.0 if at_start else rate
    start = min(estimate(seen), rate) * (1 - MARGIN)
    lowered = limit._replace(
        start=start, since=throttle.now, target=None, hold=0.0, proven=False,
        top=top if limit.proven else max(limit.top, top),
        trials=-1 if limit.proven and limit.start < math.inf else limit.trials,
    )  # fmt: skip
    confident = paced and seen.taken >= CONFIDENT
    if confident or seen.burst > 1:
        seen = restarted(seen, seen.first)
    if confident:
        hold = held_for(lowered.trials, start, asked=asked)
        return lowered._replace(hold=hold), at_new_rate(seen)
    start = max(start, (LEAST_LEFT if paced else LEAST_AT_START) * rate)
    target = (2 * start if asked else rate) if at_start else None
    return lowered._replace(start=start, target=target), at_new_rate(seen)
