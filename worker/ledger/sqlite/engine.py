"""SQLite as the ledger's engine: one connection, and its named statements."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.ledger.queries import sql
from worker.ledger.sqlite.tables import FileTables

BUSY_TIMEOUT_S = 60.0
"""Seconds that a statement waits for a lock of another process, such as a backup or a spreadsheet
driver."""


class DamagedError(sqlite3.DatabaseError):
    """The integrity check found a damaged page, constraint or index."""


class SqliteEngine:
    """A connection to the database file at `path`."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None = None) -> None:
        self.connection = connection
        self._path = path

    @property
    def place(self) -> str:
        """The file's path, without links."""
        return "" if self._path is None else os.path.realpath(self._path)

    @property
    def changes(self) -> int:
        """SQLite's count of changed rows since the database was opened."""
        return self.connection.total_changes

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open. With a full disk SQLite rolls back by itself; a second
        ROLLBACK would hide that error."""
        return self.connection.in_transaction

    def execute(self, name: str, values: Mapping[str, object]) -> sqlite3.Cursor:
        """Run the statement `name` with these values."""
        return self.connection.execute(sql(name), values)

    def execute_later(self, name: str, values: Mapping[str, object]) -> None:
        """Run the statement `name` now: nothing is gained by waiting."""
        self.execute(name, values)

    def execute_many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values."""
        self.connection.executemany(sql(name), rows)

    def stream(self, name: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The result's rows as plain tuples."""
        found = self.connection.execute(sql(name), values)
        found.row_factory = None
        return found

    def begin(self) -> None:
        """Begin a write transaction; waits for another program's to end."""
        self.connection.execute("BEGIN IMMEDIATE")

    def try_begin(self) -> bool:
        """Begin a write transaction if no other program is writing. Returns whether it began."""
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            self.begin()
        except sqlite3.OperationalError:  # if it is another error, `begin` will raise it again
            return False
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_TIMEOUT_S:.0f}")
        return True

    def commit(self) -> None:
        """Make what was written since `begin` durable."""
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo what was written since `begin`."""
        self.connection.execute("ROLLBACK")

    def begin_reading(self) -> None:
        """From now on every read sees the same state."""
        self.connection.execute("BEGIN")

    def end_reading(self) -> None:
        """End what `begin_reading` began."""
        self.connection.execute("COMMIT")

    def attach(self, plan: Path) -> None:
        """Make the plan file the schema `plan`."""
        self.connection.execute("ATTACH ? AS plan", (str(plan),))

    def detach(self) -> None:
        """End what `attach` began."""
        self.connection.execute("DETACH plan")

    def doubt(self) -> str:
        """A file loses nothing that was committed."""
        return ""

    def add_first(self, campaign: int) -> None:
        """Add all rows of the attached plan to a campaign that has none."""
        for statement in ("add_first_to_job", "forget_extras", "add_extras"):
            self.execute(statement, {"campaign": campaign})

    def refuse_damaged(self) -> None:
        """Raise DamagedError if a page, a constraint or an index is damaged: a flipped bit in a
        row's identity would create its duplicate again. Checking a million rows takes some
        seconds."""
        problem = self.connection.execute("PRAGMA main.integrity_check(1)").fetchone()[0]
        if problem != "ok":
            raise DamagedError(f"malformed: {problem}")

    def tables(self) -> FileTables:
        """The tables as a whole, for a copy of the ledger."""
        return FileTables(self.connection)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
