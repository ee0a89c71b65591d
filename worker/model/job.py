"""What a job file says, whatever its format: rows, and the job around them. No reading and no rules
here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from worker.model.errors import Problem
from worker.model.names import NameTemplate


class Row(NamedTuple):
    """One row of a job: `copies` duplicates of the batch `source_id` (lower case), wanted on `line`
    (from 1).

    `extra` holds the row's cells of the job's `x_` columns that are not empty."""

    line: int
    source_id: str
    name: NameTemplate
    upload_new_dataset: bool
    copies: int
    extra: Mapping[str, str]


class Job(Protocol):
    """A job file whose outside (header, top-level keys) has been read and found good."""

    @property
    def path(self) -> Path:
        """The file as the user named it."""

    @property
    def campaign(self) -> str | None:
        """The campaign as a YAML job names it, unfilled; `None` where the job names none."""

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """The job's `x_` columns, in the file's order."""

    @property
    def comments(self) -> int:
        """How many lines of a CSV job are comments, known once all rows were read; 0 for YAML."""

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the file's author may not have meant, though it is not an error."""

    def rows(self) -> Iterator[Row | Problem]:
        """Every row in the file's order, or what is wrong with it; may be asked for again (the file
        is read anew)."""
