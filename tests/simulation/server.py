"""The simulated server of a shared ledger: one SQLite file, sessions, the lock of the seat, and the
lines between machines and server, which break.

The statements of the seat are those for PostgreSQL, and `worker.ledger.session` is the worker's. An
operation takes no time here, so a machine never meets another machine's open transaction. Tests on
the real server cover what happens then: it waits for the seat's row, or ends the session."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import Any, NamedTuple, cast

from tests.simulation.database import FragileConnection
from worker.ledger.engine import ConnectionLostError, Rows
from worker.ledger.queries import read_statements, sql
from worker.ledger.sqlite.engine import SqliteEngine
from worker.model.errors import UsageError

STATEMENTS = {
    name: body.replace("clock_timestamp()", ":clock")
    .replace("pg_backend_pid()", ":own_session")
    .replace("CAST(:alive_at AS TIMESTAMPTZ)", ":alive_at")
    for name, body in read_statements(("worker.ledger.postgresql", "queries.sql")).items()
    if name in ("enter", "seat", "take", "retake", "live", "release")
}
"""The statements of the seat, as SQLite runs them."""

TIMES = ("since", "alive_at", "released", "now")
"""Columns of the seat that are times."""

LEDGER = {"ledger": 1}
"""The name of the ledger's lock."""

WELL_S = 20.0
"""A run that was neither stopped nor cut off for this many seconds must not be taken over."""


def make_seat(connection: sqlite3.Connection) -> None:
    """Create the table `seat` as on PostgreSQL, if it does not exist."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'seat'").fetchone():
        return
    folder = resources.files("worker.ledger.postgresql") / "migrations"
    script = (folder / "014_first.sql").read_text(encoding="utf-8")
    script = script[script.index("CREATE TABLE seat") :].replace('COLLATE "C"', "")
    connection.executescript(f"BEGIN;\n{script[: script.rindex('(1, 0, 0);')]}(1, 0, 0);\nCOMMIT;")


class Cut(NamedTuple):
    """A line is broken between two times. `noticed`: the server ends the session at once; otherwise
    it keeps the session and its lock."""

    start: float
    end: float
    noticed: bool


@dataclass
class Line:
    """The connection between a process and the server. It breaks in `cuts`, and by chance: in a
    statement with the probability `in_statement`, in a COMMIT with `in_commit`, for as long as
    `lasts` draws. `pooled`: if the server has ended a session, another one replaces it between two
    transactions, and nobody notices."""

    now: Callable[[], float]
    rng: random.Random
    lasts: Callable[[], float]
    in_statement: float = 0.0
    in_commit: float = 0.0
    pooled: bool = False
    cuts: list[Cut] = field(default_factory=list)

    def cut(self) -> Cut | None:
        """The present cut."""
        now = self.now()
        return next((cut for cut in self.cuts if cut.start <= now < cut.end), None)

    def breaks(self, probability: float) -> bool:
        """Whether the line breaks here by chance."""
        if not probability or self.rng.random() >= probability:
            return False
        now = self.now()
        self.cuts.append(Cut(now, now + self.lasts(), self.rng.random() < 0.5))
        return True

    def mended_at(self) -> float:
        """When the last cut so far ended, or will end."""
        now = self.now()
        return max((cut.end for cut in self.cuts if cut.start <= now), default=float("-inf"))


class ServerConnection:
    """A session on the server, and the process's end of it."""

    def __init__(
        self, server: Server, session: int, line: Line, database: FragileConnection, owner: Owner
    ) -> None:
        self.server, self.session, self.line, self.owner = server, session, line, owner
        self.database = database
        self.is_broken = False
        self.began = self.active_at = server.now()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the server has ended the session."""
        noticed = (c for c in self.line.cuts if c.noticed and self.began < c.start)
        self._ended = self._ended or any(cut.start <= self.server.now() for cut in noticed)
        return self._ended

    def end(self) -> None:
        """The server ends the session and rolls back what was not committed."""
        self._ended = True

    def revive(self) -> None:
        """Replace the session by a new one."""
        self._ended = False

    def exchange(self, *, commits: bool = False) -> None:
        """One exchange with the server. Raises ConnectionLostError if the line is broken."""
        usable = not (self.is_broken or self.line.cut() or self.database.in_transaction)
        if self.line.pooled and self.ended and usable:
            self.server.replace(self)
        if self.is_broken or self.ended or self.line.cut():
            self._break("the connection is gone")
        if not commits and self.line.breaks(self.line.in_statement):
            self._break("the connection broke")
        self.active_at = self.server.now()

    def commit(self) -> None:
        """Commit. Raises ConnectionLostError if the line breaks; then nobody knows whether the
        transaction was committed."""
        self.exchange(commits=True)
        if self.line.breaks(self.line.in_commit):
            took_place = self.line.rng.random() < 0.5
            self.server.happened(f"a COMMIT {'took' if took_place else 'did not take'} place, cut")
            if took_place:
                self.database.execute("COMMIT")
            self._break("the connection broke in the COMMIT")
        self.database.execute("COMMIT")

    def _break(self, words: str) -> None:
        if not self.is_broken:
            self.server.happened("a connection broke")
        self.is_broken = True
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")
        raise ConnectionLostError(words)

    def close(self) -> None:
        """Close the process's end. The server notices if the line is up."""
        self.is_broken = True
        if not self.line.cut():
            self.end()


