"""How many requests may be under way: the rules as tables."""

from __future__ import annotations

import pytest

from worker.pace.window import FIRST, GROWTH, TOLERANCE, Window, answered, window


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


@pytest.mark.parametrize(
    ("base", "latency", "changed"),
    [
        (0.1, 0.1, GROWTH),
        (0.1, 0.1 * TOLERANCE - 0.001, GROWTH),
        (0.1, 0.1 * TOLERANCE + 0.01, -0.1),
        (0.001, 0.03, GROWTH),  # a busy moment of this machine, not a queue of the API's
        (0.001, 0.06, -0.1),
    ],
)
def test_it_shrinks_where_answers_take_much_longer_than_with_few_under_way(
    base: float, latency: float, changed: float
) -> None:
    state = Window(16.0, 8.0, latency, base)
    assert answered(state, latency).size == pytest.approx(8.0 + changed)


def test_one_slow_answer_changes_little() -> None:
    state = Window(16.0, 8.0, 0.1, 0.1)
    assert answered(state, 1.0).size < 8.0
    assert answered(answered(state, 0.55), 0.1).size > 8.0


def test_what_shrank_grows_with_care_and_never_below_the_first() -> None:
    state = Window(16.0, FIRST, 1.0, 0.1)
    shrunk = answered(state, 1.0)
    assert (shrunk.size, shrunk.shrunk) == (FIRST, True)
    calm = answered(Window(16.0, 8.0, 0.1, 0.1, True), 0.1)
    assert calm.size == pytest.approx(8.0 + 0.5 / 8.0)


def test_faster_answers_are_what_answers_take_at_once() -> None:
    assert answered(Window(16.0, 8.0, 0.2, 0.2), 0.1).base == pytest.approx(0.19)
