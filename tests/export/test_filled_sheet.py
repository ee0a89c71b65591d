"""What a sheet of decisions shows, as it is read from a file."""

from __future__ import annotations

from worker.export.filled_sheet import SheetRow, ShownCandidates, as_read

ONE, TWO = "0192a3b4-0000-7000-8000-00000000000a", "0192a3b4-0000-7000-8000-00000000000b"


def test_the_candidates_of_an_item_are_those_of_all_its_rows() -> None:
    rows = [
        SheetRow(2, {"item": "#3", "candidate_id": ONE.upper()}),
        SheetRow(3, {"item": "#3", "candidate_id": TWO}),
        SheetRow(4, {"item": "#4", "candidate_id": ""}),  # it has none
        SheetRow(5, {"item": "#5"}),  # a sheet without the column shows nothing
        SheetRow(6, {"item": "", "candidate_id": ONE}),
    ]
    shown = ShownCandidates(rows)
    assert [shown.of(item) for item in (3, 4, 5, 0)] == [{ONE, TWO}, {""}, None, None]
    assert (shown.items_of(ONE), shown.items_of("else")) == ([3], [])


def test_what_the_rows_of_one_copy_show_is_shown_of_its_group() -> None:
    def row(item: str, candidate: str, group: str, sheet: str = "") -> SheetRow:
        cells = {"item": item, "candidate_id": candidate, "group": group}
        return SheetRow(2, cells, sheet)

    shown = ShownCandidates(
        [
            row("#3", ONE, "2 copies"),
            row("#3", TWO, "2 copies"),
            row("#04", ONE, "2 copies"),
            row("#5", ONE, ""),
            row("#6", ONE, "2 copies", "another sheet"),
        ]
    )
    items, both = (3, 4, 5, 6), {ONE, TWO}
    assert [shown.of(item) for item in items] == [both, {ONE}, {ONE}, {ONE}]
    assert [shown.of(item, for_group=True) for item in items] == [both, both, {ONE}, {ONE}]
    assert shown.of(7, for_group=True) is None
    assert shown.items_of(ONE) == [3, 4, 5, 6]


def test_rows_are_read_as_text_with_the_line_that_they_have_in_a_file() -> None:
    row = {"item": 3, "suggestion": None, "name": "Wave"}
    cells = {"item": "3", "suggestion": "", "name": "Wave"}
    assert as_read([row, row]) == [SheetRow(2, cells), SheetRow(3, cells)]
