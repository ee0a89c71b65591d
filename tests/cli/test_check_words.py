"""What `check` tells people: one and many, and no more names than would be created."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import command, environment, source_id, write_job


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            1,
            (
                "not checked: whether the source exists, and its name: there is no token"
                " (PROLIFIC_TOKEN)"
            ),
        ),
        (
            2,
            (
                "not checked: whether the 2 sources exist, and their names: there is no token"
                " (PROLIFIC_TOKEN)"
            ),
        ),
    ],
)
def test_what_was_not_checked(sources: int, message: str, tmp_path: Path) -> None:
    write_job(
        tmp_path / "job.csv",
        [{"batch_id": source_id(n), "name": f"Row {n}"} for n in range(sources)],
    )
    ended = command(["check", "job.csv"], tmp_path, environment(tmp_path))
    assert ended.code == 0, ended.err
    assert message in ended.out


def test_with_a_limit_as_many_names_are_reported_as_would_be_created(tmp_path: Path) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "name": "Row {n}", "copies": 4}])
    checked = command(["check", "job.csv", "--limit", 1, "--json"], tmp_path, environment(tmp_path))
    found = json.loads(checked.out)
    assert (found["to_create"], found["first_names"]) == (1, ["Row 1"])
