"""Which batch could be the copy of which attempt.

A test whose name says `regression` fails without a fix of the rule it names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settle.cases import ALL, attempt, unowned
from worker.model.attempts import (
    CopyFidelity,
    Interval,
)
from worker.settle.absence import nearly_fits
from worker.settle.fitting import fits, is_possible_copy, may_be_renamed_copy
from worker.settle.windows import WIDE_S


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "may"),
    [
        ({}, {}, True),
        ({}, {"first_listing": 5}, False),  # in the baseline
        ({}, {"first_listing": 4}, False),
        ({}, {"workspace_id": "elsewhere"}, False),
        ({"source": None}, {"workspace_id": "elsewhere"}, True),
        ({}, {"created_by": "somebody"}, False),
        ({}, {"created_by": None}, True),
        ({"tells_people_apart": False}, {"created_by": "somebody"}, True),
        ({}, {"batch_id": "source"}, False),
        ({}, {"name": "quite another", "details": "x", "datasets": (), "created": 0.0}, True),
    ],
)
def test_what_speaks_against_a_batch_besides_its_looks(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], may: bool
) -> None:
    assert is_possible_copy(attempt(**of_attempt), unowned()._replace(**of_batch)) is may


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "fit"),
    [
        ({}, {}, True),
        ({}, {"first_listing": 5}, False),
        ({}, {"created_by": "somebody"}, False),
        ({"tells_people_apart": False}, {"created_by": "somebody"}, False),
        ({"tells_people_apart": False, "me": None}, {"created_by": "somebody"}, True),
        ({"tells_people_apart": False}, {"created_by": None}, True),
        ({}, {"name": "Signs 1 "}, False),
        ({}, {"name": "signs 1"}, False),
        ({}, {"details": "changed"}, False),
        ({}, {"loose_details": "changed"}, True),
        ({}, {"datasets": ()}, False),
        ({}, {"datasets": ("data", "more")}, False),
        ({"upload_new_dataset": True}, {"datasets": ()}, True),
        ({"upload_new_dataset": True}, {}, False),
        ({"name": None}, {"name": "Signs (Copy)"}, True),
        ({"name": None}, {}, False),
        ({"source": None}, {}, False),
        ({"answered_id": "b1"}, {}, True),
        ({"answered_id": "b2"}, {}, False),
        ({}, {"created": 998.9}, False),
        ({}, {"created": 999.0}, True),
        ({}, {"created": 1091.0}, True),
        ({}, {"created": 1091.1}, False),
        ({}, {"created": None}, True),
        ({"offset": Interval(3599, 3601)}, {"created": 4601.0}, True),
        ({"offset": Interval(3599, 3601)}, {}, False),
        ({"sent_at": None}, {"created": 500.0}, True),
        ({"sent_at": None, "offset": None}, {"created": 0.0}, True),
    ],
)
def test_a_batch_fits_only_in_every_respect(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], fit: bool
) -> None:
    assert fits(attempt(**of_attempt), unowned()._replace(**of_batch)) is fit


def test_a_batch_may_be_a_renamed_copy_of_a_source_that_nobody_has_seen() -> None:
    assert may_be_renamed_copy(attempt(source=None), unowned(name="Bridges"))


def test_regression_the_source_under_its_own_name_is_never_taken_for_its_copy() -> None:
    """The listing before sending was cut short, so the source is in no baseline, and the name sent
    is its own."""
    its_name = attempt(name="Signs", baseline=0, offset=None)

    assert not fits(its_name, unowned("source", name="Signs", created=1001.0))
    assert not nearly_fits(
        its_name, unowned("source", name="Signs", created=1001.0), CopyFidelity()
    )


@pytest.mark.parametrize(
    ("created", "fit"),
    [
        (1000.0 - WIDE_S, True),
        (1000.0 - WIDE_S - 1, False),
        (1090.0 + WIDE_S, True),
        (1090.0 + WIDE_S + 1, False),
    ],
)
def test_regression_without_an_offset_an_old_batch_is_not_claimed_and_still_prevents_absence(
    created: float, fit: bool
) -> None:
    """A first request that was lost, no 201 to tell the clocks by, and an old copy that no baseline
    has."""
    unknown_offset, old = attempt(offset=None, baseline=0), unowned(created=created)

    assert fits(unknown_offset, old) is fit
    assert nearly_fits(unknown_offset, old, ALL)
