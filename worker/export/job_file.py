"""Writes ledger rows as a job file that creates as many duplicates with the same names."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from worker.export.content import one_line_feed
from worker.job.cells import MAX_COPIES
from worker.ledger.rows import LedgerRow
from worker.model.errors import UsageError

SETUP = "tasks_per_group"

HEAD = (
    "# A new job: running it creates these duplicates again. Add --allow-existing if they already"
    " exist.\n"
)


@dataclass(slots=True)
class _Wanted:
    """A row of the job: the cells of the job's own columns, the tasks for each group (None: it is
    not set up), the number of copies."""

    own: list[str]
    tasks: int | None
    copies: int = 0


def write_job(file: TextIO, rows: Iterable[LedgerRow], own: tuple[str, ...]) -> None:
    """Write a job file that asks for one duplicate for each row, with the row's name. `own` are the
    `x_` columns; rows contain `job_name`. Raises UsageError if no job file can ask for that."""
    wanted = _wanted(rows, own)
    file.write(HEAD)
    writer = csv.writer(file, lineterminator="\n")
    sets_up = any(row.tasks is not None for row in wanted.values())
    columns = ("batch_id", "name", "upload_new_dataset", "copies", *([SETUP] * sets_up), *own)
    writer.writerow(columns)
    for (source, name, new_dataset), row in wanted.items():
        tasks = [row.tasks or ""] * sets_up
        flag = "true" if new_dataset else "false"
        writer.writerow((source, name, flag, row.copies, *tasks, *row.own))


def _wanted(
    rows: Iterable[LedgerRow], own: tuple[str, ...]
) -> dict[tuple[str, str, bool], _Wanted]:
    """The rows of the job by their identity, which a job may contain only once. If rows with one
    identity differ in other columns, the cells of the first are used."""
    found: dict[tuple[str, str, bool], _Wanted] = {}
    for row in rows:
        key = row["source_batch_id"], row["job_name"], row["upload_new_dataset"]
        cells = [_text(row[column]) for column in own]
        wanted = found.setdefault(key, _Wanted(cells, row[SETUP]))
        wanted.copies += 1
        if wanted.copies > MAX_COPIES:
            raise UsageError(
                f"--format job: more than {MAX_COPIES:,} of these rows have the source {key[0]} and"
                " the same name",
                hint="No job file can ask for that. Choose fewer rows, for example with --status.",
            )
    return found


def _text(cell: str) -> str:
    """A cell of an own column as a CSV job can contain it; cells of YAML jobs can contain more."""
    return one_line_feed(cell).replace("\0", "")
