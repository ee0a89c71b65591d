"""What `settle --proposals` says about the sheet that it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ledgers import NOW, uuid
from worker.cli.write_proposals import SheetCount
from worker.ledger.proposals import Found, Undecided

FOUND = (Found(uuid(2), "Row", NOW, "READY"),)


@pytest.mark.parametrize(
    ("hidden", "says"),
    [
        ((0, 0), ""),
        (
            (1, 0),
            " 1 more candidate is not in the sheet: see the column why_unknown, and Prolific.",
        ),
        ((1200, 2), " 1,202 more candidates are not in the sheet: see the column why_unknown,"),
    ],
)
def test_candidates_that_are_not_in_the_sheet_are_counted(
    hidden: tuple[int, int], says: str
) -> None:
    count = SheetCount()
    some = [
        Undecided(item, 2, 1, 1, uuid(1), "Signs", "Row", 1, NOW, "why", FOUND, hidden=more)
        for item, more in enumerate(hidden, start=1)
    ]
    assert list(count.of(some)) == some
    text = count.text(Path("sheet.csv"))
    assert text.startswith(f"sheet.csv: 2 unknown duplicates, 2 candidates, 0 suggestions.{says}")
    assert ("not in the sheet" in text) == (says != "")
