"""The rows of the sheet to decide in, and what a filled in one says."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.ledgers import LATER, NOW, uuid
from worker.export.filled_sheet import SheetRow, filled_in, has_columns, sheet_row
from worker.export.proposals import COLUMNS, answered, sheet_rows
from worker.ledger.decisions import Decision, Seen
from worker.ledger.proposals import Found, Undecided
from worker.model.attempts import Evidence
from worker.model.clock import seconds

FITS = Evidence(name=True, details=True, datasets=True, time=True, creator=True)


def undecided(item: int, *found: Found, hidden: int = 0) -> Undecided:
    cause = "may exist: several batches fit"
    return Undecided(
        item, item + 1, 1, 1, uuid(1), "Signs", "Row", 2, NOW, cause, found, hidden=hidden
    )


def test_there_is_a_row_for_each_item_and_candidate() -> None:
    best, other = (
        Found(uuid(2), "Row", LATER, "READY", FITS),
        Found(uuid(3), "Raw", LATER, None, FITS._replace(name=False)),
    )
    rows = list(sheet_rows([undecided(4, best, other), undecided(5)], "spring"))
    assert [tuple(row) for row in rows[2:]] == [COLUMNS]
    assert all(set(row) == set(COLUMNS) for row in rows)
    assert [(row["item"], row["candidate_id"]) for row in rows] == [
        ("#4", uuid(2)),
        ("#4", uuid(3)),
        ("#5", None),
    ]
    assert [row["suggestion"] for row in rows] == [uuid(2), None, None]
    assert [row["decision"] for row in rows] == [None] * 3, "a suggestion is not a decision"
    assert {row["campaign"] for row in rows} == {"spring"}
    assert rows[1]["against"] == "Different name; it is called “Raw”"


@pytest.mark.parametrize("is_compared", [True, False])
def test_a_duplicate_without_candidates_says_why_nothing_is_suggested(is_compared: bool) -> None:
    (row,) = sheet_rows([undecided(4)._replace(is_compared=is_compared)], "spring")
    assert row["suggestion"] is None
    assert row["suggestion_reason"].startswith("No suggestion: ")
    assert ("--absent '#4'" in row["suggestion_reason"]) == (not is_compared)


def test_candidates_that_are_left_out_are_counted() -> None:
    several, one = sheet_rows([undecided(4, hidden=3), undecided(5, hidden=1)], "spring")
    assert several["why_unknown"] == (
        "may exist: several batches fit (3 more candidates are not in this sheet: see Prolific)"
    )
    assert "(1 more candidate is not in this sheet: see Prolific)" in one["why_unknown"]


@pytest.mark.parametrize("hidden", [0, 2])
def test_the_rest_of_a_group_is_called_absent_only_if_all_its_candidates_are_shown(
    hidden: int,
) -> None:
    found = tuple(Found(uuid(n), "Row", LATER, "READY", FITS, (), 1, 1) for n in (2, 3, 4))
    copies = [undecided(n, *found)._replace(line=2, copy=n, copies=2) for n in (1, 2)]
    copies[1] = copies[1]._replace(hidden=hidden)
    reason = next(sheet_rows(copies, "spring"))["suggestion_reason"]
    assert "Answer once for the 2 copies: write ours beside each batch that is ours" in reason
    assert ("rest absent" in reason) == (not hidden)


ID = uuid(0xABC)

DECISIONS = {
    "a batch": (ID, Decision(4, ID)),
    "a batch in capitals": (ID.upper(), Decision(4, ID)),
    "a batch with spaces": (f"\u00a0{ID} ", Decision(4, ID)),
    "a batch marked as text": (f"'{ID}", Decision(4, ID)),
    "absent": ("absent", Decision(4, None)),
    "absent, as a program writes the beginning of a sentence": ("Absent", Decision(4, None)),
    "absent marked as text": ("'absent ", Decision(4, None)),
}


@pytest.mark.parametrize("what", DECISIONS)
def test_a_decision_is_a_batch_or_absent(what: str) -> None:
    cell, expected = DECISIONS[what]
    (one,), problems = filled_in([SheetRow(2, {"item": "#4", "decision": cell})])
    assert (one.decision, problems) == (expected, [])


@pytest.mark.parametrize("cell", ["", " ", "'", "\u00a0"])
def test_an_empty_cell_is_no_decision(cell: str) -> None:
    rows = [SheetRow(2, {"item": item, "decision": cell}) for item in ("#4", "", "nonsense")]
    assert filled_in(rows) == ([], [])


WRONG = {
    "yes": (
        {"item": "#4", "decision": "yes"},
        'decision: "yes" is not a decision; write ours beside',
    ),
    "a cut id": ({"item": "#4", "decision": ID[:-1]}, "is not a decision; write ours beside"),
    "an error value": ({"item": "#4", "decision": "#N/A"}, "is a spreadsheet's error value"),
    "no item": (
        {"item": "", "decision": ID},
        ": a decision without an item; fill in the column item, or empty the decision",
    ),
    "two batches for a single duplicate": (
        {"item": "#4", "decision": f"{ID} {uuid(2)}"},
        "is not a decision; write ours beside",
    ),
    "a line for an item": ({"item": "4", "decision": ID}, 'item: "4" is not an item'),
    "a line and a copy": ({"item": "12.10", "decision": ID}, 'item: "12.10" is not an item'),
    "other digits": ({"item": "#٤", "decision": ID}, "is not an item"),
    "too long": ({"item": f"#{'9' * 19}", "decision": "absent"}, "is not an item"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_decision_is_reported_with_its_line(what: str) -> None:
    cells, says = WRONG[what]
    found, (problem,) = filled_in([SheetRow(7, cells, "Decisions")])
    assert found == []
    assert problem.line == 7
    assert problem.text.startswith("sheet Decisions: ")
    assert says in problem.text


def test_cells_without_a_column_are_reported() -> None:
    row = SheetRow(3, {"item": "#4", "decision": ""}, extra=1)
    assert filled_in([row])[1][0].text.startswith("this row has more cells than the header")


def test_an_item_has_one_decision_which_may_be_repeated() -> None:
    rows = [
        SheetRow(line, {"item": item, "decision": decision})
        for line, item, decision in (
            (2, "#4", ""),
            (3, "#4", ID),
            (4, "#5", "absent"),
            (5, "#4", ID),
            (6, "#4", uuid(3)),
        )
    ]
    found, (problem,) = filled_in(rows)
    assert [one.decision.item for one in found] == [4, 5]
    assert (problem.line, problem.text) == (
        6,
        "#4 has a decision in line 3 too; keep one of the two",
    )


@pytest.mark.parametrize(
    ("cells", "are_one"),
    [
        ({"decision": "absent"}, True),
        ({"decision": "Absent ", "candidate_id": uuid(2)}, True),
        ({"decision": "absent", "attempts": "2"}, False),  # a row of another sheet
        ({"decision": ID}, False),
    ],
)
def test_absent_in_several_rows_of_an_item_is_one_decision(
    cells: dict[str, str], are_one: bool
) -> None:
    first = SheetRow(2, {"item": "#4", "decision": "absent"})
    found, problems = filled_in([first, SheetRow(3, {"item": "#4", **cells})])
    assert [one.decision for one in found] == [Decision(4, None)]
    assert (problems == []) == are_one


def test_what_the_sheet_says_about_the_item_comes_with_the_decision() -> None:
    seen = {"line": "3", "copy": "2", "source_batch_id": uuid(1), "name": "'=1+1", "attempts": "2"}
    ((one,), _) = filled_in([SheetRow(2, {"item": "#4", "decision": "absent", **seen})])
    assert one.decision.seen == Seen("3", "2", uuid(1), "=1+1", "2")


@pytest.mark.parametrize(
    "shown", ["2026-03-01 12:00:00 UTC", "2026-03-01 12:00:00", "2026-03-01 12:00 UTC", NOW]
)
def test_a_time_is_read_as_a_workbook_shows_it(shown: str) -> None:
    row = SheetRow(2, {"item": "#4", "decision": "absent", "last_sent_at": shown})
    ((one,), _) = filled_in([row])
    assert seconds(one.decision.seen.last_sent_at) == seconds(NOW)


def test_a_candidate_of_another_row_is_a_mistake_unless_it_is_one_of_this_row_too() -> None:
    def row(line: int, item: str, candidate: str, decision: str = "") -> SheetRow:
        return SheetRow(line, {"item": item, "candidate_id": candidate, "decision": decision})

    shifted = [row(2, "#4", uuid(2)), row(3, "#5", uuid(3), uuid(2))]
    found, (problem,) = filled_in(shifted)
    assert (found, problem.line) == ([], 3)
    assert problem.text.startswith(f"{uuid(2)} is a candidate of #4, not of #5; if it is its copy")
    many = [row(line, f"#{item}", uuid(2)) for line, item in enumerate((10, 9, 11, 4, 12), 2)]
    _, (problem,) = filled_in([*many, shifted[1]])
    assert "is a candidate of #4, #9, #10 and 2 more, not of #5" in problem.text
    good, problems = filled_in([*shifted, row(4, "#5", uuid(2).upper())])
    assert ([one.decision.item for one in good], problems) == ([5], [])
    other, problems = filled_in([row(2, "#4", uuid(2)), row(3, "#5", "", uuid(9))])
    assert ([one.decision.batch_id for one in other], problems) == ([uuid(9)], [])


def test_of_a_group_the_first_shows_all_the_others_the_best_and_what_was_decided() -> None:
    found = [Found(uuid(n), "Row", NOW, "READY", FITS) for n in range(50, 65)]
    some = [undecided(item, *found)._replace(line=2, copy=item) for item in (1, 2, 3)]
    shown = Counter(row["item"] for row in sheet_rows(some, "spring"))
    assert shown == {"#1": 15, "#2": 10, "#3": 10}
    decided = [row for row in answered(some, "spring", {2: uuid(64)}) if row["item"] == "#2"]
    assert [row["candidate_id"] for row in decided] == [*map(uuid, range(50, 60)), uuid(64)]


def test_each_candidate_has_the_address_of_its_page_if_it_is_known() -> None:
    some = [undecided(4, Found(uuid(2), "Row", LATER, "READY", FITS)), undecided(5)]
    linked = [row["candidate_url"] for row in sheet_rows(some, "spring", "https://x.org/b/{id}/")]
    assert linked == [f"https://x.org/b/{uuid(2)}/", None]
    assert [row["candidate_url"] for row in sheet_rows(some, "spring")] == [None, None]


def test_absent_is_a_decision_also_beside_rows_without_a_candidate() -> None:
    rows = [
        SheetRow(2, {"item": "#4", "candidate_id": ID, "decision": "absent"}),
        SheetRow(3, {"item": "#5", "candidate_id": "", "decision": ""}),
    ]
    (one,), problems = filled_in(rows)
    assert (one.decision, problems) == (Decision(4, None), [])


def test_the_longest_number_of_an_item_has_18_digits() -> None:
    (one,), _ = filled_in([SheetRow(2, {"item": f"#{'9' * 18}", "decision": "absent"})])
    assert one.decision.item == 10**18 - 1


SUGGESTING = [
    SheetRow(2, {"item": "#4", "candidate_id": ID, "suggestion": ID, "decision": ""}),
    SheetRow(3, {"item": "#4", "candidate_id": uuid(2), "suggestion": "", "decision": ""}),
]


def test_a_suggestion_is_a_decision_only_if_it_is_accepted_and_there_is_no_other() -> None:
    assert filled_in(SUGGESTING) == ([], [])
    (one,), problems = filled_in(SUGGESTING, accept=True)
    assert (one.decision, problems) == (Decision(4, ID), [])
    other = SUGGESTING[1]._replace(cells={**SUGGESTING[1].cells, "decision": uuid(2)})
    (one,), problems = filled_in([SUGGESTING[0], other], accept=True)
    assert (one.decision, problems) == (Decision(4, uuid(2)), [])


def test_a_second_decision_names_the_sheet_of_the_first() -> None:
    rows = [
        SheetRow(line, {"item": "#4", "decision": decision}, sheet)
        for line, decision, sheet in ((2, "absent", "One"), (7, ID, "Two"))
    ]
    _, (problem,) = filled_in(rows)
    assert problem.text == (
        "sheet Two: #4 has a decision in line 2 of sheet One too; keep one of the two"
    )


@pytest.mark.parametrize(
    ("header", "are_there"),
    [
        (("item", "decision"), True),
        ((" ITEM", "'Decision ", "note"), True),
        (("item", "verdict"), False),
    ],
)
def test_a_header_has_columns_in_any_case(header: tuple[str, ...], are_there: bool) -> None:
    assert has_columns(header, ("item", "decision")) is are_there


@pytest.mark.parametrize(
    ("cells", "named", "extra"),
    [
        (["#4", "mine", "absent"], {"item": "#4", "decision": "absent"}, 0),
        (["#4"], {"item": "#4", "decision": ""}, 0),
        (["#4", "", "absent", " ", "", "a", "b"], {"item": "#4", "decision": "absent"}, 2),
    ],
)
def test_cells_are_named_by_their_columns(
    cells: list[str], named: dict[str, str], extra: int
) -> None:
    assert sheet_row(7, ["item", "", "decision"], cells, "One") == SheetRow(7, named, "One", extra)
