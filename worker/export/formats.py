"""The format of a ledger file. Only the ending of its path decides, and only here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worker.export import csv_format
from worker.export.content import FileFormat, FileRow
from worker.ledger.database import belongs_to
from worker.model.server_address import DatabaseLocation

ENDINGS = (".csv", ".xlsx")
"""The endings of ledger files. A file with any other ending is written as CSV."""


def format_of(path: Path) -> FileFormat:
    """The format of the ledger file at `path`."""
    if path.suffix.lower() == ".xlsx":
        from worker.export import workbook  # noqa: PLC0415 - its libraries take a while to import

        return workbook
    return csv_format


def is_ledger(path: Path) -> bool:
    """Whether the file is a ledger in the format of its name. Raises OSError if it cannot be
    read."""
    return format_of(path).is_ledger(path)


def is_readable_ledger(path: Path) -> bool:
    """Whether this user can read the file, and it is a ledger. Another person's folder may be
    closed to us: what is in it shows nothing."""
    try:
        return path.is_file() and is_ledger(path)
    except OSError:
        return False


def read_file(path: Path) -> Iterator[tuple[str, FileRow]]:
    """The rows of a ledger file as the text that was written, each with its place for messages.

    Raises UsageError if the file is not a ledger, or cannot be read to its end."""
    return format_of(path).read(path)


def ledgers_in(folder: Path, database: DatabaseLocation) -> list[Path]:
    """The ledger files in the folder that this user can read, without the `database` in use,
    whatever its name. Empty if the folder does not exist."""
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        path
        for path in found
        if path.suffix.lower() in ENDINGS
        and not belongs_to(path, database)
        and is_readable_ledger(path)
    ]
