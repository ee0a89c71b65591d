"""What each key of a review means."""

from __future__ import annotations

import pytest

from tests.support.ledgers import NOW, uuid
from worker.cli.review import MAY_BE_AHEAD, Answer, Kind, answer, keys_text, with_keys
from worker.export.evidence import Proposal, Suggestion
from worker.ledger.proposals import Found, Undecided
from worker.terminal.keys import keys_in

TEN = tuple(Found(uuid(number), "Wave", NOW, "READY") for number in range(1, 11))
TAKEN = {uuid(3): 7}
PASTED = "\x1b[200~"


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
        (PASTED, 2, Answer(Kind.INVALID, why="pasted text decides nothing: press one key")),
    ],
)
def test_a_key_decides_moves_or_is_invalid(key: str, candidates: int, expected: Answer) -> None:
    one = Undecided(1, 2, 1, 1, uuid(99), "Signs", "Wave", 1, NOW, "why", TEN[:candidates])
    assert answer(key, one, TAKEN) == expected


def test_a_duplicate_with_candidates_that_are_not_shown_is_not_absent_by_a_key() -> None:
    one = Undecided(4, 2, 1, 1, uuid(99), "Signs", "Wave", 1, NOW, "why", TEN, hidden=2)
    assert answer("a", one, {}) == Answer(
        Kind.INVALID,
        why="not all candidates are shown: decide it in a sheet (--proposals), or see Prolific"
        " and, if it is absent, use --absent '#4' after this review",
    )
    assert answer("1", one, {}) == Answer(Kind.ASSIGN, uuid(1))
    assert keys_text(one) == (
        "1-9, 0 it is this batch (0: candidate 10) · s or Enter skip · u undo · q leave"
    )
    assert "a absent" in keys_text(one._replace(hidden=0))


def test_as_many_candidates_are_shown_as_there_are_keys_and_the_suggested_one_is_first() -> None:
    some = (*TEN, *(one._replace(batch_id=uuid(20)) for one in TEN[:1]))
    one = Undecided(4, 2, 1, 1, uuid(99), "Signs", "Wave", 1, NOW, "why", some, hidden=2)
    shown = with_keys(Proposal(one, Suggestion(uuid(20), "why"), (one,))).one
    assert [found.batch_id for found in shown.found] == [uuid(20), *map(uuid, range(1, 10))]
    assert shown.hidden == 3
    few = one._replace(found=TEN[:2], hidden=0)
    assert with_keys(Proposal(few, Suggestion(None, ""), (few,))).one == few


def test_a_duplicate_that_was_not_compared_is_not_absent_by_a_key() -> None:
    one = Undecided(4, 2, 1, 1, uuid(99), "Signs", "Wave", 1, NOW, "why", (), is_compared=False)
    pressed = answer("a", one, {})
    assert pressed.kind is Kind.INVALID
    assert pressed.why.startswith("it was not compared with a complete listing since it was sent:")
    assert pressed.why.endswith("--absent '#4'")
    assert keys_text(one) == "s or Enter skip · u undo · q leave"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", [""]),  # the terminal was closed
        ("a", ["a"]),
        ("\n", ["\n"]),
        ("x", ["x"]),
        ("\x1b", ["\x1b"]),
        ("12ua2a", ["1", "2", "u", "a", "2", "a"]),
        ("1\x04", ["1", "\x04"]),
        ("\x1b[A", ["\x1b"]),  # an arrow
        ("\x1b[15~", ["\x1b"]),  # F5
        (uuid(1), [PASTED]),
        ("absent", [PASTED]),
        ("1a\n", [PASTED]),
        (f"{PASTED}12\x1b[201~", [PASTED]),  # pasted, as the terminal says
        ("1\x1b[A", [PASTED]),
    ],
)
def test_text_that_is_pasted_is_one_key(text: str, keys: list[str]) -> None:
    assert keys_in(text, MAY_BE_AHEAD) == keys
