"""PostgreSQL as the ledger's engine: one connection, and its named statements."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from worker.ledger.engine import ConnectionLostError, Rows
from worker.ledger.postgresql.connection import EXCHANGE_S, LONG_EXCHANGE_S, TimedConnection
from worker.ledger.postgresql.statements import sql
from worker.ledger.postgresql.tables import ServerTables
from worker.model.server_address import ServerAddress

FETCHED = 2000
"""How many rows of a long result are in memory at the same time."""

_STAGED = """
CREATE TEMP TABLE staged (
    place BIGINT PRIMARY KEY, line BIGINT NOT NULL, copy BIGINT NOT NULL, copies BIGINT NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL, template TEXT COLLATE "C" NOT NULL,
    upload_new_dataset BIGINT NOT NULL, tasks_per_group BIGINT
);
CREATE TEMP TABLE staged_extras (line BIGINT PRIMARY KEY, cells TEXT COLLATE "C" NOT NULL);
"""
"""The tables of a plan file (see `worker.job.plan`)."""

_COLUMNS = "place, line, copy, copies, source_id, template, upload_new_dataset, tasks_per_group"


class ServerEngine:
    """A connection to the ledger's schema at `address`. With `enter`, every change is part of a
    transaction that begins with it (see `worker.ledger.postgresql.session`).

    Signs of life come from a thread of their own, so a transaction, or a statement outside one, is
    one thread's turn."""

    def __init__(
        self,
        connection: TimedConnection,
        address: ServerAddress,
        enter: Callable[[ServerEngine], None] | None = None,
    ) -> None:
        self.connection = connection
        self._address = address
        self._enter = enter
        self._turn = threading.RLock()
        self._changes = 0
        self._in_transaction = False
        self._limit_s = EXCHANGE_S

    @property
    def place(self) -> str:
        """The address, without a password."""
        return str(self._address)

    @property
    def changes(self) -> int:
        """How many rows were changed since the database was opened."""
        return self._changes

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._in_transaction

    def execute(self, name: str, values: Mapping[str, object]) -> Rows:
        """Run the statement `name` with these values; a change outside a transaction is one of its
        own."""
        statement = sql(name)
        with self._turn:
            if self._enter is None or self._in_transaction or not _changes(statement):
                return self._execute(statement, values)
            self.begin()
            try:
                found = self._execute(statement, values)
                self.commit()
            except BaseException:
                self.roll_back()
                raise
            return found

    def _execute(self, statement: str, values: Mapping[str, object]) -> Rows:
        with self.connection.exchange(self._limit_s) as raw:
            cursor = raw.execute(statement, values)
        if cursor.rowcount > 0 and _changes(statement):
            self._changes += cursor.rowcount
        return cursor

    def execute_many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values, within a transaction."""
        values = [
            row
            if isinstance(row, Mapping)
            else {f"v{number}": value for number, value in enumerate(row, 1)}
            for row in rows
        ]
        if not values:
            return
        with self._turn, self.connection.exchange(self._limit_s) as raw, raw.cursor() as cursor:
            cursor.executemany(sql(name), values)
            self._changes += max(0, cursor.rowcount)

    def stream(self, name: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The result's rows as plain tuples, fetched in parts."""
        own = not self._in_transaction
        if own:
            self.begin_reading()
        try:
            with psycopg.ServerCursor(
                self.connection.raw, "ledger_rows", row_factory=psycopg.rows.tuple_row
            ) as cursor:
                with self.connection.exchange(LONG_EXCHANGE_S):
                    cursor.execute(sql(name), values)
                while True:
                    with self.connection.exchange(LONG_EXCHANGE_S):
                        part = cursor.fetchmany(FETCHED)
                    if not part:
                        break
                    yield from part
        finally:
            if own:
                self.end_reading()

    def begin(self) -> None:
        """Begin a write transaction: the first statement of a run's is `enter`."""
        self._begin("BEGIN", self._enter)

    def _begin(self, statement: str, enter: Callable[[ServerEngine], None] | None) -> None:
        self._turn.acquire()
        self._in_transaction = True
        try:
            self._execute(statement, {})
            if enter is not None:
                enter(self)
        except BaseException:
            self.roll_back()
            raise

    def show_life(self) -> None:
        """Do a transaction in which nothing is written but the sign of life, unless another thread
        has its turn."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if not self._in_transaction and not self.connection.is_broken:
                self.begin()
                self.commit()
        except BaseException:
            self.roll_back()
            raise
        finally:
            self._turn.release()

    def try_begin(self) -> bool:
        """Begin a write transaction. Returns True: no other program writes."""
        self.begin()
        return True

    def commit(self) -> None:
        """Make what was written since `begin` durable."""
        self._execute("COMMIT", {})
        self._in_transaction = False
        self._turn.release()

    def roll_back(self) -> None:
        """Undo what was written since `begin`. A connection that broke has undone it."""
        if not self._in_transaction:
            return
        self._in_transaction = False
        try:
            if not self.connection.is_broken:
                self._execute("ROLLBACK", {})
        except ConnectionLostError:
            pass  # so it is undone
        finally:
            self._turn.release()

    def begin_reading(self) -> None:
        """From now on every read sees the same state."""
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ", None)

    def end_reading(self) -> None:
        """End what `begin_reading` began."""
        self.roll_back()

    def attach(self, plan: Path) -> None:
        """Copy the tables of the plan file to temporary tables of this session."""
        self._limit_s = LONG_EXCHANGE_S
        with (
            closing(sqlite3.connect(plan)) as source,
            self.connection.exchange(LONG_EXCHANGE_S) as raw,
        ):
            raw.execute(_STAGED)
            for table, columns in (("staged", _COLUMNS), ("staged_extras", "line, cells")):
                rows = source.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - two constants
                with (
                    raw.cursor() as cursor,
                    cursor.copy(f"COPY pg_temp.{table} ({columns}) FROM STDIN") as copy,
                ):
                    for row in rows:
                        copy.write_row(row)
            raw.execute("ANALYZE pg_temp.staged")

    def detach(self) -> None:
        """Remove what `attach` made. A transaction that failed, or a connection that broke, has
        removed it."""
        self._limit_s = EXCHANGE_S
        raw = self.connection.raw
        if self.connection.is_broken or raw.info.transaction_status == _FAILED:
            return
        self._execute("DROP TABLE IF EXISTS pg_temp.staged, pg_temp.staged_extras", {})

    def refuse_damaged(self) -> None:
        """The server checks its own pages."""

    def tables(self) -> ServerTables:
        """The tables as a whole, for a copy of the ledger."""
        return ServerTables(self.connection)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


_FAILED = psycopg.pq.TransactionStatus.INERROR


def _changes(statement: str) -> bool:
    """Whether a statement changes the database."""
    return statement.startswith(("INSERT", "UPDATE", "DELETE"))
