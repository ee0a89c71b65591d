"""How many requests may be under way: the rules as tables."""

from __future__ import annotations

import pytest

from worker.rate.window import (
    FIRST,
    GROWTH,
    MOST_SPREAD_S,
    SMOOTH,
    USUAL,
    Window,
    answered,
    spread,
    window,
)


@pytest.mark.parametrize(
    ("most", "gently", "size"), [(16, True, FIRST), (16, False, 16.0), (1, True, 1.0)]
)
def test_it_begins_with_few_where_nobody_has_said_how_much_may_be_asked(
    most: int, gently: bool, size: float
) -> None:
    assert window(most, gently=gently).size == size


def test_each_answer_widens_it_up_to_the_most() -> None:
    state = window(4, gently=True)
    sizes = []
    for _ in range(20):
        state = answered(state, 0.1)
        sizes.append(state.size)
    assert sizes[:2] == pytest.approx([FIRST + GROWTH, FIRST + 2 * GROWTH])
    assert sizes[-1] == 4.0


@pytest.mark.parametrize(
    ("size", "growth"),
    [(2.0, GROWTH), (USUAL, GROWTH), (2 * USUAL, 4 * GROWTH), (4 * USUAL, 16 * GROWTH)],
)
def test_it_widens_faster_once_more_is_under_way_than_limits_usually_allow(
    size: float, growth: float
) -> None:
    assert answered(Window(64.0, size, 0.1), 0.1).size == pytest.approx(size + growth)


@pytest.mark.parametrize(
    ("size", "latency", "seconds"),
    [
        (32.0, 0.0, 0.0),
        (32.0, 0.064, 0.0005),
        (8.0, 0.08, 0.0025),
        (2.0, 0.16, MOST_SPREAD_S),
        (32.0, 60.0, MOST_SPREAD_S),
    ],
)
def test_requests_keep_apart_a_quarter_of_what_they_are_where_they_leave_evenly(
    size: float, latency: float, seconds: float
) -> None:
    assert spread(Window(32.0, size, latency)) == pytest.approx(seconds)


def test_answers_that_take_longer_do_not_narrow_it() -> None:
    state = Window(16.0, 16.0, 0.1)
    for _ in range(1000):
        state = answered(state, 5.0)
    assert state.size == 16.0


def test_how_long_answers_take_is_smoothed_and_begins_with_the_first() -> None:
    first = answered(window(16, gently=True), 0.4)
    assert first.latency == 0.4
    assert answered(first, 1.4).latency == pytest.approx(0.4 + SMOOTH)
