"""The ledger file is refreshed during sending, by one writer at a time, and is complete at
the end."""

from __future__ import annotations

import csv
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import source_id, write_job
from worker.cli.main import command_line
from worker.export import ledger_file as export
from worker.ledger.stamp import stamp
from worker.ledger.threads import ThreadedDatabase
from worker.run import ledger_file


def test_sending_continues_while_the_file_is_refreshed_and_two_never_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "copies": 250}])
    writing: list[int] = []
    created: list[tuple[int, int]] = []
    whole = export.write_ledger_file

    def slow(*given: Any, **named: Any) -> export.Written:
        writing.append(threading.get_ident())
        assert len(writing) == 1, "two write the file"
        before = _created(tmp_path)
        written = whole(*given, **named)
        time.sleep(0.1)
        created.append((before, _created(tmp_path)))
        writing.pop()
        return written

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ledger_file, "REFRESH_S", 0.0)
    monkeypatch.setattr(ledger_file, "REFRESH_SHARE", 1)
    monkeypatch.setattr(export, "write_ledger_file", slow)
    assert (
        command_line(
            [
                "run",
                "job.csv",
                "--sandbox",
                "--yes",
                "--rate",
                "50/s",
                "--quiet",
                "--log-file",
                "log",
            ]
        )
        == 0
    )
    first, *refreshes, last = created
    assert first[0] == first[1] == 0
    assert last == (250, 250)
    assert any(after > before for before, after in refreshes), created
    with (tmp_path / "ledgers" / "sandbox" / "job.csv").open(encoding="utf-8", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["created"] * 250
    assert not list((tmp_path / "ledgers" / "sandbox").glob(".*"))


def test_a_file_that_another_command_replaces_at_the_end_is_written_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ledger JOB` needs no lock: it may read before the run's last results, and write after it."""
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "copies": 3}])
    file = tmp_path / "ledgers" / "sandbox" / "job.csv"
    whole = export.write_ledger_file

    def overtaken(*given: Any, **named: Any) -> export.Written:
        older = file.read_bytes() if file.exists() else b""
        written = whole(*given, **named)
        if not named["active"]:
            file.with_suffix(".new").write_bytes(older)
            file.with_suffix(".new").replace(file)
        return written

    monkeypatch.chdir(tmp_path)
    again = ["run", "job.csv", "--sandbox", "--yes", "--rate", "unlimited", "--quiet"]
    with monkeypatch.context() as patched:
        patched.setattr(export, "write_ledger_file", overtaken)
        assert command_line(again) == 0
    assert _statuses(file) == ["pending"] * 3
    assert command_line(again) == 0
    assert _statuses(file) == ["created"] * 3
    before = stamp(file)
    assert command_line(again) == 0
    assert stamp(file) == before, "a true file is not written again"


def _statuses(file: Path) -> list[str]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [row["status"] for row in csv.DictReader(lines)]


def _created(folder: Path) -> int:
    connection = sqlite3.connect(folder / "ledgers" / "sandbox.db")
    try:
        return int(
            connection.execute("SELECT count(*) FROM items WHERE status = 'created'").fetchone()[0]
        )
    finally:
        connection.close()


def test_a_refresh_that_cannot_read_the_database_is_reported_and_the_run_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "copies": 20}])

    async def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ledger_file, "REFRESH_S", 0.01)
    monkeypatch.setattr(ThreadedDatabase, "read", broken)
    assert (
        command_line(
            [
                "run",
                "job.csv",
                "--sandbox",
                "--yes",
                "--rate",
                "20/s",
                "--quiet",
                "--log-file",
                "log",
            ]
        )
        == 0
    )
    assert "the ledger file could not be refreshed: disk I/O error" in (tmp_path / "log").read_text(
        "utf-8"
    )
    with (tmp_path / "ledgers" / "sandbox" / "job.csv").open(encoding="utf-8", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["created"] * 20
