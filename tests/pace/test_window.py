"""How many requests may be under way: the rules as tables."""

from __future__ import annotations

import pytest

from worker.pace.window import FAST_GROWTH, FIRST, GROWTH, NARROW, SMOOTH, Window, answered, window


@pytest.mark.parametrize(("most", "gently", "size"), [(16, True, FIRST), (16, False, 16.0), (1, True, 1.0)])
def test_it_begins_with_few_where_nobody_has_said_how_much_may_be_asked(most: int, gently: bool, size: float) -> None:
    assert window(most, gently=gently).size == size


def test_each_answer_widens_it_up_to_the_most() -> None:
    state = window(4, gently=True)
    sizes = []
    for _ in range(20):
        state = answered(state, 0.1)
        sizes.append(state.size)
    assert sizes[:2] == pytest.approx([FIRST + GROWTH, FIRST + 2 * GROWTH])
    assert sizes[-1] == 4.0


def test_it_widens_faster_once_it_is_not_narrow_any_more() -> None:
    assert answered(Window(32.0, NARROW - 0.1), 0.1).size == pytest.approx(NARROW - 0.1 + GROWTH)
    assert answered(Window(32.0, NARROW), 0.1).size == NARROW + FAST_GROWTH


def test_answers_that_take_longer_do_not_narrow_it() -> None:
    state = Window(16.0, 16.0, 0.1)
    for _ in range(1000):
        state = answered(state, 5.0)
    assert state.size == 16.0


def test_how_long_answers_take_is_smoothed_and_begins_with_the_first() -> None:
    first = answered(window(16, gently=True), 0.4)
    assert first.latency == 0.4
    assert answered(first, 1.4).latency == pytest.approx(0.4 + SMOOTH)
