"""PostgreSQL as the ledger's engine: one connection, and its named statements."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from worker.ledger.engine import ConnectionLostError, Rows, ServerError
from worker.ledger.postgresql import lineage
from worker.ledger.postgresql.connection import LONG_EXCHANGE_S, NUL_SHOWN, TimedConnection
from worker.ledger.postgresql.rights import lacking_temporary
from worker.ledger.postgresql.statements import sql, statements
from worker.ledger.postgresql.tables import ServerTables
from worker.model.errors import UsageError
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

_COLUMNS = "line, copy, copies, source_id, template, upload_new_dataset, tasks_per_group"
"""The columns that a plan file's table `staged` and the table `items` share."""

_CELLS = "line, cells"
"""The same of `staged_extras` and `extras`."""


class ServerEngine:
    """A connection to the ledger's schema at `address`. With `enter`, every change is part of a
    transaction that begins with it, and `committed` is called after each commit (see
    `worker.ledger.postgresql.session`).

    Signs of life come from a thread of their own, so a thread has the `thread_lock` within a
    transaction, and within a statement outside one."""

    def __init__(
        self,
        connection: TimedConnection,
        address: ServerAddress,
        enter: Callable[[ServerEngine], None] | None = None,
        committed: Callable[[], None] | None = None,
    ) -> None:
        self.connection = connection
        self._address = address
        self._enter = enter
        self._committed = committed
        self.thread_lock = threading.RLock()
        self._changes = 0
        self._transaction_of: int | None = None
        """The thread whose transaction has begun and not ended."""
        self._limit_s: float | None = None
        self._unsent: list[tuple[str, Mapping[str, object]]] = []
        """Statements of this transaction whose results nobody waits for: they are sent together
        with the next one, because each round trip takes time."""
        self._cursors = 0
        """How many results were streamed."""
        self._plan: Path | None = None
        """The plan file that is attached."""
        self._staged = False
        """Whether its tables were copied."""

    @property
    def place(self) -> str:
        """The address, without a password."""
        return str(self._address)

    @property
    def changes(self) -> int:
        """How many rows were changed since the database was opened."""
        with self.thread_lock:
            self._send()
        return self._changes

    @property
    def in_transaction(self) -> bool:
        """Whether this thread's transaction has begun and not ended."""
        return self._transaction_of == threading.get_ident()

    def execute(self, name: str, values: Mapping[str, object]) -> Rows:
        """Run the statement `name` with these values; a change outside a transaction is one of its
        own."""
        statement = sql(name)
        with self.thread_lock:
            self._stage_for(statement)
            if self._enter is None or self.in_transaction or not _changes(statement):
                return self._execute(statement, values)
            self.begin()
            try:
                found = self._execute(statement, values)
                self.commit()
            except BaseException:
                self.roll_back()
                raise
            return found

    def _execute(self, statement: str, values: Mapping[str, object]) -> psycopg.Cursor[Any]:
        unsent, self._unsent = self._unsent, []
        with self.connection.exchange(self._limit_s) as raw:
            if unsent:
                with raw.pipeline():
                    # Planned anew each time: the tables grow.
                    sent = [raw.execute(one, given, prepare=False) for one, given in unsent]
                    cursor = raw.execute(statement, values)
                self._changes += sum(max(0, one.rowcount) for one in sent)
            else:
                cursor = raw.execute(statement, values)
        if cursor.rowcount > 0 and _changes(statement):
            self._changes += cursor.rowcount
        return cursor

    def _send(self) -> None:
        """Send what waits to be sent."""
        if self._unsent:
            last, given = self._unsent.pop()
            self._execute(last, given)

    def execute_later(self, name: str, values: Mapping[str, object]) -> None:
        """Run the statement `name`, within a transaction; it is sent with the next one."""
        statement = sql(name)
        with self.thread_lock:
            self._stage_for(statement)
            self._unsent.append((statement, values))

    def execute_many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values, within a transaction; all rows in
        one statement if it has a form for that (`many_…`)."""
        values = list(rows)
        if not values:
            return
        at_once = statements().get(f"many_{name}")
        with self.thread_lock:
            if at_once is not None:
                self._unsent.append((at_once, {"rows": _as_json(values)}))
                return
            self._send()
            with self.connection.exchange(self._limit_s) as raw, raw.cursor() as cursor:
                cursor.executemany(sql(name), map(_named, values))
                self._changes += max(0, cursor.rowcount)

    def stream(self, name: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The result's rows as plain tuples, fetched in parts. The cursor ends with its
        transaction. In a write transaction, 15 minutes may pass between two parts, and after the
        last one: whoever reads may write a large file."""
        own = not self.in_transaction
        if own:
            self.begin_reading()
        try:
            self._send()
            self._cursors += 1
            begun = f"DECLARE rows_{self._cursors} NO SCROLL CURSOR FOR {sql(name)}"
            fetch = f"FETCH {FETCHED} FROM rows_{self._cursors}".encode()
            with self.connection.exchange(LONG_EXCHANGE_S) as raw:
                cursor = raw.cursor(row_factory=psycopg.rows.tuple_row)
                with raw.pipeline():
                    if self._enter is not None:
                        raw.execute("SET LOCAL idle_in_transaction_session_timeout = '15min'")
                    raw.execute(begun.encode(), values, prepare=False)
                    cursor.execute(fetch, prepare=False)
                part = cursor.fetchall()
            while part:
                yield from part
                if len(part) < FETCHED:
                    break
                with self.connection.exchange(LONG_EXCHANGE_S):
                    part = cursor.execute(fetch, prepare=False).fetchall()
        finally:
            if own:
                self.end_reading()

    def begin(self) -> None:
        """Begin a write transaction: the first statement of a run's is `enter`."""
        self._begin("BEGIN", self._enter)

    def _begin(self, statement: str, enter: Callable[[ServerEngine], None] | None) -> None:
        self.thread_lock.acquire()
        self._transaction_of = threading.get_ident()
        try:
            if enter is None:
                self._execute(statement, {})
            else:
                self._unsent.append((statement, {}))
                enter(self)
        except BaseException:
            self.roll_back()
            raise

    def write_sign_of_life(self) -> None:
        """Do a transaction in which nothing is written but the sign of life, unless another thread
        has the lock."""
        if not self.thread_lock.acquire(blocking=False):
            return
        try:
            if not self.in_transaction and not self.connection.is_broken:
                self.begin()
                self.commit()
        except BaseException:
            self.roll_back()
            raise
        finally:
            self.thread_lock.release()

    def try_begin(self) -> bool:
        """Begin a write transaction. Returns True: no other program writes."""
        self.begin()
        return True

    def commit(self) -> None:
        """Make what was written since `begin` durable."""
        ended = self._execute("COMMIT", {}).statusmessage
        if ended != "COMMIT":
            # The answer to COMMIT after an error that somebody ignored is no error.
            raise ServerError(f"the transaction had failed: {ended}")
        if self._enter is not None and self._committed is not None:
            self._committed()
        self._transaction_of = None
        self.thread_lock.release()

    def roll_back(self) -> None:
        """Undo what was written since `begin`. A connection that broke has undone it."""
        if not self.in_transaction:
            return
        self._transaction_of = None
        self._unsent.clear()
        try:
            if not self.connection.is_broken:
                self._execute("ROLLBACK", {})
        except ConnectionLostError:
            pass  # so it is undone
        finally:
            self.thread_lock.release()

    def begin_reading(self) -> None:
        """From now on every read sees the same state."""
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ", None)

    def end_reading(self) -> None:
        """End what `begin_reading` began."""
        self.roll_back()

    def attach(self, plan: Path) -> None:
        """Make the tables of the plan file available. They are copied to temporary tables when a
        statement first needs them: a new campaign's are not (see `add_first`)."""
        self._plan = plan
        self._limit_s = LONG_EXCHANGE_S

    def _stage_for(self, statement: str) -> None:
        """Copy the attached plan to temporary tables of this session, if the statement is the first
        that needs them."""
        if self._plan is None or self._staged or "pg_temp." not in statement:
            return
        try:
            self._execute(_STAGED, {})
        except ServerError as error:
            if not isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
                raise
            info = self.connection.raw.info
            what, fix = lacking_temporary(info.user, info.dbname)
            raise UsageError(f"{self.place}: {what}", hint=f"Nothing was sent. {fix}") from error
        self._staged = True
        with closing(sqlite3.connect(self._plan)) as source:
            for table, columns in (("staged", f"place, {_COLUMNS}"), ("staged_extras", _CELLS)):
                rows = source.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - constants
                self._copy(f"pg_temp.{table}", columns, rows)
        self._execute("ANALYZE pg_temp.staged", {})

    def add_first(self, campaign: int) -> None:
        """Add all rows of the attached plan to a campaign that has none. They go straight into the
        tables, because a second copy would take as long again."""
        assert self._plan is not None
        self.execute_later("forget_extras", {"campaign": campaign})
        self._send()
        with closing(sqlite3.connect(self._plan)) as source:
            for table, columns, of in (
                ("items", _COLUMNS, "staged ORDER BY place"),
                ("extras", _CELLS, "staged_extras"),
            ):
                rows = source.execute(
                    f"SELECT CAST(? AS INTEGER), {columns} FROM {of}",  # noqa: S608 - constants
                    (campaign,),
                )
                self._changes += self._copy(table, f"campaign_id, {columns}", rows)

    def _copy(self, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Add rows to a table, in one exchange. Returns how many."""
        rest = iter(rows)
        first = next(rest, None)
        if first is None:
            return 0
        with self.connection.exchange(LONG_EXCHANGE_S) as raw, raw.cursor() as cursor:
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
                copy.write_row(first)
                for row in rest:
                    copy.write_row(row)
            return cursor.rowcount

    def detach(self) -> None:
        """End what `attach` began. A transaction that failed, or a connection that broke, has
        removed the temporary tables."""
        self._plan = self._limit_s = None
        staged, self._staged = self._staged, False
        with self.thread_lock:
            failed = self.connection.raw.info.transaction_status == _FAILED
            if staged and not self.connection.is_broken and not failed:
                self._execute("DROP TABLE IF EXISTS pg_temp.staged, pg_temp.staged_extras", {})

    def doubt(self) -> str:
        """What shows that the server is not the one of the last run, or lost commits since. A
        replica does not tell."""
        if lineage.durability(self).is_replica:
            return ""
        return lineage.difference(lineage.recorded(self), lineage.current(self, self._address))

    def refuse_damaged(self) -> None:
        """The server checks its own pages."""

    def tables(self) -> ServerTables:
        """The tables as a whole, for a copy of the ledger."""
        return ServerTables(self.connection)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


_FAILED = psycopg.pq.TransactionStatus.INERROR


def _named(row: Sequence[Any] | Mapping[str, Any]) -> Mapping[str, Any]:
    """A row's values by the names of its placeholders."""
    if isinstance(row, Mapping):
        return row
    return {f"v{number}": value for number, value in enumerate(row, 1)}


def _as_json(rows: Sequence[Any]) -> str:
    """The rows as a JSON array. PostgreSQL has no NUL in texts (see `connection`)."""
    text = json.dumps(rows)
    if "\\u0000" in text:
        text = json.dumps([_without_nul(row) for row in rows])
    return text


def _without_nul(row: Sequence[Any] | Mapping[str, Any]) -> object:
    def shown(value: object) -> object:
        return value.replace("\0", NUL_SHOWN) if isinstance(value, str) else value

    if isinstance(row, Mapping):
        return {key: shown(value) for key, value in row.items()}
    return [shown(value) for value in row]


def _changes(statement: str) -> bool:
    """Whether a statement changes the database."""
    return statement.startswith(("INSERT", "UPDATE", "DELETE"))
