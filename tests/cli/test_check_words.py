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


def test_names_beyond_the_first_are_counted(tmp_path: Path) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "name": "Row {n}", "copies": 9}])
    everything = command(["check", "job.csv"], tmp_path, environment(tmp_path)).out.splitlines()
    first = everything.index("  first names:")
    assert everything[first + 5 : first + 7] == ["    Row 5", "    … and 4 more"]
    limited = command(["check", "job.csv", "--limit", 5], tmp_path, environment(tmp_path))
    assert "more" not in limited.out


@pytest.mark.parametrize("command_line", [("check",), ("run", "--sandbox", "--yes")])
def test_a_job_without_rows_is_named_as_such(command_line: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "job.csv").write_text("batch_id,name\n", encoding="utf-8")
    name, *options = command_line
    ended = command([name, "job.csv", *options], tmp_path, environment(tmp_path))
    assert ended.code == 0
    assert "job has no rows. If it should have some, check whether its export failed." in ended.out
    assert "already exists" not in ended.out
    assert "{date}" not in ended.out


def test_with_a_limit_as_many_names_are_reported_as_would_be_created(tmp_path: Path) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "name": "Row {n}", "copies": 4}])
    checked = command(["check", "job.csv", "--limit", 1, "--json"], tmp_path, environment(tmp_path))
    found = json.loads(checked.out)
    assert (found["to_create"], found["first_names"]) == (1, ["Row 1"])
