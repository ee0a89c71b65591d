"""Holds a shared ledger for a command: reaches its server, and takes the seat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.ledger.engine import ConnectionLostError, ServerError
from worker.ledger.handle import Writer
from worker.ledger.postgresql import database
from worker.ledger.postgresql.session import Session
from worker.ledger.postgresql.threads import ServerDatabase
from worker.ledger.store import Ledger
from worker.model.errors import UsageError
from worker.model.events import Emit
from worker.model.server_address import ServerAddress

REACHED_WITHIN_S = 10.0
"""Seconds in which the server must be reached at the start, if --wait is shorter."""


class _HeldServer:
    """A shared ledger whose seat is held."""

    def __init__(self, session: Session) -> None:
        self.session = session

    is_new = False
    """Taking the seat creates the tables."""

    def open(self, api_url: str | None, *, checked: bool = True) -> Writer:
        """Open the ledger for the API at `api_url` (see `worker.ledger.database.Held`)."""
        engine, address = self.session.engine, self.session.address
        try:
            if api_url is not None and not database.refuse_other_api(engine, address, api_url):
                engine.execute("bind_to_api", {"api_url": api_url})
        except ServerError as error:
            raise database.unusable(address, error) from error
        return SeatedWriter(self.session)

    def accept_server(self) -> None:
        """Record that nothing is missing (see `worker.ledger.database.Held`)."""
        try:
            self.session.accept_server()
        except ServerError as error:
            raise database.unusable(self.session.address, error) from error

    def database(
        self, ledger: Ledger, keep_trying: Callable[[float], bool], emit: Emit
    ) -> ServerDatabase:
        """The operations in a thread (see `worker.ledger.database.Held`)."""
        self.session.emit = emit
        return ServerDatabase(ledger, self.session, keep_trying)


class SeatedWriter(Writer):
    """A ledger on the session of a seat. Closing it leaves the session open: a command may open the
    ledger several times."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.engine)
        self.session = session

    def close(self) -> None:
        """Nothing to close."""


@contextmanager
def hold_server(address: ServerAddress, wait_s: float) -> Iterator[_HeldServer]:
    """Hold the seat of the ledger at `address` within the block. Waits up to `wait_s` seconds for
    the run that has it.

    Raises BusyError, which names that run, and UsageError if the server cannot be reached in time
    or refuses."""
    session = _seated(address, wait_s)
    try:
        yield _HeldServer(session)
    finally:
        session.end()


def _seated(address: ServerAddress, wait_s: float) -> Session:
    """A session that has the seat. The server may be away, or go away, while we wait."""
    began = time.monotonic()
    reached_by = began + max(wait_s, REACHED_WITHIN_S)
    while True:
        session: Session | None = None
        try:
            session = Session(address)
            session.acquire_seat_blocking(max(0.0, began + wait_s - time.monotonic()))
            return session
        except (ServerError, UsageError) as error:
            if session is not None:
                session.end()
            away = isinstance(error, ConnectionLostError | database.AwayError)
            if not away or time.monotonic() >= reached_by:
                if isinstance(error, UsageError):
                    raise
                raise database.unusable(address, error) from error
        except BaseException:
            if session is not None:
                session.end()
            raise
        time.sleep(0.5)
