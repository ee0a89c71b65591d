"""A finished job run again: it sends nothing and asks nothing, and leaves its ledger file as it is
where that is true. Over real HTTP."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import source_id
from tests.whole.conftest import Place


def rows(number: int, **more: object) -> list[dict[str, object]]:
    return [
        {"batch_id": source_id(n), "name": f"Row {n}", "x_team": "a", **more} for n in range(number)
    ]


def finished(place: Place) -> Path:
    place.job(*rows(3))
    assert place.run().code == 0
    return place.folder / "ledgers" / "job.csv"


def test_its_ledger_file_is_left_as_it_is(place: Place) -> None:
    ledger = finished(place)
    before = ledger.stat()
    for _ in range(2):
        ended = place.run()
        assert ended.code == 0
        assert ended.summary["counts"]["created"] == 3
    assert (ledger.stat().st_ino, ledger.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def change_by_hand(ledger: Path) -> None:
    ledger.write_text(ledger.read_text("utf-8").replace("Row 1", "Row 9"), "utf-8")


def lose(ledger: Path) -> None:
    ledger.unlink()


def put_older_one_back(ledger: Path) -> None:
    stat = ledger.stat()
    ledger.write_bytes(ledger.read_bytes().replace(b"Row 1", b"Row 9"))
    os.utime(ledger, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**9))


@pytest.mark.parametrize("what", [change_by_hand, lose, put_older_one_back])
def test_a_ledger_file_that_is_another_is_written_again(
    place: Place, what: Callable[[Path], None]
) -> None:
    ledger = finished(place)
    whole = ledger.read_bytes()
    what(ledger)
    assert place.run().code == 0
    assert ledger.read_bytes() == whole


def test_a_job_that_changed_has_its_ledger_file_written(place: Place) -> None:
    finished(place)
    place.job(*reversed(rows(3)))
    assert place.run().code == 0
    assert [row["name"] for row in place.ledger()] == ["Row 2", "Row 1", "Row 0"]
    place.job(*rows(3, x_team="b"))
    assert place.run().code == 0
    assert [row["x_team"] for row in place.ledger()] == ["b", "b", "b"]
    place.job(*rows(2))
    assert place.run().code == 0
    assert len(place.ledger()) == 2


def test_what_another_campaigns_run_changed_is_written(place: Place) -> None:
    ledger = finished(place)
    assert place.run("--campaign", "other").code == 0
    with closing(sqlite3.connect(place.folder / "ledgers" / "ledger.db")) as connection, connection:
        other = connection.execute("SELECT max(id) FROM runs").fetchone()[0]
        connection.execute(
            "UPDATE items SET new_batch_name = 'Found', run_id = ? WHERE id = 1", (other,)
        )
    assert place.run().code == 0
    assert "Found" in ledger.read_text("utf-8")


@pytest.mark.parametrize("more", [(), ("--campaign", "another")], ids=["its job", "a new job"])
def test_a_damaged_database_is_refused_before_anything_is_sent_or_written(
    place: Place, more: tuple[str, ...]
) -> None:
    ledger = finished(place)
    database = place.folder / "ledgers" / "ledger.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        # An index that lacks its row, which nothing that plans or sends would look at: what a
        # flipped bit comes to.
        connection.execute("INSERT INTO rate_changes (run_id, at) SELECT min(id), '' FROM runs")
        connection.execute("DROP INDEX rate_changes_of_run")
        connection.execute(
            "INSERT INTO sqlite_schema SELECT 'index', 'rate_changes_of_run', 'rate_changes',"
            " rootpage, 'CREATE INDEX rate_changes_of_run ON rate_changes (run_id)'"
            " FROM sqlite_schema WHERE name = 'unowned_batches_of_workspace'"
        )
        connection.commit()
    before, made = ledger.read_bytes(), place.world.made
    place.job(*rows(4))
    ended = place.run(*more)
    assert ended.code == 2
    assert "the ledger database is damaged" in ended.err
    assert (ledger.read_bytes(), place.world.made) == (before, made)
