"""The seat of a shared ledger by real connections: who gets it, who loses it, and what becomes of a
transaction whose connection breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest

from tests.support.command import until
from tests.support.engines import server
from tests.support.postgresql import Server, running_server
from tests.support.proxy import Fate, Proxy
from worker.ledger.engine import ConnectionLostError, SeatLostError, ServerError
from worker.ledger.handle import Reader, Writer
from worker.model.errors import BusyError, UsageError
from worker.model.server_address import ServerAddress

pytest.importorskip("psycopg", reason="psycopg is an optional extra")

import psycopg

from worker.ledger import seat, seat_taking
from worker.ledger import session as session_rules
from worker.ledger.postgresql import connection as connections
from worker.ledger.postgresql import database as databases
from worker.ledger.postgresql import engine as engine_module
from worker.ledger.postgresql import session as sessions
from worker.ledger.postgresql.database import open_for_adding, open_for_reading
from worker.ledger.postgresql.session import Session
from worker.ledger.seat_statements import LedgerLock
from worker.ledger.steps import Steps

__all__ = ["server"]


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as between:
        yield between


def always(_away_s: float) -> bool:
    return True


def never(_away_s: float) -> bool:
    return False


@pytest.fixture(autouse=True)
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits, some twenty times shorter, and each session on a machine of its own."""
    monkeypatch.setattr(seat, "SILENT_S", 2.0)
    monkeypatch.setattr(seat, "LEFT_AFTER_S", 0.5)
    for module in (session_rules, seat_taking, sessions):
        monkeypatch.setattr(module, "SIGN_EVERY_S", 0.3)
    monkeypatch.setattr(session_rules, "LONGEST_PAUSE_S", 0.3)
    monkeypatch.setattr(connections, "EXCHANGE_S", 0.8)
    monkeypatch.setattr(connections, "CONNECT_S", 2)
    monkeypatch.setattr(sessions, "machine", lambda: f"machine {time.monotonic_ns()}")


@contextmanager
def seated(
    address: ServerAddress, wait_s: float = 0.0, *, quiet: bool = False
) -> Iterator[tuple[Session, Writer]]:
    """A session that has the seat; a `quiet` one writes no signs of life."""
    session = Session(address)
    try:
        if quiet:
            session._beat = lambda: None  # type: ignore[method-assign] # its thread writes nothing
        session.acquire_seat_blocking(wait_s)
        yield session, Writer(session.engine)
    finally:
        session.end()


def write(writer: Writer, name: str) -> Callable[[], str]:
    """An operation that writes one row."""

    def operation() -> str:
        writer.execute("add_campaign", name=name, now="2026-03-01T12:00:00.000Z")
        return name

    return operation


def names(address: ServerAddress) -> list[str]:
    """What is in the database."""
    reader = open_for_reading(address)
    try:
        engine: Any = reader._engine
        found = engine.connection.raw.execute("SELECT name FROM campaigns ORDER BY id").fetchall()
        return [row[0] for row in found]
    finally:
        reader.close()


def seat_of(address: ServerAddress) -> Any:
    reader = open_for_reading(address)
    try:
        return reader.execute("seat").fetchone()
    finally:
        reader.close()


# -- the seat


def test_a_run_that_lives_keeps_its_seat(server: Server) -> None:
    address = server.address()
    with (
        seated(address) as (session, writer),
        pytest.raises(BusyError, match="another run holds"),
        seated(address, wait_s=3.0),
    ):
        pass
    with seated(address) as (session, writer):
        assert session.transact_blocking(writer, write(writer, "free again"), never) == "free again"


def test_a_run_that_ends_after_the_lock_was_tried_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.address()
    with seated(address) as (old, _):
        ask = LedgerLock.session

        def ended_first(lock: LedgerLock) -> seat.LockSession | None:
            old.end()
            return ask(lock)

        monkeypatch.setattr(LedgerLock, "session", ended_first)
        with seated(address) as (new, _):
            assert new.epoch == old.epoch + 1


def test_a_run_that_has_ended_is_not_named_as_the_one_that_holds_the_lock(server: Server) -> None:
    address = server.address()
    with seated(address) as (old, _):
        key = old._lock_key
    starting = Session(address)
    try:
        assert LedgerLock(starting.engine, key).try_acquire()
        with pytest.raises(BusyError, match="it started a moment ago"), seated(address):
            pass
    finally:
        starting.end()


