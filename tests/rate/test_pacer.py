"""The pacer on a clock that is moved by hand: who leaves when, and what people are told."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.support.clocks import HandClock, SkippingStop
from worker.model.events import Event, StopReason
from worker.model.replies import Quota
from worker.rate.evidence import BURST
from worker.rate.pacer import Pacer
from worker.rate.slots import HORIZON_S, MOMENT_S, MOST_BACK_OFF_S, PROBE_AFTER, Pace
from worker.rate.window import FIRST, Window


class Rig:
    """A pacer on a hand clock whose waits pass at once."""

    def __init__(self, ceiling: float | None = 10.0, most: int = 16) -> None:
        self.clock = HandClock()
        self.stop = SkippingStop(self.clock)
        self.events: list[Event] = []
        self.pacer = Pacer(
            ceiling,
            most,
            self.clock,
            random.Random(1),
            self.events.append,
            self.stop.wait,
            lambda: self.stop.asked,
        )

    def event_names(self) -> list[str]:
        return [event.name for event in self.events]


async def test_turns_are_spread_evenly() -> None:
    rig, times = Rig(), []
    for _ in range(11):
        assert await rig.pacer.acquire(60.0)
        times.append(rig.clock.now)
        rig.pacer.release()

    assert times == pytest.approx([1000 + n / 10 for n in range(11)])
    assert rig.pacer.in_flight == 0


async def test_many_who_wait_leave_one_by_one() -> None:
    rig, times = Rig(), []

    async def leave() -> None:
        assert await rig.pacer.acquire(60.0)
        times.append(rig.clock.now)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(leave)

    assert times == pytest.approx([1000 + n / 10 for n in range(5)])
    assert rig.pacer.in_flight == 5


async def test_a_turn_that_is_further_away_than_patience_lasts_is_not_waited_for() -> None:
    rig = Rig()
    rig.pacer.throttled(rig.clock.now, 30.0)

    assert not await rig.pacer.acquire(5.0)
    assert rig.stop.waits == []
    assert rig.pacer.in_flight == 0
    assert await rig.pacer.acquire(30.0)
    assert rig.clock.now == 1030.0


async def test_no_turn_is_given_after_the_wish_to_stop() -> None:
    rig = Rig()
    rig.stop.ask(StopReason.LIMIT)

    assert not await rig.pacer.acquire(60.0)


async def test_a_wish_to_stop_ends_a_wait() -> None:
    rig = Rig()
    rig.pacer.throttled(rig.clock.now, 30.0)

    async def asked_meanwhile(_: float) -> None:
        rig.stop.ask(StopReason.SIGNAL)

    rig.pacer._wait = asked_meanwhile
    assert not await rig.pacer.acquire(60.0)


def crowd(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Rig], None] = lambda _: None
) -> tuple[Rig, list[float]]:
    """A pacer without a ceiling under which eight are under way and answers take 160 ms, and the
    moments that senders are made to wait for a place; `meanwhile` happens in the first of them."""
    rig, moments = Rig(None, 8), list[float]()
    rig.pacer.window = Window(8.0, 8.0, 0.16)

    async def moment(seconds: float) -> None:
        moments.append(seconds)
        if len(moments) == 1:
            meanwhile(rig)

    monkeypatch.setattr("worker.rate.pacer.anyio.sleep", moment)
    return rig, moments


async def test_those_who_may_leave_at_once_leave_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, moments = crowd(monkeypatch)
    for _ in range(4):
        assert await rig.pacer.acquire(60.0)
    assert moments == pytest.approx([0.005, 0.01, 0.015])
    assert rig.pacer.in_flight == 4
    rig.clock.advance(1.0)
    assert await rig.pacer.acquire(60.0)
    assert len(moments) == 3


async def test_a_sender_with_a_place_waits_for_a_pause_that_begins_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, moments = crowd(monkeypatch, lambda rig: rig.pacer.throttled(rig.clock.now, 2.0))
    assert await rig.pacer.acquire(60.0)
    assert await rig.pacer.acquire(60.0)
    assert rig.clock.now >= 1002.0
    assert rig.pacer.in_flight == 2
    assert len(moments) == 1


async def test_a_sender_with_a_place_does_not_send_after_a_request_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, _ = crowd(monkeypatch, lambda rig: rig.stop.ask(StopReason.SIGNAL))
    assert await rig.pacer.acquire(60.0)
    assert not await rig.pacer.acquire(60.0)
    assert rig.pacer.in_flight == 1


def outage(rig: Rig) -> None:
    """So many unusable answers that only one request at a time may be under way; its pause is
    over."""
    for _ in range(PROBE_AFTER):
        rig.pacer.unusable(rig.clock.now, None, "HTTP 500", patient=True)
    rig.clock.advance(5.0)


async def test_one_request_at_a_time_probes() -> None:
    rig = Rig()
    outage(rig)
    assert rig.pacer.prefetch() == 1
    assert await rig.pacer.acquire(60.0)
    assert rig.pacer.prefetch() == 0
    order: list[str] = []

    async def second() -> None:
        assert await rig.pacer.acquire(60.0)
        order.append("second")

    async with anyio.create_task_group() as group:
        group.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        order.append("probe")
        rig.pacer.release()

    assert order == ["probe", "second"]


async def test_a_probe_under_way_is_not_waited_for_longer_than_patience_lasts() -> None:
    rig = Rig()
    outage(rig)
    assert await rig.pacer.acquire(60.0)
    turns: list[bool] = []

    async def wait() -> None:
        turns.append(await rig.pacer.acquire(0.05))

    with anyio.fail_after(2):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            await anyio.sleep(0.02)
            rig.clock.advance(0.05)

    assert turns == [False, False]
    assert rig.pacer.in_flight == 1


def test_slowing_is_logged_once_and_so_is_recovery() -> None:
    rig = Rig()
    left_at = rig.clock.now
    rig.clock.advance(1.0)
    for _ in range(5):
        rig.pacer.throttled(left_at, 4.0)
    assert rig.event_names() == ["pace.slowed"]
    assert rig.events[0].fields["why"] == "the API said 'too many requests'"
    assert rig.events[0].fields["wait_s"] == 4.0
    assert rig.events[0].fields["rate"] == pytest.approx(rig.pacer.rate(), abs=0.001)
    assert rig.pacer.waiting_s() == 4.0
    assert rig.pacer.opens_in() == pytest.approx(4.0 - HORIZON_S)

    rig.pacer.good(left_at)
    assert rig.event_names() == ["pace.slowed"]
    rig.clock.advance(4.0)
    rig.pacer.good(rig.clock.now)
    rig.pacer.good(rig.clock.now)
    assert rig.event_names() == ["pace.slowed", "pace.recovered"]
    assert rig.pacer.waiting_s() == rig.pacer.opens_in() == 0.0


@pytest.mark.parametrize("patient", [True, False])
def test_recovery_from_an_outage_is_logged_too(patient: bool) -> None:
    rig = Rig()
    for _ in range(PROBE_AFTER if patient else 1):
        rig.pacer.unusable(rig.clock.now, None, "HTTP 500", patient=patient)
    rig.clock.advance(10.0)
    assert rig.pacer.unusable_for() == 10.0
    rig.pacer.good(rig.clock.now)

    assert rig.event_names() == ["pace.slowed", "pace.recovered"]
    assert rig.pacer.unusable_for() == 0.0


@pytest.mark.parametrize(
    ("since", "pause_until", "seconds"),
    [
        (math.inf, 1900.0, 0.0),
        (950.0, -math.inf, 50.0),
        (950.0, 990.0, 50.0),
        (950.0, 1850.0, 900.0),
    ],
)
def test_the_api_is_unusable_until_now_or_as_long_as_it_says(
    since: float, pause_until: float, seconds: float
) -> None:
    rig = Rig()
    rig.pacer.state = Pace(10.0, unusable_since=since, pause_until=pause_until)
    assert rig.pacer.unusable_for() == seconds


def test_waits_grow_while_only_throttled_answers_come() -> None:
    rig = Rig(None)
    waits = []
    for _ in range(24):
        rig.clock.advance(1.0)
        rig.pacer.throttled(rig.clock.now, None)
        waits.append(rig.pacer.waiting_s())
        rig.clock.advance(rig.pacer.waiting_s())
    assert 0.5 * MOST_BACK_OFF_S <= waits[-1] <= MOST_BACK_OFF_S


def test_a_throttled_answer_that_changes_nothing_causes_no_wait_and_no_event() -> None:
    rig = Rig(10.0)
    for _ in range(3):
        rig.clock.advance(0.1)
        rig.pacer.good(rig.clock.now - 0.05)
    rig.pacer.throttled(rig.clock.now - 0.05, None)
    assert (rig.pacer.waiting_s(), rig.pacer.rate(), rig.event_names()) == (0.0, 10.0, [])
    rig.pacer.throttled(rig.clock.now - 0.04, None)
    assert 0.2 <= rig.pacer.waiting_s() <= 0.4, "twice as long, as the second of its row"
    assert rig.event_names() == ["pace.slowed"], "two in a row may be more than contention"
    rig.clock.advance(0.3)
    rig.pacer.good(rig.clock.now - 0.05)
    assert rig.event_names() == ["pace.slowed", "pace.recovered"]


def test_contention_does_not_slow_a_run_for_long() -> None:
    rig = Rig(10.0)
    for number in range(1, 601):
        rig.clock.advance(0.1)
        if number % 14 == 0:
            rig.pacer.throttled(rig.clock.now - 0.05, None)
        else:
            rig.pacer.good(rig.clock.now - 0.05)
    assert rig.pacer.rate() == 10.0
    assert 0.04 < rig.pacer.state.limit.contention < 0.11


def test_a_limiter_rests_while_all_wait_because_it_asked_for_that() -> None:
    rig = Rig(10.0)
    rig.pacer.throttled(rig.clock.now, 5.0)
    assert (rig.pacer._evidence.mark, rig.pacer._evidence.burst) == (1005.0, BURST)
    rig.pacer.throttled(rig.clock.now - 1.0, 9.0)
    assert rig.pacer._evidence.mark == 1009.0, "so does one that was under way already"


@pytest.mark.parametrize("ceiling", [10.0, None])
def test_an_outage_does_not_count_as_sending(ceiling: float | None) -> None:
    rig = Rig(ceiling)
    rig.pacer.good(rig.clock.now)
    rig.clock.now += 100.0
    rig.pacer.unusable(rig.clock.now, 30.0, "HTTP 503", patient=False)
    rig.pacer.good(rig.clock.now)
    evidence = rig.pacer._evidence
    assert (evidence.mark, evidence.taken, evidence.burst) == (rig.clock.now + 30.0, 0, BURST)


async def test_without_a_ceiling_the_first_requests_are_few_and_more_follow_answers() -> None:
    rig = Rig(None)
    for _ in range(int(FIRST)):
        assert await rig.pacer.acquire(60.0)
    assert not rig.pacer._take_slot(rig.clock.now), "it is not known yet how many the API bears"
    for _ in range(200):
        left_at = rig.clock.now
        rig.clock.advance(0.01)
        rig.pacer.good(left_at)
    assert rig.pacer.window.size == 16


@pytest.mark.parametrize(
    ("ceiling", "most", "size"), [(None, 16, FIRST), (5.0, 16, 16), (None, 1, 1)]
)
def test_without_a_ceiling_few_may_be_under_way_at_first(
    ceiling: float | None, most: int, size: float
) -> None:
    assert Rig(ceiling, most).pacer.window.size == size


async def test_with_a_ceiling_all_senders_may_send_from_the_start() -> None:
    rig = Rig(1000.0)
    for _ in range(16):
        assert await rig.pacer.acquire(60.0)
    assert not rig.pacer._take_slot(rig.clock.now + 1.0)


@pytest.mark.parametrize(
    ("ceiling", "latency", "ahead"),
    [
        (None, 0.001, int(16 * HORIZON_S / MOMENT_S)),  # a fast API: no more than if it took 10 ms
        (None, 0.3, 16),
        (None, 4.8, 1),  # a slow one: what is claimed too early is unknown after a crash
        (5.0, 0.001, 2),
        (50.0, 0.001, 15),
    ],
)
def test_what_leaves_within_a_third_of_a_second_may_be_claimed(
    ceiling: float | None, latency: float, ahead: int
) -> None:
    rig = Rig(ceiling)
    for _ in range(300):
        rig.clock.advance(latency)
        rig.pacer.good(rig.clock.now - latency)
    assert rig.pacer.prefetch() == ahead


def test_a_used_up_quota_is_logged_if_the_wait_is_long() -> None:
    rig = Rig()
    rig.pacer.observe_quota(Quota(100, 60.0))
    assert rig.event_names() == []
    rig.pacer.observe_quota(Quota(0, 60.0))
    rig.pacer.observe_quota(Quota(0, 59.0))
    assert rig.event_names() == ["pace.slowed"]
    assert rig.events[0].fields["wait_s"] == 60.0


def test_any_sequence_of_answers_keeps_the_state_sane() -> None:
    rng = random.Random(7)
    rig = Rig()
    steps: list[Any] = [
        rig.pacer.good,
        lambda at: rig.pacer.throttled(at, rng.choice([None, 0.0, 2.0])),
        lambda at: rig.pacer.unusable(
            at, rng.choice([None, 0.0, 2.0]), "no", patient=rng.random() < 0.5
        ),
    ]
    for _ in range(3000):
        rig.clock.advance(rng.random())
        before = rig.pacer.state.pause_until
        rng.choice(steps)(rig.clock.now - rng.random() * 3)
        state = rig.pacer.state
        rate = rig.pacer.rate()
        assert rate is not None
        assert 0 < rate <= 10.0
        assert 0 <= rig.pacer.prefetch() <= 16 * HORIZON_S / MOMENT_S
        assert state.pause_until >= before
        assert rig.pacer.waiting_s() <= MOST_BACK_OFF_S


async def test_the_next_run_keeps_the_pace_and_what_was_learned_about_it() -> None:
    rig = Rig(ceiling=1.0)
    assert await rig.pacer.acquire(60.0)
    rig.pacer.throttled(rig.clock.now, 30.0)
    limit = rig.pacer.state.limit
    events: list[Event] = []
    stop = SkippingStop(rig.clock)

    rig.pacer.serve(events.append, stop.wait, lambda: stop.asked)

    assert rig.pacer.in_flight == 0, "no request of an ended run is under way"
    assert rig.pacer.state.limit == limit
    assert limit is not None
    assert await rig.pacer.acquire(60.0)
    assert rig.clock.now == 1030.0
    rig.pacer.good(rig.clock.now)
    assert [event.name for event in events] == ["pace.recovered"]
    assert rig.event_names() == ["pace.slowed"]
