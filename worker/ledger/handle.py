"""An open ledger database, as the rest of the program holds it.

Nobody outside this room sees SQL or a connection: `database` opens a handle, and the functions of
`views`, `overlap` and the like ask it by the names of `queries.sql`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worker.ledger.queries import sql

BUSY_TIMEOUT_S = 60.0
"""How long a statement waits for another process's lock, as a backup or a spreadsheet driver may
hold one."""


class Reader:
    """A database that can be asked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def ask(self, name: str, /, **values: object) -> sqlite3.Cursor:
        """Run the statement `name` of queries.sql with these values; its rows."""
        return self._connection.execute(sql(name), values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read within the block is of one moment, also while a run is under way."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def attached(self, plan: Path) -> Iterator[None]:
        """The plan file (see `worker.job.plan`) as the schema `plan`, within the block."""
        self._connection.execute("ATTACH ? AS plan", (str(plan),))
        try:
            yield
        finally:
            self._connection.execute("DETACH plan")

    def close(self) -> None:
        """Let the database go."""
        self._connection.close()


class Writer(Reader):
    """A database that can be changed; whoever opened it holds its lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._begun = False

    def many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each of the rows of values."""
        self._connection.executemany(sql(name), rows)

    @property
    def changes(self) -> int:
        """How many rows were changed since the database was opened."""
        return self._connection.total_changes

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block, or nothing; within a transaction that has begun, a part of that."""
        if self._begun:
            yield
            return
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.roll_back()
            raise

    def begin(self) -> None:
        """Begin a transaction that writes; another program's is waited for."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._begun = True

    def try_begin(self) -> bool:
        """Begin a transaction that writes unless another program's is under way; whether it did.
        Waits for nothing."""
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            self.begin()
        except sqlite3.OperationalError:  # whatever it is, `begin` raises it again
            return False
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_TIMEOUT_S:.0f}")
        return True

    def commit(self) -> None:
        """Make what was written since `begin` durable."""
        self._connection.execute("COMMIT")
        self._begun = False

    def roll_back(self) -> None:
        """Undo what was written since `begin`."""
        # If this fails, nothing may join what is left open: the next `begin` raises then.
        self._begun = False
        # A full disk rolls back by itself; a second ROLLBACK would hide the first error.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
