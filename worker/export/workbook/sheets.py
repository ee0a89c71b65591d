"""Writes a workbook: one row at a time, in bounded memory.

The header and the first columns stay in view. Rows beyond the size of a sheet continue in the next
sheet. Every cell is written by its type, so no text becomes a formula, a link or a number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from worker.export.content import About, Content
from worker.export.digest import Digest
from worker.export.workbook.book import new_book
from worker.export.workbook.cells import NUMBER_COLUMNS, to_cell
from worker.export.workbook.decisions import DECISIONS, write_decisions
from worker.export.workbook.style import LINE, Style, line_count, prepare_page, put
from worker.export.workbook.summary import write_summary
from worker.ledger.rows import LedgerRow
from worker.text import shortened

ROWS_OF_A_SHEET: Final = 1_048_576
"""Maximum number of rows in a sheet, with its header."""

_WIDTHS = {
    "line": 7,
    "source_batch_id": 38,
    "name": 34,
    "upload_new_dataset": 20,
    "copy": 7,
    "status": 11,
    "new_batch_id": 38,
    "new_batch_status": 18,
    "created_at": 25,
    "settled_by": 11,
    "attempts": 10,
    "http_status": 12,
    "error": 50,
    "first_sent_at": 25,
    "last_sent_at": 25,
    "campaign": 20,
    "run_id": 24,
    "tasks_per_group": 16,
    "setup_status": 14,
    "warning": 30,
}
"""Width of each column in characters."""

_OWN_WIDTH = 20
"""Width of the job's own columns in characters."""

_FROZEN = 3
"""Number of columns that stay in view: line, source_batch_id and name identify a row."""

_WRAPPED = frozenset({"name", "error", "warning"})
"""Columns with text that is wrapped; so are the job's own columns."""

_FOLDED = frozenset(
    {
        "new_batch_status", "created_at", "settled_by", "attempts", "http_status",
        "first_sent_at", "last_sent_at", "campaign", "run_id", "tasks_per_group", "setup_status",
    }
)  # fmt: skip
"""Columns that are folded until a person opens them, so that the others are large enough to read on
paper. Hidden columns are not printed."""


def write(file: BinaryIO, content: Content, rows_of_a_sheet: int = ROWS_OF_A_SHEET) -> None:
    """Write the content as a workbook. Raises OSError if it cannot be written."""
    with new_book(file) as book:
        _fill(book, content, rows_of_a_sheet)


def _fill(book: Workbook, content: Content, rows_of_a_sheet: int) -> None:
    about = content.about
    book.set_properties({"title": f"Ledger of campaign {about.campaign}"})
    style, digest = Style(book), Digest()
    summary = _added(book, about, "Summary")
    decisions = iter(content.decisions)
    if (first_decision := next(decisions, None)) is not None:
        write_decisions(_added(book, about, DECISIONS), style, chain([first_decision], decisions))
    rows = digest.of(content.rows)
    for number in range(1, 10_000):
        first = next(rows, None)
        if first is None and number > 1:
            break
        sheet = _added(book, about, "Ledger" if number == 1 else f"Ledger {number}")
        part = islice(chain([] if first is None else [first], rows), rows_of_a_sheet - 1)
        _write_sheet(sheet, style, content.columns, part)
    write_summary(summary, style, about, digest)


def _added(book: Workbook, about: About, name: str) -> Worksheet:
    sheet = book.add_worksheet(name)
    rehearsal = "Rehearsal: " if about.sandbox else ""
    campaign = shortened(about.campaign, 80)  # a footer contains at most 255 characters
    prepare_page(sheet, f"{rehearsal}{name} of campaign {campaign}, {about.written_at[:10]}")
    return sheet


def _write_sheet(
    sheet: Worksheet, style: Style, columns: Sequence[str], rows: Iterable[LedgerRow]
) -> None:
    _set_columns(sheet, style, columns)
    sheet.freeze_panes(1, _FROZEN)
    sheet.repeat_rows(0)
    sheet.hide_gridlines(0)  # print them
    for index, column in enumerate(columns):
        put(sheet, style, 0, index, column, style.header)
    wrapped = [(column, _WIDTHS.get(column, _OWN_WIDTH)) for column in columns if _wraps(column)]
    number = 0
    for number, row in enumerate(rows, start=1):
        lines = max(line_count(row[column] or "", width) for column, width in wrapped)
        if lines > 1:
            sheet.set_row(number, LINE * lines)
        for index, column in enumerate(columns):
            value = to_cell(column, row[column])
            if value is not None:
                look = style.status[str(value)] if column == "status" else None
                put(sheet, style, number, index, value, look)
    sheet.autofilter(0, 0, number, len(columns) - 1)


def _wraps(column: str) -> bool:
    return column in _WRAPPED or column not in _WIDTHS


def _set_columns(sheet: Worksheet, style: Style, columns: Sequence[str]) -> None:
    folded = False
    for index, column in enumerate(columns):
        # The sign that unfolds a group of columns belongs to the column after it.
        options = {"level": 1, "hidden": True} if column in _FOLDED else {"collapsed": folded}
        folded = column in _FOLDED
        look = style.wrapped if _wraps(column) else style.plain
        look = style.number if column in NUMBER_COLUMNS else look
        sheet.set_column(index, index, _WIDTHS.get(column, _OWN_WIDTH), look, options)
    if folded:
        sheet.set_column(len(columns), len(columns), None, None, {"collapsed": True})
