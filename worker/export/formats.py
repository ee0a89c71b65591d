"""The format of a ledger file. Only the ending of its path decides, and only here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worker.export import csv_format
from worker.export.content import FileFormat, FileRow
from worker.ledger.database import belongs_to
from worker.model.server_address import Place

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


def other_files(path: Path, database: Place) -> list[Path]:
    """The other ledger files in the folder of `path`, without the `database` in use, whatever its
    name."""
    found = (p for ending in ENDINGS for p in path.parent.glob(f"*{ending}"))
    files = (
        p for p in found if p.is_file() and not p.samefile(path) and not belongs_to(p, database)
    )
    return sorted(p for p in files if is_ledger(p))
