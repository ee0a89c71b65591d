"""The ledger's database in a process that may die. Operations run inline, and a crash can happen
between any two statements.

Intents carry the item that they are for, so that the world knows the item of each request."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import anyio

from tests.simulation.loop import Crash, SimulatedLoop
from tests.simulation.world import ItemKey
from tests.support.ledgers import connection_of
from worker.ledger.handle import Reader, Writer
from worker.ledger.sqlite.engine import SqliteEngine
from worker.ledger.store import Ledger
from worker.model.records import Intent
from worker.model.setups import SetupIntent

P = ParamSpec("P")
T = TypeVar("T")

KEY = """
SELECT c.name, i.source_id, i.template, i.upload_new_dataset, i.copy
FROM items AS i JOIN campaigns AS c ON c.id = i.campaign_id
"""


class Crasher:
    """Counts down to the process's death, in `points` statements and requests (None: it does not
    die)."""

    def __init__(self, points: int | None) -> None:
        self._left = points

    def due(self) -> bool:
        """Whether the process dies at this point."""
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0

    def arm(self, points: int) -> None:
        """Let the process die in this many points at the latest."""
        self._left = points if self._left is None else min(self._left, points)

    async def point(self, loop: SimulatedLoop) -> None:
        """A point where the process may die while it awaits."""
        if self.due():
            await loop.die()


class Labelled(str):
    """A source's id that also knows the item that it is sent for."""

    item: ItemKey
    __slots__ = ("item",)


class FragileConnection:
    """A connection that dies with its process: what was not committed is rolled back, and nothing
    follows.

    `full` is the probability that a writing statement finds the disk full."""

    def __init__(
        self, connection: sqlite3.Connection, crasher: Crasher, full: float, rng: random.Random
    ) -> None:
        self._connection = connection
        self._crasher = crasher
        self._full = full
        self._rng = rng
        self._dead = False

    @property
    def in_transaction(self) -> bool:
        return not self._dead and self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        self._strike(statement)
        return self._connection.execute(statement, parameters)

    def executemany(self, statement: str, parameters: Any) -> sqlite3.Cursor:
        self._strike(statement)
        return self._connection.executemany(statement, parameters)

    def close(self) -> None:
        """End the process's connection. An open transaction is lost."""
        self._dead = True
        self._connection.close()

    def ledger(self) -> Writer:
        """The same, in the type that the worker's code takes."""
        return Writer(SqliteEngine(cast(sqlite3.Connection, self)))

    def _strike(self, statement: str) -> None:
        if self._dead:
            raise Crash
        if self._crasher.due():
            self.close()
            raise Crash
        if self._full and statement == "COMMIT" and self._rng.random() < self._full:
            raise sqlite3.OperationalError("database or disk is full")


class InlineDatabase:
    """Runs operations inline, in the order of the calls. Each takes `takes_s`, like one in a
    thread."""

    def __init__(
        self, ledger: Ledger, loop: SimulatedLoop, crasher: Crasher, takes_s: float
    ) -> None:
        self._ledger = ledger
        self._loop = loop
        self._crasher = crasher
        self._takes_s = takes_s
        self._one = anyio.Lock()

    async def call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation of the ledger. The process may die before, within and after it."""
        async with self._one:
            with anyio.CancelScope(shield=True):
                result = await self._call(operation, *args, **kwargs)
            return result  # noqa: RET504 - a scope may swallow an exception, as mypy sees it

    transact = query = call

    async def read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an operation that only reads, inline too."""
        return await self.call(lambda ledger: operation(ledger, *args, **kwargs))

    async def _call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        await self._crasher.point(self._loop)
        if self._takes_s:
            await anyio.sleep(self._takes_s)
        try:
            result = operation(self._ledger, *args, **kwargs)
            labelled = cast(T, self._labelled(result))
        except Crash:
            await self._loop.die()
        await self._crasher.point(self._loop)
        return labelled

    def _labelled(self, result: object) -> object:
        """The same result, in which every intent carries its item."""
        match result:
            case Intent():
                row = (
                    connection_of(self._ledger)
                    .execute(f"{KEY} WHERE i.id = ?", (result.item_id,))
                    .fetchone()
                )
                source_id = Labelled(result.source_id)
                source_id.item = ItemKey(row[0], row[1], row[2], bool(row[3]), row[4])
                return result._replace(source_id=source_id)
            case SetupIntent():
                row = (
                    connection_of(self._ledger)
                    .execute(f"{KEY} WHERE i.id = ?", (result.item_id,))
                    .fetchone()
                )
                batch_id = Labelled(result.batch_id)
                batch_id.item = ItemKey(row[0], row[1], row[2], bool(row[3]), row[4])
                return result._replace(batch_id=batch_id)
            case tuple() if type(result) is tuple:
                return tuple(self._labelled(part) for part in result)
            case list() if result and isinstance(result[0], Intent | SetupIntent):
                return [self._labelled(part) for part in result]
        return result
