"""The job files that people copy: each is good, explains itself, and together they are a small
rehearsal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.job.reading import rows_of
from worker.job.columns import COLUMNS

JOBS = sorted(path for path in (Path(__file__).parents[2] / "jobs").iterdir() if path.is_file())


def test_there_is_an_example_for_each_way_to_start() -> None:
    assert {path.suffix for path in JOBS} == {".csv", ".tsv", ".yaml"}
    assert len(JOBS) >= 5


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_an_example_is_a_good_job_that_explains_itself(path: Path) -> None:
    assert path.read_text("utf-8-sig").startswith("# ")
    rows = rows_of(path)
    assert rows
    # An id that begins with zeros means something special to the sandbox.
    assert not any(row.source_id.startswith("00000000") for row in rows)


def test_the_examples_are_small() -> None:
    assert sum(row.copies for path in JOBS for row in rows_of(path)) == 40


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_shown_in_an_example(column: str) -> None:
    assert any(column in path.read_text("utf-8") for path in JOBS)
