"""What the tests of both formats share: writing a job, reading it whole, and telling what is wrong
with it."""

from __future__ import annotations

from pathlib import Path

from worker.job.read import open_job
from worker.model.errors import JobError, Problem
from worker.model.job import Row

A = "0192a3b4-5678-7abc-8def-0123456789ab"
B = "0192a3b4-5678-7abc-8def-0123456789ac"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path) -> list[Row]:
    """The rows of a job in which nothing is wrong."""
    items = list(open_job(path).rows())
    rows = [item for item in items if isinstance(item, Row)]
    assert rows == items
    return rows


def problems_of(path: Path) -> list[Problem]:
    """All that is wrong with a job, whether its outside or its rows."""
    try:
        items = list(open_job(path).rows())
    except JobError as error:
        assert error.path == path
        return list(error.problems)
    return [item for item in items if isinstance(item, Problem)]


def assert_the_problem(path: Path, line: int, fragment: str) -> None:
    """The job has exactly one problem: this one."""
    problems = problems_of(path)
    assert [problem.line for problem in problems] == [line], problems
    assert fragment in problems[0].text
    assert problems[0].text.isprintable()
    assert len(problems[0].text) < 400
