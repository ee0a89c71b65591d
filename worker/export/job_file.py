"""Rows of a ledger as a job file: a job of its own that, run, makes as many duplicates with the
same names."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from worker.export.content import one_line_feed
from worker.job.cells import MAX_COPIES
from worker.ledger.views import Row
from worker.model.errors import UsageError

HEAD = (
    "# A job of its own: a run of it creates these anew, with --allow-existing if they exist"
    " already.\n"
)


@dataclass(slots=True)
class _Wanted:
    """A row of the job: how many are wanted, and the cells of the job's own columns."""

    own: list[str]
    copies: int = 0


def write_job(file: TextIO, rows: Iterable[Row], own: tuple[str, ...]) -> None:
    """Write a job that asks for as many duplicates as there are `rows`, named as these are or
    should be. `own` are the `x_` columns; the rows have their job names. Raises UsageError where no
    job file can ask for that."""
    wanted = _wanted(rows, own)
    file.write(HEAD)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("batch_id", "name", "upload_new_dataset", "copies", *own))
    for (source, name, new_dataset), row in wanted.items():
        writer.writerow((source, name, "true" if new_dataset else "false", row.copies, *row.own))


def _wanted(rows: Iterable[Row], own: tuple[str, ...]) -> dict[tuple[str, str, bool], _Wanted]:
    """What is wanted, by what makes a duplicate another one in a job: there each may be asked for
    on one line only, so where rows of one name differ in the job's own columns, the first one's
    cells are kept."""
    found: dict[tuple[str, str, bool], _Wanted] = {}
    for row in rows:
        key = row["source_batch_id"], row["job_name"], row["upload_new_dataset"]
        wanted = found.setdefault(key, _Wanted([_text(row[column]) for column in own]))
        wanted.copies += 1
        if wanted.copies > MAX_COPIES:
            raise UsageError(
                f"--format job: more than {MAX_COPIES:,} of these rows have the source {key[0]} and"
                " the same name",
                hint="No job file can ask for that. Choose fewer, as with --status.",
            )
    return found


def _text(cell: str) -> str:
    """A cell of the job's own as a CSV job may hold it: a YAML job's may hold more."""
    return one_line_feed(cell).replace("\0", "")