def test_a_newer_version_does_not_change_the_tables_under_a_run_of_an_older_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.address()
    scripts = databases.migrations()
    with seated(address) as (session, writer):
        newer = (scripts[-1][0] + 1, "ALTER TABLE campaigns RENAME COLUMN name TO title")
        with monkeypatch.context() as patch:
            patch.setattr(databases, "migrations", lambda: [*scripts, newer])
            with pytest.raises(BusyError), seated(address):
                pass
        assert (
            session.transact_blocking(writer, write(writer, "undisturbed"), never) == "undisturbed"
        )
    monkeypatch.setattr(databases, "migrations", lambda: [*scripts, newer])
    with seated(address) as (session, writer):
        found = session.engine.connection.raw.execute("SELECT title FROM campaigns").fetchall()
        assert [row[0] for row in found] == ["undisturbed"]
    monkeypatch.setattr(databases, "migrations", lambda: scripts)
    with pytest.raises(UsageError, match="a newer version"), seated(address):
        pass


def test_a_run_that_follows_at_once_need_not_wait_until_the_server_has_ended_the_session(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.address()
    with monkeypatch.context() as patch:
        with seated(address) as (old, _):
            patch.setattr(old._connection, "close", lambda: None)  # as if the server were slow
        with seated(address) as (new, _):
            assert new.epoch == old.epoch + 1
    old._connection.close()


def test_a_silent_run_is_taken_over_although_its_session_lives_and_can_write_nothing_more(
    server: Server,
) -> None:
    address = server.address()
    with seated(address, quiet=True) as (old, writer):
        old.transact_blocking(writer, write(writer, "before"), never)
        began = time.monotonic()
        with seated(address, wait_s=10.0) as (new, other):
            assert 1.5 < time.monotonic() - began < 8
            assert new.epoch == old.epoch + 1
            with pytest.raises(SeatLostError, match="another machine has taken over"):
                old.transact_blocking(writer, write(writer, "refused"), always)
            with pytest.raises(SeatLostError):  # and nothing is tried after that
                old.transact_blocking(writer, write(writer, "refused again"), always)
            new.transact_blocking(other, write(other, "after"), never)
    assert names(address) == ["before", "after"]


def test_the_fence_refuses_a_run_whose_session_was_not_ended(server: Server) -> None:
    """As a connection pooler would keep it."""
    address = server.address()
    with seated(address, quiet=True) as (old, writer):
        # The lock is free, and the session lives.
        old._connection.raw.execute("SELECT pg_advisory_unlock_all()")
        with seated(address, wait_s=5.0) as (new, other):
            with pytest.raises(SeatLostError, match="another machine has taken over"):
                old.transact_blocking(writer, write(writer, "refused"), always)
            assert new.transact_blocking(other, write(other, "kept"), never) == "kept"
    assert names(address) == ["kept"]


def test_a_run_that_writes_is_not_taken_over_when_its_lock_is_lost(server: Server) -> None:
    """A pooler gave both runs the session that has the lock: the one that works keeps the seat."""
    address = server.address()
    with seated(address) as (old, writer):
        old._connection.raw.execute("SELECT pg_advisory_unlock_all()")
        with pytest.raises(BusyError), seated(address, wait_s=1.5):
            pass
        assert old.transact_blocking(writer, write(writer, "still there"), never) == "still there"


def test_a_long_transaction_is_no_silence(server: Server) -> None:
    address = server.address()
    with seated(address) as (session, writer):

        def long() -> None:
            for _ in range(5):
                session._connection.raw.execute("SELECT pg_sleep(0.7)")

        other = threading.Thread(target=lambda: session.transact_blocking(writer, long, never))
        other.start()
        time.sleep(0.2)
        with pytest.raises(BusyError), seated(address, wait_s=2.7):
            pass
        other.join()
        assert session.transact_blocking(writer, write(writer, "done"), never) == "done"


def test_of_two_that_wait_for_a_silent_run_one_takes_over_and_is_not_ended_by_the_other(
    server: Server,
) -> None:
    address = server.address()
    with seated(address, quiet=True):
        taken: list[int] = []
        refused: list[BusyError] = []

        def wait() -> None:
            try:
                with seated(address, wait_s=4.0) as (session, writer):
                    first = session._connection.raw.info.backend_pid
                    time.sleep(4.5)
                    session.transact_blocking(writer, write(writer, "unhurt"), never)
                    taken.append(int(session._connection.raw.info.backend_pid == first))
            except BusyError as error:
                refused.append(error)

        threads = [threading.Thread(target=wait) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert taken == [1]
    assert len(refused) == 1
    assert names(address) == ["unhurt"]


def test_requests_of_a_run_whose_lock_is_free_may_leave_for_a_while(server: Server) -> None:
    address = server.address()
    with seated(address) as (old, _):
        old._ended.set()
        old._connection.close()
        began = time.monotonic()
        with seated(address, wait_s=5.0):
            assert time.monotonic() - began > 0.2


def test_a_run_whose_connection_broke_gets_its_lock_back_from_one_that_waits(
    server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat, "LEFT_AFTER_S", 3.0)
    address = server.address()
    with seated(server.address(address.schema, proxy.port)) as (old, writer):
        epoch, refused = old.epoch, []

        def wait() -> None:
            try:
                with seated(address, wait_s=5.0):
                    pass
            except BusyError as error:
                refused.append(error)

        other = threading.Thread(target=wait)
        other.start()
        time.sleep(0.5)
        proxy.refuses = True
        proxy.cut()
        time.sleep(1.0)  # the other one has the lock now
        assert seat_of(address)["epoch"] == epoch
        proxy.refuses = False
        old.transact_blocking(writer, write(writer, "still mine"), always)
        other.join()
        assert len(refused) == 1
        assert old.transact_blocking(writer, write(writer, "and now"), never) == "and now"
        assert seat_of(address)["epoch"] == epoch


def test_a_run_that_waits_and_stops_with_the_lock_does_not_block_the_one_that_works(
    server: Server, proxy: Proxy
) -> None:
    address = server.address()
    with seated(server.address(address.schema, proxy.port)) as (old, writer):
        stopped = Session(address)
        try:
            proxy.refuses = True
            proxy.cut()
            until(LedgerLock(stopped.engine, old._lock_key).try_acquire)
            proxy.refuses = False
            began = time.monotonic()
            old.transact_blocking(writer, write(writer, "mine"), lambda away_s: away_s < 15)
            assert 1.0 < time.monotonic() - began < 10
        finally:
            stopped.end()
    assert names(address) == ["mine"]


# -- settings of the connections


def setting(name: str, session: Session | Reader) -> str:
    engine: Any = session.engine if isinstance(session, Session) else session._engine
    return str(engine.connection.raw.execute(f"SHOW {name}").fetchone()[0])


def test_the_server_ends_no_transaction_that_waits_for_a_person_or_a_file(server: Server) -> None:
    """A reader may page through its rows. A run writes a file from them, also after the last."""
    limit = "idle_in_transaction_session_timeout"
    address = server.address()
    with seated(address) as (session, writer):
        assert setting(limit, session) == "30s"
        with closing(open_for_reading(address)) as reader, reader.snapshot():
            assert list(reader.stream("ledger_number", schema=address.schema))
            assert setting(limit, reader) == "0"
        with writer.transaction():
            assert list(writer.stream("ledger_number", schema=address.schema))
            assert setting(limit, session) == "15min"
        assert setting(limit, session) == "30s"
    with closing(open_for_adding(address)) as adding:
        assert setting(limit, adding) == "30s"


@pytest.mark.parametrize("before", ["on", "remote_apply"])
def test_commits_of_a_run_stay_durable_if_the_server_is_reloaded(before: str) -> None:
    def reload(value: str) -> None:
        with psycopg.connect(own.address().conninfo, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_commit = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    with running_server() as own:
        reload(before)
        address = own.address()
        with seated(address) as (session, _), closing(open_for_reading(address)) as reader:
            assert setting("synchronous_commit", session) == before
            reload("off")
            until(lambda: setting("synchronous_commit", reader) == "off")
            assert setting("synchronous_commit", session) == before


# -- connections that break


def on_commit(fate: Fate) -> Callable[[bytes], Fate]:
    """The first COMMIT has this fate."""
    left = [fate]

    def judge(data: bytes) -> Fate:
        return left.pop() if left and b"COMMIT" in data else Fate.PASS

    return judge


@pytest.mark.parametrize("fate", [Fate.CUT_AFTER, Fate.CUT_BEFORE])
def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_done_twice(
    server: Server, proxy: Proxy, fate: Fate
) -> None:
    address = server.address()
    through = server.address(address.schema, proxy.port)
    with seated(through, quiet=True) as (session, writer):
        done: list[int] = []

        def operation() -> int:
            write(writer, f"number {len(done)}")()
            done.append(1)
            return len(done)

        proxy.judge = on_commit(fate)
        expected = 1 if fate is Fate.CUT_AFTER else 2
        assert session.transact_blocking(writer, operation, always) == expected
        assert session.transact_blocking(writer, write(writer, "next"), always) == "next"
    kept = "number 0" if fate is Fate.CUT_AFTER else "number 1"
    assert names(address) == [kept, "next"]


@pytest.mark.parametrize("fate", [Fate.CUT_AFTER, Fate.CUT_BEFORE])
def test_signs_of_life_after_a_lost_answer_do_not_hide_what_became_of_it(
    server: Server, proxy: Proxy, fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes them opens the connection again, and commits with the next numbers,
    before the one that works has looked."""
    address = server.address()
    through = server.address(address.schema, proxy.port)
    restore = Session._reconnect

    def late(session: Session, breaks: Any) -> Steps[None]:
        time.sleep(2.5)
        yield from restore(session, breaks)

    with seated(through) as (session, writer):
        monkeypatch.setattr(Session, "_reconnect", late)
        done: list[int] = []

        def operation() -> int:
            write(writer, f"number {len(done)}")()
            done.append(1)
            return len(done)

        # Only a COMMIT after a row, not one of a sign of life.
        fates = [fate]

        def judge(data: bytes) -> Fate:
            return fates.pop() if fates and done and b"COMMIT" in data else Fate.PASS

        proxy.judge = judge
        session.transact_blocking(writer, operation, always)
    assert names(address) == ["number 0" if fate is Fate.CUT_AFTER else "number 1"]


def test_a_transaction_that_was_cut_in_its_middle_is_done_again(
    server: Server, proxy: Proxy
) -> None:
    address = server.address()
    with seated(server.address(address.schema, proxy.port)) as (session, writer):
        tries: list[int] = []

        def operation() -> None:
            tries.append(1)
            write(writer, "first")()
            if len(tries) == 1:
                proxy.cut()
            write(writer, "second")()

        session.transact_blocking(writer, operation, always)
        assert len(tries) == 2
    assert names(address) == ["first", "second"]


def test_a_frozen_connection_ends_within_its_limit(server: Server, proxy: Proxy) -> None:
    address = server.address()
    with seated(server.address(address.schema, proxy.port), quiet=True) as (session, writer):
        proxy.freeze()
        began = time.monotonic()
        with pytest.raises(ConnectionLostError):
            session.transact_blocking(writer, write(writer, "lost"), never)
        assert 0.7 < time.monotonic() - began < 6  # and one try to connect
        proxy.thaw()
        with pytest.raises(ConnectionLostError):  # its end is decided
            session.transact_blocking(writer, write(writer, "late"), always)
    assert names(address) == []


def test_a_run_that_only_waits_opens_its_connection_again(server: Server, proxy: Proxy) -> None:
    address = server.address()
    with seated(server.address(address.schema, proxy.port)) as (session, writer):
        epoch = session.epoch
        proxy.cut()
        time.sleep(1.5)
        assert not session._connection.is_broken
        with pytest.raises(BusyError), seated(address, wait_s=2.5):
            pass
        session.transact_blocking(writer, write(writer, "mine"), never)
        assert seat_of(address)["epoch"] == epoch


def test_a_run_that_was_away_too_long_finds_its_seat_taken(server: Server, proxy: Proxy) -> None:
    address = server.address()
    with seated(server.address(address.schema, proxy.port)) as (old, writer):
        proxy.refuses = True
        proxy.cut()
        with seated(address, wait_s=10.0) as (new, other):
            proxy.refuses = False
            with pytest.raises(SeatLostError, match="another machine has taken over"):
                old.transact_blocking(writer, write(writer, "refused"), always)
            new.transact_blocking(other, write(other, "kept"), never)
    assert names(address) == ["kept"]


@pytest.mark.parametrize("reads", [False, True], ids=["writing", "in a long read"])
def test_a_session_that_the_server_ended_is_opened_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """As a server does that is stopped, or a person."""
    monkeypatch.setattr(engine_module, "FETCHED", 1)
    address = server.address()
    with seated(address, quiet=True) as (session, writer):
        tries: list[int] = []

        def end() -> None:
            reader = open_for_reading(address)
            engine: Any = reader._engine
            number = session._connection.raw.info.backend_pid
            engine.connection.raw.execute(
                "SELECT pg_terminate_backend(CAST(%s AS INT), 2000)", (number,)
            )
            reader.close()

        def operation() -> None:
            tries.append(1)
            rows = writer.stream("ledger_number", schema=address.schema)
            next(rows)
            if len(tries) == 1:
                end()
            if reads:
                list(rows)
            write(writer, "kept")()

        session.transact_blocking(writer, operation, always)
        assert len(tries) == 2
    assert names(address) == ["kept"]


def test_a_long_read_whose_connection_breaks_says_so(
    server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "FETCHED", 1)
    address = server.address()
    with seated(address) as (session, writer):
        for number in range(3):
            session.transact_blocking(writer, write(writer, f"number {number}"), never)
    reader = open_for_reading(server.address(address.schema, proxy.port))
    rows = reader.stream("ledger_number", schema=address.schema)
    next(rows)
    proxy.cut()
    with pytest.raises(ConnectionLostError):
        list(rows)
    reader.close()


def test_patience_ends(server: Server, proxy: Proxy) -> None:
    address = server.address()
    with seated(server.address(address.schema, proxy.port), quiet=True) as (session, writer):
        proxy.refuses = True
        proxy.cut()
        asked: list[float] = []

        def keep_trying(away_s: float) -> bool:
            asked.append(away_s)
            return away_s < 1.0

        with pytest.raises(ConnectionLostError):
            session.transact_blocking(writer, write(writer, "lost"), keep_trying)
        assert 1.0 <= asked[-1] < 2.0


@pytest.mark.parametrize("reads", [False, True], ids=["writing", "reading"])
def test_patience_ends_also_if_only_this_operation_breaks_each_connection(
    server: Server, reads: bool
) -> None:
    """As one that takes too long each time, or that the server always ends."""
    address = server.address()
    with seated(address) as (session, writer):
        tries, asked = list[float](), list[float]()

        def operation() -> None:
            tries.append(time.monotonic())
            if not reads:
                write(writer, "undone")()
            session.engine._execute("SELECT pg_terminate_backend(pg_backend_pid())", {})

        def keep_trying(away_s: float) -> bool:
            asked.append(away_s)
            return away_s < 1.0

        def doing() -> None:
            if reads:
                session.read_blocking(operation, keep_trying)
            else:
                session.transact_blocking(writer, operation, keep_trying)

        with pytest.raises(ConnectionLostError, match="terminating connection"):
            doing()
        assert 3 <= len(tries) < 10, "the server is not asked without a pause"
        assert 1.0 <= asked[-1] < 2.0, "it is asked with the time since the first break"
        with pytest.raises(ConnectionLostError):  # its end is decided
            session.transact_blocking(writer, write(writer, "late"), always)
    with seated(address):  # the seat was left
        assert names(address) == []


def test_a_hold_that_the_server_does_not_know_any_more_ends(server: Server, proxy: Proxy) -> None:
    """A failover lost its commits, and another run has an epoch of the same number."""
    address = server.address()
    with seated(server.address(address.schema, proxy.port), quiet=True) as (session, writer):
        reader = open_for_reading(address)
        engine: Any = reader._engine
        engine.connection.raw.execute(
            "UPDATE seat SET since = since + interval '1 second', commits = 1000"
        )
        reader.close()
        proxy.cut()
        with pytest.raises(SeatLostError, match="lost commits"):
            session.transact_blocking(writer, write(writer, "refused"), always)
    assert names(address) == []


def test_a_transaction_that_failed_unseen_is_not_taken_for_committed(server: Server) -> None:
    address = server.address()
    with seated(address) as (session, writer):

        def operation() -> None:
            write(writer, "undone")()
            with suppress(ServerError):
                writer.execute("add_campaign", name=None, now="2026-03-01T12:00:00.000Z")

        with pytest.raises(ServerError, match="had failed"):
            session.transact_blocking(writer, operation, never)
        session.transact_blocking(writer, write(writer, "next"), never)
    assert names(address) == ["next"]


def test_signs_of_life_do_not_come_between_the_rows_of_a_plan(server: Server) -> None:
    address = server.address()
    with seated(address, quiet=True) as (session, _):
        engine, before = session.engine, seat_of(address)["commits"]
        with engine.thread_lock:
            other = threading.Thread(target=engine.write_sign_of_life)
            other.start()
            other.join(timeout=5)
            assert not other.is_alive()
            assert seat_of(address)["commits"] == before
        engine.write_sign_of_life()
        assert seat_of(address)["commits"] == before + 1


# -- the server goes away


def test_a_server_that_was_killed_is_found_again() -> None:
    with running_server() as own:
        address = own.address()
        with seated(address) as (session, writer):
            session.transact_blocking(writer, write(writer, "before"), never)
            own.stop("immediate")
            starter = threading.Timer(0.5, own.start)
            starter.start()
            session.transact_blocking(writer, write(writer, "after"), always)
            starter.join()
        assert names(address) == ["before", "after"]
        assert seat_of(address)["released"] is not None
