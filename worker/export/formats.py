"""Which form a ledger file has: its path's ending decides, here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worker.export import csv_format as csv_form
from worker.export.content import FileRow, Form
from worker.ledger.database import belongs_to

ENDINGS = (".csv", ".xlsx")
"""The endings that ledger files have; any other is written as CSV too."""


def form_of(path: Path) -> Form:
    """The form of the ledger file at `path`."""
    if path.suffix.lower() == ".xlsx":
        from worker.export import workbook  # noqa: PLC0415 - the libraries for it take a while to import

        return workbook
    return csv_form


def is_ledger(path: Path) -> bool:
    """Whether the file is a ledger, of the form that its name says. Raises OSError where it cannot
    be read."""
    return form_of(path).is_ledger(path)


def read_file(path: Path) -> Iterator[tuple[str, FileRow]]:
    """The rows of a ledger file with exactly the text that was written, each with where it stands.

    Raises UsageError where the file is no ledger, or cannot be read to its end."""
    return form_of(path).read(path)


def other_files(path: Path, database: Path) -> list[Path]:
    """The other ledger files in the folder of `path`; the `database` in use is none, whatever its
    name."""
    found = (p for ending in ENDINGS for p in path.parent.glob(f"*{ending}"))
    files = (
        p for p in found if p.is_file() and not p.samefile(path) and not belongs_to(p, database)
    )
    return sorted(p for p in files if is_ledger(p))
