"""What the ledger asks of a database engine. `sqlite/` and `postgresql/` have one each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from worker.ledger.tables import Tables


class ServerError(Exception):
    """The database server refused a statement, or cannot be reached. Its cause is the driver's
    error."""


class ConnectionLostError(ServerError):
    """The connection to the database server broke, or an exchange took too long. Nobody knows
    whether a transaction that was being committed is in the database."""


class SeatLostError(ServerError):
    """Another run has taken this run's place in a shared ledger, so this one must not send anything
    new."""


DATABASE_ERRORS = (sqlite3.Error, ServerError)
"""The errors of a database that cannot be read or written, whichever engine has it."""


class Row(Protocol):
    """A row of a result: its values by place or by name."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...

    def keys(self) -> Sequence[str]:
        """The columns' names."""


class Rows(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:
        """The next row (a `Row`); None if there is none."""

    def fetchmany(self, size: int) -> list[Any]:
        """The next rows, at most `size`."""

    def fetchall(self) -> list[Any]:
        """All other rows."""

    def __iter__(self) -> Iterator[Any]: ...


class Engine(Protocol):
    """An open database. Statements are asked by their names in `queries.sql`."""

    @property
    def place(self) -> str:
        """Where the database is: its file's path, or its address without a password."""

    @property
    def changes(self) -> int:
        """How many rows were changed since the database was opened."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""

    def execute(self, name: str, values: Mapping[str, object]) -> Rows:
        """Run the statement `name` with these values."""

    def execute_later(self, name: str, values: Mapping[str, object]) -> None:
        """Run the statement `name`, within a transaction. Nobody needs its result, so it may be
        sent together with the next statement, and an error may come with that one."""

    def execute_many(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run the statement `name` once for each row of values."""

    def stream(self, name: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The result's rows as plain tuples, without keeping all of them in memory."""

    def begin(self) -> None:
        """Begin a write transaction; waits for another program's to end."""

    def try_begin(self) -> bool:
        """Begin a write transaction if that needs no waiting. Returns whether it began."""

    def commit(self) -> None:
        """Make what was written since `begin` durable."""

    def roll_back(self) -> None:
        """Undo what was written since `begin`."""

    def begin_reading(self) -> None:
        """From now on every read sees the same state."""

    def end_reading(self) -> None:
        """End what `begin_reading` began."""

    def attach(self, plan: Path) -> None:
        """Make the tables of the plan file available to statements, as the schema `plan`."""

    def detach(self) -> None:
        """End what `attach` began."""

    def doubt(self) -> str:
        """Why commits of earlier runs may be missing, which the server had confirmed; empty if
        nothing shows that. Raises UsageError if the server does not tell."""

    def add_first(self, campaign: int) -> None:
        """Add all rows of the attached plan to a campaign that has none, within a transaction."""

    def refuse_damaged(self) -> None:
        """Raise an error if the database is damaged and the engine can tell."""

    def tables(self) -> Tables:
        """The tables as a whole, for a copy of the ledger."""

    def close(self) -> None:
        """Close the connection."""
