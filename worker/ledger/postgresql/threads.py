"""Calls the operations of a shared ledger from async code: each is one transaction in a worker
thread, and survives a connection that breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from worker.ledger.engine import ConnectionLostError
from worker.ledger.handle import Reader
from worker.ledger.postgresql.database import open_for_reading
from worker.ledger.postgresql.session import Session
from worker.ledger.store import Ledger
from worker.model.errors import UsageError

READ_AGAIN_S = 1.0
"""Seconds before a read whose connection broke is tried again."""

P = ParamSpec("P")
T = TypeVar("T")


class ServerDatabase:
    """Runs operations in a worker thread, one after another, and reads in a second thread with a
    connection of its own. While the connection is broken, `keep_trying` gets the seconds since then
    and says whether to try further."""

    def __init__(
        self, ledger: Ledger, session: Session, keep_trying: Callable[[float], bool]
    ) -> None:
        self._ledger = ledger
        self._session = session
        self._keep_trying = keep_trying
        self._one = anyio.Lock()
        self._one_reader = anyio.CapacityLimiter(1)

    async def call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation as one transaction. Raises ServerError."""
        work = partial(operation, self._ledger, *args, **kwargs)
        async with self._one:
            return await anyio.to_thread.run_sync(
                self._session.transact_blocking, self._ledger, work, self._keep_trying
            )

    transact = call

    async def query(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one operation that only reads, outside a transaction. Raises ServerError."""
        work = partial(operation, self._ledger, *args, **kwargs)
        async with self._one:
            return await anyio.to_thread.run_sync(
                self._session.read_blocking, work, self._keep_trying
            )

    async def read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an operation that only reads; again from its beginning, if the connection breaks.
        Raises ServerError if the server cannot be reached for too long."""
        return await anyio.to_thread.run_sync(
            partial(self._read, operation, *args, **kwargs), limiter=self._one_reader
        )

    def _read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        began: float | None = None
        while True:
            try:
                with closing(self._reader()) as reader, reader.snapshot():
                    return operation(reader, *args, **kwargs)
            except ConnectionLostError as error:
                began = time.monotonic() if began is None else began
                if not self._keep_trying(time.monotonic() - began):
                    raise ConnectionLostError(str(error)) from error
            time.sleep(READ_AGAIN_S)

    def _reader(self) -> Reader:
        try:
            return open_for_reading(self._session.address)
        except UsageError as error:  # a run is using it, so the server must be away
            raise ConnectionLostError(error.message) from error
