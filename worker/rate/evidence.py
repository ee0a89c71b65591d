"""What the answers to a run's requests say about a rate limit: pure functions, tabled in tests.

`Evidence` counts answers. It gives two things: an estimate of the limit, and a score, the
logarithm of a likelihood ratio. The score compares two explanations of the answers at one rate:
either so many are throttled as is usual (`usual`), or clearly more are (`raised`). Answers that are
throttled directly after one another count once, because limiters that count in windows of time
throttle many in a row."""

from __future__ import annotations

import math
from typing import NamedTuple

BURST = 6
"""Requests that a limiter that has rested accepts at once, in addition to its rate."""

CONFIDENT = 25
"""An estimate that rests on so many accepted requests is exact to a few per cent, and a share of so
many requests may be contention."""

RARE = 0.01
"""Share of requests that may be throttled at any rate without a reason to slow down."""

RAISED = 0.05
"""A share is raised if it is twice the usual one and so much more."""


class Evidence(NamedTuple):
    """`taken` requests that left since `mark` were accepted; before that the limiter was full
    (`burst` is 1), or could take a burst. `sent` and `throttled` count the answers at the present
    rate, `earlier` those at the rates that led to it. `in_row` answers in a row were throttled; the
    request of the first one left at `first`."""

    mark: float = -math.inf
    taken: int = 0
    burst: int = BURST
    sent: int = 0
    throttled: int = 0
    earlier: tuple[int, int] = (0, 0)
    score: float = 0.0
    in_row: int = 0
    first: float = -math.inf


def raised(usual: float) -> float:
    """The share of throttled answers that is told apart from the usual one."""
    return 2 * usual + RAISED


def with_accepted(seen: Evidence, usual: float) -> Evidence:
    """… after one more request at the present rate was accepted."""
    gain = math.log((1 - raised(usual)) / (1 - usual))
    return seen._replace(
        taken=seen.taken + 1, sent=seen.sent + 1, score=seen.score + gain, in_row=0
    )


def with_throttled(seen: Evidence, usual: float, left_at: float) -> Evidence:
    """… after a request that left at `left_at` was throttled."""
    if seen.in_row:
        return seen._replace(in_row=seen.in_row + 1)
    gain = math.log(raised(usual) / usual)
    return seen._replace(
        sent=seen.sent + 1, throttled=seen.throttled + 1, score=seen.score + gain, in_row=1,
        first=left_at,
    )  # fmt: skip


def restarted(seen: Evidence, mark: float, burst: int = 1) -> Evidence:
    """… with accepted requests counted from `mark` on."""
    return seen._replace(mark=mark, taken=0, burst=burst)


def at_new_rate(seen: Evidence) -> Evidence:
    """… at the beginning of another rate that is to be compared with this one."""
    sent, throttled = seen.earlier
    earlier = (sent + seen.sent, throttled + seen.throttled)
    return seen._replace(sent=0, throttled=0, earlier=earlier, score=0.0)


def cleared(seen: Evidence) -> Evidence:
    """… without what was counted so far, but for what an estimate needs."""
    return seen._replace(sent=0, throttled=0, earlier=(0, 0), score=0.0)


def estimate(seen: Evidence) -> float:
    """The limit in requests a second, if there is one. Between two throttled answers a limiter is
    full, so it is what was accepted; after a rest it accepted a burst besides."""
    return max(0, seen.taken - seen.burst) / max(seen.first - seen.mark, 1e-3)


def share(seen: Evidence) -> float:
    """The share of requests that are throttled, at this rate and at those that led to it."""
    sent, throttled = seen.earlier
    return (throttled + seen.throttled) / max(sent + seen.sent, 1)
