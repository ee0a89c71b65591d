"""Disks that fill up, folders that cannot be written, bits that flip, locks that others hold, jobs
that change.

The real command against a real sandbox: whatever the disk does, the exit code is the contract's,
the rows are honest, the next run completes, and nothing is made twice."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from tests.support.command import Ended, finish, read_ledger, source_id
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]

LIMITED = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Starts a program none of whose files may grow beyond so many bytes: what a full disk is to it,
without a mount."""


def rows(number: int, **more: object) -> list[dict[str, object]]:
    return [{"batch_id": source_id(n % 5), "name": f"Row {n}", **more} for n in range(number)]


def limited(place: Place, size: int, *arguments: object) -> Ended:
    """`run job.csv --json` where no file may be larger than `size`."""
    program = [
        sys.executable,
        "-m",
        "worker",
        "run",
        "job.csv",
        "--yes",
        "--json",
        "--rate",
        "unlimited",
    ]
    program += ["--timeout", "4", *map(str, arguments)]
    process = subprocess.Popen(
        [sys.executable, "-c", LIMITED, str(size), *program],
        cwd=place.folder,
        env=place.environ
        | {"PYTHONDONTWRITEBYTECODE": "1"},  # or Python would cut its own caches short
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return finish(process)


def honest(place: Place, database: Path | None = None) -> None:
    """At any moment: what exists is a created row's, or an unknown one's of its name; and no name
    exists twice."""
    database = database or place.folder / "ledgers" / "ledger.db"
    by_id = {str(copy["id"]): str(copy["name"]) for copy in place.world.duplicates}
    assert not by_id or max(Counter(by_id.values()).values()) == 1
    found: list[tuple[str, str, str | None]] = []
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            tables = connection.execute(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'items'"
            ).fetchone()[0]
            if tables:
                found = connection.execute(
                    "SELECT coalesce(name, ''), status, new_batch_id FROM items"
                ).fetchall()
    created = {
        batch: name for name, status, batch in found if status == "created" and batch is not None
    }
    assert created.items() <= by_id.items(), "a row names what is not its own"
    unclear = {name for name, status, _ in found if status in ("unknown", "sent")}
    lost = set(by_id.values()) - set(created.values()) - unclear
    assert not lost, f"nobody knows of {lost}"


def completes(place: Place, number: int, *arguments: object) -> None:
    """The next run ends with everything made once."""
    ended = place.run("--settle-after", 0.3, *arguments)
    assert ended.code == 0, ended.err
    assert place.world.made == number
    honest(place)
    assert {row["status"] for row in place.ledger()} == {"created"}
    assert {row["new_batch_id"] for row in place.ledger()} == {
        str(copy["id"]) for copy in place.world.duplicates
    }


@pytest.mark.parametrize("size", [4096, 200_000, 400_000])
def test_a_database_that_cannot_grow_stops_the_run_and_the_next_one_continues(
    place: Place, size: int
) -> None:
    place.job(*rows(120))
    ended = limited(place, size, "--max-in-flight", 4)
    assert ended.code in (1, 2), ended.err
    assert "Traceback" not in ended.err
    honest(place)
    if "error" in ended.summary:  # it could not begin
        assert "Nothing was sent" in ended.err
        assert place.world.requests["duplicate"] == 0
    else:
        assert ended.summary["stopped_by"] == "disk"
        assert "run the same command again" in ended.err
        assert ended.summary["counts"]["created"] <= place.world.made
    completes(place, 120)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Small file systems in memory, each of its size; skips where this machine does not let us have
    them."""
    places: list[Path] = []

    def mount(size: str) -> Path:
        if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("a file system can be mounted by root alone")
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("size", ["500k"])
def test_a_full_disk_under_the_database_is_reported_as_full(
    place: Place, mounted: Callable[[str], Path], size: str
) -> None:
    disk = mounted(size)
    place.job(*rows(150))
    database = disk / "ledger.db"
    ended = place.run("--database", database, "--max-in-flight", 4)
    assert ended.code in (1, 2), ended.err
    assert "full" in ended.err
    assert "disk space" in ended.err
    honest(place, database)
    if ended.out:
        assert ended.summary["stopped_by"] == "disk"
        assert ended.summary["counts"]["created"] <= place.world.made
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    ended = place.run("--database", database, "--settle-after", 0.3)
    assert (ended.code, place.world.made) == (0, 150), ended.err
    honest(place, database)


def test_a_full_disk_under_the_ledger_file_keeps_the_old_file_and_costs_no_row(
    place: Place, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("256k")
    ledger = disk / "job.csv"
    place.job(*rows(20))
    assert place.run("--ledger", ledger, "--limit", 5).code == 1
    before = ledger.read_bytes()
    (disk / "other").write_bytes(b"x" * (256 * 1024 - 5 * 4096))
    place.job(*rows(200))
    ended = place.run("--ledger", ledger)
    assert (ended.code, ended.summary["stopped_by"]) == (1, "disk"), ended.err
    assert ledger.read_bytes() == before
    assert {path.name for path in disk.iterdir()} == {"job.csv", "other"}
    honest(place)
    (disk / "other").unlink()
    assert place.run("--ledger", ledger).code == 0
    assert place.world.made == 200
    assert {row["status"] for row in read_ledger(ledger)} == {"created"}


def test_a_disk_that_fills_up_under_the_ledger_file_at_the_end_is_reported_and_nothing_is_lost(
    place_with: WithOptions, mounted: Callable[[str], Path]
) -> None:
    place = place_with(SandboxOptions(latency=0.05))
    disk = mounted("96k")
    ledger = disk / "job.csv"
    place.job(*rows(60))
    process = place.start("--ledger", ledger, "--max-in-flight", 2)
    deadline = time.monotonic() + 20
    while place.world.made < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    before = ledger.read_bytes()
    (disk / "other").write_bytes(b"x" * (96 * 1024 - 5 * 4096))
    ended = finish(process)
    assert (ended.code, ended.summary["stopped_by"]) == (1, "disk"), ended.err
    assert ended.summary["counts"]["created"] == place.world.made == 60
    assert ledger.read_bytes() == before
    (disk / "other").unlink()
    assert place.run("--ledger", ledger).code == 0
    assert {row["status"] for row in read_ledger(ledger)} == {"created"}
    assert place.world.made == 60


def test_a_file_system_that_turns_read_only_is_refused_and_the_next_run_continues(
    place: Place, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("4m")
    arguments = ("--ledger", disk / "job.csv", "--database", disk / "ledger.db")
    place.job(*rows(20))
    assert place.run(*arguments, "--limit", 5).code == 1
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        ended = place.run(*arguments)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert ended.code == 2, ended.err
    assert "duplicate-batches:" in ended.err
    assert "Traceback" not in ended.err
    assert place.world.made == 5
    assert place.run(*arguments).code == 0
    assert place.world.made == 20


def test_flipped_bits_in_a_database_never_make_a_double(place: Place) -> None:
    """A bit of the database flips while nothing runs: the run refuses it, or completes without a
    double."""
    place.job(*rows(40))
    place.run("--limit", 20, "--quiet")
    database = place.folder / "ledgers" / "ledger.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = database.read_bytes()
    dice = random.Random(20)
    codes: Counter[int] = Counter()
    for _ in range(10):
        spoilt = bytearray(whole)
        for _ in range(dice.choice((1, 3, 30))):
            spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
        for beside in ("-wal", "-shm"):
            database.with_name(database.name + beside).unlink(missing_ok=True)
        database.write_bytes(spoilt)
        made, asked = place.world.made, place.world.requests["duplicate"]
        ended = place.run("--limit", 0 if made == 40 else 1, "--settle-after", 0.2)
        codes[ended.code] += 1
        assert ended.code in (0, 1, 2), ended.err
        assert "Traceback" not in ended.err
        names = Counter(str(copy["name"]) for copy in place.world.duplicates)
        assert max(names.values()) == 1, names.most_common(3)
        if ended.code == 2:
            assert place.world.requests["duplicate"] == asked, "2 says that nothing was sent"
            continue
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = database.read_bytes()
    assert codes[2], codes
    database.write_bytes(whole)
    completes(place, 40)


def test_a_database_that_another_program_locks_for_a_while_is_waited_for(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    place.job(*rows(200))
    assert place.run("--limit", 10).code == 1
    process = place.start("--max-in-flight", 4)
    database = place.folder / "ledgers" / "ledger.db"
    while place.world.made < 20:
        time.sleep(0.005)
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1.0)  # what was written down before leaves, and comes in
        made = place.world.made
        time.sleep(1.0)
        assert place.world.made == made, "nothing leaves whose intent cannot be written"
        assert process.poll() is None
        other.execute("ROLLBACK")
    ended = finish(process)
    assert ended.code == 0, ended.err
    assert (place.world.made, place.world.requests["duplicate"]) == (200, 200)
    honest(place)


def test_a_database_that_is_locked_when_a_run_begins_is_waited_for(place: Place) -> None:
    place.job(*rows(6))
    assert place.run("--limit", 2).code == 1
    with closing(
        sqlite3.connect(
            place.folder / "ledgers" / "ledger.db", isolation_level=None, check_same_thread=False
        )
    ) as other:
        other.execute("BEGIN IMMEDIATE")

        def release() -> None:
            time.sleep(2)
            other.execute("ROLLBACK")

        releasing = Thread(target=release)
        releasing.start()
        ended = place.run()
        releasing.join()
    assert ended.code == 0, ended.err
    assert place.world.made == 6


def test_a_job_that_changes_between_runs_sends_what_is_new_and_nothing_again(place: Place) -> None:
    place.job(*rows(10))
    assert place.run("--limit", 6).code == 1
    changed = rows(14)[
        3:
    ]  # three rows are gone (made ones), four are new, and the others have moved
    place.job(*changed)
    assert place.run().code == 0
    names = Counter(str(copy["name"]) for copy in place.world.duplicates)
    assert names == Counter(f"Row {n}" for n in range(14))
    assert [row["name"] for row in place.ledger()] == [row["name"] for row in changed]
    place.job(*rows(14))
    assert place.run().code == 0
    assert place.world.made == 14


@pytest.mark.parametrize("change", ["changes", "is gone", "is spoilt"])
def test_a_job_that_changes_during_a_run_is_created_as_it_was_read(
    place_with: WithOptions, change: str
) -> None:
    place = place_with(SandboxOptions(latency=0.03))
    job = place.job(*rows(30))
    process = place.start("--max-in-flight", 2)
    while place.world.made < 3:
        time.sleep(0.005)
    match change:
        case "changes":
            place.job(*rows(40)[25:])
        case "is gone":
            job.unlink()
        case _:
            job.write_bytes(b"\0\xff,,\n")
    ended = finish(process)
    assert ended.code == 0, ended.err
    assert Counter(str(copy["name"]) for copy in place.world.duplicates) == Counter(
        f"Row {n}" for n in range(30)
    )
    assert len(place.ledger()) == 30
    if change in ("is gone", "is spoilt"):
        assert place.run().code == 2
        assert len(place.ledger()) == 30
    place.job(*rows(40))
    completes(place, 40)
