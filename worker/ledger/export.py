"""Writes the ledger file: a projection of the database for a person with a spreadsheet. It decides nothing.

A reader never sees half a file: it is written beside its place and renamed into it.
"""

from __future__ import annotations

import csv
import glob
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from worker.errors import UsageError
from worker.ledger import views
from worker.ledger.views import COLUMNS

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "'")
"""First characters that make a spreadsheet read a cell as something else than its text (OWASP: CSV injection), and
the one that marks text itself."""


def refuse_foreign_file(path: Path) -> None:
    """Raise UsageError where `path` could not become a ledger file: something else is there, or no file can be."""
    if path.suffix.lower() == ".xlsx":
        raise UsageError(f"{path}: workbooks are not written yet", hint="Give a path that ends in .csv.")
    try:
        if not path.exists():
            if path.is_symlink():
                raise UsageError(f"{path}: this is a link to nothing", hint="Name another file with --ledger.")
            return
        if not path.is_file():
            raise UsageError(f"{path}: this is no file", hint="Name the ledger file with --ledger.")
        if not is_ledger(path):
            raise UsageError(
                f"{path}: there is a file here that is no ledger; it is left as it is",
                hint="Name another ledger file with --ledger, or move this one away.",
            )
        if not os.access(path.parent, os.W_OK) or not os.access(path, os.W_OK):
            raise UsageError(f"{path}: the ledger file cannot be written", hint="Nothing was sent.")
    except OSError as error:
        raise UsageError(
            f"{path}: the ledger file cannot be read: {error.strerror}", hint="Nothing was sent."
        ) from error


def make_folder(path: Path) -> None:
    """Make the ledger file's folder. Raises UsageError where that cannot be, or nothing can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path).open("w"):  # its name is longer than the file's, perhaps too long
            pass
        _beside(path).unlink()
    except OSError as error:
        raise UsageError(
            f"{path}: the ledger file cannot be written there: {error.strerror}",
            hint="Nothing was sent. Name another file with --ledger.",
        ) from error


def is_ledger(path: Path) -> bool:
    """Whether the file's first line has a ledger's columns (a spreadsheet may have saved it with ; or tabs)."""
    with path.open("rb") as file:
        first = file.read(2**16).split(b"\n", 1)[0]
    try:
        header = first.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return False
    return any(tuple(next(csv.reader([header], delimiter=d), ()))[: len(COLUMNS)] == COLUMNS for d in ",;\t")


def write_ledger_file(connection: sqlite3.Connection, campaign: int, name: str, path: Path) -> None:
    """Write the ledger file of the campaign (its number and name) to `path`, in one replacement.

    Raises OSError where it cannot be written; the file that was there is whole then.
    """
    with replaced(path) as file:
        write_csv(file, views.ledger_rows(connection, campaign, name), views.extra_columns(connection, campaign))


def write_csv(file: TextIO, rows: Iterable[Mapping[str, Any]], extra_columns: Iterable[str]) -> None:
    """Write rows as the ledger file has them."""
    columns = (*COLUMNS, *extra_columns)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row[column]) for column in columns] for row in rows)


def cell(value: object) -> object:
    """A value as its cell in the ledger file: text that a spreadsheet would run gets a leading `'`."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            # Python 3.11's csv module does not quote a lone carriage return, and readers take it for a row's end.
            text = value.replace("\r\n", "\n").replace("\r", "\n")
            return "'" + text if text.startswith(_FORMULA) else text
    return value


def _beside(path: Path) -> Path:
    """Where what becomes `path` is written first: next to the file itself, wherever a link leads."""
    place = Path(os.path.realpath(path))
    return place.with_name(f".{place.name}.{os.getpid()}.tmp")


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of `path` when the block ends well, and leaves no trace when it does not."""
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            beside.chmod(place.stat().st_mode & 0o7777)
        beside.replace(place)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder last through a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove what killed runs were writing beside `path`. The caller holds the lock."""
    place = Path(os.path.realpath(path))
    for leftover in place.parent.glob(f".{glob.escape(place.name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()
