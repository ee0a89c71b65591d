"""Even slots, pauses and probes: the rules as tables."""

from __future__ import annotations

import math

import pytest

from worker.model.replies import Quota
from worker.rate.limit import Limit
from worker.rate.slots import (
    HORIZON_S,
    MOMENT_S,
    MOST_BACK_OFF_S,
    PROBE_AFTER,
    Pace,
    after_request,
    after_usable,
    back_off,
    due,
    following,
    paused,
    probing,
    rate,
    slots_within,
    unusable,
    with_quota,
)

LIMIT = Limit(5.0, 100.0, hold=60.0)

# -- slots


def test_the_first_request_may_leave_at_once() -> None:
    assert due(Pace(5)) == -math.inf
    assert due(Pace()) == -math.inf


def test_slots_lie_on_a_grid_that_lateness_does_not_move() -> None:
    state, times = Pace(4), []
    now = 100.0
    for _ in range(1000):
        now = max(now, due(state)) + 0.01  # everybody wakes late
        times.append(now)
        state = after_request(state, now)

    assert times[-1] - times[0] == pytest.approx(999 * 0.25, abs=0.02)


def test_a_pause_is_not_caught_up_with() -> None:
    state = after_request(Pace(10), 0.0)
    state = after_request(state, 60.0)

    assert due(state) == pytest.approx(60.1)


@pytest.mark.parametrize(("late", "next_slot"), [(0.0, 0.2), (0.09, 0.2), (0.11, 0.31), (5.0, 5.2)])
def test_a_slot_that_is_missed_by_less_than_its_interval_keeps_the_grid(
    late: float, next_slot: float
) -> None:
    state = after_request(Pace(10), 0.0)

    assert due(after_request(state, 0.1 + late)) == pytest.approx(next_slot)


def test_without_a_ceiling_everything_may_leave_at_once() -> None:
    state = after_request(after_request(Pace(), 5.0), 5.0)

    assert due(state) <= 5.0
    assert slots_within(state, 5.0, 16) == 16


@pytest.mark.parametrize(
    ("interval", "made_up_for"),
    [(0.001, 0.002), (0.002, 0.004), (0.005, MOMENT_S), (0.02, 0.02), (0.2, 0.2), (5.0, 5.0)],
)
def test_a_busy_moment_is_made_up_for_and_a_pause_is_not(
    interval: float, made_up_for: float
) -> None:
    assert following(100.0, 100.0 + 0.99 * made_up_for, interval) == 100.0 + interval
    missed = 100.0 + 1.01 * made_up_for
    assert following(100.0, missed, interval) == missed + interval


def test_at_a_thousand_a_second_no_more_than_two_slots_are_made_up_for() -> None:
    state = after_request(Pace(1000), 0.0)
    state = after_request(state, 0.0029)
    bunch = 0
    while due(state) <= 0.0029:
        state = after_request(state, 0.0029)
        bunch += 1
    assert bunch == 1  # and the one that was late


def test_a_limit_that_is_known_is_kept_to_and_the_ceiling_stays_one() -> None:
    assert due(after_request(Pace(10)._replace(limit=LIMIT), 0.0)) == pytest.approx(0.2)
    assert due(after_request(Pace()._replace(limit=LIMIT), 0.0)) == pytest.approx(0.2)
    assert due(after_request(Pace(2)._replace(limit=LIMIT), 0.0)) == pytest.approx(0.5)


def test_a_request_is_due_after_slot_and_pause() -> None:
    assert due(Pace(1, next_slot=3.0, pause_until=2.0)) == 3.0
    assert due(Pace(1, next_slot=3.0, pause_until=4.0)) == 4.0


