"""What was sent is recorded after a run, and whatever fails then is only a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.support import load
from tests.support.ledgers import NOW, opened
from worker.cli.notified import record
from worker.ledger.sqlite import database
from worker.model.records import Notification, NotificationKind
from worker.settings.settings import Settings

SENT = [Notification(NotificationKind.SUCCESS, NOW)]


def settings(folder: Path) -> Settings:
    return load(folder, ["--database", "ledger.db", "--report"])


def test_a_run_that_could_not_begin_leaves_no_database(tmp_path: Path) -> None:
    assert record(settings(tmp_path), ["run"], SENT) == []
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_if_nothing_was_sent(tmp_path: Path) -> None:
    with opened(tmp_path, run_id="run"):
        pass
    (tmp_path / "ledger.db").chmod(0o400)
    before = (tmp_path / "ledger.db").read_bytes()
    assert record(settings(tmp_path), ["run"], []) == []
    assert (tmp_path / "ledger.db").read_bytes() == before


def test_a_database_that_another_program_is_writing_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ADDING_TIMEOUT_S", 0.05)
    with opened(tmp_path, run_id="run") as other, other.transaction():
        (message,) = record(settings(tmp_path), ["run"], SENT)
    expected = f"{tmp_path / 'ledger.db'}: what was sent cannot be recorded: database is locked"
    assert message == expected


def test_a_report_that_was_not_written_is_not_written_later(tmp_path: Path) -> None:
    with opened(tmp_path, run_id="run", ledger=str(tmp_path / "spring.csv")):
        pass
    assert record(settings(tmp_path), ["run"], SENT) == []
    assert not (tmp_path / "spring.html").exists()


def test_a_report_that_cannot_be_written_again_is_a_message(tmp_path: Path) -> None:
    with opened(tmp_path, run_id="run", ledger=str(tmp_path / "spring.csv")):
        pass
    (tmp_path / "spring.html").write_text("my own page", "utf-8")
    (message,) = record(settings(tmp_path), ["run"], SENT)
    assert "spring.html" in message
    assert (tmp_path / "spring.html").read_text("utf-8") == "my own page"