class Owner:
    """The process of a session. `trouble_at` is when it was last stopped; `dead`: it died."""

    trouble_at = float("-inf")
    dead = False
    name = ""


class Server:
    """The sessions, and the lock of the seat. `happened` counts events."""

    def __init__(self, now: Callable[[], float], happened: Callable[[str], object]) -> None:
        self.now, self.happened = now, happened
        self.problems: list[str] = []
        self.hides = False
        """Whether a process cannot see what the sessions of other processes do, because they have
        another role."""
        self._sessions: dict[int, ServerConnection] = {}
        self._locked_by: ServerConnection | None = None

    def connect(self, line: Line, database: FragileConnection, owner: Owner) -> ServerConnection:
        """A new session. Raises UsageError if the server cannot be reached."""
        if line.cut():
            raise UsageError("the server cannot be reached", hint="")
        number = len(self._sessions) + 1
        self._sessions[number] = ServerConnection(self, number, line, database, owner)
        return self._sessions[number]

    def replace(self, connection: ServerConnection) -> None:
        """Give a connection a new session in place of the one that has ended."""
        self.happened("a pooler replaced a session")
        if self._locked_by is connection:
            self._locked_by = None
        connection.session = len(self._sessions) + 1
        connection.began = connection.active_at = self.now()
        connection.revive()
        self._sessions[connection.session] = connection

    @property
    def holder(self) -> ServerConnection | None:
        """The session that has the lock."""
        if self._locked_by is not None and self._locked_by.ended:
            self._locked_by = None
        return self._locked_by

    def lock(self, connection: ServerConnection) -> bool:
        """Try to get the lock."""
        if self.holder is None:
            self._locked_by = connection
        return self.holder is connection

    def unlock(self, connection: ServerConnection) -> None:
        """Give the lock back."""
        if self.holder is connection:
            self._locked_by = None

    def end_session(self, ended: ServerConnection, asked_by: Owner) -> None:
        """End a session, as somebody asked."""
        if ended.owner is not asked_by:
            self.happened("a silent holder's session was ended")
            well = max(ended.owner.trouble_at, ended.line.mended_at(), ended.began)
            if not ended.owner.dead and not ended.ended and self.now() - well >= WELL_S:
                self.problems.append(f"robbed: {ended.owner.name} was well, and was taken over")
        ended.end()


class Found(list[Any]):
    """The result of a statement of the seat."""

    rowcount = 0

    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchmany(self, size: int) -> list[Any]:
        return self[:size]

    def fetchall(self) -> list[Any]:
        return list(self)


