"""How many requests may be under way: the rules as tables."""

from __future__ import annotations

import pytest

from worker.rate.slots import MOMENT_S
from worker.rate.window import (
    GROWTH,
    Window,
    answered,
    spread,
)


def test_each_answer_widens_it_up_to_the_most() -> None:
    state = Window(4.0, 2.0)
    sizes = []
    for _ in range(20):
        state = answered(state, 0.1)
        sizes.append(state.size)
    assert sizes[:2] == pytest.approx([2.0 + GROWTH, 2.0 + 2 * GROWTH])
    assert sizes[-1] == 4.0


@pytest.mark.parametrize(
    ("size", "latency", "seconds"),
    [
        (32.0, 0.0, 0.0),
        (32.0, 0.064, 0.0005),
        (8.0, 0.08, 0.0025),
        (2.0, 0.16, MOMENT_S),
        (32.0, 60.0, MOMENT_S),
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
    first = answered(Window(16.0, 2.0), 0.4)
    assert first.latency == 0.4
    assert answered(first, 1.4).latency == pytest.approx(0.4 + 1 / first.size)
