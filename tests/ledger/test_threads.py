"""Where database work runs: operations one after the other, and reading beside them."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.support.ledgers import connection_of, opened, uuid
from worker.ledger.handle import Reader
from worker.ledger.store import Ledger
from worker.ledger.threads import ThreadedDatabase

pytestmark = pytest.mark.anyio

JOB = ("batch_id,name,copies", f"{uuid(1)},Wave,3")
COUNT = "SELECT count(*) FROM items WHERE status = 'failed'"


def fail_one(ledger: Ledger) -> None:
    """An operation that changes something."""
    connection_of(ledger).execute(
        "UPDATE items SET status = 'failed' WHERE id = (SELECT min(id) FROM items WHERE status <>"
        " 'failed')"
    )


def _count(reader: Reader) -> int:
    return int(connection_of(reader).execute(COUNT).fetchone()[0])


def _delete(reader: Reader) -> None:
    connection_of(reader).execute("DELETE FROM items")


async def test_what_reads_for_long_holds_up_no_verb_and_sees_one_moment(tmp_path: Path) -> None:
    reading, written = threading.Event(), threading.Event()

    def slow(reader: Reader) -> tuple[int, int]:
        before = _count(reader)
        reading.set()
        assert written.wait(10), "an operation waited for this"
        return before, _count(reader)

    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        await database.call(fail_one)
        seen: list[tuple[int, int]] = []

        async def read() -> None:
            seen.append(await database.read(slow))

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.to_thread.run_sync(reading.wait, 10)
            await database.call(fail_one)
            written.set()
        assert seen == [(1, 1)]
        assert await database.read(_count) == 2


async def test_two_that_read_never_run_at_once(tmp_path: Path) -> None:
    running: list[int] = []

    def read(_: Reader) -> None:
        running.append(1)
        threading.Event().wait(0.05)
        assert len(running) == 1
        running.pop()

    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(database.read, read)


async def test_what_reads_cannot_write(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await database.read(_delete)


async def test_what_reads_is_run_whole_though_its_caller_is_cancelled(tmp_path: Path) -> None:
    reading, ended = threading.Event(), threading.Event()

    def slow(_: Reader) -> None:
        reading.set()
        threading.Event().wait(0.2)
        ended.set()

    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        async with anyio.create_task_group() as group:
            group.start_soon(database.read, slow)
            await anyio.to_thread.run_sync(reading.wait, 10)
            group.cancel_scope.cancel()
        assert ended.is_set()


async def test_a_short_verb_waits_for_the_disk_elsewhere_and_nothing_comes_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def short(ledger: Ledger) -> None:
        assert threading.current_thread() is threading.main_thread()
        fail_one(ledger)
        order.append("short")

    def committed(ledger: Ledger) -> None:
        order.append("other")
        assert not connection_of(ledger).in_transaction

    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        commit = ledger.commit

        def slow() -> None:
            assert threading.current_thread() is not threading.main_thread()
            order.append("commit")
            threading.Event().wait(0.05)
            commit()

        monkeypatch.setattr(ledger, "commit", slow)
        async with anyio.create_task_group() as group:
            group.start_soon(database.transact, short)
            await anyio.sleep(0.01)
            group.start_soon(database.call, committed)
        assert order == ["short", "commit", "other"]
        assert await database.read(_count) == 1


async def test_a_short_verb_waits_for_another_program_and_holds_up_nobody(tmp_path: Path) -> None:
    continued: list[float] = []
    with (
        opened(tmp_path, *JOB) as ledger,
        closing(sqlite3.connect(tmp_path / "ledger.db")) as other,
    ):
        database = ThreadedDatabase(ledger)
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as group:
            group.start_soon(database.transact, fail_one)
            for _ in range(10):
                await anyio.sleep(0.01)
                continued.append(anyio.current_time())
            assert not connection_of(ledger).in_transaction
            other.rollback()
        assert continued[-1] - continued[0] < 5
        assert await database.read(_count) == 1


async def test_a_short_verb_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing(ledger: Ledger) -> None:
        fail_one(ledger)
        raise sqlite3.OperationalError("database or disk is full")

    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await database.transact(failing)
        assert not connection_of(ledger).in_transaction
        assert await database.read(_count) == 0


async def test_a_short_verb_is_run_whole_though_its_caller_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, *JOB) as ledger:
        database = ThreadedDatabase(ledger)
        committing = threading.Event()
        commit = ledger.commit

        def slow() -> None:
            committing.set()
            threading.Event().wait(0.1)
            commit()

        monkeypatch.setattr(ledger, "commit", slow)
        async with anyio.create_task_group() as group:
            group.start_soon(database.transact, fail_one)
            await anyio.to_thread.run_sync(committing.wait, 10)
            group.cancel_scope.cancel()
        assert await database.read(_count) == 1
