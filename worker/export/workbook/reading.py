"""Reads the rows of a workbook, as a run wrote it or as a spreadsheet program saved it later.

People may rename sheets and sort rows, so the ledger's sheets are found by their header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from worker.export.content import FileRow, is_header, not_a_ledger
from worker.export.workbook.cells import to_text
from worker.model.errors import UsageError


class _DamagedError(Exception):
    """The file is damaged or not a workbook. The text is the library's."""


def is_ledger(path: Path) -> bool:
    """Whether a sheet begins with a ledger's header. Raises OSError if the file cannot be read."""
    try:
        return next(_ledger_sheets(path), None) is not None
    except _DamagedError:
        return False


def read(path: Path) -> Iterator[tuple[str, FileRow]]:
    """The rows of every sheet with a ledger's header, as the text that was written, each with its
    place (`FILE: sheet NAME, row N`).

    Raises UsageError if there is no such sheet, or the file cannot be read to its end."""
    found = False
    try:
        for sheet in _ledger_sheets(path):
            found = True
            yield from _rows(path, sheet)
    except _DamagedError as error:
        if found:
            raise UsageError(
                f"{path}: the ledger file is damaged: {error}", hint="Name another file."
            ) from error
    except OSError as error:
        raise UsageError(f"{path}: the ledger file cannot be read: {error}") from error
    if not found:
        raise not_a_ledger(path)


class Table(NamedTuple):
    """A sheet: its name, the texts of its first row that is not empty, and the rows below, each
    with its number."""

    name: str
    header: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]


def tables(path: Path, but_for: tuple[str, ...] = ()) -> Iterator[Table]:
    """The sheets of a workbook, of any format that spreadsheet programs write, but for those whose
    names begin like `but_for`. Raises UsageError if the file cannot be read to its end."""
    try:
        for sheet in _sheets(path, but_for):
            rows = enumerate(sheet.iter_rows(), start=1)
            texts = ((number, [to_text(cell) for cell in cells]) for number, cells in rows)
            header = next((cells for _, cells in texts if any(map(str.strip, cells))), [])
            yield Table(sheet.name, tuple(map(str.strip, header)), texts)
    except _DamagedError as error:
        raise UsageError(f"{path}: this workbook cannot be read: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: this file cannot be read: {error.strerror or error}") from error


def _ledger_sheets(path: Path) -> Iterator[CalamineSheet]:
    return (sheet for sheet in _sheets(path) if is_header(next(sheet.iter_rows(), [])))


def _sheets(path: Path, but_for: tuple[str, ...] = ()) -> Iterator[CalamineSheet]:
    with path.open("rb") as file:
        try:
            book = CalamineWorkbook.from_filelike(file)
            for name in book.sheet_names:
                if not name.startswith(but_for):
                    yield book.get_sheet_by_name(name)
        except CalamineError as error:
            raise _DamagedError(str(error)) from error
        except BaseException as error:
            # The library raises this for damage that it does not expect; it is not an Exception.
            if type(error).__name__ == "PanicException":
                raise _DamagedError("its content cannot be read") from None
            raise


def _rows(path: Path, sheet: CalamineSheet) -> Iterator[tuple[str, FileRow]]:
    rows = sheet.iter_rows()
    columns = [to_text(cell) for cell in next(rows)]
    first = (sheet.start or (0, 0))[0] + 2
    for number, cells in enumerate(rows, start=first):
        texts = [to_text(cell) for cell in cells]
        if any(map(str.strip, texts)):
            pairs = zip(columns, texts, strict=False)
            yield (
                f"{path}: sheet {sheet.name}, row {number}",
                {column: text for column, text in pairs if column},
            )
