"""Writes the sheet of `proposals` as CSV or as a workbook, and reads it as a person or a
spreadsheet program saved it. The ending of its path decides what is written, its content how it is
read."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from worker.export import csv_format
from worker.export.filled_sheet import SheetRow, column_of, has_columns, sheet_row
from worker.export.own_files import OwnFile
from worker.export.proposals import COLUMNS, COMMON_COLUMNS, NEEDED, DecisionRow
from worker.export.replacing import replaced
from worker.model.errors import FileError, Problem, UsageError

ENDINGS = (".csv", ".xlsx")

_DELIMITERS = ",;\t"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of .xlsx and .ods files, and of .xls files."""


def write(path: Path, rows: Iterable[DecisionRow], title: str) -> None:
    """Write the rows to `path`, in one replacement. Raises OSError if that fails."""
    with replaced(path) as file:
        if path.suffix.lower() == ".xlsx":
            from worker.export.workbook.decisions import write_book  # noqa: PLC0415 - slow to import

            write_book(file, rows, title)
        else:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            csv_format.write_rows(text, rows, COLUMNS)
            text.flush()
            text.detach()


def read(path: Path) -> Iterator[SheetRow]:
    """The rows of the sheet, also of the one in a ledger file that is a workbook. Empty rows are
    left out.

    Raises UsageError if the file cannot be read to its end or has no such sheet; FileError if that
    has a line."""
    found = False
    for name, header, rows in _tables(path):
        if not has_columns(header, NEEDED):
            continue
        found = True
        columns = [column_of(cell) for cell in header]
        for column in NEEDED:
            if columns.count(column) > 1:
                raise UsageError(f"{path}: column {column} appears twice; remove or rename one")
        for line, cells in rows:
            if any(map(str.strip, cells)):
                yield sheet_row(line, columns, cells, name)
    if not found:
        raise UsageError(
            f"{path}: there is no sheet with the columns {' and '.join(NEEDED)}",
            hint="Name a sheet that settle --proposals wrote, or the ledger file if it is a"
            " workbook. Save it as CSV or .xlsx.",
        )


def refuse_ending(path: Path) -> None:
    """Raise UsageError if no sheet is written to such a path."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--proposals: {path}: a sheet is a .csv or an .xlsx file",
            hint=f"Name a file that ends in {' or '.join(ENDINGS)}.",
        )


def _is_ours(path: Path) -> bool:
    """Whether the file is a sheet as `write` writes it, and nothing else: a workbook with other
    sheets, such as a ledger file, is not."""
    try:
        tables = [header for _, header, _ in _tables(path)]
    except UsageError:
        return False
    return len(tables) == 1 and has_columns(tables[0], COMMON_COLUMNS)


def _campaign_in(path: Path) -> str | None:
    """The campaign that the sheet names; None if it names none."""
    try:
        campaigns = (row.text("campaign") for row in read(path))
        return next(filter(None, campaigns), None)
    except UsageError:
        return None


SHEET_FILE = OwnFile(
    "sheet of decisions",
    "--proposals",
    _is_ours,
    _campaign_in,
    "Name another file with --proposals.",
)


Tables = Iterator[tuple[str, Sequence[str], Iterator[tuple[int, list[str]]]]]
"""Sheets: the name (empty in a CSV), the header, and the rows below, each with its line."""


def _tables(path: Path) -> Tables:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: this file cannot be read: {error.strerror or error}") from error
    if head in _WORKBOOKS:
        from worker.export.workbook.reading import tables  # noqa: PLC0415 - slow to import

        yield from tables(path)
    else:
        yield from _csv_table(path, head)


def _csv_table(path: Path, head: bytes) -> Tables:
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # Excel may save in a code page of the country. Everything that decisions need is ASCII.
    encoding, errors = ("utf-16", "strict") if is_utf16 else ("utf-8-sig", "replace")
    with path.open(encoding=encoding, errors=errors, newline="") as file:
        rows = _records(path, file)
        for _, header in rows:
            if any(map(str.strip, header)):
                yield "", header, rows
                return


def _records(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV, each with the line on which it begins. Raises FileError if one cannot
    be read."""
    line = 1
    try:
        first = next((text for text in file if text.strip(" ,;\t\r\n")), "")
        file.seek(0)
        reader = csv.reader(file, delimiter=_delimiter(first), strict=True)
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        text = f"this row cannot be read: {error}; is a quote missing?"
        raise FileError(path, [Problem(line, text)], 1) from error
    except UnicodeError as error:
        raise UsageError(f"{path}: this file is not text: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: this file cannot be read: {error.strerror or error}") from error


def _delimiter(header: str) -> str:
    """The delimiter that splits the header into the columns that are needed; a comma if none
    does."""
    for delimiter in _DELIMITERS:
        with suppress(csv.Error):  # the header may continue in the next line
            if has_columns(next(csv.reader([header], delimiter=delimiter), []), NEEDED):
                return delimiter
    return ","
