"""Two processes and one database: only one run works in it, whatever name it is reached by."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

from tests.support.command import command, finish, start, until
from tests.support.systems import needs_file_locks
from tests.whole.conftest import Place, rows
from worker.sandbox.options import SandboxOptions


def held(place: Place, job: str, database: Path) -> list[object]:
    return [
        "run",
        job,
        "--yes",
        "--json",
        "--rate",
        "4/s",
        "--database",
        database,
        "--campaign",
        "wave",
    ]


def under_way_by_one_of_two_names(place: Place) -> tuple[Path, Path, Popen[str]]:
    """Two names of one database, and a run that uses the first one."""
    place.job(*rows(30), name="wave.csv")
    database, other = place.folder / "a.db", place.folder / "other" / "b.db"
    other.parent.mkdir()
    command([*held(place, "wave.csv", database), "--limit", 1], place.folder, place.environ)
    os.link(database, other)
    return database, other, start(held(place, "wave.csv", database), place.folder, place.environ)


@needs_file_locks
def test_a_database_that_is_reached_by_two_names_is_held_by_one_run(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    _, other, first = under_way_by_one_of_two_names(place)
    until(lambda: place.world.made >= 3)
    second = command(held(place, "wave.csv", other), place.folder, place.environ)
    assert finish(first).code == 0
    assert second.code == 75
    assert f"process {first.pid}" in second.err
    assert place.world.made == 30


def test_changes_that_a_killed_run_left_beside_the_other_name_are_not_passed_over(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    database, other, first = under_way_by_one_of_two_names(place)
    until(lambda: place.world.made >= 5)
    first.kill()
    finish(first)
    ended = command(held(place, "wave.csv", other), place.folder, place.environ)
    assert ended.code == 2
    assert "a.db-wal" in ended.err
    database.unlink()
    assert command(held(place, "wave.csv", other), place.folder, place.environ).code == 2, (
        "moved without its changes"
    )
    os.link(other, database)
    ended = command(
        [*held(place, "wave.csv", database), "--settle-after", 0.3, "--timeout", 1],
        place.folder,
        place.environ,
    )
    assert (ended.code, place.world.made) == (0, 30)


@needs_file_locks
def test_a_lock_file_that_is_deleted_lets_nobody_in_and_ends_nothing(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    place.job(*rows(30), name="wave.csv")
    database = place.folder / "a.db"
    first = start(held(place, "wave.csv", database), place.folder, place.environ)
    until(lambda: place.world.made >= 3)
    (place.folder / "a.db.lock").unlink()
    second = command(held(place, "wave.csv", database), place.folder, place.environ)
    ended = finish(first)
    assert (ended.code, second.code) == (0, 75), ended.err + second.err
    assert place.world.made == 30


def test_a_ledger_path_that_may_name_the_database_never_opens_it(place: Place) -> None:
    """To open and close the database's file would end SQLite's locks on it."""
    place.job(*rows(30), name="wave.csv")
    environ = place.environ | {"DUPLICATE_BATCHES_LEDGER": "ledgers/{run_id}"}
    process = start(["run", "wave.csv", "--yes", "--json", "--rate", "20/s"], place.folder, environ)
    until(lambda: place.world.made >= 3)
    locks = Path("/proc/locks").read_text("utf-8") if sys.platform == "linux" else ""
    ended = finish(process)
    assert ended.code == 0, ended.err
    assert (
        not locks
        or sum(f" {process.pid} " in line and "READ" in line for line in locks.splitlines()) >= 1
    )
    assert command(["run", "wave.csv", "--yes", "--json"], place.folder, environ).code == 0
    assert place.world.made == 30
