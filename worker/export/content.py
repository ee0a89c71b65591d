"""What a ledger file holds, whatever its form: the columns, the rows, and what a first sheet tells
about them.

Every form writes the same `Content` and reads back the same `FileRow`s. How a cell looks is each
form's business."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from worker.export.commands import Commands
from worker.ledger.views import COLUMNS, Row
from worker.model.errors import UsageError

FileRow = Mapping[str, str]
"""A row as a ledger file has it: the exact text of each column, empty where there is none, numbers
and times as the CSV writes them."""


SHORTENED = " … (shortened here: the database has the whole text)"
"""The end of a text that a form cannot hold whole."""


class About(NamedTuple):
    """Whose rows these are: the campaign, the job file and the run that it was last read by, the
    database (in the sandbox or not), `written_at` (ISO 8601 UTC), the commands that follow up on
    them, whether that run went on then, and in words which rows were chosen (empty: all of the
    job's)."""

    campaign: str
    job: Path
    run_id: str
    database: Path
    sandbox: bool
    written_at: str
    commands: Commands
    going_on: bool = False
    choice: str = ""


class Content(NamedTuple):
    """What is written: `rows` (as `views.ledger_rows` gives them, read once), the job's own `x_`
    columns, and `about` them."""

    about: About
    own: tuple[str, ...]
    rows: Iterable[Row]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in order."""
        return (*COLUMNS, *self.own)


class Form(Protocol):
    """One form of a ledger file: a module has these three functions."""

    def is_ledger(self, path: Path) -> bool:
        """Whether the file has a ledger's header. Raises OSError where it cannot be read."""

    def write(self, file: BinaryIO, content: Content) -> None:
        """Write the content, a row at a time."""

    def read(self, path: Path) -> Iterator[tuple[str, FileRow]]:
        """Every row, each with where it stands, for a message. Raises UsageError where the file is
        no ledger, or cannot be read to its end."""


def is_header(cells: Sequence[object]) -> bool:
    """Whether these are the first cells of a ledger's header: its columns, in order, and perhaps
    more."""
    return tuple(cells[: len(COLUMNS)]) == COLUMNS


def no_ledger(path: Path) -> UsageError:
    """What is said of a file that has no ledger's header."""
    return UsageError(
        f"{path}: this file is no ledger", hint="Name a ledger file that a run wrote."
    )


def one_line_feed(text: str) -> str:
    """Text with line feeds for all line ends: no form keeps a carriage return through every
    reader."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
