"""Rate limits: nginx's leaky bucket, which may be shared with others; a count for each window of
time; and contention, which rejects a share of requests at any rate. A rejected request takes no
slot."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Rate = Callable[[float], float]
"""Requests a second, at so many seconds after the start."""


class Limiter(Protocol):
    """A rate limit."""

    def allowed(self, at: float) -> float:
        """Requests a second that it allows us, `at` seconds after the start."""

    def takes(self, at: float, rng: random.Random) -> bool:
        """Whether a request that arrives at `at` is accepted."""


@dataclass
class Bucket:
    """Leaks `rate` requests a second, and holds `burst` more. `others` is how many requests other
    people send."""

    rate: Rate
    burst: float
    others: Rate | None = None
    _held: float = 0.0
    _at: float = 0.0
    _next_other: float = 0.0

    def allowed(self, at: float) -> float:
        return self.rate(at) - (self.others(at) if self.others else 0.0)

    def takes(self, at: float, rng: random.Random) -> bool:
        while self.others and self._next_other <= at:
            self._one(self._next_other)
            self._next_other += rng.expovariate(self.others(self._next_other))
        return self._one(at)

    def _one(self, at: float) -> bool:
        self._held = max(0.0, self._held - (at - self._at) * self.rate(at))
        self._at = at
        if self._held > self.burst:
            return False
        self._held += 1.0
        return True


@dataclass
class Window:
    """Takes `most` requests in each window of this many seconds. The run begins in the middle of
    one."""

    most: int
    seconds: float
    _number: int = -1
    _taken: int = 0

    def allowed(self, at: float) -> float:
        return self.most / self.seconds

    def takes(self, at: float, rng: random.Random) -> bool:
        number = int(at / self.seconds + 0.5)
        if number != self._number:
            self._number, self._taken = number, 0
        self._taken += 1
        return self._taken <= self.most


@dataclass
class Contention:
    """Rejects a share of requests at any rate, and those that the limiter `behind` does not
    take."""

    share: float
    behind: Limiter

    def allowed(self, at: float) -> float:
        return self.behind.allowed(at)

    def takes(self, at: float, rng: random.Random) -> bool:
        return rng.random() >= self.share and self.behind.takes(at, rng)


def steady(rate: float, burst: float = 5.0) -> Callable[[], Limiter]:
    """A limit that does not change."""
    return lambda: Bucket(lambda _: rate, burst)


def moving(*steps: tuple[float, float]) -> Callable[[], Limiter]:
    """A limit that changes: pairs of a time (seconds) and a rate (requests a second)."""
    return lambda: Bucket(lambda at: [rate for when, rate in steps if when <= at][-1], 5.0)


def shared(rate: float, *steps: tuple[float, float]) -> Callable[[], Limiter]:
    """A limit of which other people take a part that changes."""
    return lambda: Bucket(
        lambda _: rate, 5.0, lambda at: [other for when, other in steps if when <= at][-1]
    )


def contention(share: float, rate: float) -> Callable[[], Limiter]:
    """A share is rejected at any rate. `rate` is what can be reached; nothing enforces it."""
    return lambda: Contention(share, Bucket(lambda _: rate, 1e9))


def windows(most: int, seconds: float) -> Callable[[], Limiter]:
    """This many requests in each window of this many seconds."""
    return lambda: Window(most, seconds)
