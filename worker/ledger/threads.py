"""Lets async code call the ledger's operations: one at a time, and so that no fsync holds up a
sender.

What only reads, and for long, has a thread and a connection of its own, so that it holds up no
verb. A simulation hands in one that calls inline, because a thread would break the order that a
seed repeats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import anyio
import anyio.to_thread

from worker.ledger import views
from worker.ledger.database import open_for_reading
from worker.ledger.handle import Reader
from worker.ledger.store import Ledger
from worker.model.records import Timestamp
from worker.model.replies import Listing

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """Where database work runs."""

    async def call(
        self, verb: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb, as in `call(Ledger.set_me, "…")`; it is run whole even if the caller is
        cancelled meanwhile."""

    async def transact(
        self, verb: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same for a verb that is short and one transaction."""

    async def read(
        self,
        verb: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run what only reads, beside the operations: it sees what was committed when it began. It
        too is run whole."""


class ThreadedDatabase:
    """Runs every verb in a worker thread, one after the other, and what only reads in another."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._path = views.database_path(ledger)
        self._one = anyio.Lock()
        self._one_reader = anyio.CapacityLimiter(1)

    async def call(
        self, verb: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb of the ledger."""
        async with self._one:
            return await anyio.to_thread.run_sync(partial(verb, self._ledger, *args, **kwargs))

    async def transact(
        self, verb: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one short verb; what it waits for, others' locks and the disk, is waited for in the
        thread.

        A thread's statements take the interpreter from the senders and give it back with every row,
        which costs more than the statements themselves (a tenth of a run's processor time)."""
        async with self._one:
            with anyio.CancelScope(shield=True):
                if not self._ledger.try_begin():
                    await anyio.to_thread.run_sync(self._ledger.begin)
                try:
                    result = verb(self._ledger, *args, **kwargs)
                    await anyio.to_thread.run_sync(self._ledger.commit)
                except BaseException:
                    await anyio.to_thread.run_sync(self._ledger.roll_back)
                    raise
            return result

    async def read(
        self,
        verb: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run what only reads. Raises WorkerError where the database's file is gone from its
        place."""
        return await anyio.to_thread.run_sync(
            partial(self._read, verb, *args, **kwargs), limiter=self._one_reader
        )

    def _read(
        self,
        verb: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with closing(open_for_reading(self._path)) as reader, reader.snapshot():
            return verb(reader, *args, **kwargs)


class ListingNotes:
    """Notes listings in the ledger, for those who ask for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, workspace_id: str, moment: Timestamp) -> int:
        """Note a listing that is about to be asked for; its number."""
        return await self._database.call(Ledger.begin_listing, workspace_id, moment)

    async def end(self, number: int, listing: Listing) -> None:
        """Note how it ended."""
        await self._database.call(
            Ledger.end_listing, number, listing.meta_count, listing.shown, listing.problem
        )
