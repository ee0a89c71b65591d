"""An open ledger database, for the rest of the program.

Outside this package nobody sees SQL or a connection. `opening` opens a handle. The functions of
`views`, `overlap` and so on run statements through it, by their names in `queries.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worker.ledger.engine import Engine, Rows
from worker.ledger.tables import Tables


class Reader:
    """An open database that can be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def place(self) -> str:
        """Where the database is: its file's path, or its address without a password."""
        return self._engine.place

    def execute(self, name: str, /, **values: object) -> Rows:
        """Run the statement `name` of queries.sql with these values. Returns its rows."""
        return self._engine.execute(name, values)

    def stream(self, name: str, /, **values: object) -> Iterator[tuple[Any, ...]]:
        """Run the statement `name`. Returns its rows one by one, as plain tuples: a result may be
        too long for memory, and looking values up by name takes longer."""
        return self._engine.stream(name, values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within the block, every read sees the same state, even if a run is writing. Within
        another snapshot, or in the only writer's transaction, that is so already."""
        if self._engine.in_transaction:
            yield
            return
        self._engine.begin_reading()
        try:
            yield
        finally:
            self._engine.end_reading()

    @contextmanager
    def attached(self, plan: Path) -> Iterator[None]:
        """Within the block, the plan file (see `worker.job.plan`) is the schema `plan`."""
        self._engine.attach(plan)
        try:
            yield
        finally:
            self._engine.detach()

    def doubt(self) -> str:
        """Why the database may lack commits of earlier runs, which a server had confirmed; empty if
        nothing shows that. Nothing may be sent until a person accepts it. Raises UsageError if the
        server does not tell."""
        return self._engine.doubt()

    def tables(self) -> Tables:
        """The tables as a whole, for a copy of the ledger."""
        return self._engine.tables()

    def close(self) -> None:
        """Close the database."""
        self._engine.close()


class Writer(Reader):
    """An open database that can be changed. The caller who opened it holds its lock."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._begun = False

    def execute_later(self, name: str, /, **values: object) -> None:
        """Run the statement `name`, within a transaction. Nobody needs its result, so it may be
        sent to a server together with the next statement."""
        self._engine.execute_later(name, values)

    def execute_many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values."""
        self._engine.execute_many(name, rows)

    @property
    def changes(self) -> int:
        """How many rows were changed since the database was opened."""
        return self._engine.changes

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
        self._engine.begin()
        self._begun = True

    def try_begin(self) -> bool:
        """Begin a write transaction, without waiting. Returns whether it began: false if another
        program is writing."""
        self._begun = self._engine.try_begin()
        return self._begun

    def commit(self) -> None:
        """Make what was written since `begin` durable."""
        self._engine.commit()
        self._begun = False

    def roll_back(self) -> None:
        """Undo what was written since `begin`."""
        # If this fails, no block may join the open transaction: the next `begin` raises.
        self._begun = False
        if self._engine.in_transaction:
            self._engine.roll_back()