class SeatedEngine(SqliteEngine):
    """SQLite behind a session of the server. With `enter`, every change is part of a transaction
    that begins with it, as in `worker.ledger.postgresql.engine`."""

    def __init__(
        self,
        session: ServerConnection,
        enter: Callable[[SeatedEngine], None] | None = None,
        committed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(cast(sqlite3.Connection, session.database))
        self.session = session
        self.thread_lock = threading.RLock()
        self._enter, self._committed = enter, committed

    def execute(self, name: str, values: Mapping[str, object]) -> Any:
        """Run the statement `name`. A change outside a transaction is a transaction of its own."""
        changes = (STATEMENTS.get(name) or "").startswith("UPDATE") or (
            name not in STATEMENTS and name not in _OF_THE_SERVER and _changes(sql(name))
        )
        if self._enter is None or self.in_transaction or not changes:
            return self._execute(name, values)
        self.begin()
        try:
            found = self._execute(name, values)
            rows = Found(found.fetchall())
            rows.rowcount = found.rowcount
            self.commit()
        except BaseException:
            self.roll_back()
            raise
        return rows

    def _execute(self, name: str, values: Mapping[str, object]) -> Rows:
        self.session.exchange()
        server = self.session.server
        assert name not in _OF_THE_LOCK or values["ledger"] == LEDGER["ledger"]
        match name:
            case "lock":
                return Found([(server.lock(self.session),)])
            case "unlock":
                server.unlock(self.session)
                return Found()
            case "holder_session":
                holder = server.holder
                return Found([] if holder is None else [self._shown(holder)])
            case "own_session":
                began = datetime.fromtimestamp(self.session.began, UTC)
                return Found([{"pid": self.session.session, "backend_start": began}])
            case "end_session":
                holder = server.holder
                asked = (values["session"], values["began"])
                if holder is not None and tuple(self._shown(holder).values())[:2] == asked:
                    server.end_session(holder, self.session.owner)
                return Found()
        if name not in STATEMENTS:
            return super().execute(name, values)
        told = {**values, "clock": round(server.now(), 6), "own_session": self.session.session}
        plain = {
            key: value.timestamp() if isinstance(value, datetime) else value
            for key, value in told.items()
        }
        rows = self.connection.execute(STATEMENTS[name], plain).fetchall()
        return Found([_row(row) for row in rows])

    def _shown(self, holder: ServerConnection) -> dict[str, Any]:
        """The session that has the lock, as this one sees it."""
        hidden = self.session.server.hides and holder.owner is not self.session.owner
        return {
            "pid": holder.session,
            "backend_start": None if hidden else datetime.fromtimestamp(holder.began, UTC),
            "active_at": None if hidden else datetime.fromtimestamp(holder.active_at, UTC),
        }

    def execute_many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values."""
        self.session.exchange()
        super().execute_many(name, rows)

    def stream(self, name: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The result's rows as plain tuples."""
        self.session.exchange()
        return super().stream(name, values)

    def begin(self) -> None:
        """Begin a write transaction: the first statement of a run's is `enter`."""
        self.session.exchange()
        super().begin()
        try:
            if self._enter is not None:
                self._enter(self)
        except BaseException:
            self.roll_back()
            raise

    def commit(self) -> None:
        """Make what was written since `begin` durable."""
        self.session.commit()
        if self._committed is not None:
            self._committed()

    def roll_back(self) -> None:
        """Undo what was written since `begin`."""
        if self.in_transaction:
            super().roll_back()

    def write_sign_of_life(self) -> None:
        """Do a transaction that writes nothing but the sign of life."""
        if not self.session.is_broken:
            self.begin()
            self.commit()


_OF_THE_LOCK = ("lock", "unlock", "holder_session", "end_session")
_OF_THE_SERVER = (*_OF_THE_LOCK, "own_session")


def _changes(statement: str) -> bool:
    return statement.startswith(("INSERT", "UPDATE", "DELETE"))


def _row(row: sqlite3.Row) -> dict[str, Any]:
    found = dict(row)
    for name in TIMES:
        if found.get(name) is not None:
            found[name] = datetime.fromtimestamp(found[name], UTC)
    return found
