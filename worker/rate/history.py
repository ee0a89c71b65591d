"""When requests left and which of them were throttled, and what that says: pure functions of
times, tabled in tests.

A limiter is a bucket: it takes so many requests a second, and a burst besides. So a throttled
answer says two things. What was sustained until then, less a burst, is a guess at the limit; and
between two throttled answers without a pause, when the bucket is full, what was taken is the limit,
to one request."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

BURST = 4.0
"""Requests that a limiter is thought to allow at once, besides its rate."""

RESTED_BURST = 6.0
"""The same after a pause that the API asked for, when throttled answers are dear: rather too slow
than one more of them."""

SHARP = 25
"""A guess that rests on so many requests is sharp."""

FEW = 15.0
"""Requests that time constants last for at low rates: fewer say nothing."""

WINDOW_S = 1.0
CALM_S = 1.0
"""Seconds over which a rate counts as sustained; after which a throttled answer is no more of the
same series as the last one. At low rates they last for `FEW` requests."""

RECENT = 16
LONG = 80
CLEAN = 60
"""Requests: of which the share rejected says that the limit has moved; that noise is measured by;
that pass in a row where the rate is not too high."""

REMEMBERED = 4096
"""Times of so many requests are kept."""


class Share(NamedTuple):
    """So many requests left in so many seconds, and so many of them were rejected."""

    sent: int
    rejected: int
    seconds: float

    @property
    def taken(self) -> float:
        """Requests a second that were taken."""
        return (self.sent - self.rejected) / max(self.seconds, 1e-3)


class Sample(NamedTuple):
    """What a throttled answer rests on: the request left at `at`, when the pace was `rate`;
    `asked`: the API asked for a pause. `guess` at the limit, in requests a second, and whether it
    is `sharp`. `recent` and `long` are the latest requests under the limit that is known; `taken`
    requests a second were taken lately, under whatever limit. `calm`: many requests have passed
    since the last throttled answer. `paced`: a pace was held then, so that `rate` is not only what
    was under way."""

    at: float
    rate: float
    asked: bool = False
    guess: float = 0.0
    sharp: bool = False
    recent: Share = Share(1, 1, 1.0)
    long: Share = Share(1, 1, 1.0)
    taken: float = math.inf
    calm: bool = True
    paced: bool = True


class History:
    """The latest requests of one run: `left` and `rejected` are told by the pacer, `seen` says what
    they mean."""

    def __init__(self) -> None:
        self._left: deque[float] = deque(maxlen=REMEMBERED)
        self._rejected: deque[float] = deque(maxlen=REMEMBERED)
        self._mark = -math.inf
        """When the first request of the latest series of throttled answers had left."""

    def left(self, at: float) -> None:
        """A request left."""
        self._left.append(at)

    def rejected(self, left_at: float) -> None:
        """The request that left at `left_at` was throttled."""
        self._rejected.append(left_at)

    def seen(
        self,
        at: float,
        rate: float,
        since: float,
        slowed_at: float,
        *,
        asked: bool,
        first: bool,
        paced: bool = True,
    ) -> Sample:
        """What the throttled answer to a request that left at `at` rests on; the limit is known
        since `since` (`first`: none is yet), all slowed down last at `slowed_at`. `paced`: a pace
        was held then."""
        left, rejected = self._left, self._rejected
        if asked or at - self._mark > lasting(CALM_S, rate):
            guess, taken, seconds = sustained(
                left, at, since, BURST if first or not asked else RESTED_BURST
            )
            self._mark = at
            sharp = is_sharp(taken, seconds, rate, asked=asked)
        else:
            many = sum(self._mark <= one < at for one in rejected)
            guess, taken = counted(left, at, self._mark, many)
            sharp = taken >= SHARP
        lately = share(left, rejected, at, -math.inf, LONG)
        return Sample(
            at, rate, asked, guess, sharp,
            recent=share(left, rejected, at, since, RECENT),
            long=share(left, rejected, at, since, LONG),
            taken=lately.taken if lately.sent >= FEW and lately.seconds >= WINDOW_S else math.inf,
            calm=share(left, rejected, at, slowed_at, CLEAN).sent >= CLEAN, paced=paced,
        )  # fmt: skip


def lasting(seconds: float, rate: float, requests: float = FEW) -> float:
    """A time constant: so many seconds, or as long as so many requests take."""
    return max(seconds, requests / rate)


def share(
    left: Sequence[float], rejected: Sequence[float], until: float, since: float, most: int
) -> Share:
    """Of the last requests, `most` at most, that left from `since` to `until`, how many were
    rejected."""
    sent, first = 0, until
    for at in reversed(left):
        if at > until:
            continue
        if at < since or sent == most:
            break
        sent, first = sent + 1, at
    return Share(sent, sum(first <= at <= until for at in rejected) if sent else 0, until - first)


def sustained(
    left: Sequence[float], until: float, since: float, burst: float
) -> tuple[float, int, float]:
    """The highest rate at which requests left (their times, in order) over any time that ended at
    `until`, began after `since` and was long enough, less a burst; how many left since then, and in
    how many seconds."""
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
    """Whether a guess that rests on so many requests in so many seconds is sharp. Where the burst
    is only guessed at, it needs some time to be outweighed, but for where each throttled answer is
    dear."""
    return taken >= SHARP and (asked or seconds >= 2 * lasting(WINDOW_S, rate))


def counted(left: Sequence[float], until: float, mark: float, rejected: int) -> tuple[float, int]:
    """The rate at which requests were taken between two throttled answers, to requests that left at
    `mark` and at `until`; `rejected` of those in between were not taken. And how many were."""
    taken = max(0, sum(mark <= at < until for at in left) - rejected)
    return max(taken, 0.5) / max(until - mark, 1e-3), taken
