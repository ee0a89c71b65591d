"""What was sent about a run is kept for its report, and disturbs no run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import ledgers
from tests.support.ledgers import LATER, NOW, opened
from worker.ledger import notifications, report
from worker.ledger.database import open_for_adding, open_for_reading
from worker.ledger.notifications import Notified
from worker.ledger.sqlite import database
from worker.model.errors import UsageError
from worker.model.records import Notification, NotificationKind, RunKind

SENT = (
    Notification(NotificationKind.START, NOW),
    Notification(NotificationKind.FAIL, LATER, "it was answered with HTTP 404"),
)


def record(folder: Path, *run_ids: str, sent: Sequence[Notification] = SENT) -> None:
    with closing(open_for_adding(ledgers.place(folder))) as writer:
        notifications.record(writer, run_ids, sent)


def of_latest_run(folder: Path, campaign: int = 1) -> tuple[Notification, ...]:
    with closing(open_for_reading(ledgers.place(folder))) as reader:
        return report.notifications(reader, campaign)


def test_the_latest_run_has_what_was_sent_in_the_order_of_time(tmp_path: Path) -> None:
    for run_id in ("first", "second"):
        with opened(tmp_path, run_id=run_id):
            pass
    record(tmp_path, "first", sent=SENT[:1])
    assert of_latest_run(tmp_path) == ()
    record(tmp_path, "second", sent=SENT[::-1])
    assert of_latest_run(tmp_path) == SENT


def test_a_command_with_several_runs_sends_once_for_all_of_them(tmp_path: Path) -> None:
    for run_id, campaign in (("one", "spring"), ("two", "autumn")):
        with opened(tmp_path, run_id=run_id, campaign=campaign):
            pass
    record(tmp_path, "one", "two", "never began")
    assert of_latest_run(tmp_path, 1) == of_latest_run(tmp_path, 2) == SENT


def test_a_settling_that_follows_hides_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, run_id="run"):
        pass
    with opened(tmp_path, kind=RunKind.SETTLE):
        pass
    record(tmp_path, "run")
    assert of_latest_run(tmp_path) == SENT


def test_it_is_recorded_beside_a_run_that_holds_the_lock(tmp_path: Path) -> None:
    with opened(tmp_path, run_id="first"):
        pass
    with opened(tmp_path, run_id="second") as other:
        record(tmp_path, "first")
        with other.transaction():
            pass
    with closing(open_for_reading(ledgers.place(tmp_path))) as reader:
        found = notifications.notified(reader, "first")
        assert found == Notified("spring", Path("/ledgers/spring.csv"))
        assert notifications.notified(reader, "third") is None


@pytest.mark.sqlite
def test_it_gives_up_soon_if_another_program_does_not_stop_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ADDING_TIMEOUT_S", 0.05)
    with (
        opened(tmp_path, run_id="run") as other,
        other.transaction(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        record(tmp_path, "run")


@pytest.mark.sqlite
def test_it_creates_and_migrates_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger database"):
        record(tmp_path, "run")
    assert list(tmp_path.iterdir()) == []
    with opened(tmp_path, run_id="run"):
        pass
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(UsageError, match="older version"):
        record(tmp_path, "run")