@pytest.mark.parametrize(
    ("state", "most", "slots"),
    [
        (Pace(10), 16, 4),  # now, and at 0.1, 0.2, 0.3
        (Pace(10), 2, 2),
        (Pace(10), 0, 0),
        (Pace(1), 16, 1),
        (Pace(10, next_slot=10.25), 16, 1),
        (Pace(10, next_slot=10.31), 16, 0),
        (Pace(10, pause_until=10.2), 16, 2),
        (Pace(10, pause_until=11.0), 16, 0),
        (Pace(pause_until=11.0), 16, 0),
        (Pace(bad=PROBE_AFTER), 16, 1),
        (Pace(10, bad=PROBE_AFTER, pause_until=11.0), 16, 0),
    ],
)
def test_so_many_may_leave_within_the_horizon(state: Pace, most: int, slots: int) -> None:
    assert HORIZON_S == 0.3
    assert slots_within(state, 10.0, most) == slots
    assert slots_within(state, 10.0, most, in_flight=1) == (0 if probing(state) else slots)


# -- throttled answers


def test_a_new_limit_begins_after_the_pause() -> None:
    state = paused(Pace(10, limit=LIMIT), 100.0, 0.5)
    assert (state.pause_until, state.unusable_since) == (100.5, 100.0)
    assert state.limit == LIMIT._replace(since=100.5)
    assert (state.pauses, state.slowed_at) == (0, -math.inf), "it does not count"


def test_a_later_answer_may_make_a_pause_longer_but_not_shorter() -> None:
    state = paused(Pace(10, limit=LIMIT), 100.0, 7.0)
    assert due(state) == 107.0
    longer = paused(state, 101.0, 20.0)
    assert (longer.pause_until, longer.limit.since) == (121.0, 121.0)
    assert paused(state, 101.0, 1.0) == state


def test_an_earlier_limit_does_not_age_during_a_pause() -> None:
    state = paused(Pace(10, limit=LIMIT), 130.0, 0.5)
    assert state.limit == LIMIT._replace(since=100.5)
    state = paused(state, 130.25, 20.0)
    assert (state.pause_until, state.limit) == (150.25, LIMIT._replace(since=120.25))


def test_an_answer_that_makes_nobody_wait_keeps_the_limit_and_the_pace() -> None:
    state = paused(Pace(10, limit=LIMIT._replace(since=90.0)), 100.0, 0.0)
    assert (state.pause_until, state.limit.since) == (100.0, 90.0)


def test_pauses_are_counted_until_a_usable_answer() -> None:
    state = paused(paused(Pace(10), 100.0, 1.0, counts=True), 101.0, 1.0, counts=True)
    assert (state.pauses, state.slowed_at) == (2, 101.0)
    assert after_usable(state, 101.0, LIMIT).pauses == 0


