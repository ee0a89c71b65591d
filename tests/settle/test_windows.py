"""When a request may have taken effect, and when a batch was created.

A test whose name says `regression` fails without a fix of the rule it names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settle.cases import INF, SHARP, attempt, unowned
from worker.model.attempts import (
    Interval,
    offset_of,
)
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S
from worker.settle.windows import WIDE_S, creation_interval, wide_window, window


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (Interval(0, 1), Interval(1, 2), True),
        (Interval(0, 1), Interval(1.1, 2), False),
        (Interval(1.1, 2), Interval(0, 1), False),
        (Interval(), Interval(5, 5), True),
        (Interval(high=4), Interval(5, 5), False),
        (Interval(low=6), Interval(5, 5), False),
    ],
)
def test_intervals_meet_where_they_have_a_point_in_common(
    one: Interval, other: Interval, meet: bool
) -> None:
    assert one.meets(other) is meet


@pytest.mark.parametrize(
    ("changes", "wide"),
    [
        ({}, Interval(999 - WIDE_S, 1090 + 30 + WIDE_S)),
        ({"offset": None}, Interval()),
        ({"date_before": None}, Interval(-INF, 1090 + 30 + WIDE_S)),
        ({"date_after": None}, Interval(999 - WIDE_S, INF)),
        ({"date_before": None, "date_after": None}, Interval()),
        ({"settle_after_s": 300.0}, Interval(999 - WIDE_S, 1090 + 300 + WIDE_S)),
        ({"date_before": 5000.0}, Interval()),  # the API's clock went back meanwhile
    ],
)
def test_the_wide_window_is_open_where_an_end_or_the_offset_is_not_known(
    changes: dict[str, Any], wide: Interval
) -> None:
    assert wide_window(attempt(**changes)) == wide


@pytest.mark.parametrize(
    ("changes", "narrow"),
    [
        ({}, Interval(1000, 1060 + 30)),
        (
            {"given_up_at": 1020.0},
            Interval(1000, 1060 + 30),
        ),  # answered early without a result: effects end with the limit
        ({"given_up_at": 5000.0}, Interval(1000, 5000 + 30)),  # a process that slept
        (
            {"given_up_at": None},
            Interval(1000, 1060 + INTENT_EXPIRES_AFTER_S + 30),
        ),  # a crash: it may have waited for its turn
        ({"sent_at": None}, Interval(999 - WIDE_S, 1090 + 30 + WIDE_S)),
        ({"sent_at": None, "offset": None}, Interval()),
    ],
)
def test_the_window_goes_from_the_leaving_to_the_end_of_late_effects(
    changes: dict[str, Any], narrow: Interval
) -> None:
    assert window(attempt(**changes)) == narrow


@pytest.mark.parametrize(
    ("created", "offset", "made"),
    [
        (1001.0, Interval(-1, 1), Interval(1000, 1002)),
        (1001.0, Interval(100, 102), Interval(899, 901)),
        (None, SHARP, Interval()),
        (1001.0, None, Interval()),
    ],
)
def test_when_a_batch_was_created_follows_from_created_at_and_the_offset(
    created: float | None, offset: Interval | None, made: Interval
) -> None:
    assert creation_interval(unowned(created=created), offset) == made


@pytest.mark.parametrize(
    ("low", "high", "offset"),
    [
        (None, None, None),
        (None, 1.0, None),
        (1.0, None, None),
        (-1.0, 1.0, Interval(-1.0, 1.0)),
        (1.0, 1.0, Interval(1.0, 1.0)),
        (1.1, 1.0, None),  # the answers contradict each other
    ],
)
def test_an_offset_is_known_only_where_answers_allow_one(
    low: float | None, high: float | None, offset: Interval | None
) -> None:
    assert offset_of(low, high) == offset
