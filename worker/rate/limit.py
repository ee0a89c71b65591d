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


class Limit(NamedTuple):
    """The rate since `since`: it begins at `start` (infinite: no limit is known) and approaches
    `target`, or is held for `hold` seconds; then a higher one is tried. `trials` have failed.

    While a rate is tested, `proven` is false; if contention was the cause, the rate returns to
    `top`. `contention` is the share of requests that is throttled at any rate."""

    start: float = math.inf
    since: float = -math.inf
    target: float = 0.0
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
    """The rate that is allowed at `now`. A trial grows slowly at first."""
    if limit.start == math.inf or not (limit.proven or limit.target):
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


def is_limit(in_row: int, contention: float) -> bool:
    """Whether so many throttled answers in a row are too unlikely under contention. Unknown
    contention may be half the most, known contention twice what was measured."""
    return -in_row * math.log(max(2 * contention, MOST_CONTENTION / 2)) >= 3 * SURE


def accepted(limit: Limit, seen: Evidence, left_at: float) -> tuple[Limit, Evidence]:
    """The limit and the evidence after a request sent at `left_at` was accepted."""
    began = limit.since + limit.hold
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    elif limit.hold and seen.mark < began <= left_at and limit.proven and not limit.contention:
        seen = restarted(seen, began, BURST)  # after a hold the limiter is not full
    if left_at < max(limit.since, seen.mark):
        return limit, seen._replace(taken=seen.taken + (left_at >= seen.mark), in_row=0)
    least = 0.0 if limit.proven else -math.inf
    seen = evidence.with_accepted(seen, limit.contention, least)
    if limit.proven or limit.target or seen.score > -SURE:
        return limit, seen
    # The limit was the cause, so there is less contention than was assumed, if any.
    hold = max(limit.hold, left_at - limit.since)
    limit = limit._replace(hold=hold, proven=True, contention=limit.contention / 2)
    return limit, seen._replace(sent=0, throttled=0, score=0.0)


def throttled(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """The limit and the evidence after a throttled answer. A new rate begins at `throttle.now`."""
    left_at, asked, first = throttle.left_at, throttle.asked, not seen.in_row
    if seen.mark == -math.inf:
        seen = restarted(seen, left_at, BURST)
    counts = limit.proven and first  # the first of a row, while no test goes on
    found = counts and limit.start < math.inf
    trial = found and left_at >= limit.since + limit.hold and (asked or not limit.contention)
    if found and not trial and not limit.contention and seen.taken >= 4 * CONFIDENT:
        # So many make a good estimate: the rate may be slightly too high.
        start = min(limit.start, estimate(seen._replace(first=left_at)))
        limit, seen = limit._replace(start=start), restarted(seen, left_at)
    if counts and not trial and throttle.paced and not asked and seen.score <= 0:
        seen = Evidence(left_at, burst=1)  # the evidence for a change begins here
    before, seen = seen.score, evidence.with_throttled(seen, limit.contention, left_at)
    if not throttle.paced or limit.target or is_limit(seen.in_row, limit.contention):
        return _lowered(limit, seen, throttle)
    if trial:
        return _trial_failed(limit, seen._replace(score=before), throttle)
    few = seen.sent < 2 * CONFIDENT
    if seen.score < (2 * SURE if limit.proven or few else SURE):
        return limit, seen
    if limit.proven or few or share(seen) > MOST_CONTENTION:
        return _lowered(limit, seen, throttle)
    start = max(limit.top, limit.start)
    limit = Limit(start, throttle.now, trials=limit.trials, contention=share(seen))
    return limit, Evidence(seen.first, burst=1, in_row=seen.in_row, first=seen.first)


def _trial_failed(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """A throttled answer in a trial: the limit is between the rate held and the rate tried. The
    first trial, and each that gains more than an estimate is inexact, is repeated at once, unless
    that costs a pause: then the limiter is full."""
    start = max(limit.start, min(estimate(seen), (limit.start + throttle.rate) / 2))
    trials = limit.trials + 1
    hold = held_for(trials, start, asked=throttle.asked)
    first = limit.hold > 0 and limit.trials == 0
    if not throttle.asked and (first or start > limit.start * (1 + 0.5 / CONFIDENT)):
        trials, hold = limit.trials, 0.0
    tried = limit._replace(start=start, since=throttle.now, hold=hold, trials=trials)
    return tried, restarted(seen, seen.first)


def _lowered(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
    """The rate may be too high: lower it to an estimate of the limit, and test that. At the start,
    approach the rate that was throttled, until an estimate is confident."""
    rate, paced, at_start = throttle.rate, throttle.paced, not throttle.paced or limit.target
    start = min(estimate(seen) / (1 - limit.contention), rate)
    top = 0.0 if at_start else rate
    lowered = limit._replace(
        start=start, since=throttle.now, target=0.0, hold=0.0, proven=False,
        top=top if limit.proven else max(limit.top, top),
        trials=-1 if limit.proven and limit.start < math.inf else limit.trials,
    )  # fmt: skip
    confident = paced and seen.taken >= CONFIDENT
    if confident or seen.burst > 1:
        seen = restarted(seen, seen.first)
    seen = seen._replace(score=0.0)
    if confident:
        hold = held_for(lowered.trials, start, asked=throttle.asked)
        return lowered._replace(hold=hold), seen
    start = max(start, rate * LEAST_LEFT if paced else rate / BURST)
    target = (2 * start if throttle.asked else rate) if at_start else 0.0
    return lowered._replace(start=start, target=target), seen
