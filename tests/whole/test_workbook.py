"""The workbook as the ledger file of the real command: written, refreshed, and read to restore a
lost database."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import PROGRAM, finish, source_id, until
from tests.support.workbooks import opened_by_another, saved_by_libreoffice, table
from tests.whole.conftest import Place
from tests.whole.test_disks import LIMITED
from worker.export.workbook.summary import ACTIVE
from worker.sandbox.options import SandboxOptions

NAMES = ("Wave", "=1+1", "'quoted", "<r>x & y</r>", "007", "{{braces}}", "naïve 漢😀")


def job(place: Place) -> None:
    place.job(
        *(
            {"batch_id": source_id(n), "name": name, "x_id": "00" + str(n)}
            for n, name in enumerate(NAMES)
        )
    )


def found(path: Path) -> list[dict[str, Any]]:
    return table(opened_by_another(path))


def lose(place: Place) -> None:
    for file in (place.folder / "ledgers").glob("ledger.db*"):
        file.unlink()


def test_a_run_writes_it_and_ledger_writes_it_again(place: Place) -> None:
    job(place)
    assert place.run("--ledger", "wave.xlsx").code == 0
    path = place.folder / "wave.xlsx"
    rows = found(path)
    assert [row["status"] for row in rows] == ["created"] * len(NAMES)
    assert {row["new_batch_id"] for row in rows} == {copy["id"] for copy in place.world.duplicates}
    assert [row["x_id"] for row in rows] == [f"00{n}" for n in range(len(NAMES))]
    path.unlink()
    ended = place.command("ledger", "job.csv")
    assert (ended.code, ended.out) == (0, f"{path}\n"), "where the latest run wrote it"
    assert found(path) == rows
    assert place.command("ledger", "job.csv", "--ledger", "other.xlsx").code == 0
    assert found(place.folder / "other.xlsx") == rows


def test_a_second_run_accepts_it_and_sends_nothing(place: Place) -> None:
    job(place)
    for _ in range(2):
        ended = place.run("--ledger", "wave.xlsx")
        assert ended.code == 0, ended.err
    assert place.world.made == len(NAMES)


def test_it_is_printed_to_a_file_with_a_choice_of_rows(place: Place) -> None:
    job(place)
    place.run("--limit", 4)
    with (place.folder / "pending.xlsx").open("wb") as file:
        command = [*PROGRAM, "ledger", "job.csv", "--format", "xlsx", "--status", "pending"]
        subprocess.run(command, cwd=place.folder, env=place.environ, stdout=file, check=True)
    rows = found(place.folder / "pending.xlsx")
    assert [row["status"] for row in rows] == ["pending"] * 3
    summary = opened_by_another(place.folder / "pending.xlsx")["Summary"]
    cells = [cell for line in summary.values for cell in line]
    assert cells[0] == "Ledger of campaign job"
    assert str(next(cell for cell in cells[1:] if cell)).startswith("3 rows: only pending (")


def test_it_is_refreshed_during_a_run_and_never_incomplete(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.5))
    job(place)
    process = place.start("--ledger", "wave.xlsx", "--max-in-flight", 1)
    path, deadline = place.folder / "wave.xlsx", time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(found(path)) == len(NAMES), "it is there before the first duplicate is"
    assert finish(process).code == 0
    assert {row["status"] for row in found(path)} == {"created"}


def test_ledger_says_in_it_whether_a_run_is_active(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.5))
    place.job({"batch_id": source_id(1), "name": "Wave {n}", "copies": 100})
    process = place.start("--max-in-flight", 1)  # it takes longer than this test
    until((place.folder / "ledgers" / "job.csv").exists)

    def says_active() -> list[bool]:
        assert place.command("ledger", "job.csv", "--ledger", "now.xlsx").code == 0
        with (place.folder / "printed.xlsx").open("wb") as file:
            command = [*PROGRAM, "ledger", "job.csv", "--format", "xlsx"]
            subprocess.run(command, cwd=place.folder, env=place.environ, stdout=file, check=True)
        books = [opened_by_another(place.folder / name) for name in ("now.xlsx", "printed.xlsx")]
        return [ACTIVE in [line[0] for line in book["Summary"].values] for book in books]

    try:
        assert says_active() == [True, True]
    finally:
        process.kill()
        process.communicate()
    assert says_active() == [False, False]


def test_a_file_that_is_no_ledger_is_not_replaced(place: Place) -> None:
    job(place)
    mine = place.folder / "mine.xlsx"
    mine.write_bytes(b"PK mine")
    ended = place.run("--ledger", "mine.xlsx")
    assert ended.code == 2
    assert "mine.xlsx: this file is not a ledger file" in ended.err
    assert mine.read_bytes() == b"PK mine"
    assert place.world.made == 0


def restored(place: Place, file: str) -> None:
    """Lose the database: the next run notices it, `--restore` rebuilds it, and another run creates
    the rest."""
    lose(place)
    ended = place.run("--ledger", "wave.xlsx")
    assert ended.code == 2
    assert "wave.xlsx: this ledger file is newer than the database" in ended.err
    ended = place.command("ledger", "job.csv", "--restore", file, "--ledger", "wave.xlsx")
    assert ended.code == 0, ended.err
    assert "5 duplicates created, 2 unknown" in ended.out
    ended = place.run("--ledger", "wave.xlsx", "--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert place.world.made == len(NAMES)
    assert max(Counter(place.made_of()).values()) == 1
    assert {row["new_batch_id"] for row in found(place.folder / "wave.xlsx")} == {
        copy["id"] for copy in place.world.duplicates
    }


def test_a_lost_database_is_noticed_and_restored(place: Place) -> None:
    job(place)
    place.run("--ledger", "wave.xlsx", "--limit", 5)
    restored(place, "wave.xlsx")


def test_a_copy_beside_the_workbook_does_not_hinder_the_restore(place: Place) -> None:
    job(place)
    place.run("--ledger", "wave.xlsx", "--limit", 5)
    (place.folder / "wave copy.xlsx").write_bytes((place.folder / "wave.xlsx").read_bytes())
    restored(place, "wave copy.xlsx")


def test_a_lost_database_is_restored_from_what_libreoffice_has_saved(place: Place) -> None:
    job(place)
    place.run("--ledger", "wave.xlsx", "--limit", 5)
    saved = saved_by_libreoffice(place.folder / "wave.xlsx")
    saved.replace(place.folder / "wave.xlsx")
    restored(place, "wave.xlsx")


@pytest.mark.parametrize("size", [40_000, 100_000])
def test_a_disk_that_cannot_hold_it_leaves_the_old_one_and_says_so(place: Place, size: int) -> None:
    place.job({"batch_id": source_id(1), "name": "Wave {n} " + "long " * 40, "copies": 200})
    place.run("--ledger", "wave.xlsx", "--limit", 3)
    path = place.folder / "wave.xlsx"
    before = path.read_bytes()
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *PROGRAM, "ledger", "job.csv"],
        cwd=place.folder,
        env=place.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert re.fullmatch(
        r"duplicate-batches: .*wave\.xlsx: the ledger file cannot be written: File too large\n.*",
        ended.stderr,
    )
    assert path.read_bytes() == before
    assert not list(place.folder.glob(".wave*"))


def test_another_ledger_in_the_folder_may_be_a_workbook(place: Place) -> None:
    job(place)
    place.run("--ledger", "ledgers/{campaign}.xlsx")
    place.run("--ledger", "ledgers/{campaign}.xlsx", "--campaign", "two")
    lose(place)
    ended = place.command(
        "ledger", "job.csv", "--restore", "ledgers/job.xlsx", "--ledger", "ledgers/{campaign}.xlsx"
    )
    assert ended.code == 0, ended.err
    ended = place.command(
        "ledger",
        "job.csv",
        "--restore",
        "ledgers/two.xlsx",
        "--ledger",
        "ledgers/{campaign}.xlsx",
        "--campaign",
        "two",
    )
    assert ended.code == 0, ended.err


def test_a_name_that_was_cut_is_never_taken_for_the_name_that_was_sent(
    place: Place,
) -> None:
    place.job(*({"batch_id": source_id(n), "name": f"{n} " + "long " * 9000} for n in range(3)))
    place.run("--ledger", "wave.xlsx", "--limit", 1)
    old = (place.folder / "wave.xlsx").read_bytes()
    place.run("--ledger", "wave.xlsx", "--limit", 1)
    lose(place)
    (place.folder / "wave.xlsx").write_bytes(old)
    ended = place.command("ledger", "job.csv", "--restore", "wave.xlsx", "--ledger", "wave.xlsx")
    assert ended.code == 0, ended.err
    ended = place.run("--ledger", "wave.xlsx", "--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert place.world.made == 3, (
        "what was made after the file was written is found by its whole name"
    )


def test_settle_writes_it_too(place_with: Callable[[SandboxOptions], Place]) -> None:
    place = place_with(SandboxOptions(latency=0.0, faults={"list-500": 1.0, "drop-request": 1.0}))
    place.job({"batch_id": source_id(1), "name": "Row"})
    assert place.run("--ledger", "wave.xlsx", "--settle-after", 0.1, "--give-up-after", 1).code == 1
    path = place.folder / "wave.xlsx"
    assert [row["status"] for row in found(path)] == ["unknown"]
    assert "settle" in str(list(opened_by_another(path)["Summary"].values))
    assert place.command("settle", "job.csv", "--absent", "2").code == 0
    assert [row["status"] for row in found(path)] == ["pending"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and no more", b"line,source_batch_id\n"])
def test_a_file_that_is_not_a_workbook_restores_nothing(place: Place, data: bytes) -> None:
    job(place)
    (place.folder / "x.xlsx").write_bytes(data)
    ended = place.command("ledger", "job.csv", "--restore", "x.xlsx")
    assert ended.code == 2
    assert "x.xlsx: this file is not a ledger" in ended.err
