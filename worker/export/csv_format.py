"""Writes the ledger file as CSV, and reads it. Nothing here knows what the rows mean.

Text that a spreadsheet would run is written with a leading `'`. Reading removes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final, TextIO, TypeVar

from worker.export.content import Content, FileRow, is_header, not_a_ledger, one_line_feed
from worker.ledger.rows import FIRST_COLUMNS
from worker.model.errors import UsageError

T = TypeVar("T")

_FORMULA = frozenset("=+-@\t\n'")
"""First characters that make a spreadsheet run a cell or change its text (OWASP: CSV injection),
and the `'` that marks text."""

_DELIMITERS = ",;\t"
"""Delimiters: the comma of our files, and the others that spreadsheet programs save with."""

_CELL: Final = 2**31 - 1
"""Maximum size of a cell that is read, in characters: what a run wrote must be readable, and a YAML
job has no limit for a cell. The largest limit that the csv module takes on every system."""


def is_ledger(path: Path) -> bool:
    """Whether the first line is a ledger's header, with any of the delimiters.

    Raises OSError if the file cannot be read."""
    with path.open("rb") as file:
        first = file.read(2**16).split(b"\n", 1)[0]
    try:
        header = first.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return False
    try:
        return any(is_header(next(csv.reader([header], delimiter=d), ())) for d in _DELIMITERS)
    except csv.Error:  # not a text file
        return False


def write(file: BinaryIO, content: Content) -> None:
    """Write the content as CSV in UTF-8."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        write_rows(text, content.rows, content.columns)
        text.flush()
    finally:
        text.detach()


def write_rows(file: TextIO, rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> None:
    """Write a header and rows. Open `file` with newline="" so that it keeps line ends."""
    columns = tuple(columns)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in map(itemgetter(*columns), rows):
        cells = [cell(value) for value in row]
        line = ",".join(cells)
        if line.count(",") == len(cells) - 1 and not _needs_quotes(line):
            file.write(f"{line}\n")  # the csv module would look at each character
        else:
            writer.writerow(cells)


def _needs_quotes(line: str) -> bool:
    return not line or '"' in line or "\n" in line or "\r" in line


def cell(value: object) -> str:
    """The cell for `value`: text that a spreadsheet would run gets a leading `'`."""
    if isinstance(value, str):
        # Python 3.11's csv module does not quote a lone carriage return, which ends a row for
        # readers.
        text = one_line_feed(value) if "\r" in value else value
        return "'" + text if text[:1] in _FORMULA else text
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read(path: Path) -> Iterator[tuple[str, FileRow]]:
    """The rows of a ledger file as the text that was written, each with its place (`FILE:LINE`).

    Raises UsageError if the file is not a ledger, or cannot be read to its end."""
    try:
        if not is_ledger(path):
            raise not_a_ledger(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = next(d for d in _DELIMITERS if first.count(d) >= len(FIRST_COLUMNS) - 1)
            rows = _of_any_size(csv.DictReader(file, delimiter=delimiter))
            for number, row in enumerate(rows, start=2):
                where = f"{path}:{number}"
                if not any(map(str.strip, _cells(row))):
                    continue  # spreadsheet programs add empty rows
                if any(row.get(column) is None for column in FIRST_COLUMNS):
                    raise UsageError(
                        f"{where}: this row has too few cells", hint="Is the file complete?"
                    )
                yield (
                    where,
                    {
                        column: (cell or "").removeprefix("'")
                        for column, cell in row.items()
                        if column
                    },
                )
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the ledger file cannot be read: {error}") from error


def _of_any_size(rows: Iterator[T]) -> Iterator[T]:
    """The rows of a reader of the csv module, without its limit for a cell. That limit holds for
    the whole process, and a job file keeps it: it is changed only while a row is read."""
    while True:
        before = csv.field_size_limit(_CELL)
        try:
            row = next(rows, None)
        finally:
            csv.field_size_limit(before)
        if row is None:
            return
        yield row


def _cells(row: Mapping[str | None, str | list[str] | None]) -> Iterator[str]:
    """Every cell of a row from csv.DictReader, which puts cells beyond the header into a list and
    None in place of missing ones."""
    for cell in row.values():
        if isinstance(cell, list):
            yield from cell
        elif cell is not None:
            yield cell
