"""An open ledger database, for the rest of the program.

Outside this package nobody sees SQL or a connection. `database` opens a handle. The functions of
`views`, `overlap` and so on run statements through it, by their names in `queries.sql`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worker.ledger.queries import sql

BUSY_TIMEOUT_S = 60.0
"""Seconds that a statement waits for a lock of another process, such as a backup or a spreadsheet
driver."""


class Reader:
    """An open database that can be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def ask(self, name: str, /, **values: object) -> sqlite3.Cursor:
        """Run the statement `name` of queries.sql with these values. Returns its rows."""
        return self._connection.execute(sql(name), values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within the block, every read sees the same state, even if a run is writing."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def attached(self, plan: Path) -> Iterator[None]:
        """Within the block, the plan file (see `worker.job.plan`) is the schema `plan`."""
        self._connection.execute("ATTACH ? AS plan", (str(plan),))
        try:
            yield
        finally:
            self._connection.execute("DETACH plan")

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


class Writer(Reader):
    """An open database that can be changed. The caller who opened it holds its lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._begun = False

    def many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values."""
        self._connection.executemany(sql(name), rows)

    @property
    def changes(self) -> int:
        """How many rows were changed since the database was opened (SQLite's total)."""
        return self._connection.total_changes

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one transaction: all of it is written, or nothing. Within a transaction
        that has already begun, the block becomes part of that one."""
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
        """Begin a write transaction; waits for another program's to end."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._begun = True

    def try_begin(self) -> bool:
        """Begin a write transaction, without waiting. Returns whether it began: false if another
        program is writing."""
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            self.begin()
        except sqlite3.OperationalError:  # if it is another error, `begin` will raise it again
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
        # If this fails, no block may join the open transaction: the next `begin` raises.
        self._begun = False
        # With a full disk SQLite rolls back by itself; a second ROLLBACK would hide that error.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
