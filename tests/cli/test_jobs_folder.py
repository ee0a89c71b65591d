"""The job files that people copy, run as people run them: everything is made, and nothing twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.contract import COLUMNS
from tests.job.reading import rows_of
from tests.support.command import command, environment, read_ledger

JOBS = sorted(path for path in (Path(__file__).parents[2] / "jobs").iterdir() if path.is_file())


def run(job: Path) -> dict[str, Any]:
    """The summary of a rehearsal of `job`, which must succeed and say that nothing is wrong."""
    options = ("--sandbox", "--rate", "unlimited", "--json", "--quiet")
    day = ("--date", "2026-03-31")  # the same one twice, even at midnight
    done = command(["run", job.name, "--yes", *options, *day], job.parent, environment(job.parent))
    assert (done.code, done.err) == (0, "")
    return done.summary


@pytest.mark.parametrize("example", JOBS, ids=lambda path: path.name)
def test_an_example_makes_everything_once(example: Path, tmp_path: Path) -> None:
    job = Path(shutil.copy(example, tmp_path))
    wanted = [
        (str(row.line), row.source_id, str(copy))
        for row in rows_of(job)
        for copy in range(1, row.copies + 1)
    ]

    first = run(job)
    assert first["created_this_run"] == first["requests"] == len(wanted)
    assert first["counts"] == {"created": len(wanted), "failed": 0, "unknown": 0, "pending": 0}
    rows = read_ledger(Path(first["ledger"]))
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert all(column.startswith("x_") for column in tuple(rows[0])[len(COLUMNS) :])
    assert [(row["line"], row["source_batch_id"], row["copy"]) for row in rows] == wanted
    assert {
        (row["status"], row["settled_by"], row["attempts"], row["http_status"]) for row in rows
    } == {("created", "response", "1", "201")}
    assert len({row["new_batch_id"] for row in rows}) == len(wanted)
    assert all(
        row["name"] and "{source_name}" not in row["name"] and row["created_at"] for row in rows
    )

    again = run(job)
    assert (again["created_this_run"], again["requests"]) == (0, 0)
    assert again["counts"] == first["counts"]
    assert read_ledger(Path(again["ledger"])) == rows
