"""What a push-back teaches, as tables; and what comes of it against limiters, with real sending in simulated time."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from tests.simulation.limiter import Case, Found, moving, steady, tried
from worker.pace.limit import (
    DEAR_HOLD_S,
    HOLD_S,
    LEAST_SHARE,
    LONGEST_HOLD_S,
    MARGIN,
    SHARP,
    SOON_HOLD_S,
    Evidence,
    Limit,
    counted,
    is_sharp,
    learned,
    rate_at,
    sustained,
)

# -- the rate between push-backs ----------------------------------------------------------------------------------


def test_a_sharp_guess_is_held_and_then_more_is_tried_slowly_at_first() -> None:
    limit = Limit(30.0, 100.0, hold=8.0)
    assert [rate_at(limit, 100.0 + s) for s in (-1, 0, 4, 8)] == [30.0] * 4
    rates = [rate_at(limit, 108.0 + s) for s in (1, 2, 3, 4)]
    steps = [later - earlier for earlier, later in zip([30.0, *rates], rates, strict=False)]
    assert steps == sorted(steps) and 0 < steps[0] < 1.5


def test_a_vague_guess_nears_the_rate_that_was_pushed_back() -> None:
    limit = Limit(15.0, 0.0, near=30.0)
    assert rate_at(limit, 0.0) == 15.0
    assert rate_at(limit, 1.0) == pytest.approx(30 - 15 * math.exp(-0.5))
    assert 28.0 < rate_at(limit, 5.9) < 30.0
    assert rate_at(limit, 12.0) > 30.0, "nobody pushed back, so it may be more"


def test_no_rate_grows_beyond_all_bounds() -> None:
    assert math.isfinite(rate_at(Limit(30.0, 0.0), 1e9))


# -- guesses ------------------------------------------------------------------------------------------------------


def test_what_was_sustained_less_a_burst_is_a_guess() -> None:
    times = [n / 10 for n in range(100)]  # ten a second for ten seconds
    guess, taken, seconds = sustained(times, 10.0, 0.0, 4.0)
    assert (taken, seconds) == (100, 10.0)
    assert guess == pytest.approx(9.6)


def test_only_what_left_since_counts() -> None:
    times = [n / 100 for n in range(500)] + [5.0 + n / 10 for n in range(50)]
    guess, taken, _ = sustained(times, 10.0, 5.0, 0.0)
    assert taken == 50
    assert guess == pytest.approx(10.0, rel=0.05)


def test_a_few_requests_in_a_moment_still_give_a_guess() -> None:
    guess, taken, _ = sustained([0.0, 0.1, 0.2], 0.3, -math.inf, 4.0)
    assert taken == 3
    assert 0 < guess < 10


def test_between_two_push_backs_what_was_taken_is_counted() -> None:
    times = [n / 10 for n in range(100)]
    rate, taken = counted(times, 5.0, 1.0, 8)
    assert taken == 32
    assert rate == pytest.approx(8.0)
    assert counted(times, 5.0, 4.95, 0)[0] > 0


@pytest.mark.parametrize(
    ("taken", "seconds", "asked", "sharp"),
    [(SHARP, 2.0, False, True), (SHARP - 1, 9.0, False, False), (SHARP, 1.0, False, False), (SHARP, 1.0, True, True)],
)
def test_many_requests_over_some_time_are_sharp(taken: int, seconds: float, asked: bool, sharp: bool) -> None:
    assert is_sharp(taken, seconds, 30.0, asked=asked) is sharp


# -- what is learned ----------------------------------------------------------------------------------------------


def test_a_vague_guess_keeps_half_of_the_rate_at_least() -> None:
    limit = learned(None, Evidence(60.0, 5.0, False, False), 100.0)
    assert (limit.start, limit.near, limit.since) == (60.0 * LEAST_SHARE, 60.0, 100.0)


def test_a_sharp_guess_is_kept_under() -> None:
    limit = learned(None, Evidence(35.0, 30.0, True, False), 100.0)
    assert (limit.start, limit.near, limit.roof, limit.hold) == (30.0 * (1 - MARGIN), None, 30.0, HOLD_S)


def test_a_guess_is_below_what_was_pushed_back_and_not_absurd() -> None:
    assert learned(None, Evidence(35.0, 90.0, True, False), 0.0).roof == pytest.approx(0.99 * 35.0)
    assert learned(None, Evidence(35.0, 0.0, True, False), 0.0).roof == pytest.approx(3.5)


def test_what_was_held_for_long_is_not_doubted() -> None:
    before = Limit(29.0, 0.0, roof=29.3)
    assert learned(before, Evidence(34.0, 20.0, True, False), 9.0).roof == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("before", "guess", "asked", "hold", "trials"),
    [
        (Limit(30.0, 0.0, roof=30.0, trials=1), 30.0, False, 2 * HOLD_S, 2),
        (Limit(30.0, 0.0, roof=30.0, trials=9), 30.0, False, LONGEST_HOLD_S, 10),
        (Limit(30.0, 0.0, roof=30.0, trials=1), 30.0, True, 2 * DEAR_HOLD_S, 2),
        (Limit(15.0, 0.0, near=30.0, roof=30.0, trials=5), 15.0, False, SOON_HOLD_S, 1),  # it fell
        (Limit(15.0, 0.0, near=16.0, roof=15.0, trials=4, fell=True), 15.0, False, 2 * SOON_HOLD_S, 5),
        (Limit(15.0, 0.0, roof=15.0, trials=4), 25.0, False, HOLD_S, 1),  # it rose
    ],
)
def test_trials_become_rarer_until_the_limit_moves(
    before: Limit, guess: float, asked: bool, hold: float, trials: int
) -> None:
    limit = learned(before, Evidence(32.0, guess, True, asked), 0.0)
    assert (limit.hold, limit.trials) == (hold, trials)


# -- against limiters ---------------------------------------------------------------------------------------------

SEEDS = range(4)


def mean(case: Case) -> tuple[float, float]:
    """The mean shares of the limit that were used, and of requests that were rejected."""
    found: list[Found] = [tried(case, seed) for seed in SEEDS]
    return fmean(one.used for one in found), fmean(one.rejected for one in found)


def test_an_unknown_limit_is_found_and_kept() -> None:
    used, rejected = mean(Case("30/s", steady(30)))
    assert used >= 0.95
    assert rejected <= 0.012  # four seeds; `make bench-limits` has many


def test_an_unknown_limit_is_found_where_each_push_back_costs_a_second() -> None:
    used, rejected = mean(Case("30/s, each 429 asks for a second", steady(30), retry_after_s=1.0))
    assert used >= 0.85
    assert rejected <= 0.01


def test_a_limit_that_halves_and_comes_back_is_followed() -> None:
    used, rejected = mean(Case("halves", moving((0, 30), (12, 15), (24, 30))))
    assert used >= 0.90
    assert rejected <= 0.022


@pytest.mark.parametrize(("ceiling", "items"), [(0.2, 30), (5.0, 200), (50.0, 1000), (1000.0, 8000)])
def test_a_ceiling_is_used_and_a_limiter_just_above_it_never_minds(ceiling: float, items: int) -> None:
    case = Case("ceiling", steady(1.02 * ceiling, 3.0), items=items, ceiling=ceiling, latency_s=0.001, in_flight=32)
    found = tried(case, 1)
    assert found.rejected == 0
    assert items / (found.seconds * ceiling) >= 0.99
    left = sorted(at for at, _ in found.left)
    halves = left[len(left) // 2] - left[0], left[-1] - left[len(left) // 2]
    assert halves[0] == pytest.approx(halves[1], rel=0.08), "no drift"


def test_an_api_that_queues_gets_fewer_requests_and_no_less_is_done() -> None:
    found = tried(Case("four workers", steady(1e9), workers=4), 1)
    assert fmean(found.in_flight[-300:]) < 11
    assert 1000 / found.seconds >= 0.95 * 40, "four workers, a tenth of a second each"


def test_what_headers_say_is_kept_to() -> None:
    found = tried(Case("quota", steady(1e9), quota=(20, 1.0), items=300), 1)
    seconds: dict[int, int] = {}
    for at, _ in found.left:
        seconds[int(at + 0.05)] = seconds.get(int(at + 0.05), 0) + 1
    assert max(seconds.values()) <= 22
    assert found.seconds < 17.0
