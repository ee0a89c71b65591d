"""What a job file contains, whatever its format: rows, and the job around them. Nothing here reads
files or decides anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from worker.model.errors import Problem
from worker.model.names import NameTemplate


class Row(NamedTuple):
    """One row of a job: `copies` duplicates of the batch `source_id` (lower case), from `line`
    (from 1).

    `extra` contains the row's cells of the job's `x_` columns that are not empty. With
    `tasks_per_group`, each copy is also set up, with so many tasks for each group."""

    line: int
    source_id: str
    name: NameTemplate
    upload_new_dataset: bool
    copies: int
    extra: Mapping[str, str]
    tasks_per_group: int | None = None


class Job(Protocol):
    """A job file whose header or top-level keys were read and are valid."""

    @property
    def path(self) -> Path:
        """The file as the user named it."""

    @property
    def campaign(self) -> str | None:
        """The campaign as a YAML job names it, with placeholders; `None` if the job does not name
        one."""

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """The job's `x_` columns, in the file's order."""

    @property
    def comments(self) -> int:
        """How many lines of a CSV job are comments, known after all rows were read; 0 for YAML."""

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Warnings about what the file's author may not have meant, although it is not an error."""

    def rows(self) -> Iterator[Row | Problem]:
        """Every row in the file's order, or what is wrong with it. May be called again (this reads
        the file again)."""
