"""Calls the ledger's operations from async code: one at a time, and without a sender ever waiting
for an fsync.

Long reads have their own thread and connection, so that no operation waits for them. A simulation
uses a `Database` that calls directly, because threads would break the order that a seed repeats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import anyio
import anyio.to_thread

from worker.ledger.handle import Reader
from worker.ledger.sqlite.database import open_for_reading
from worker.ledger.store import Ledger
from worker.model.records import Timestamp
from worker.model.replies import Listing

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """Where database work runs."""

    async def call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation, as in `call(Ledger.set_me, "…")`. It is completed even if the caller
        is cancelled meanwhile."""

    async def transact(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation that is short and a single transaction."""

    async def query(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation that only reads, as `call` does. A server need not commit anything."""

    async def read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an operation that only reads, in parallel with the others. It sees what was committed
        when it began, and is completed even if the caller is cancelled meanwhile."""


class ThreadedDatabase:
    """Runs operations in a worker thread, one after another, and reads in a second thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._path = Path(ledger.place)
        self._one = anyio.Lock()
        self._one_reader = anyio.CapacityLimiter(1)

    async def call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation of the ledger."""
        async with self._one:
            return await anyio.to_thread.run_sync(partial(operation, self._ledger, *args, **kwargs))

    query = call

    async def transact(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one short operation here; only the waiting, for other programs' locks and for the
        disk, is done in the thread.

        In a thread, statements would take the interpreter from the senders and give it back at each
        row. That costs more than the statements themselves: a tenth of a run's processor time."""
        async with self._one:
            with anyio.CancelScope(shield=True):
                if not self._ledger.try_begin():
                    await anyio.to_thread.run_sync(self._ledger.begin)
                try:
                    result = operation(self._ledger, *args, **kwargs)
                    await anyio.to_thread.run_sync(self._ledger.commit)
                except BaseException:
                    await anyio.to_thread.run_sync(self._ledger.roll_back)
                    raise
            return result

    async def read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an operation that only reads. Raises WorkerError if the database file no longer
        exists."""
        return await anyio.to_thread.run_sync(
            partial(self._read, operation, *args, **kwargs), limiter=self._one_reader
        )

    def _read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with closing(open_for_reading(self._path)) as reader, reader.snapshot():
            return operation(reader, *args, **kwargs)


class ListingNotes:
    """Records listings in the ledger, for the reader of the API that requests them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, workspace_id: str, moment: Timestamp) -> int:
        """Record that a listing is about to be requested. Returns its number."""
        return await self._database.call(Ledger.begin_listing, workspace_id, moment)

    async def end(self, number: int, listing: Listing) -> None:
        """Record how listing `number` ended."""
        await self._database.call(
            Ledger.end_listing, number, listing.meta_count, listing.shown, listing.problem
        )
