"""Writes a workbook: the rows, a row at a time and in bounded memory, under a header that stays in
view.

Rows that one sheet cannot hold go on in the next. Every cell is written by its type, so that
nothing in it is ever taken for a formula, a link or a number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain, islice
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from worker.export.content import Content
from worker.export.digest import Digest
from worker.export.workbook.cells import to_cell
from worker.export.workbook.style import Style, put
from worker.export.workbook.summary import write_summary
from worker.ledger.views import Row

ROWS_OF_A_SHEET: Final = 1_048_576
"""How many rows a sheet holds, its header among them."""

_WIDTHS = {
    "line": 7,
    "source_batch_id": 38,
    "name": 40,
    "upload_new_dataset": 20,
    "copy": 7,
    "status": 11,
    "new_batch_id": 38,
    "new_batch_status": 18,
    "created_at": 25,
    "settled_by": 11,
    "attempts": 10,
    "http_status": 12,
    "error": 60,
    "first_sent_at": 25,
    "last_sent_at": 25,
    "campaign": 20,
    "run_id": 24,
}
"""Each column's width, in characters; the job's own columns have another."""

_OWN_WIDTH = 20


def write(file: BinaryIO, content: Content, rows_of_a_sheet: int = ROWS_OF_A_SHEET) -> None:
    """Write the content as a workbook. Raises OSError where it cannot be written."""
    patient = _Patient(file)
    with TemporaryDirectory(
        prefix="duplicate-batches-"
    ) as folder:  # rows wait there until the sheet is whole
        book = Workbook(
            patient,
            {
                "constant_memory": True,
                "tmpdir": folder,
                "use_zip64": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        try:
            _fill(book, content, rows_of_a_sheet)
        except BaseException:
            with suppress(Exception):  # it closes its files; the workbook is not used
                book.close()
            raise
        try:
            book.close()
        except FileCreateError as error:
            raise OSError(str(error)) from error
    if patient.trouble is not None:
        raise patient.trouble


class _Patient:
    """A file that takes what is written after an error too, and loses it: at an error the library
    would leave its archive open, which then complains on standard error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.trouble: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, or remember why not."""
        if self.trouble is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.trouble = error
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _fill(book: Workbook, content: Content, rows_of_a_sheet: int) -> None:
    book.set_properties({"title": f"Ledger of {content.about.campaign}"})
    style, digest = Style(book), Digest()
    summary = _added(book, "Summary")
    rows = digest.of(content.rows)
    for number in range(1, 10_000):
        first = next(rows, None)
        if first is None and number > 1:
            break
        sheet = _added(book, "Ledger" if number == 1 else f"Ledger {number}")
        part = islice(chain([] if first is None else [first], rows), rows_of_a_sheet - 1)
        _write_sheet(sheet, style, content.columns, part)
    write_summary(summary, style, content.about, digest)


def _added(book: Workbook, name: str) -> Worksheet:
    """A new sheet that is printed as wide as the paper."""
    sheet = book.add_worksheet(name)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    return sheet


def _write_sheet(
    sheet: Worksheet, style: Style, columns: Sequence[str], rows: Iterable[Row]
) -> None:
    for index, column in enumerate(columns):
        sheet.set_column(index, index, _WIDTHS.get(column, _OWN_WIDTH))
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    for index, column in enumerate(columns):
        put(sheet, style, 0, index, column, style.header)
    number = 0
    for number, row in enumerate(rows, start=1):
        for index, column in enumerate(columns):
            value = to_cell(column, row[column])
            if value is not None:
                put(
                    sheet,
                    style,
                    number,
                    index,
                    value,
                    style.status[str(value)] if column == "status" else None,
                )
    sheet.autofilter(0, 0, number, len(columns) - 1)
