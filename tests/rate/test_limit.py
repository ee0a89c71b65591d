"""What answers teach of a limit, as tables; and what comes of it against limiters, with real
sending in simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

import pytest

from tests.simulation.limiters import steady
from tests.simulation.limits import BY_NAME
from tests.simulation.paced import Case, tried
from worker.rate.evidence import BURST, CONFIDENT, Evidence
from worker.rate.limit import (
    HOLD_S,
    IN_A_ROW,
    LEAST_LEFT,
    LONGEST_HOLD,
    MOST_CONTENTION,
    NO_CEILING,
    SURE,
    Limit,
    Throttle,
    accepted,
    held_for,
    rate_at,
    span,
    throttled,
)

CALM = Limit(30.0, 100.0, hold=8.0, trials=1)
"""A rate that is held from second 100 on, after a test."""

TEST = Limit(30.0, 100.0, hold=8.0, top=50.0)
"""A rate that is held as a test of whether the rate is the cause."""

FULL = Evidence(mark=100.0, taken=58, burst=1, sent=50, throttled=3, first=102.0)
"""The limiter was full at second 100; since then 58 requests were accepted."""

# -- the rate between throttled answers


def test_without_a_throttled_answer_no_limit_is_known() -> None:
    assert rate_at(Limit(), 5.0) == rate_at(NO_CEILING, 5.0) == math.inf


def test_a_rate_is_held_and_then_more_is_tried_slowly_at_first() -> None:
    assert [rate_at(CALM, 100.0 + s) for s in (-1, 0, 4, 8)] == [30.0] * 4
    rates = [rate_at(CALM, 108.0 + s) for s in (0.5, 1, 1.5, 2)]
    steps = [later - earlier for earlier, later in zip([30.0, *rates], rates, strict=False)]
    assert steps == sorted(steps) and 0 < steps[0] < 1.5
    assert rate_at(CALM, 108.0 + HOLD_S) == pytest.approx(60.0)


def test_no_more_is_tried_before_a_test_has_ended() -> None:
    assert rate_at(TEST, 500.0) == 30.0


def test_at_the_start_the_rate_approaches_the_one_that_was_throttled() -> None:
    limit = Limit(15.0, 0.0, target=30.0)
    assert rate_at(limit, 0.0) == 15.0
    assert rate_at(limit, HOLD_S) == pytest.approx(30 - 15 * math.exp(-1))
    assert rate_at(limit, 4 * HOLD_S) > 30.0, "nothing was throttled, so it may be more"


def test_at_low_rates_times_last_for_some_requests() -> None:
    assert span(0.5) == CONFIDENT / 0.5
    assert rate_at(Limit(0.5, 0.0), span(0.5)) == pytest.approx(1.0)
    nearing = Limit(0.25, 0.0, target=0.5)
    assert rate_at(nearing, span(0.5)) == pytest.approx(0.5 - 0.25 * math.exp(-1))


def test_no_rate_grows_beyond_all_bounds() -> None:
    assert math.isfinite(rate_at(Limit(30.0, 0.0), 1e9))


@pytest.mark.parametrize(
    ("trials", "rate", "asked", "seconds"),
    [
        (-1, 30.0, False, HOLD_S),  # the limit has moved, so it may move again soon
        (0, 30.0, False, 2 * HOLD_S),
        (1, 30.0, False, 4 * HOLD_S),
        (9, 30.0, False, LONGEST_HOLD * 2 * HOLD_S),
        (0, 30.0, True, LONGEST_HOLD * 2 * HOLD_S),
        (0, 0.5, False, 2 * CONFIDENT / 0.5),
    ],
)
def test_trials_that_fail_become_rarer(
    trials: int, rate: float, asked: bool, seconds: float
) -> None:
    assert held_for(trials, rate, asked=asked) == pytest.approx(seconds)


# -- accepted requests


def test_the_first_request_begins_the_count_after_a_rest() -> None:
    limit, seen = accepted(Limit(), Evidence(), 7.0)
    assert limit == Limit()
    assert (seen.mark, seen.taken, seen.burst) == (7.0, 1, BURST)


@pytest.mark.parametrize(
    ("left_at", "mark", "taken", "sent"),
    [(99.0, 99.5, 0, 0), (99.0, 99.0, 1, 0), (99.0, 98.0, 1, 0), (101.0, 98.0, 1, 1)],
)
def test_a_request_counts_from_the_mark_on_and_as_evidence_from_the_new_rate_on(
    left_at: float, mark: float, taken: int, sent: int
) -> None:
    _, seen = accepted(CALM, Evidence(mark=mark, burst=1, in_row=2), left_at)
    assert (seen.taken, seen.sent, seen.in_row) == (taken, sent, 0)


def test_the_score_of_a_held_rate_does_not_fall_below_zero() -> None:
    assert accepted(CALM, FULL, 101.0)[1].score == 0.0
    assert accepted(TEST, FULL, 101.0)[1].score < 0.0


def test_a_trial_counts_from_its_beginning_when_the_limiter_has_rested() -> None:
    _, seen = accepted(CALM, FULL, 108.5)
    assert (seen.mark, seen.taken, seen.burst) == (108.0, 1, BURST)
    _, seen = accepted(CALM, seen, 108.6)
    assert seen.taken == 2
    assert accepted(CALM._replace(contention=0.05), FULL, 108.5)[1].mark == 100.0


@pytest.mark.parametrize(("score", "ended"), [(-SURE, True), (0.1 - SURE, False)])
def test_a_test_ends_with_a_limit_if_nothing_more_is_throttled(score: float, ended: bool) -> None:
    limit, seen = accepted(TEST, FULL._replace(score=score), 110.0)
    assert limit.top == (0.0 if ended else TEST.top)
    if ended:
        assert (limit.hold, limit.contention) == (10.0, 0.0)
        assert (seen.sent, seen.throttled, seen.score) == (0, 0, 0.0)


def test_the_approach_at_the_start_is_no_test() -> None:
    limit = TEST._replace(target=40.0, top=0.0)
    assert accepted(limit, FULL._replace(sent=500, score=-99.0), 110.0)[0] == limit


@pytest.mark.parametrize(("contention", "left"), [(0.0, 0.0), (0.06, 0.03)])
def test_if_a_limit_was_the_cause_less_contention_is_assumed(
    contention: float, left: float
) -> None:
    limit, _ = accepted(TEST._replace(contention=contention), FULL._replace(score=-9.0), 110.0)
    assert limit.contention == pytest.approx(left)


# -- throttled answers: at the start


def test_at_the_start_the_first_one_lowers_the_rate_to_what_was_accepted_less_a_burst() -> None:
    seen = Evidence(mark=0.0, taken=BURST + 4)
    limit, seen = throttled(NO_CEILING, seen, Throttle(0.2, 0.3, 100.0))
    assert limit.start == pytest.approx(20.0)
    assert (limit.target, limit.since) == (100.0, 0.3)
    assert limit.top == 0.0, "what was under way is no rate to go back to"
    assert (seen.mark, seen.taken, seen.burst, seen.sent) == (0.2, 0, 1, 1)
    assert seen.throttled == 1


def test_at_the_start_some_of_what_was_under_way_is_kept() -> None:
    limit, _ = throttled(NO_CEILING, Evidence(), Throttle(0.2, 0.3, 100.0))
    assert limit.start == pytest.approx(100.0 / BURST)


def test_each_one_in_the_approach_lowers_the_rate_until_the_estimate_is_confident() -> None:
    near = Limit(15.0, 1.0, target=60.0)
    few = Evidence(mark=0.0, taken=16, burst=1, first=0.0)
    limit, seen = throttled(near, few, Throttle(1.5, 1.5, 20.0))
    assert limit.start == pytest.approx(LEAST_LEFT * 20.0)
    assert limit.target == 20.0
    assert (seen.mark, seen.taken) == (0.0, 16), "the limiter is full all the time"
    limit, seen = throttled(near, few._replace(taken=CONFIDENT), Throttle(1.5, 1.5, 20.0))
    assert limit.start == pytest.approx((CONFIDENT - 1) / 1.5)
    assert (limit.target, limit.top) == (0.0, limit.start)
    assert limit.hold == held_for(0, limit.start, asked=False)
    assert (seen.mark, seen.taken) == (1.5, 0)


# -- throttled answers: while a rate is held


def test_a_single_one_while_a_rate_is_held_changes_nothing() -> None:
    for limit in (CALM, TEST, Limit(), CALM._replace(contention=0.05)):
        found, seen = throttled(limit, FULL._replace(score=0.0), Throttle(105.0, 105.1, 30.0))
        assert found == limit
        assert seen.score > 0.0


def test_the_limit_is_measured_from_the_first_one_on() -> None:
    _, seen = throttled(CALM, FULL, Throttle(105.0, 105.1, 30.0))
    assert (seen.mark, seen.taken, seen.burst, seen.sent) == (105.0, 0, 1, 1)
    _, later = throttled(CALM, seen._replace(in_row=0, taken=9), Throttle(106.0, 106.1, 30.0))
    assert (later.mark, later.taken) == (105.0, 9)


def test_where_the_score_is_high_the_limit_has_moved_and_a_lower_rate_is_tested() -> None:
    seen = FULL._replace(score=2 * SURE - 1.0, sent=20, throttled=2)
    limit, after = throttled(CALM, seen, Throttle(104.0, 104.1, 30.0))
    assert limit.start == pytest.approx(57 / 4)
    assert (limit.top, limit.trials, limit.target) == (30.0, -1, 0.0)
    assert (after.sent, after.throttled, after.score, after.mark) == (21, 3, 0.0, 104.0)
    few = seen._replace(taken=4)
    assert throttled(CALM, few, Throttle(104.0, 104.1, 30.0))[0].start == 30.0 * LEAST_LEFT


def test_a_ceiling_is_doubted_as_a_rate_that_is_held() -> None:
    seen = FULL._replace(score=2 * SURE - 1.0)
    limit, _ = throttled(Limit(), seen, Throttle(101.5, 101.6, 50.0))
    assert (limit.top, limit.trials) == (50.0, 0)


@pytest.mark.parametrize("limit", [CALM, TEST, CALM._replace(contention=0.1)])
def test_a_long_row_is_no_contention_and_lowers_the_rate_once(limit: Limit) -> None:
    seen = FULL
    lowered = []
    for _ in range(2 * IN_A_ROW):
        before = limit
        limit, seen = throttled(limit, seen, Throttle(104.0, 104.1, 30.0))
        lowered.append(limit != before)
    assert lowered.index(True) == IN_A_ROW - 1
    assert sum(lowered) == 1


# -- throttled answers: in a trial


@pytest.mark.parametrize(
    ("taken", "start", "hold", "trials"),
    [
        (20, 30.0, 8 * HOLD_S, 2),  # nothing shows that more than the held rate is possible
        (70, 32.0, 0.0, 1),  # it gains, so it is repeated at once
        (68, 31.0, 0.0, 1),
        (67, 30.5, 8 * HOLD_S, 2),  # no more than an estimate is inexact
        (99, 35.0, 0.0, 1),  # at most half way to what was tried
    ],
)
def test_the_first_throttled_answer_in_a_trial_ends_it(
    taken: int, start: float, hold: float, trials: int
) -> None:
    seen = Evidence(mark=108.0, taken=taken, burst=BURST, score=1.25)
    limit, after = throttled(CALM, seen, Throttle(110.0, 110.1, 40.0))
    assert limit.start == pytest.approx(start)
    assert limit.since == 110.1
    assert (limit.hold, limit.trials, limit.top) == (hold, trials, 0.0)
    assert (after.mark, after.taken, after.burst) == (110.0, 0, 1)
    assert after.score == 1.25, "it was to be expected, so it is no evidence"


def test_the_first_trial_is_repeated_unless_it_costs_a_pause() -> None:
    seen, throttle = Evidence(mark=108.0, taken=20, burst=BURST), Throttle(110.0, 110.1, 40.0)
    first = CALM._replace(trials=0)
    limit, _ = throttled(first, seen, throttle)
    assert (limit.start, limit.hold, limit.trials) == (30.0, 0.0, 0)
    limit, _ = throttled(limit, seen, Throttle(110.4, 110.5, 31.0))
    assert (limit.hold, limit.trials) == (4 * HOLD_S, 1), "once"
    limit, _ = throttled(first, seen, throttle._replace(asked=True))
    assert (limit.hold, limit.trials) == (2 * HOLD_S * LONGEST_HOLD, 1)
    limit, _ = throttled(CALM, seen._replace(taken=90), throttle._replace(asked=True))
    assert limit.hold == 2 * HOLD_S * LONGEST_HOLD


def test_a_repeated_trial_assumes_no_burst() -> None:
    repeated = CALM._replace(hold=0.0)
    seen = Evidence(mark=100.0, taken=8, burst=1)
    seen = accepted(repeated, seen, 101.0)[1]
    assert (seen.mark, seen.taken, seen.burst) == (100.0, 9, 1), "the limiter is still full"
    limit, _ = throttled(repeated, seen._replace(taken=63), Throttle(102.0, 102.1, 40.0))
    assert limit.start == pytest.approx(31.0)


def test_a_row_of_throttled_answers_ends_a_repeated_trial_once() -> None:
    repeated = CALM._replace(hold=0.0)
    seen = Evidence(mark=100.0, taken=63, burst=1, in_row=1)
    assert throttled(repeated, seen, Throttle(102.0, 102.1, 40.0))[0] == repeated


def test_under_contention_a_trial_goes_on_unless_it_costs_a_pause() -> None:
    noisy = CALM._replace(contention=0.05)
    throttle = Throttle(110.0, 110.1, 40.0)
    assert throttled(noisy, FULL, throttle)[0] == noisy
    assert throttled(noisy, FULL, throttle._replace(asked=True))[0].since == 110.1


# -- throttled answers: in a test


def test_a_test_that_fails_shows_contention_and_the_rate_goes_back() -> None:
    seen = FULL._replace(sent=90, throttled=6, score=SURE - 1.0)
    limit, after = throttled(TEST, seen, Throttle(102.0, 102.1, 30.0))
    assert limit == Limit(50.0, 102.1, contention=7 / 91)
    assert (after.sent, after.throttled, after.score, after.mark) == (0, 0, 0.0, 102.0)
    assert rate_at(limit, 103.0) > 50.0, "more is tried at once"


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (FULL._replace(sent=90, throttled=20, score=9.0), "so large a share is a limit"),
        (FULL._replace(sent=48, throttled=5, score=9.0), "too little was seen"),
    ],
)
def test_a_test_that_fails_may_only_show_that_the_limit_is_lower(seen: Evidence, why: str) -> None:
    limit, _ = throttled(TEST, seen, Throttle(104.0, 104.1, 30.0))
    assert (limit.contention, limit.top) == (0.0, 50.0), why
    assert limit.start < 30.0
    assert MOST_CONTENTION < 23 / 91


def test_the_estimate_of_a_limit_behind_contention_counts_what_contention_throttles() -> None:
    seen = FULL._replace(score=9.0)
    limit, _ = throttled(CALM._replace(contention=0.05), seen, Throttle(102.0, 102.1, 60.0))
    assert limit.start == pytest.approx(57 / 2 / 0.95)


# -- against limiters

SEEDS = range(10)
"""A few; `python -m benchmarks.pace` has more, and docs/pace.md what it measured."""


def mean(case: Case) -> tuple[float, float]:
    """The mean shares of the limit that were used, and of requests that were rejected."""
    found = [tried(case, seed) for seed in SEEDS]
    return fmean(one.used for one in found), fmean(one.rejected for one in found)


@pytest.mark.prove
def test_contention_hardly_slows_a_run() -> None:
    used = {
        name: mean(BY_NAME[name])[0]
        for name in (
            "contention-5",
            "contention-5-more",
            "contention-50",
            "contention-50-more",
            "contention-little",
            "contention-long",
        )
    }
    assert fmean(used.values()) >= 0.91, used
    assert min(used.values()) >= 0.85, used


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "used_at_least", "rejected_at_most"),
    [
        ("steady", 0.96, 0.015),
        ("steady-slow-answers", 0.96, 0.02),
        ("steady-ceiling", 0.96, 0.015),
        ("steady-5", 0.96, 0.015),
        ("steady-retry-after", 0.86, 0.01),
        ("halves", 0.92, 0.02),
        ("shared", 0.75, 0.18),
        ("shared-retry-after", 0.7, 0.05),
        ("contention-no-ceiling", 0.7, 0.07),
        ("contention-and-limit", 0.75, 0.15),
        ("window-5-a-second", 0.9, 0.05),
        ("window-30-a-second", 0.9, 0.05),
        ("window-300-a-minute", 0.9, 0.045),
    ],
)
def test_an_unknown_limit_is_found_and_followed(
    name: str, used_at_least: float, rejected_at_most: float
) -> None:
    used, rejected = mean(BY_NAME[name])
    assert used >= used_at_least
    assert rejected <= rejected_at_most


def take_contention_for_a_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("worker.rate.limit.share", lambda _: 1.0)


def forget_to_end_a_test(patch: pytest.MonkeyPatch) -> None:
    def unending(limit: Limit, seen: Evidence, left_at: float) -> tuple[Limit, Evidence]:
        after, counts = accepted(limit, seen, left_at)
        return (limit if limit.top else after), counts

    def unmoved(limit: Limit, seen: Evidence, throttle: Throttle) -> tuple[Limit, Evidence]:
        after, counts = throttled(limit, seen, throttle)
        return (limit if limit.top and not after.top else after), counts

    patch.setattr("worker.rate.pacer.accepted", unending)
    patch.setattr("worker.rate.pacer.throttled", unmoved)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (take_contention_for_a_limit, "contention-50"),
        (forget_to_end_a_test, "contention-50"),
        (forget_to_end_a_test, "halves"),
    ],
)
def test_a_planted_mistake_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    used, rejected = mean(BY_NAME[name])
    assert used < 0.85 or rejected > 0.08


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
