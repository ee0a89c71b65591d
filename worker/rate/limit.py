"""The rate that the API allows, as far as its answers show: pure functions. docs/pace.md explains
the rule.

A throttled answer has one of two causes: a rate above a limit, or contention, which throttles a
share of requests at any rate. If a limit is the cause, it is about the rate that was accepted. So a
rate slightly lower is held as a test: there a limiter stops throttling, contention does not."""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.rate import evidence
from worker.rate.evidence import BURST, CONFIDENT, Evidence, estimate, restarted, share

LEAST_LEFT = 0.7
"""Share of the rate that is kept at least if the estimate is not confident."""

HOLD_S = 2.0
"""Seconds in which a trial doubles the rate; it is held twice as long before the first one."""

LONGEST_HOLD = 8
"""Failed trials double the hold, up to this many times the first one."""

SURE = 3.0
"""A test ends at this score (contention) or its negative (a limit): Wald's sequential test. A rate
that is held, or was lowered after few answers, needs twice as much to be lowered (a CUSUM)."""

MOST_CONTENTION = 0.2
"""A larger share of throttled answers is always taken for a limit."""

IN_A_ROW = 5
"""So many throttled answers in a row are a limit, whatever the score: if contention throttles a
tenth, one row in 10,000 is as long. A row lowers the rate once: a used up window lasts."""


class Limit(NamedTuple):
    """The rate since `since`: it begins at `start` (infinite: no limit is known) and approaches
    `target` (infinite: no rate was ever held), or is held for `hold` seconds; then a higher one is
    tried. `trials` have failed.

    While a rate is tested, `top` is the one to return to if contention was the cause (0: no test).
    `contention` is the share of requests that is throttled at any rate."""

    start: float = math.inf
    since: float = -math.inf
    target: float = 0.0
    hold: float = 0.0
    trials: int = 0
    top: float = 0.0
    contention: float = 0.0


NO_CEILING = Limit(target=math.inf)
"""At the start, if there is no ceiling that could be held."""


class Throttle(NamedTuple):
    """A throttled answer that came at `now` to a request sent at `left_at`, at `rate`. `asked`: the
    API asked for a pause."""

    left_at: float
    now: float
    rate: float
    asked: bool = False


def rate_at(limit: Limit, now: float) -> float:
    """The rate that is allowed at `now`. A trial grows slowly at first."""
    if limit.start == math.inf or limit.top:
        return limit.start
    rate, seconds = limit.start, now - limit.since - limit.hold
    if limit.target:
        nearing = span(limit.target)
        rate = limit.target - (limit.target - rate) * math.exp(-min(max(0.0, seconds) / nearing, 3))
        seconds -= 2 * nearing
    return float(rate * 2.0 ** min(30.0, (max(0.0, seconds) / span(limit.start)) ** 2))


def span(rate: float) -> float:
    """Seconds in which a trial doubles this rate: in which enough requests are sent."""
    return max(HOLD_S, CONFIDENT / rate)


def held_for(trials: int, rate: float, *, asked: bool) -> float:
    """Seconds until a higher rate is tried, after this many failed trials. If trials cost a pause
    (`asked`), they are as rare as they can be."""
    return 2 * span(rate) * (LONGEST_HOLD if asked else min(2.0**trials, LONGEST_HOLD))


def accepted(limit: Limit, seen: Evidence, left_at: float) -> tuple[Limit, Evidence]:
    """The limit and the evidence after a request sent at `left_at` was accepted."""
    began = limit.since + limit.hold
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    elif limit.hold and seen.mark < began <= left_at and not (limit.top or limit.contention):
        seen = restarted(seen, began, BURST)  # after a hold the limiter is not full
    if left_at < max(limit.since, seen.mark):
        return limit, seen._replace(taken=seen.taken + (left_at >= seen.mark), in_row=0)
    least = -math.inf if limit.top else 0.0
    seen = evidence.with_accepted(seen, limit.contention, least)
    if not limit.top or seen.score > -SURE:
        return limit, seen
    # The limit was the cause, so there is less contention than was assumed, if any.
    hold = max(limit.hold, left_at - limit.since)
    limit = limit._replace(hold=hold, top=0.0, contention=limit.contention / 2)
    return limit, seen._replace(sent=0, throttled=0, score=0.0)


def throttled(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """The limit and the evidence after a throttled answer. A new rate begins at `throttle.now`."""
    left_at, asked = throttle.left_at, throttle.asked
    counts = not (limit.top or limit.target or seen.in_row)  # the first of a row at a held rate
    trial = limit.start < math.inf and left_at >= limit.since + limit.hold
    if counts and trial and (asked or not limit.contention):
        return _trial_failed(limit, seen, throttle)
    if counts and not asked and seen.score <= 0:
        seen = Evidence(left_at, burst=1)  # the evidence for a change begins here
    seen = evidence.with_throttled(seen, limit.contention, left_at)
    if limit.target or seen.in_row == IN_A_ROW:
        return _lowered(limit, seen, throttle)
    doubtful = not limit.top or seen.sent < 2 * CONFIDENT
    if seen.score < (2 * SURE if doubtful else SURE):
        return limit, seen
    if doubtful or share(seen) > MOST_CONTENTION:
        return _lowered(limit, seen, throttle)
    limit = Limit(limit.top, throttle.now, trials=limit.trials, contention=share(seen))
    return limit, Evidence(seen.first, burst=1, in_row=seen.in_row, first=seen.first)


def _trial_failed(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """A throttled answer in a trial, where it is no evidence: the limit is between the rate held
    and the rate tried. The first trial, and each that gains more than an estimate is inexact, is
    repeated at once, unless that costs a pause: then the limiter is full."""
    score, asked = seen.score, throttle.asked
    seen = evidence.with_throttled(seen, limit.contention, throttle.left_at)._replace(score=score)
    start = max(limit.start, min(estimate(seen), (limit.start + throttle.rate) / 2))
    first = limit.hold > 0 and limit.trials == 0
    again = not asked and (first or start > limit.start * (1 + 0.5 / CONFIDENT))
    trials = limit.trials if again else limit.trials + 1
    hold = 0.0 if again else held_for(trials, start, asked=asked)
    tried = limit._replace(start=start, since=throttle.now, hold=hold, trials=trials)
    return tried, restarted(seen, seen.first)


def _lowered(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """The rate may be too high: lower it to an estimate of the limit, and test that. At the start,
    approach the rate that was throttled, until an estimate is confident."""
    rate, unknown = throttle.rate, limit.target == math.inf
    start = min(estimate(seen) / (1 - limit.contention), rate)
    moved = limit.start < math.inf and not (limit.top or limit.target)
    trials = -1 if moved else limit.trials
    confident = seen.taken >= CONFIDENT and not unknown
    if not confident:
        start = max(start, rate / BURST if unknown else rate * LEAST_LEFT)
    hold = held_for(trials, start, asked=throttle.asked) if confident else 0.0
    target = rate if limit.target and not confident else 0.0
    if confident or seen.burst > 1:
        seen = restarted(seen, seen.first)
    top = 0.0 if target else max(limit.top, start if limit.target else rate)
    lowered = Limit(start, throttle.now, target, hold, trials, top, limit.contention)
    return lowered, seen._replace(score=0.0)
