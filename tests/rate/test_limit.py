"""What a throttled answer teaches, as tables; and what comes of it against limiters, with real
sending in simulated time."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from tests.simulation.limiters import steady
from tests.simulation.limits import BY_NAME
from tests.simulation.paced import Case, tried
from worker.rate.history import CLEAN, Sample, Share
from worker.rate.limit import (
    DEAR_HOLD_S,
    HOLD_S,
    LEAST_NOISE,
    LEAST_SHARE,
    LONG_SERIES,
    LONGEST_HOLD_S,
    MARGIN,
    MOST_NOISE,
    SOON_HOLD_S,
    SOON_TRIALS,
    STRIKE_MARGIN,
    STRIKES,
    TEST_SHARE,
    TEST_STRIKES,
    Limit,
    held_for,
    learned,
    rate_at,
    too_many,
)

# -- the rate between throttled answers


def test_a_sharp_guess_is_held_and_then_more_is_tried_slowly_at_first() -> None:
    limit = Limit(30.0, 100.0, hold=8.0)
    assert [rate_at(limit, 100.0 + s) for s in (-1, 0, 4, 8)] == [30.0] * 4
    rates = [rate_at(limit, 108.0 + s) for s in (1, 2, 3, 4)]
    steps = [later - earlier for earlier, later in zip([30.0, *rates], rates, strict=False)]
    assert steps == sorted(steps) and 0 < steps[0] < 1.5


def test_a_vague_guess_nears_the_rate_that_was_pushed_back() -> None:
    limit = Limit(15.0, 0.0, near=30.0)
    assert rate_at(limit, 0.0) == 15.0
    assert rate_at(limit, 2.0) == pytest.approx(30 - 15 * math.exp(-1))
    assert 28.0 < rate_at(limit, 5.9) < 30.0
    assert rate_at(limit, 12.0) > 30.0, "nothing was throttled, so it may be more"


def test_no_rate_grows_beyond_all_bounds() -> None:
    assert math.isfinite(rate_at(Limit(30.0, 0.0), 1e9))


# -- the rate is the cause


def test_a_vague_guess_keeps_half_of_the_rate_at_least() -> None:
    limit = learned(None, Sample(99.9, 60.0, guess=5.0), 100.0)
    assert (limit.start, limit.near, limit.since) == (60.0 * LEAST_SHARE, 60.0, 100.0)
    assert (limit.series, limit.top) == (1, 60.0)


def test_where_no_pace_was_held_a_vague_guess_counts_alone_since_a_burst_tells_no_rate() -> None:
    limit = learned(None, Sample(99.9, 60.0, guess=15.0, paced=False), 100.0)
    assert (limit.start, limit.near) == (15.0, 60.0)


def test_a_sharp_guess_is_kept_under() -> None:
    limit = learned(None, Sample(99.9, 35.0, guess=30.0, sharp=True), 100.0)
    assert (limit.start, limit.near, limit.roof, limit.hold) == (
        30.0 * (1 - MARGIN),
        None,
        30.0,
        HOLD_S,
    )


def test_a_guess_is_below_what_was_pushed_back_and_not_absurd() -> None:
    assert learned(None, Sample(0.0, 35.0, guess=90.0, sharp=True), 0.0).roof == pytest.approx(
        0.99 * 35.0
    )
    assert learned(None, Sample(0.0, 35.0, guess=0.0, sharp=True), 0.0).roof == pytest.approx(3.5)


def test_what_was_held_for_long_is_not_doubted_by_a_trial_that_fails() -> None:
    before = Limit(29.0, 0.0, roof=29.3)
    assert learned(before, Sample(9.0, 34.0, guess=20.0, sharp=True), 9.0).roof == pytest.approx(
        30.0
    )


@pytest.mark.parametrize(
    ("before", "guess", "asked", "hold", "trials"),
    [
        (Limit(30.0, 0.0, roof=30.0, trials=1), 30.0, False, 2 * HOLD_S, 2),
        (Limit(30.0, 0.0, roof=30.0, trials=9), 30.0, False, LONGEST_HOLD_S, 10),
        (Limit(30.0, 0.0, roof=30.0, trials=1), 30.0, True, 2 * DEAR_HOLD_S, 2),
        (Limit(15.0, 0.0, near=30.0, roof=30.0, trials=5), 15.0, False, SOON_HOLD_S, 1),  # it fell
        (
            Limit(15.0, 0.0, near=16.0, roof=15.0, trials=4, fell=True),
            15.0,
            False,
            2 * SOON_HOLD_S,
            5,
        ),
        (Limit(15.0, 0.0, roof=15.0, trials=4), 25.0, False, HOLD_S, 1),  # it rose
    ],
)
def test_trials_become_rarer_until_the_limit_moves(
    before: Limit, guess: float, asked: bool, hold: float, trials: int
) -> None:
    limit = learned(before, Sample(20.0, 32.0, asked, guess, sharp=True), 20.0)
    assert (limit.hold, limit.trials) == (max(hold, CLEAN / guess), trials)


def test_at_low_rates_a_hold_lasts_for_many_requests() -> None:
    assert learned(None, Sample(0.0, 0.6, guess=0.5, sharp=True), 0.0).hold == CLEAN / 0.5
    assert held_for(SOON_TRIALS, fell=True, asked=False) == SOON_HOLD_S


def test_many_push_backs_at_once_while_the_rate_is_held_say_that_the_limit_has_moved() -> None:
    before = Limit(30.0, 0.0, roof=30.3)
    limit = learned(before, Sample(5.0, 30.0, recent=Share(16, 4, 0.8), calm=False), 5.1)
    assert (limit.start, limit.near, limit.fell) == (15.0, 30.0, True), "twelve were taken in 0.8 s"


# -- noise is the cause

HELD = Limit(30.0, 0.0, roof=30.3, series=1, top=34.0)
STRUCK = Sample(5.0, 30.0, recent=Share(16, 1, 0.5), long=Share(80, 2, 2.7))


def test_a_push_back_while_the_rate_is_held_hardly_lowers_it_and_many_requests_must_pass() -> None:
    limit = learned(HELD, STRUCK, 5.1)
    assert (limit.start, limit.since, limit.strikes) == (30.0 * (1 - STRIKE_MARGIN), 0.0, 1)
    assert limit.hold == HOLD_S
    late = learned(HELD, STRUCK._replace(at=7.9), 8.0)
    assert late.hold == pytest.approx(7.9 + CLEAN / late.start)


def test_after_some_strikes_it_is_noise_and_what_they_lowered_is_undone() -> None:
    limit = learned(HELD._replace(start=28.0, strikes=STRIKES - 1), STRUCK, 5.1)
    assert (limit.start, limit.near, limit.since) == (30.3, None, 5.1)
    assert limit.noise == pytest.approx(1.5 * 3 / 80)


def test_after_some_strikes_among_few_requests_it_is_tested_whether_it_is_noise() -> None:
    limit = learned(
        HELD._replace(strikes=STRIKES - 1), STRUCK._replace(long=Share(20, 3, 0.7), taken=29.0), 5.1
    )
    assert (limit.tested, limit.start, limit.noise, limit.top) == (
        True,
        TEST_SHARE * 29.0,
        0.0,
        34.0,
    )


def test_a_long_series_leads_to_a_test_of_whether_the_rate_is_the_cause() -> None:
    limit: Limit | None = None
    seen = Sample(0.0, 50.0, guess=45.0, calm=False, taken=40.0)
    for number in range(LONG_SERIES):
        limit = learned(limit, seen, float(number))
        assert (limit.series, limit.tested) == (number + 1, False)
    limit = learned(limit, seen, 9.0)
    assert (limit.tested, limit.start, limit.top) == (True, TEST_SHARE * 40.0, 50.0)
    assert limit.hold == CLEAN / limit.start


def test_a_push_back_after_many_requests_without_one_begins_a_new_series() -> None:
    before = Limit(15.0, 0.0, near=30.0, series=LONG_SERIES, top=90.0)
    assert learned(before, Sample(5.0, 25.0, guess=20.0, calm=True), 5.0).series == 1
    assert learned(before, Sample(5.0, 25.0, guess=20.0, calm=False), 5.0).tested


def test_push_backs_in_a_test_are_noise_and_the_rate_goes_back_to_where_it_was() -> None:
    limit = Limit(12.0, 0.0, None, 5.0, top=50.0, tested=True)
    seen = Sample(1.0, 12.0, recent=Share(9, 4, 0.7), long=Share(9, 4, 0.7))
    for number in range(TEST_STRIKES - 1):
        limit = learned(limit, seen, 1.0)
        assert (limit.strikes, limit.noise) == (number + 1, 0.0)
    limit = learned(limit, seen, 1.0)
    assert (limit.start, limit.hold, limit.noise) == (50.0, 0.0, MOST_NOISE)


def test_where_a_test_is_rejected_too_the_limit_is_lower_still() -> None:
    limit = Limit(12.0, 0.0, None, 5.0, top=50.0, tested=True, strikes=TEST_STRIKES - 1)
    seen = Sample(1.0, 12.0, recent=Share(3, 3, 0.2), long=Share(3, 3, 0.2), calm=False)
    assert learned(limit, seen, 1.0).start == 12.0 * LEAST_SHARE


def test_a_push_back_on_the_way_back_from_a_test_counts_as_one_in_it() -> None:
    limit = Limit(12.0, 0.0, None, 5.0, top=50.0, tested=True)
    assert learned(limit, Sample(8.0, 15.0, recent=Share(16, 1, 1.1)), 8.0).strikes == 1
    assert learned(limit, Sample(9.0, 18.0, guess=17.0, recent=Share(16, 1, 1.1)), 9.0).series == 1


@pytest.mark.parametrize(
    ("sent", "rejected", "noise", "many"),
    [
        (16, 3, LEAST_NOISE, False),
        (16, 4, LEAST_NOISE, True),
        (1, 1, LEAST_NOISE, False),
        (16, 6, 0.1, False),
        (16, 7, 0.1, True),
        (80, 17, 0.1, False),
        (80, 18, 0.1, True),
    ],
)
def test_what_noise_explains(sent: int, rejected: int, noise: float, many: bool) -> None:
    assert too_many(Share(sent, rejected, 1.0), noise) is many


def test_what_noise_explains_lowers_nothing() -> None:
    noisy = Limit(30.0, 0.0, noise=0.1)
    assert (
        learned(noisy, Sample(50.0, 44.0, recent=Share(16, 6, 0.4), long=Share(80, 17, 2.0)), 50.0)
        is noisy
    )


@pytest.mark.parametrize(
    ("recent", "long"),
    [(Share(16, 8, 0.4), Share(80, 9, 2)), (Share(16, 4, 0.4), Share(80, 20, 2))],
)
def test_what_noise_does_not_explain_is_a_limit_and_half_of_the_noise_is_doubted(
    recent: Share, long: Share
) -> None:
    limit = learned(Limit(30.0, 0.0, noise=0.1), Sample(50.0, 44.0, recent=recent, long=long), 50.0)
    assert limit.noise == 0.05
    assert limit.start == pytest.approx((1 - MARGIN) * recent.taken / 0.95)
    assert limit.hold >= HOLD_S
    assert (
        learned(
            limit._replace(noise=0.02), Sample(60.0, 44.0, recent=recent, long=long), 60.0
        ).noise
        == 0.0
    )


# -- against limiters

SEEDS = range(10)
"""A few; `python -m benchmarks.pace` has more, and docs/pace.md what it measured."""


def mean(case: Case) -> tuple[float, float]:
    """The mean shares of the limit that were used, and of requests that were rejected."""
    found = [tried(case, seed) for seed in SEEDS]
    return fmean(one.used for one in found), fmean(one.rejected for one in found)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "used_at_least"),
    [
        ("contention-5", 0.55),
        ("contention-5-more", 0.55),
        ("contention-50", 0.55),
        ("contention-50-more", 0.55),
        ("contention-no-ceiling", 0.55),
    ],
)
def test_contention_is_no_reason_to_fall_without_end(name: str, used_at_least: float) -> None:
    assert mean(BY_NAME[name])[0] >= used_at_least


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "used_at_least", "rejected_at_most"),
    [
        ("steady", 0.95, 0.01),
        ("steady-slow-answers", 0.95, 0.01),
        ("steady-ceiling", 0.95, 0.01),
        ("steady-retry-after", 0.85, 0.01),
        ("halves", 0.9, 0.02),
        ("shared", 0.75, 0.15),
    ],
)
def test_an_unknown_limit_is_found_and_followed(
    name: str, used_at_least: float, rejected_at_most: float
) -> None:
    used, rejected = mean(BY_NAME[name])
    assert used >= used_at_least
    assert rejected <= rejected_at_most


@pytest.mark.parametrize("name", ["ceiling-0.2", "ceiling-5", "ceiling-50", "ceiling-1000"])
def test_a_ceiling_is_used_and_a_limiter_just_above_it_never_minds(name: str) -> None:
    case = BY_NAME[name]
    assert case.ceiling is not None
    found = tried(case, 1)
    assert found.rejected == 0
    assert case.items / (found.seconds * case.ceiling) >= 0.99
    left = sorted(at for at, _ in found.left)
    halves = left[len(left) // 2] - left[0], left[-1] - left[len(left) // 2]
    assert halves[0] == pytest.approx(halves[1], rel=0.08), "no drift"


def test_what_headers_say_is_kept_to() -> None:
    case = Case("quota", steady(1e9), items=300, latency_s=0.1, quota=(20, 1.0))
    found = tried(case, 1)
    seconds: dict[int, int] = {}
    for at, _ in found.left:
        seconds[int(at + 0.05)] = seconds.get(int(at + 0.05), 0) + 1
    assert max(seconds.values()) <= 22
    assert found.seconds < 17.0
