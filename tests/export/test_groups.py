"""A group of copies is answered once in the sheet: `ours` beside batches, `rest absent`."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.support.ledgers import NOW, uuid
from worker.export.filled_sheet import Filled, Recorded, SheetRow, filled_in, names_batches
from worker.ledger.decisions import Decision, Seen

ITEMS = (12, 13, 14)
BATCHES = {uuid(25): 1, uuid(24): 2, uuid(23): 3, uuid(22): 4}
"""The batches of the group, each with the second in which it was created."""


def sheet(says: dict[tuple[int, str], str], **changes: dict[int, str]) -> list[SheetRow]:
    """The rows of the group, with these decisions; `changes` are cells of a column by item."""
    rows = []
    for line, (item, batch) in enumerate(product(ITEMS, BATCHES), start=2):
        cells = {
            "item": f"#{item}", "group": "3 copies: #12, #13 and #14", "line": "7", "name": "Row",
            "candidate_id": batch, "candidate_created_at": f"{NOW[:17]}0{BATCHES[batch]}+00:00",
            "decision": says.get((item, batch), ""),
        }  # fmt: skip
        cells |= {column: of[item] for column, of in changes.items() if item in of}
        rows.append(SheetRow(line, cells))
    return rows


def decided(rows: list[SheetRow], **options: Any) -> dict[int, str | None]:
    found, problems = filled_in(rows, **options)
    assert problems == []
    return {one.decision.item: one.decision.batch_id for one in found}


FIRST, SECOND, THIRD, FOURTH = BATCHES

ANSWERED: dict[str, tuple[dict[tuple[int, str], str], dict[int, str | None]]] = {
    "one for each copy, the oldest first": (
        {(12, FOURTH): "ours", (12, FIRST): "Ours", (12, SECOND): "ours"},
        {12: FIRST, 13: SECOND, 14: FOURTH},
    ),
    "said again for another copy, by filling down": (
        {(item, batch): "ours" for item in ITEMS for batch in (FIRST, SECOND, THIRD)},
        {12: FIRST, 13: SECOND, 14: THIRD},
    ),
    "a list of ids": (
        {(13, FOURTH): f"{THIRD}, {FIRST}\n{SECOND}"},
        {12: FIRST, 13: SECOND, 14: THIRD},
    ),
    "ids between commas alone": (
        {(13, FOURTH): f"{THIRD},{FIRST};{SECOND.upper()}"},
        {12: FIRST, 13: SECOND, 14: THIRD},
    ),
    "two ids": ({(13, FOURTH): f"{SECOND} {FIRST}"}, {12: FIRST, 13: SECOND}),
    "ids with semicolons": ({(13, FOURTH): f"{SECOND}; {FIRST}"}, {12: FIRST, 13: SECOND}),
    "a batch that the sheet does not show comes last": (
        {(13, FOURTH): f"{uuid(1)} {uuid(2)} {SECOND}"},
        {12: SECOND, 13: uuid(1), 14: uuid(2)},
    ),
    "fewer, and the others stay unknown": ({(12, THIRD): "ours"}, {12: THIRD}),
    "fewer, and the others are absent": (
        {(12, THIRD): "ours", (12, FIRST): "rest absent"},
        {12: THIRD, 13: None, 14: None},
    ),
    "none": ({(12, FIRST): "rest absent"}, {12: None, 13: None, 14: None}),
    "a decision of one copy's own": ({(13, SECOND): SECOND}, {13: SECOND}),
    "beside a decision of a copy's own": (
        {(12, FIRST): "absent", (13, SECOND): SECOND, (14, SECOND): "ours", (14, FOURTH): "ours"},
        {12: None, 13: SECOND, 14: FOURTH},
    ),
}


@pytest.mark.parametrize("text", [SECOND, "ours", "absent"])
def test_a_decision_keeps_what_its_row_says_about_the_item(text: str) -> None:
    ((single),) = [row for row in sheet({(13, SECOND): text}) if row.text("decision")]
    cells = {**single.cells, "group": "", "copy": "2", "attempts": "1", "source_batch_id": uuid(1)}
    ((one,), problems) = filled_in([SheetRow(5, cells)])
    assert problems == []
    assert one.decision.seen == Seen("7", "2", uuid(1), "Row", "1")


def test_a_decision_of_one_copys_own_leaves_the_suggestions_for_the_others() -> None:
    rows = [
        row._replace(cells={**row.cells, "suggestion": FIRST})
        if (row.text("item"), row.text("candidate_id")) == ("#12", FIRST)
        else row
        for row in sheet({(13, SECOND): SECOND})
    ]
    assert decided(rows, accept=True) == {12: FIRST, 13: SECOND}


@pytest.mark.parametrize("what", ANSWERED)
def test_a_group_is_answered_once(what: str) -> None:
    says, expected = ANSWERED[what]
    assert decided(sheet(says)) == expected
    assert decided(sheet(says)[::-1]) == expected, "in any order of the rows"


def test_more_batches_than_copies_are_an_error() -> None:
    rows = sheet({(12, batch): "ours" for batch in BATCHES})
    found, (problem,) = filled_in(rows)
    assert found == []
    assert (problem.line, problem.text) == (
        5,
        "4 batches of this group are marked as ours, but only 3 of its copies in this sheet are"
        " undecided; each batch is the copy of one row",
    )


def test_rows_that_are_no_copies_of_one_row_are_never_a_group() -> None:
    for column, cell in (("line", "8"), ("name", "Raw"), ("source_batch_id", uuid(9))):
        found, (problem,) = filled_in(sheet({(12, FIRST): "ours"}, **{column: {13: cell}}))
        assert (found, problem.line) == ([], 6)
        assert "the column group says that #13 and #12 are copies of one row" in problem.text


def test_what_only_the_rows_of_one_copy_show_may_be_any_copy_of_the_group() -> None:
    rows = sheet({(12, FIRST): "rest absent", (12, SECOND): "ours", (12, FOURTH): "ours"})
    left = [row for row in rows if row.text("item") == "#12" or row.text("candidate_id") == FIRST]
    assert decided(left) == {12: SECOND, 13: FOURTH, 14: None}


def test_a_batch_never_goes_to_a_copy_that_it_is_no_candidate_of() -> None:
    """Somebody filled the column group down too far."""
    rows = [row for row in sheet({(13, FIRST): "ours"}) if row.text("item") == "#13"]
    one = SheetRow(40, {"item": "#12", "group": rows[0].text("group"), "candidate_id": SECOND})
    named = [row._replace(cells=dict(row.cells) | {"line": "", "name": ""}) for row in rows]
    is_candidate = {(FIRST, 13)}.__contains__
    recorded = Recorded(is_candidate=lambda batch_id, item: is_candidate((batch_id, item)))
    found, (problem,) = filled_in([*named, one], recorded=recorded)
    assert found == []
    assert f"{FIRST} is a candidate of #13, not of #12" in problem.text


def test_what_is_recorded_is_no_candidate_any_more_and_no_mistake_either() -> None:
    """Of each group, the rows of one item show all candidates; when they are recorded, no item has
    candidates."""
    rows = sheet({(12, FIRST): "rest absent", (12, SECOND): "ours", (12, FOURTH): "ours"})
    left = [row for row in rows if row.text("item") == "#12" or row.text("candidate_id") == FIRST]
    known = {SECOND: 12, FOURTH: 13}
    recorded = Recorded(known.get, lambda _: True, lambda _batch_id, _item: False)
    found, problems = filled_in(left, recorded=recorded)
    assert problems == []
    assert {one.decision.item: one.decision.batch_id for one in found}[13] == FOURTH


def test_a_row_about_another_row_of_the_job_is_no_row_of_the_group() -> None:
    """Somebody put the rows of an older sheet below those of the new one."""
    old = sheet({(12, FIRST): "ours"}, line=dict.fromkeys(ITEMS, "9"), name={12: "Old"})
    found, (problem,) = filled_in([*sheet({}), *old])
    assert (found, problem.line) == ([], 2)
    assert "the column group says that #12 and #12 are copies of one row, but" in problem.text


@pytest.mark.parametrize("says", ["ours", "rest absent"])
def test_absent_beside_a_batch_of_a_group_that_is_answered_in_the_same_rows_is_in_doubt(
    says: str,
) -> None:
    """The person may mean that this batch is not ours."""
    _, (problem,) = filled_in(sheet({(12, FIRST): says, (12, THIRD): "absent"}))
    assert problem.line == 4
    assert problem.text.startswith("#12 is absent here, and its other rows answer for the group;")


def test_a_batch_never_goes_to_a_copy_of_another_group() -> None:
    rows = sheet({(13, FIRST): SECOND})
    left = [row for row in rows if row.text("candidate_id") != SECOND]
    _, (problem,) = filled_in([*left, SheetRow(40, {"item": "#99", "candidate_id": SECOND})])
    assert f"{SECOND} is a candidate of #99, not of #13" in problem.text


def test_absent_needs_no_candidate_in_its_rows() -> None:
    """Another duplicate of the sheet has none."""
    none = {"item": "#99", "group": "", "candidate_id": "", "decision": ""}
    rows = [*sheet({(12, FIRST): "absent"}), SheetRow(50, none)]
    assert decided(rows) == {12: None}


def test_what_is_recorded_stays_where_it_is_when_more_is_said_later() -> None:
    owners = {FIRST: 12, FOURTH: 13}
    recorded = Recorded(owners.get, lambda item: item in owners.values())
    later = sheet({(12, batch): "ours" for batch in (FIRST, SECOND, FOURTH)})
    assert decided(later, recorded=recorded) == {12: FIRST, 13: FOURTH, 14: SECOND}
    rest = sheet({(12, FIRST): "ours", (12, SECOND): "rest absent"})
    assert decided(rest, recorded=recorded) == {12: FIRST, 14: None}
    one_more = sheet({(12, batch): "ours" for batch in BATCHES})
    assert len(filled_in(one_more, recorded=recorded)[1]) == 1


NAMING: dict[str, tuple[dict[tuple[int, str], str], bool]] = {
    "nothing": ({}, False),
    "absent": ({(12, FIRST): "absent", (13, FIRST): "rest absent"}, False),
    "no decision": ({(12, FIRST): "yes"}, False),
    "ours": ({(12, FIRST): "ours"}, True),
    "an id": ({(12, FIRST): SECOND}, True),
    "more than there are copies": ({(12, batch): "ours" for batch in BATCHES}, True),
}


@pytest.mark.parametrize("what", NAMING)
def test_a_sheet_names_batches_whatever_is_recorded_of_it(what: str) -> None:
    says, expected = NAMING[what]
    assert names_batches(sheet(says)) is expected


def test_a_suggestion_names_a_batch_only_if_it_is_accepted() -> None:
    rows = sheet({}, suggestion={12: FIRST})
    assert names_batches(rows, accept=True)
    assert not names_batches(rows)


def test_delimiters_alone_are_no_decision() -> None:
    found, (problem,) = filled_in(sheet({(12, FIRST): ", ;"}))
    assert (found, problem.line) == ([], 2)
    assert "is not a decision" in problem.text


def test_ours_beside_a_single_duplicate_is_the_batch_of_its_row() -> None:
    single = {"item": "#4", "group": "", "candidate_id": FIRST.upper(), "decision": "ours"}
    assert decided([SheetRow(2, single)]) == {4: FIRST}
    _, (problem,) = filled_in([SheetRow(2, single | {"candidate_id": ""})])
    assert "there is no candidate_id beside ours" in problem.text
    _, (problem,) = filled_in([SheetRow(2, single | {"decision": "rest absent"})])
    assert "rest absent is for a group of copies; write absent" in problem.text
    _, problems = filled_in([SheetRow(2, single), SheetRow(3, single | {"candidate_id": SECOND})])
    assert problems[0].text == "#4 has a decision in line 2 too; keep one of the two"


def test_suggestions_are_not_accepted_in_a_group_that_has_an_answer() -> None:
    suggested = {"suggestion": {12: FIRST, 13: SECOND, 14: THIRD}}
    rows = [
        row
        for row in sheet({}, **suggested)
        if row.cells["candidate_id"] == row.cells["suggestion"]
    ]
    assert decided(rows, accept=True) == {12: FIRST, 13: SECOND, 14: THIRD}
    answered = sheet({(12, FOURTH): "ours"}, **suggested)
    assert decided(answered, accept=True) == {12: FOURTH}
    copied = [row._replace(sheet="Copy") for row in rows]
    assert decided([*answered, *copied], accept=True) == {12: FOURTH}, "of a sheet or its copy"
    assert decided([*copied, *answered], accept=True) == {12: FOURTH}


def test_a_batch_whose_time_is_not_known_comes_last() -> None:
    rows = sheet({(12, batch): "ours" for batch in (FIRST, SECOND, THIRD)})
    rows = [
        row._replace(cells={**row.cells, "candidate_created_at": ""})
        if row.cells["candidate_id"] in (FIRST, THIRD)
        else row
        for row in rows
    ]
    assert decided(rows) == {12: SECOND, 13: min(FIRST, THIRD), 14: max(FIRST, THIRD)}


def test_the_oldest_batch_is_found_by_times_as_a_workbook_shows_them() -> None:
    rows = [
        row._replace(cells={**row.cells, "candidate_created_at": f"2026-03-01 12:00:0{second} UTC"})
        for row in sheet({(12, batch): "ours" for batch in (FIRST, SECOND, THIRD)})
        if (second := BATCHES[row.cells["candidate_id"]])
    ]
    assert decided(rows) == {12: FIRST, 13: SECOND, 14: THIRD}


def test_each_decision_comes_with_its_row_and_what_that_says_about_the_item() -> None:
    """What was recorded before, what is said about a batch, and about the rest."""
    rows = sheet(
        {(12, FIRST): "ours", (12, SECOND): "ours", (13, THIRD): "rest absent"},
        copy={12: "1", 13: "2", 14: "3"},
    )
    found, problems = filled_in(rows, recorded=Recorded({SECOND: 13}.get, lambda item: item == 13))
    seen = {item: Seen("7", str(copy), "", "Row", "") for copy, item in enumerate(ITEMS, start=1)}
    by_line = {row.line: row for row in rows}
    assert problems == []
    assert sorted(found) == [
        Filled(Decision(12, FIRST, seen[12]), by_line[2], for_group=True),
        Filled(Decision(13, SECOND, seen[13]), by_line[3], for_group=True),
        Filled(Decision(14, None, seen[14]), by_line[8], for_group=True),
    ]


def test_each_group_of_each_sheet_is_answered_for_itself() -> None:
    first = sheet({(12, FIRST): "ours"})
    renamed = {"item": {12: "#22", 13: "#23", 14: "#24"}, "line": dict.fromkeys(ITEMS, "8")}
    group = dict.fromkeys(ITEMS, "3 copies: #22, #23 and #24")
    batches = dict(zip(BATCHES, map(uuid, (35, 34, 33, 32)), strict=True))
    second = [
        row._replace(cells={**row.cells, "candidate_id": batches[row.cells["candidate_id"]]})
        for row in sheet({(12, SECOND): "ours"}, group=group, **renamed)
    ]
    expected = {12: FIRST, 22: batches[SECOND]}
    assert decided([*first, *second]) == expected
    same_name = [
        row._replace(sheet="Two", cells={**row.cells, "group": first[0].cells["group"]})
        for row in second
    ]
    assert decided([*first, *same_name]) == expected


def test_what_is_wrong_with_a_group_comes_beside_what_is_wrong_with_rows() -> None:
    rows = sheet({(12, batch): "ours" for batch in BATCHES})
    _, problems = filled_in([*rows, SheetRow(20, {"item": "#4", "decision": "yes"})])
    assert [problem.line for problem in problems] == [20, 5]


@pytest.mark.parametrize(
    ("marked", "own", "says"),
    [
        (
            1,
            3,
            "this batch is marked as ours, but all copies of its group in this sheet are decided",
        ),
        (
            2,
            2,
            "2 batches of this group are marked as ours, but only 1 of its copies in this sheet",
        ),
        (2, 2, " of its copies in this sheet is undecided"),
    ],
)
def test_the_numbers_of_batches_and_copies_are_told(marked: int, own: int, says: str) -> None:
    says_of = {(item, FIRST): uuid(item) for item in ITEMS[:own]}
    rows = sheet({**says_of, **{(14, batch): "ours" for batch in (SECOND, THIRD)[:marked]}})
    _, (problem,) = filled_in(rows)
    assert says in problem.text
