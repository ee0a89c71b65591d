"""Why duplicates are not created: one cause is one line, and what is not shown is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ledgers import claim, ending, leave_undecided, look_up, opened, record, uuid
from worker.ledger import views
from worker.model.causes import MOST, Cause, Causes, Shortlist, shortlist


@pytest.mark.parametrize(
    ("causes", "found"),
    [
        ([], Shortlist(())),
        ([("a", 1), ("b", 2)], Shortlist((("b", 2), ("a", 1)))),
        ([("a", 1), ("b", 2), ("c", 3)], Shortlist((("c", 3), ("b", 2), ("a", 1)))),
        # the rare ones are the news
        ([("a", 9), ("b", 1), ("c", 3), ("d", 2)], Shortlist((("b", 1), ("d", 2), ("c", 3)), 1, 9)),
        ([(f"{n}", 2) for n in range(9)], Shortlist((("8", 2), ("7", 2), ("6", 2)), 6, 12)),
    ],
)
def test_causes_that_are_not_shown_are_counted(causes: list[Cause], found: Shortlist) -> None:
    assert shortlist(causes, 3) == found


@pytest.mark.parametrize(
    ("more", "duplicates", "expected"),
    [
        (0, 0, ""),
        (1, 1, "… and 1 more cause (1 duplicate)"),
        (3, 1200, "… and 3 more causes (1,200 duplicates)"),
    ],
)
def test_the_rest_as_text(more: int, duplicates: int, expected: str) -> None:
    assert Shortlist((), more, duplicates).rest == expected


def test_causes_take_no_more_memory_however_many_they_are() -> None:
    causes = Causes()
    for number in range(MOST + 5):
        causes.add(f"{number}")
    assert len(causes.all()) == MOST + 1
    assert causes.all()[0] == ("other causes", 5)


def test_items_with_one_cause_are_one_reason(tmp_path: Path) -> None:
    row = f"{uuid(1)},6"
    with opened(tmp_path, "batch_id,copies", row) as ledger:
        look_up(ledger)
        intents = claim(ledger)
        for number, intent in enumerate(intents):
            refused = number > 3
            error = "#7 is no number" if refused else None
            record(ledger, ending(intent, "refused" if refused else "unknown", error=error))
            if not refused:
                batches = uuid(number), uuid(number + 1)
                leave_undecided(ledger, intent.item_id, "these may be its copy", *batches)
        assert views.causes(ledger, ledger.campaign) == [
            ("may exist: these may be its copy", 4),
            ("#7 is no number", 2),
        ]
