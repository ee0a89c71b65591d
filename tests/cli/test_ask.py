"""What a person is shown before anything is created: one and many in real singular and plural."""

from __future__ import annotations

import pytest

from worker.cli.ask import question_text
from worker.model.batch import Workspace
from worker.model.records import Counts
from worker.run.question import Question

ONE = Question(
    1, 1, "Row 1", Counts(1, 1, 1, 2), workspaces=(Workspace("w", ""),), names=("Row 1",)
)
MANY = Question(
    3,
    2,
    "Row 1",
    Counts(1200, 2, 2, 5),
    workspaces=(Workspace("w", "Field\u202e team"),),
    names=("Row 1", "Row 2", "Row 3"),
)


@pytest.mark.parametrize(
    ("question", "line"),
    [
        (ONE._replace(set_up_new=1), "  it will also be set up"),
        (MANY._replace(set_up_new=2), "  2 of them will also be set up"),
        (MANY._replace(set_up=1), "  1 existing batch will be set up"),
    ],
)
def test_what_will_be_set_up_is_in_the_question(question: Question, line: str) -> None:
    assert line in question_text(question, "there", "").split("\n")


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        (
            ONE,
            [
                "1 duplicate will be created at there",
                "  in workspace w",
                "  name:",
                "    Row 1",
                (
                    "  1 of the names already exists on a batch that this ledger does not know,"
                    " such as Row 1"
                ),
                "  1 already exists",
                "  1 failed and is not retried",
                "  1 is unknown and is not resent",
                "  1 more is pending and is not created now",
            ],
        ),
        (
            MANY,
            [
                "3 duplicates will be created at there",
                r"  in workspace Field\u202e team (w)",
                "  first names:",
                "    Row 1",
                "    Row 2",
                "    Row 3",
                (
                    "  2 of the names already exist on batches that this ledger does not know, such"
                    " as Row 1"
                ),
                "  1,200 already exist",
                "  2 failed and are not retried",
                "  2 are unknown and are not resent",
                "  2 more are pending and are not created now",
            ],
        ),
    ],
)
def test_the_question(question: Question, lines: list[str]) -> None:
    assert question_text(question, "there").splitlines() == lines