@pytest.mark.parametrize(("jitter", "part"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_back_off_grows_to_a_cap_with_half_of_it_random(jitter: float, part: float) -> None:
    grown = [1, 2, 4, 8, 16, 32, *[MOST_BACK_OFF_S] * 9]
    assert [back_off(times, jitter) for times in range(15)] == pytest.approx(
        [part * wait for wait in grown]
    )
    assert back_off(3, 1.0, 0.1) == pytest.approx(0.8)


def test_a_good_answer_to_an_earlier_request_only_says_that_the_api_is_there() -> None:
    state = after_usable(paused(Pace(10), 100.0, 7.0, counts=True), 99.5, LIMIT)

    assert (state.pauses, state.pause_until, state.unusable_since) == (1, 107.0, math.inf)
    assert after_usable(state, 107.0, LIMIT).pauses == 0


# -- what headers say


def test_what_is_left_of_a_window_is_spread_over_it() -> None:
    state = with_quota(Pace(), 100.0, Quota(20, 10.0))

    assert rate(state, 105.0) == pytest.approx(2.0)
    assert rate(state, 110.0) == math.inf, "a new window has begun"
    assert rate(with_quota(Pace(1), 100.0, Quota(20, 10.0)), 105.0) == pytest.approx(1.0), (
        "the ceiling stays one"
    )


@pytest.mark.parametrize("reset_s", [0.0, 3600.0])
def test_what_is_left_of_a_long_or_ended_window_may_leave_at_once(reset_s: float) -> None:
    assert with_quota(Pace(), 100.0, Quota(20, reset_s)) == Pace()


def test_a_wait_for_the_next_window_is_one_that_the_api_asks_for() -> None:
    state = with_quota(Pace(10), 100.0, Quota(0, 3600.0))
    assert (state.unusable_since, state.pause_until) == (100.0, 3700.0)
    state = with_quota(Pace(10, unusable_since=50.0), 100.0, Quota(0, 3600.0))
    assert (state.unusable_since, state.pause_until) == (50.0, 3700.0)


@pytest.mark.parametrize(("before", "until"), [(-math.inf, 110.0), (105.0, 110.0), (400.0, 400.0)])
def test_where_nothing_is_left_all_wait_for_the_next_window(before: float, until: float) -> None:
    state = Pace(10)._replace(pause_until=before)
    assert with_quota(state, 100.0, Quota(0, 10.0)).pause_until == until


# -- unusable


def test_single_unusable_answers_make_nobody_wait_where_their_items_are_not_asked_for_again() -> (
    None
):
    state = Pace(10)
    for now in range(PROBE_AFTER - 1):
        state = unusable(state, float(now), float(now), None, 0.0, patient=True)

    assert (state.pause_until, state.pauses, probing(state)) == (now, 0, False)
    assert state.unusable_since == 0.0


def test_a_row_of_unusable_answers_leads_to_probes_with_growing_pauses() -> None:
    state = Pace(10)
    waits = []
    now = 0.0
    for _ in range(PROBE_AFTER + 8):
        state = unusable(state, now, now, None, 1.0, patient=True)
        waits.append(max(0.0, state.pause_until - now))
        now = max(now, state.pause_until)

    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert probing(state)
    assert not probing(after_usable(state, now, LIMIT))


def test_after_two_pauses_without_a_usable_answer_one_request_at_a_time_probes() -> None:
    state = paused(Pace(10), 100.0, 1.0, counts=True)
    assert not probing(state)
    state = paused(state, 101.0, 1.0, counts=True)
    assert probing(state), "a used up window lasts, and each request would be throttled"
    assert not probing(after_usable(state, 101.5, LIMIT))


def test_where_the_item_would_be_asked_for_again_the_first_unusable_answer_makes_all_wait() -> None:
    state = unusable(Pace(10), 100.0, 99.0, None, 1.0, patient=False)
    assert state.pause_until == 101.0

    state = unusable(state, 101.0, 101.0, None, 1.0, patient=False)
    assert state.pause_until == 103.0


@pytest.mark.parametrize("patient", [True, False])
def test_requests_that_were_under_way_make_no_pause_longer(patient: bool) -> None:
    state = Pace(10)
    for _ in range(16):
        state = unusable(state, 100.0, 99.0, None, 1.0, patient=patient)
    assert (state.pause_until, state.pauses) == (101.0, 1)

    # The probe after that meets the same wall: the second pause, not the seventeenth.
    state = unusable(state, 101.0, 101.0, None, 1.0, patient=patient)
    assert state.pause_until == 103.0


def test_an_unusable_answer_may_ask_to_wait() -> None:
    state = unusable(Pace(10), 100.0, 99.0, 30.0, 0.0, patient=True)
    assert state.pause_until == 130.0

    assert unusable(state, 101.0, 99.0, 5.0, 0.0, patient=True).pause_until == 130.0


def test_no_pause_is_ever_shortened() -> None:
    state = Pace(10)._replace(pause_until=500.0)

    assert paused(state, 100.0, 1.0).pause_until == 500.0
    assert unusable(state, 100.0, 100.0, 1.0, 0.0, patient=False).pause_until == 500.0


def test_unusable_time_counts_from_the_first_trouble_of_either_kind() -> None:
    state = paused(Pace(10, limit=LIMIT), 100.0, 0.0)
    state = unusable(state, 110.0, 109.0, None, 0.0, patient=True)
    state = paused(state, 120.0, 0.0)

    assert state.unusable_since == 100.0
    assert after_usable(state, 121.0, LIMIT).unusable_since == math.inf
