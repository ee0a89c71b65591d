"""The table at the end of a command with several jobs. Pure: the jobs' JSON lines in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from worker.model.records import Counts
from worker.text import visible

LEAST_JOB = 12
"""Least width of the column of jobs, in characters."""


def overview_text(lines: Sequence[Mapping[str, Any]], width: int | None) -> str:
    """One row for each job: its counts, and what came of it. Names of jobs are cut at their
    beginning to fit into `width` characters (None: any width)."""
    head = ("job", *Counts._fields, "result")
    rows = [head, *(_row(line) for line in lines)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(head))]
    if width is not None:
        widths[0] = max(
            LEAST_JOB, min(widths[0], width - sum(widths[1:]) - 2 * len(Counts._fields) - 2)
        )
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    job, *counts, result = row
    while cell_len(job) > widths[0]:
        job = f"…{job[2:] if job.startswith('…') else job[1:]}"
    numbers = (count.rjust(width) for count, width in zip(counts, widths[1:-1], strict=True))
    return "  ".join((set_cell_size(job, widths[0]), *numbers, result))


def _row(line: Mapping[str, Any]) -> tuple[str, ...]:
    counts = line.get("counts")
    numbers = [f"{counts[status]:,}" if counts else "-" for status in Counts._fields]
    return visible(str(line["job"])), *numbers, _result(line)


def _result(line: Mapping[str, Any]) -> str:
    stopped_by, code = line.get("stopped_by"), line["exit_code"]
    if "error" in line:
        return "not run" if stopped_by and "run_id" not in line else f"error, exit code {code}"
    if "to_create" in line:
        return f"{line['to_create']:,} to create" + (", with problems" if code else "")
    if stopped_by:
        return f"stopped: {stopped_by}"
    return "incomplete" if code else "complete"
