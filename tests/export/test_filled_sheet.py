"""What a sheet of decisions shows, as it is read from a file."""

from __future__ import annotations

from worker.export.filled_sheet import SheetRow, as_read, shown_candidates

ONE, TWO = "0192a3b4-0000-7000-8000-00000000000a", "0192a3b4-0000-7000-8000-00000000000b"


def test_the_candidates_of_an_item_are_those_of_all_its_rows() -> None:
    rows = [
        SheetRow(2, {"item": "#3", "candidate_id": ONE.upper()}),
        SheetRow(3, {"item": "#3", "candidate_id": TWO}),
        SheetRow(4, {"item": "#4", "candidate_id": ""}),  # it has none
        SheetRow(5, {"item": "#5"}),  # a sheet without the column shows nothing
        SheetRow(6, {"item": "", "candidate_id": ONE}),
    ]
    assert shown_candidates(rows) == {3: {ONE, TWO}, 4: {""}}


def test_rows_are_read_as_text_with_the_line_that_they_have_in_a_file() -> None:
    row = {"item": 3, "suggestion": None, "name": "Wave"}
    cells = {"item": "3", "suggestion": "", "name": "Wave"}
    assert as_read([row, row]) == [SheetRow(2, cells), SheetRow(3, cells)]
