"""What is known of the rate that the API allows, where nobody says it: pure functions, tabled in
tests.

A throttled answer has one of two causes. Either the rate is too high: then it lowers the rate to a
guess at the limit.

- A guess that rests on few requests is **vague**: the rate goes back to it and then nears the rate
  that was throttled
  back, so that the next throttled answer, which comes soon, tells more.
- One that rests on many is **sharp**: the rate is **held** just under it, and now and then it is
  tried whether more is
  allowed, slowly at first, then faster. Trials that fail become rarer. After the limit has fallen
  they come sooner:
  what fell may rise again.

Or it is **noise**: contention in the workspace pushes back some requests at any rate, and who
slowed down for each of them would never stop. What tells the two apart is that a limiter's
throttled answers end when the rate is lower:

- Under a sharp guess none should come. The first ones are **strikes**: they hardly lower the rate,
  and it is held until
  many requests have passed. After some strikes among many requests it is noise. Many at once say
  that the limit has
  moved.
- Where they were many, or a long series of throttled answers has lowered the rate, a much lower one
  is
  held as a **test**. If
  many requests pass, the rate was the cause, and more is tried. If not, it was not, and what was
  lowered is undone.

What noise explains lowers nothing from then on; what it does not explain is a limit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.rate.history import CLEAN, FEW, Sample, Share, lasting

MARGIN = 0.01
STRIKE_MARGIN = 0.02
"""How far the rate stays under a sharp guess, and how much each strike lowers it."""

LEAST_SHARE = 0.5
"""How much of a pace that was throttled is left at least, where the guess is vague. (Where
nothing limited the pace, a burst at the start has no such meaning, and the guess counts alone.)"""

NEARING_S = 1.5
FASTER_S = 5.0
"""Seconds in which a vague rate nears the one that was throttled; in which a trial doubles the
rate."""

HOLD_S = 8.0
SOON_HOLD_S = 4.0
DEAR_HOLD_S = 10.0
LONGEST_HOLD_S = 60.0
"""Seconds without trials: at first (doubled by each that fails), after the limit fell, where
throttled answers are dear. At low rates they last for `CLEAN` requests."""

SOON_TRIALS = 3
"""So many trials come soon after the limit fell."""

MOVED = 0.2
"""A guess that differs by this share from the last one says that the limit has moved."""

LONG_SERIES = 5
"""After so many throttled answers in a row that lowered the rate it is tested whether the rate is
their cause."""

TEST_SHARE = 0.6
NEAR = 0.8
"""How much of what was taken is tried in a test; how near the rate must come to it again until
throttled answers are news."""

STRIKES = 4
TEST_STRIKES = 3
"""So many throttled answers under a sharp guess, or in a test, are noise."""

LEAST_NOISE = 0.03
FAINT_NOISE = 0.15
MOST_NOISE = 0.2
TEST_MOST = 0.6
"""Shares of requests: that noise explains where none is known; that is called noise without a test;
that noise is thought to reject at most; that a test calls noise."""


class Limit(NamedTuple):
    """What is known, from `since` on: the rate begins with `start`. `near` is the rate that it
    nears where the guess is vague (None: it is held); then, or after `hold` seconds, more is tried.

    `roof` is the last sharp guess (0: none), `trials` counts those that failed, `fell` tells that
    the limit fell. `series` counts throttled answers in a row that lowered the rate, `top` is the
    rate before them. `tested`: the rate is held to test whether it is their cause. `strikes` counts
    throttled answers while it is held. `noise` is the share of requests that is thought to be
    rejected at any rate."""

    start: float
    since: float
    near: float | None = None
    hold: float = HOLD_S
    roof: float = 0.0
    trials: int = 0
    fell: bool = False
    series: int = 0
    top: float = 0.0
    tested: bool = False
    strikes: int = 0
    noise: float = 0.0


def rate_at(limit: Limit, now: float) -> float:
    """Requests a second that may leave at `now`."""
    seconds = max(0.0, now - limit.since)
    faster = lasting(FASTER_S, limit.start, 2 * FEW)
    if limit.near is None:
        return limit.start * _more(seconds - limit.hold, faster)
    nearing = lasting(NEARING_S, limit.start, 2 * FEW)
    gap = (limit.near - limit.start) * math.exp(-min(seconds / nearing, 3.0))
    return (limit.near - gap) * _more(seconds - 3 * nearing, faster)


def _more(seconds: float, faster: float) -> float:
    """By how much more is tried, so many seconds after a trial began: slowly, then faster."""
    return float(2.0 ** min(30.0, (max(0.0, seconds) / faster) ** 2))


def learned(limit: Limit | None, seen: Sample, now: float) -> Limit:
    """What is known after a throttled answer; where that is a new rate, it begins at `now`."""
    if limit is None:
        return _lowered(Limit(seen.rate, now), seen, now, seen.guess, sharp=seen.sharp)
    if limit.noise:
        if not (too_many(seen.recent, limit.noise) or too_many(seen.long, limit.noise)):
            return limit
        return _less_noise(limit, seen, now)
    if not _holds(limit, seen):
        # Where more was tried, the limit is above what was held until then.
        least = 0.0 if limit.near is not None else limit.start + 0.2 * (seen.rate - limit.start)
        return _lowered(limit, seen, now, max(seen.guess, least), sharp=seen.sharp)
    if not too_many(seen.recent, MOST_NOISE if limit.tested else LEAST_NOISE):
        return _struck(limit, seen, now)
    return _lowered(limit, seen, now, seen.recent.taken, sharp=False)


def too_many(share: Share, noise: float) -> bool:
    """Whether more was rejected than a share of `noise` explains, but for one time in some
    thousands."""
    expected = noise * share.sent
    return share.rejected > expected + 3 * math.sqrt(expected) + 1


def _holds(limit: Limit, seen: Sample) -> bool:
    """Whether no throttled answer was expected: the rate is held, or not yet back near what led to
    a test."""
    if limit.near is not None:
        return False
    back = limit.start / TEST_SHARE if limit.tested else 0.0
    return seen.at <= limit.since + limit.hold or seen.rate < NEAR * back


def _struck(limit: Limit, seen: Sample, now: float) -> Limit:
    """… after a throttled answer while the rate is held: a little less is held until many requests
    have passed in a row; and after some of them it is noise, and what the series has lowered is
    undone."""
    strikes = limit.strikes + 1
    if strikes < (TEST_STRIKES if limit.tested else STRIKES):
        start = limit.start * (1 - STRIKE_MARGIN)
        hold = max(limit.hold, seen.at - limit.since + lasting(0.0, start, CLEAN))
        return limit._replace(start=start, hold=hold, strikes=strikes)
    share = (seen.long.rejected + 1) / max(seen.long.sent, 1)
    if limit.tested and seen.long.rejected > TEST_MOST * seen.long.sent:
        return _lowered(limit, seen, now, seen.recent.taken, sharp=False)
    if not limit.tested and share > FAINT_NOISE:
        return _test(limit, seen, now)
    noise = min(
        MOST_NOISE, 1.5 * share
    )  # half as much again, since a few requests measure it badly
    return Limit(
        max(limit.start, limit.top if limit.tested else limit.roof), now, hold=0.0, noise=noise
    )


def _less_noise(limit: Limit, seen: Sample, now: float) -> Limit:
    """… where noise does not explain what was rejected lately: there is a limit too, and perhaps
    nothing else."""
    noise = limit.noise / 2 if limit.noise > LEAST_NOISE else 0.0
    start = max(min(seen.recent.taken / (1 - noise), seen.rate), 0.1 * seen.rate) * (1 - MARGIN)
    return Limit(start, now, hold=lasting(HOLD_S, start, CLEAN), noise=noise)


def _lowered(limit: Limit, seen: Sample, now: float, guess: float, *, sharp: bool) -> Limit:
    """… where the rate was too high: a guess at the limit, or a test after a long series."""
    rate = seen.rate
    series, top = (1, rate) if seen.calm else (limit.series + 1, max(limit.top, rate))
    if series > LONG_SERIES:
        return _test(limit._replace(top=top), seen, now)
    guess = min(max(guess, 0.1 * rate), 0.99 * rate)
    fell, trials = limit.fell, limit.trials
    if limit.roof and guess < (1 - MOVED) * limit.roof:
        fell, trials = True, 0
    elif sharp and limit.roof and guess > (1 + MOVED) * limit.roof:
        trials = 0
    if not sharp:
        start = max(min(guess, 0.9 * rate), LEAST_SHARE * rate if seen.paced else 0.0)
        return Limit(start, now, rate, limit.hold, limit.roof, trials, fell, series, top)
    hold = lasting(held_for(trials, fell=fell, asked=seen.asked), guess, CLEAN)
    return Limit(guess * (1 - MARGIN), now, None, hold, guess, trials + 1, fell, series, top)


def _test(limit: Limit, seen: Sample, now: float) -> Limit:
    """… where it is not clear whether the rate is the cause: a much lower one is held."""
    start = min(0.9 * seen.rate, TEST_SHARE * (seen.rate if math.isinf(seen.taken) else seen.taken))
    hold = lasting(0.0, start, CLEAN)
    return limit._replace(
        start=start, since=now, near=None, hold=hold, series=0, tested=True, strikes=0
    )


def held_for(trials: int, *, fell: bool, asked: bool) -> float:
    """Seconds until more is tried, after so many trials that failed."""
    if asked:
        return min(LONGEST_HOLD_S, DEAR_HOLD_S * 2.0**trials)
    if fell:
        return min(LONGEST_HOLD_S, SOON_HOLD_S * 2.0 ** max(0, trials - SOON_TRIALS))
    return min(LONGEST_HOLD_S, HOLD_S * 2.0**trials)
