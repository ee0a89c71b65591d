"""What a ledger file contains in any format: columns, rows, and the facts for a first sheet.

Every format writes the same `Content` and reads back the same `FileRow`s. How a cell looks is up to
the format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from worker.export.commands import Commands
from worker.export.proposals import DecisionRow
from worker.ledger.rows import COLUMNS, FIRST_COLUMNS, LedgerRow
from worker.model.errors import UsageError

FileRow = Mapping[str, str]
"""A row of a ledger file: the text of each column, empty if there is none. Numbers and times are as
the CSV writes them."""

SHORTENED = " … (shortened here: the database has the whole text)"
"""The end of a text that was cut because it is too long for the format. Restoring recognizes it, so
it never changes."""


class About(NamedTuple):
    """Where the rows come from: the campaign, its job file, its latest run, and the database (also
    whether it is the sandbox's).

    `written_at` is ISO 8601 UTC, `commands` continue the campaign, `active` says whether the
    latest run was still active, and `choice` says which rows were chosen (empty: every row of the
    job). `file` is the path of the file (None: it has none)."""

    campaign: str
    job: Path
    run_id: str
    database: str
    sandbox: bool
    written_at: str
    commands: Commands
    active: bool = False
    choice: str = ""
    file: Path | None = None


class Content(NamedTuple):
    """What is written: `rows` (from `ledger.rows`, read once), the `own` `x_` columns of the
    job, and where they come from. A workbook also has the rows of the sheet of `decisions`."""

    about: About
    own: tuple[str, ...]
    rows: Iterable[LedgerRow]
    decisions: Iterable[DecisionRow] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in order."""
        return (*COLUMNS, *self.own)


class FileFormat(Protocol):
    """One format of ledger files: a module with these three functions."""

    def is_ledger(self, path: Path) -> bool:
        """Whether the file has a ledger's header. Raises OSError if it cannot be read."""

    def write(self, file: BinaryIO, content: Content) -> None:
        """Write the content, one row at a time."""

    def read(self, path: Path) -> Iterator[tuple[str, FileRow]]:
        """Every row, each with its place in the file for messages. Raises UsageError if the file is
        not a ledger, or cannot be read to its end."""


def is_header(cells: Sequence[object]) -> bool:
    """Whether a row of `cells` is a ledger's header, also an earlier version's: the columns of all
    versions in order, then any others."""
    return tuple(cells[: len(FIRST_COLUMNS)]) == FIRST_COLUMNS


def not_a_ledger(path: Path) -> UsageError:
    """The error for a file that does not have a ledger's header."""
    return UsageError(
        f"{path}: this file is not a ledger", hint="Name a ledger file that a run wrote."
    )


def one_line_feed(text: str) -> str:
    """`text` with a line feed for every line end: programs do not keep carriage returns."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
