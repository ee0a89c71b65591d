"""The batches of a workspace as CSV, as JSON values, or as a job file to start from. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

from worker.export.csv_format import cell
from worker.model.batch import Workspace
from worker.model.records import Listed
from worker.text import verb, visible

COLUMNS = ("batch_id", "name", "status", "created_at", "created_by", "workspace_id")


def batch_values(batch: Listed) -> dict[str, Any]:
    """A batch by `COLUMNS`, as the API shows it."""
    return {
        "batch_id": batch.id,
        "name": batch.name,
        "status": batch.status,
        "created_at": batch.created_at,
        "created_by": batch.created_by,
        "workspace_id": batch.workspace_id,
    }


def write_csv(file: TextIO, batches: Iterable[Listed]) -> None:
    """Write the batches as CSV; a cell that a spreadsheet would take for a formula is text."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for batch in batches:
        writer.writerow([cell(value) for value in batch_values(batch).values()])


def write_job(
    file: TextIO, workspace: Workspace, batches: list[Listed], problem: str | None = None
) -> None:
    """Write a CSV job file with one copy of each batch, under a comment that names it. The rows
    have no names, so the API names the copies. `problem` says why batches may be missing."""
    count = f"{len(batches):,} {verb(len(batches), 'batch', 'batches')}"
    file.write(f"# {count} of workspace {visible(str(workspace))}\n")
    if problem is not None:
        file.write(f"# The list may not be complete: {visible(problem)}\n")
    file.write("# Delete the rows that you do not need; fill in names and copies.\n")
    file.write("# To also set the new batches up, add a column tasks_per_group.\n")
    file.write("batch_id,name,copies\n")
    for batch in batches:
        about = ", ".join(filter(None, (batch.status, (batch.created_at or "")[:10])))
        file.write(f"# {visible(batch.name) or '(no name)'}; {about}\n{batch.id},,1\n")
