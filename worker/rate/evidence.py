"""What the answers to a run's requests say about a rate limit: pure functions.

Two explanations of the answers at one rate are compared: the usual share is throttled, or clearly
more. `score` is the logarithm of their likelihood ratio. Throttled answers in a row count once,
because limiters that count in windows of time throttle many in a row."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

BURST = 6
"""Requests that an idle limiter is assumed to accept at once, in addition to its rate."""

CONFIDENT = 30
"""Accepted requests that make an estimate exact to a few per cent."""

RARE = 0.005
"""Share of throttled requests that is no reason to slow down."""

RAISED = 0.03
"""A share is raised if it is twice the usual one plus this."""


class Evidence(NamedTuple):
    """Counts of answers.

    `taken` requests sent since `mark` were accepted; at `mark` the limiter was full (`burst` is 1)
    or could accept a burst. `sent` and `throttled` count answers at the present rate and those that
    led to it, `score` is that of the present one. The last `in_row` answers were throttled; the
    first of these requests was sent at `first`."""

    mark: float = -math.inf
    taken: int = 0
    burst: int = BURST
    sent: int = 0
    throttled: int = 0
    score: float = 0.0
    in_row: int = 0
    first: float = -math.inf


@lru_cache
def weights(contention: float) -> tuple[float, float]:
    """What an accepted and a throttled answer add to the score if contention is known to throttle
    this share."""
    usual = max(RARE, contention)
    raised = 2 * usual + RAISED
    return math.log((1 - raised) / (1 - usual)), math.log(raised / usual)


def with_accepted(seen: Evidence, contention: float, least: float = -math.inf) -> Evidence:
    """Count an accepted request. The score does not fall below `least`."""
    mark, taken, burst, sent, many, score, _, first = seen
    score = max(least, score + weights(contention)[0])
    return Evidence(mark, taken + 1, burst, sent + 1, many, score, 0, first)


def with_throttled(seen: Evidence, contention: float, left_at: float) -> Evidence:
    """Count a throttled request that was sent at `left_at`."""
    if seen.in_row:
        return seen._replace(in_row=seen.in_row + 1)
    score, sent = seen.score + weights(contention)[1], seen.sent + 1
    return seen._replace(
        sent=sent, throttled=seen.throttled + 1, score=score, in_row=1, first=left_at
    )


def restarted(seen: Evidence, mark: float, burst: int = 1) -> Evidence:
    """Begin a new estimate at `mark`."""
    return seen._replace(mark=mark, taken=0, burst=burst)


def share(seen: Evidence) -> float:
    """The share of requests that was throttled."""
    return seen.throttled / max(seen.sent, 1)


def estimate(seen: Evidence) -> float:
    """The limit, if there is one: a limiter that is full at both ends accepts exactly its rate."""
    return max(0, seen.taken - seen.burst) / max(seen.first - seen.mark, 1e-3)
