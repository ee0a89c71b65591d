"""When requests may leave: the rules as tables, and the pacer on a clock that is moved by hand."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.support.clocks import HandClock, SkippingStop
from worker.events import Event
from worker.pace import (
    HORIZON_S,
    MOST_BACK_OFF_S,
    PROBE_AFTER,
    SLOWEST,
    Pace,
    Pacer,
    due,
    good,
    left,
    pace,
    probing,
    pushed_back,
    slots_ahead,
    unusable,
    unusable_for,
)  # fmt: skip

# -- slots --------------------------------------------------------------------------------------------------------


def test_the_first_request_may_leave_at_once() -> None:
    assert due(pace(5)) == -math.inf
    assert due(pace(None)) == -math.inf


def test_slots_lie_on_a_grid_that_lateness_does_not_move() -> None:
    state, times = pace(4), []
    now = 100.0
    for _ in range(1000):
        now = max(now, due(state)) + 0.01  # everybody wakes late
        times.append(now)
        state = left(state, now)

    assert times[-1] - times[0] == pytest.approx(999 * 0.25, abs=0.02)


def test_a_pause_is_not_caught_up_with() -> None:
    state = left(pace(10), 0.0)
    state = left(state, 60.0)

    assert due(state) == pytest.approx(60.1)


@pytest.mark.parametrize(("late", "next_slot"), [(0.0, 0.2), (0.09, 0.2), (0.11, 0.31), (5.0, 5.2)])
def test_a_slot_that_is_missed_by_less_than_its_interval_keeps_the_grid(late: float, next_slot: float) -> None:
    state = left(pace(10), 0.0)

    assert due(left(state, 0.1 + late)) == pytest.approx(next_slot)


def test_without_a_ceiling_everything_may_leave_at_once() -> None:
    state = left(left(pace(None), 5.0), 5.0)

    assert due(state) <= 5.0
    assert slots_ahead(state, 5.0, 16) == 16


def test_half_the_share_doubles_the_interval() -> None:
    assert due(left(replace(pace(10), share=0.5), 0.0)) == pytest.approx(0.2)


def test_a_request_is_due_after_slot_and_pause() -> None:
    assert due(Pace(1.0, next_slot=3.0, pause_until=2.0)) == 3.0
    assert due(Pace(1.0, next_slot=3.0, pause_until=4.0)) == 4.0


@pytest.mark.parametrize(
    ("state", "most", "slots"),
    [
        (Pace(0.1), 16, 4),  # now, and at 0.1, 0.2, 0.3
        (Pace(0.1), 2, 2),
        (Pace(0.1), 0, 0),
        (Pace(1.0), 16, 1),
        (Pace(0.1, next_slot=10.25), 16, 1),
        (Pace(0.1, next_slot=10.31), 16, 0),
        (Pace(0.1, pause_until=10.2), 16, 2),
        (Pace(0.1, pause_until=11.0), 16, 0),
        (Pace(0.0, pause_until=11.0), 16, 0),
        (Pace(0.0, bad=PROBE_AFTER), 16, 1),
        (Pace(0.1, bad=PROBE_AFTER, pause_until=11.0), 16, 0),
    ],
)
def test_so_many_may_leave_within_the_horizon(state: Pace, most: int, slots: int) -> None:
    assert HORIZON_S == 0.3
    assert slots_ahead(state, 10.0, most) == slots


# -- push-backs ---------------------------------------------------------------------------------------------------


def test_one_push_back_slows_once_however_many_were_under_way() -> None:
    first = pushed_back(pace(10), 100.0, 99.0, None, 0.0)
    state = first
    for _ in range(15):
        state = pushed_back(state, 100.1, 99.0, None, 1.0)

    assert first.share == pytest.approx(0.7)
    assert (state.share, state.pauses, state.slowed_at, state.pause_until) == (0.7, 1, 100.0, 100.5)


def test_what_the_api_asks_is_waited_for_and_a_later_answer_may_ask_for_longer() -> None:
    state = pushed_back(pace(10), 100.0, 99.0, 7.0, 0.5)
    assert due(state) == 107.0

    longer = pushed_back(state, 101.0, 99.0, 20.0, 0.5)
    shorter = pushed_back(state, 101.0, 99.0, 1.0, 0.5)

    assert (longer.pause_until, longer.share, longer.pauses) == (121.0, state.share, 1)
    assert shorter.pause_until == 107.0


def test_a_wait_of_no_seconds_is_none_that_was_asked_for() -> None:
    # Without a ceiling a smaller share slows nothing, so only a pause keeps senders from hammering.
    assert pushed_back(pace(None), 100.0, 99.0, 0.0, 1.0).pause_until == 101.0


@pytest.mark.parametrize(("jitter", "part"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_back_off_grows_to_a_cap_with_half_of_it_random(jitter: float, part: float) -> None:
    state, waits = pace(10), []
    now = 0.0
    for _ in range(15):
        state = pushed_back(state, now, now, None, jitter)
        waits.append(state.pause_until - now)
        now = state.pause_until

    grown = [1, 2, 4, 8, 16, 32, *[MOST_BACK_OFF_S] * 9]
    assert waits == pytest.approx([part * wait for wait in grown])


def test_the_rate_falls_to_a_floor_and_climbs_back_while_answers_are_good() -> None:
    state = pace(10)
    for now in range(50):
        state = pushed_back(state, float(now), float(now), 0.0, 0.0)
    assert state.share == SLOWEST

    state = good(state, 49.0)
    assert (state.pauses, state.unusable_since) == (0, None)
    shares = [state.share]
    for _ in range(60):
        state = good(state, 60.0)
        shares.append(state.share)
    assert shares == sorted(shares)
    assert state.share == 1.0


def test_a_good_answer_to_an_earlier_request_only_says_that_the_api_is_there() -> None:
    state = good(pushed_back(pace(10), 100.0, 99.0, 7.0, 0.5), 99.5)

    assert (state.pauses, state.share, state.pause_until, state.unusable_since) == (1, 0.7, 107.0, None)


# -- unusable -----------------------------------------------------------------------------------------------------


def test_single_unusable_answers_make_nobody_wait_where_their_items_are_not_asked_for_again() -> None:
    state = pace(10)
    for now in range(PROBE_AFTER - 1):
        state = unusable(state, float(now), float(now), None, 0.0, patient=True)

    assert (state.pause_until, state.pauses, probing(state)) == (-math.inf, 0, False)
    assert state.unusable_since == 0.0


def test_a_row_of_unusable_answers_leads_to_probes_with_growing_pauses() -> None:
    state = pace(10)
    waits = []
    now = 0.0
    for _ in range(PROBE_AFTER + 8):
        state = unusable(state, now, now, None, 1.0, patient=True)
        waits.append(max(0.0, state.pause_until - now))
        now = max(now, state.pause_until)

    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert probing(state)
    assert not probing(good(state, now))


def test_where_the_item_would_be_asked_for_again_the_first_unusable_answer_makes_everybody_wait() -> None:
    state = unusable(pace(10), 100.0, 99.0, None, 1.0, patient=False)
    assert state.pause_until == 101.0

    state = unusable(state, 101.0, 101.0, None, 1.0, patient=False)
    assert state.pause_until == 103.0


@pytest.mark.parametrize("patient", [True, False])
def test_requests_that_were_under_way_make_no_pause_longer(patient: bool) -> None:
    state = pace(10)
    for _ in range(16):
        state = unusable(state, 100.0, 99.0, None, 1.0, patient=patient)
    assert (state.pause_until, state.pauses) == (101.0, 1)

    # The probe after that meets the same wall: the second pause, not the seventeenth.
    state = unusable(state, 101.0, 101.0, None, 1.0, patient=patient)
    assert state.pause_until == 103.0


def test_an_unusable_answer_may_ask_to_wait() -> None:
    state = unusable(pace(10), 100.0, 99.0, 30.0, 0.0, patient=True)
    assert state.pause_until == 130.0

    assert unusable(state, 101.0, 99.0, 5.0, 0.0, patient=True).pause_until == 130.0


def test_no_pause_is_ever_shortened() -> None:
    state = replace(pace(10), pause_until=500.0)

    assert pushed_back(state, 100.0, 100.0, 1.0, 0.0).pause_until == 500.0
    assert unusable(state, 100.0, 100.0, 1.0, 0.0, patient=False).pause_until == 500.0


@pytest.mark.parametrize(
    ("since", "pause_until", "now", "seconds"),
    [(None, 900.0, 100.0, 0.0), (50.0, -math.inf, 100.0, 50.0), (50.0, 90.0, 100.0, 50.0), (50.0, 950.0, 100.0, 900.0)],
)
def test_the_api_is_unusable_until_now_or_as_long_as_it_says(
    since: float | None, pause_until: float, now: float, seconds: float
) -> None:
    assert unusable_for(Pace(0.1, unusable_since=since, pause_until=pause_until), now) == seconds


def test_unusable_time_counts_from_the_first_trouble_of_either_kind() -> None:
    state = pushed_back(pace(10), 100.0, 99.0, 0.0, 0.0)
    state = unusable(state, 110.0, 109.0, None, 0.0, patient=True)
    state = pushed_back(state, 120.0, 119.0, 0.0, 0.0)

    assert unusable_for(state, 130.0) == 30.0
    assert unusable_for(good(state, 121.0), 130.0) == 0.0


# -- the pacer ----------------------------------------------------------------------------------------------------


class Rig:
    """A pacer on a hand clock whose waits pass at once."""

    def __init__(self, ceiling: float | None = 10.0) -> None:
        self.clock = HandClock()
        self.stop = SkippingStop(self.clock)
        self.events: list[Event] = []
        self.pacer = Pacer(
            ceiling, self.clock, random.Random(1), self.events.append, self.stop.wait, lambda: self.stop.asked
        )

    def told(self) -> list[str]:
        return [event.name for event in self.events]


async def test_turns_are_spread_evenly() -> None:
    rig, times = Rig(), []
    for _ in range(11):
        assert await rig.pacer.turn(60.0)
        times.append(rig.clock.now)
        rig.pacer.landed()

    assert times == pytest.approx([1000 + n / 10 for n in range(11)])
    assert rig.pacer.in_flight == 0


async def test_many_who_wait_leave_one_by_one() -> None:
    rig, times = Rig(), []

    async def leave() -> None:
        assert await rig.pacer.turn(60.0)
        times.append(rig.clock.now)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(leave)

    assert times == pytest.approx([1000 + n / 10 for n in range(5)])
    assert rig.pacer.in_flight == 5


async def test_a_turn_that_is_further_away_than_patience_lasts_is_not_waited_for() -> None:
    rig = Rig()
    rig.pacer.pushed_back(rig.clock.now, 30.0)

    assert not await rig.pacer.turn(5.0)
    assert rig.stop.waits == []
    assert rig.pacer.in_flight == 0
    assert await rig.pacer.turn(30.0)
    assert rig.clock.now == 1030.0


async def test_no_turn_is_given_after_the_wish_to_stop() -> None:
    rig = Rig()
    rig.stop.ask("limit")

    assert not await rig.pacer.turn(60.0)


async def test_a_wish_to_stop_ends_a_wait() -> None:
    rig = Rig()
    rig.pacer.pushed_back(rig.clock.now, 30.0)

    async def asked_meanwhile(_: float) -> None:
        rig.stop.ask("signal")

    rig.pacer._wait = asked_meanwhile
    assert not await rig.pacer.turn(60.0)


def outage(rig: Rig) -> None:
    """So many unusable answers that only one request at a time may be under way; its pause is over."""
    for _ in range(PROBE_AFTER):
        rig.pacer.unusable(rig.clock.now, None, "HTTP 500", patient=True)
    rig.clock.advance(5.0)


async def test_one_request_at_a_time_probes() -> None:
    rig = Rig()
    outage(rig)
    assert rig.pacer.claimable(16) == 1
    assert await rig.pacer.turn(60.0)
    assert rig.pacer.claimable(16) == 0
    order: list[str] = []

    async def second() -> None:
        assert await rig.pacer.turn(60.0)
        order.append("second")

    async with anyio.create_task_group() as group:
        group.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        order.append("probe")
        rig.pacer.landed()

    assert order == ["probe", "second"]


async def test_a_probe_under_way_is_not_waited_for_longer_than_patience_lasts() -> None:
    rig = Rig()
    outage(rig)
    assert await rig.pacer.turn(60.0)
    turns: list[bool] = []

    async def wait() -> None:
        turns.append(await rig.pacer.turn(0.05))

    with anyio.fail_after(2):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            await anyio.sleep(0.02)
            rig.clock.advance(0.05)

    assert turns == [False, False]
    assert rig.pacer.in_flight == 1


def test_slowing_is_told_once_and_so_is_recovery() -> None:
    rig = Rig()
    left_at = rig.clock.now
    rig.clock.advance(1.0)
    for _ in range(5):
        rig.pacer.pushed_back(left_at, 4.0)
    assert rig.told() == ["pace.slowed"]
    assert rig.events[0].fields == {
        "why": "the API said 'too many requests'", "wait_s": 4.0, "share_of_ceiling": 0.7,
    }  # fmt: skip
    assert rig.pacer.waiting_s() == 4.0
    assert rig.pacer.opens_in() == pytest.approx(4.0 - HORIZON_S)

    rig.pacer.good(left_at)
    assert rig.told() == ["pace.slowed"]
    rig.clock.advance(4.0)
    rig.pacer.good(rig.clock.now)
    rig.pacer.good(rig.clock.now)
    assert rig.told() == ["pace.slowed", "pace.recovered"]
    assert rig.pacer.waiting_s() == rig.pacer.opens_in() == 0.0


@pytest.mark.parametrize("patient", [True, False])
def test_recovery_from_an_outage_is_told_too(patient: bool) -> None:
    rig = Rig()
    for _ in range(PROBE_AFTER if patient else 1):
        rig.pacer.unusable(rig.clock.now, None, "HTTP 500", patient=patient)
    rig.clock.advance(10.0)
    assert rig.pacer.unusable_for() == 10.0
    rig.pacer.good(rig.clock.now)

    assert rig.told() == ["pace.slowed", "pace.recovered"]
    assert rig.pacer.unusable_for() == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_jitter_stays_within_its_bounds(seed: int) -> None:
    rig = Rig()
    rig.pacer._rng = random.Random(seed)
    rig.pacer.pushed_back(rig.clock.now, None)

    assert 0.5 <= rig.pacer.waiting_s() <= 1.0


def test_any_sequence_of_answers_keeps_the_state_sane() -> None:
    rng = random.Random(7)
    rig = Rig()
    steps: list[Any] = [
        rig.pacer.good,
        lambda at: rig.pacer.pushed_back(at, rng.choice([None, 0.0, 2.0])),
        lambda at: rig.pacer.unusable(at, rng.choice([None, 0.0, 2.0]), "no", patient=rng.random() < 0.5),
    ]
    for _ in range(3000):
        rig.clock.advance(rng.random())
        before = rig.pacer.state.pause_until
        rng.choice(steps)(rig.clock.now - rng.random() * 3)
        state = rig.pacer.state
        assert SLOWEST <= state.share <= 1.0
        assert state.pause_until >= before
        assert rig.pacer.waiting_s() <= MOST_BACK_OFF_S
