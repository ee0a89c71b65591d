"""What each key of a review means."""

from __future__ import annotations

import pytest

from tests.support.ledgers import NOW, uuid
from worker.cli.review import Answer, Kind, answer, options_of
from worker.ledger.decisions import Decision
from worker.ledger.proposals import Found, Undecided

TEN = tuple(Found(uuid(number), "Wave", NOW, "READY") for number in range(1, 11))
TAKEN = {uuid(3): 7}


@pytest.mark.parametrize(
    ("key", "candidates", "expected"),
    [
        ("1", 2, Answer(Kind.ASSIGN, uuid(1))),
        ("2", 2, Answer(Kind.ASSIGN, uuid(2))),
        ("0", 10, Answer(Kind.ASSIGN, uuid(10))),
        ("3", 2, Answer(Kind.INVALID, why="there is no candidate 3")),
        ("0", 9, Answer(Kind.INVALID, why="there is no candidate 10")),
        ("1", 0, Answer(Kind.INVALID, why="there is no candidate 1")),
        ("3", 3, Answer(Kind.INVALID, why="you chose this batch for #7")),
        ("a", 2, Answer(Kind.ABSENT)),
        ("s", 2, Answer(Kind.SKIP)),
        ("\n", 2, Answer(Kind.SKIP)),
        ("\r", 2, Answer(Kind.SKIP)),
        ("u", 2, Answer(Kind.BACK)),
        ("q", 2, Answer(Kind.LEAVE)),
        ("\x03", 2, Answer(Kind.LEAVE)),
        ("\x04", 2, Answer(Kind.LEAVE)),
        ("", 2, Answer(Kind.LEAVE)),  # the terminal was closed
        ("x", 2, Answer(Kind.INVALID, why="this key means nothing here")),
        ("A", 2, Answer(Kind.INVALID, why="this key means nothing here")),
        ("²", 2, Answer(Kind.INVALID, why="this key means nothing here")),
        ("\x1b", 2, Answer(Kind.INVALID, why="this key means nothing here")),
    ],
)
def test_a_key_decides_moves_or_is_invalid(key: str, candidates: int, expected: Answer) -> None:
    one = Undecided(1, 2, 1, 1, uuid(99), "Signs", "Wave", 1, NOW, "why", TEN[:candidates])
    assert answer(key, one, TAKEN) == expected


def test_decisions_are_options_of_settle_so_that_they_can_be_recorded_later() -> None:
    made = [Decision(4, uuid(1)), Decision(5, None)]
    assert options_of(made) == ["--assign", f"#4={uuid(1)}", "--absent", "#5"]
