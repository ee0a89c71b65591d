"""What the answers to a run's requests say about a rate limit: pure functions.

Two explanations of the answers at one rate are compared: the usual share is throttled (`usual`), or
clearly more (`raised`). `score` is the logarithm of their likelihood ratio. Throttled answers in a
row count once, because limiters that count in windows of time throttle many in a row."""

from __future__ import annotations

import math
from typing import NamedTuple

BURST = 6
"""Requests that an idle limiter is assumed to accept at once, in addition to its rate."""

CONFIDENT = 25
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


def raised(usual: float) -> float:
    """The share of throttled answers that is compared with the usual one."""
    return 2 * usual + RAISED


def with_accepted(seen: Evidence, usual: float) -> Evidence:
    """Count an accepted request."""
    score = seen.score + math.log((1 - raised(usual)) / (1 - usual))
    return seen._replace(taken=seen.taken + 1, sent=seen.sent + 1, score=score, in_row=0)


def with_throttled(seen: Evidence, usual: float, left_at: float) -> Evidence:
    """Count a throttled request that was sent at `left_at`."""
    if seen.in_row:
        return seen._replace(in_row=seen.in_row + 1)
    score, sent = seen.score + math.log(raised(usual) / usual), seen.sent + 1
    counts = seen._replace(sent=sent, throttled=seen.throttled + 1, score=score)
    return counts._replace(in_row=1, first=left_at)


def restarted(seen: Evidence, mark: float, burst: int = 1) -> Evidence:
    """Begin a new estimate at `mark`."""
    return seen._replace(mark=mark, taken=0, burst=burst)


def anew(seen: Evidence) -> Evidence:
    """Begin the counts of answers anew."""
    return seen._replace(sent=0, throttled=0, score=0.0)


def share(seen: Evidence) -> float:
    """The share of requests that was throttled."""
    return seen.throttled / max(seen.sent, 1)


def estimate(seen: Evidence) -> float:
    """The limit, if there is one: a limiter that is full at both ends accepts exactly its rate."""
    return max(0, seen.taken - seen.burst) / max(seen.first - seen.mark, 1e-3)
