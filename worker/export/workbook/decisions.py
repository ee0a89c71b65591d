"""Writes the sheet in which people decide about unknown duplicates: in a workbook of its own, or in
the ledger file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import BinaryIO

from xlsxwriter.worksheet import Worksheet

from worker.export.proposals import ABSENT, COLUMNS, OURS, REST_ABSENT, DecisionRow
from worker.export.workbook.book import new_book
from worker.export.workbook.cells import Cell, cell_text, to_datetime
from worker.export.workbook.style import LINE, Style, line_count, prepare_page, put, put_link

DECISIONS = "Decisions"
"""The name of the sheet."""

_ROWS = 1_048_575
"""Maximum number of rows: a sheet holds no more. Decide some, and write the sheet again."""

_WITH_CHOICES = 60_000
"""Number of rows whose cell offers its choices: Excel allows 65,534 in a sheet."""

_WITH_LINKS = 60_000
"""Number of rows whose candidate is a link: Excel allows 65,530 in a sheet. Below them the address
is text."""

_WIDTHS = {
    "item": 8,
    "group": 24,
    "decision": 38,
    "name": 30,
    "for": 34,
    "against": 34,
    "candidate_id": 38,
    "candidate_url": 16,
    "candidate_name": 30,
    "candidate_created_at": 25,
    "candidate_status": 16,
    "suggestion": 38,
    "suggestion_reason": 40,
    "line": 6,
    "copy": 6,
    "source_batch_id": 38,
    "source_name": 24,
    "last_sent_at": 25,
    "why_unknown": 30,
    "attempts": 10,
    "restored_by": 26,
    "campaign": 20,
}
"""Width of each column in characters."""

_WRAPPED = frozenset(
    {
        "group", "source_name", "name", "why_unknown", "candidate_name", "for", "against",
        "suggestion_reason",
    }
)  # fmt: skip

_TIMES = frozenset({"last_sent_at", "candidate_created_at"})

_FOLDED = frozenset(
    {"source_batch_id", "source_name", "why_unknown", "candidate_status", "restored_by"}
)
"""Columns that are folded until a person opens them, so that a row fits on a wide screen."""


def write_decisions(sheet: Worksheet, style: Style, rows: Iterable[DecisionRow]) -> None:
    """Fill the sheet: one row for each of `rows`, from `proposals.sheet_rows`. The cells to fill in
    are marked, and offer their candidate and `absent`."""
    _set_columns(sheet, style)
    sheet.freeze_panes(1, COLUMNS.index("decision") + 1)
    sheet.repeat_rows(0)
    for index, column in enumerate(COLUMNS):
        put(sheet, style, 0, index, column, style.header)
    decision = COLUMNS.index("decision")
    number = 0
    for number, row in enumerate(islice(rows, _ROWS), start=1):
        lines = max(line_count(str(row[one] or ""), _WIDTHS[one]) for one in _WRAPPED)
        if lines > 1:
            sheet.set_row(number, LINE * lines)
        for index, column in enumerate(COLUMNS):
            look = style.to_fill_in if column == "decision" else None
            if column == "candidate_url" and row[column] and number <= _WITH_LINKS:
                put_link(sheet, style, number, index, str(row[column]))
            elif (value := _cell(column, row[column])) is not None or look is not None:
                put(sheet, style, number, index, value, look)
        if number <= _WITH_CHOICES:
            choices = [OURS] if row["candidate_id"] else []
            choices += [REST_ABSENT, ABSENT] if row["group"] else [ABSENT]
            # The id of any batch may be typed in.
            options = {"validate": "list", "source": choices, "show_error": False}
            sheet.data_validation(number, decision, number, decision, options)
    sheet.autofilter(0, 0, number, len(COLUMNS) - 1)


def write_book(file: BinaryIO, rows: Iterable[DecisionRow], title: str) -> None:
    """Write a workbook that has only this sheet. Raises OSError if it cannot be written."""
    with new_book(file) as book:
        book.set_properties({"title": title})
        sheet = book.add_worksheet(DECISIONS)
        prepare_page(sheet, title)
        write_decisions(sheet, Style(book), rows)


def write_texts(file: BinaryIO, rows: Iterable[Sequence[str]], title: str) -> None:
    """Write a workbook that has only this sheet, with the texts of one that was read, header first.
    Raises OSError if it cannot be written."""
    with new_book(file) as book:
        book.set_properties({"title": title})
        sheet = book.add_worksheet(DECISIONS)
        prepare_page(sheet, title)
        style = Style(book)
        for number, texts in enumerate(rows):
            for index, text in enumerate(texts):
                put(sheet, style, number, index, cell_text(text))
        sheet.freeze_panes(1, 1)


def _cell(column: str, value: object) -> Cell:
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return value
    text = str(value)
    return (to_datetime(text) if column in _TIMES else None) or cell_text(text)


def _set_columns(sheet: Worksheet, style: Style) -> None:
    folded = False
    for index, column in enumerate(COLUMNS):
        # The sign that unfolds a group of columns belongs to the column after it.
        options = {"level": 1, "hidden": True} if column in _FOLDED else {"collapsed": folded}
        folded = column in _FOLDED
        look = style.wrapped if column in _WRAPPED else style.plain
        look = style.number if column in ("line", "copy", "attempts") else look
        sheet.set_column(index, index, _WIDTHS[column], look, options)
