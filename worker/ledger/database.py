"""Opens the ledger's database, whichever engine has it: a SQLite file or a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from worker.ledger.handle import Reader, Writer
from worker.ledger.moved import refuse_moved
from worker.ledger.sqlite import database as sqlite
from worker.ledger.sqlite import lock
from worker.ledger.store import Ledger
from worker.ledger.threads import Database, ThreadedDatabase
from worker.model.errors import UsageError, WorkerError
from worker.model.events import Emit
from worker.model.server_address import DatabaseLocation, ServerAddress


class Held(Protocol):
    """A ledger database that this process holds: no other run can change it."""

    def accept_server(self) -> None:
        """Record that a person says that nothing is missing."""

    @property
    def is_new(self) -> bool:
        """Whether there is no database yet: `open` would create it."""

    def open(self, api_url: str | None, *, checked: bool = True) -> Writer:
        """Open the database for the API at `api_url` (None: any API). Creates or migrates it if
        necessary. With `checked`, a damaged one is refused now; planning a job checks it too.

        Raises UsageError if it is not a ledger database, is newer than this program, belongs to
        another API, is damaged, or cannot be written, and WorkerError if the disk is full."""

    def database(
        self, ledger: Ledger, keep_trying: Callable[[float], bool], emit: Emit
    ) -> Database:
        """Where async code runs the operations of `ledger`. While the connection to a server is
        broken, `keep_trying` gets the seconds since then and says whether to try further. `emit`
        receives the events of the connection, from any thread."""


class _HeldFile:
    """A SQLite file whose lock is held."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def is_new(self) -> bool:
        """Whether there is no file yet."""
        return sqlite.is_new(self._path)

    def accept_server(self) -> None:
        """A file loses nothing that was committed."""

    def open(self, api_url: str | None, *, checked: bool = True) -> Writer:
        """Open the file (see `Held`)."""
        return sqlite.open_for_writing(self._path, api_url, checked=checked)

    def database(
        self, ledger: Ledger, keep_trying: Callable[[float], bool], emit: Emit
    ) -> Database:
        """The operations in a thread (see `Held`)."""
        return ThreadedDatabase(ledger)


class _NotMoved:
    """A held ledger that is only opened if it was not moved to another database."""

    def __init__(self, held: Held) -> None:
        self._held = held

    @property
    def is_new(self) -> bool:
        """Whether there is no database yet (see `Held`)."""
        return self._held.is_new

    def accept_server(self) -> None:
        """Record that nothing is missing (see `Held`)."""
        self._held.accept_server()

    def open(self, api_url: str | None, *, checked: bool = True) -> Writer:
        """Open the database (see `Held`). Raises UsageError also if it was moved."""
        opened = self._held.open(api_url, checked=checked)
        try:
            refuse_moved(opened)
        except BaseException:
            opened.close()
            raise
        return opened

    def database(
        self, ledger: Ledger, keep_trying: Callable[[float], bool], emit: Emit
    ) -> Database:
        """Where its operations run (see `Held`)."""
        return self._held.database(ledger, keep_trying, emit)


@contextmanager
def hold(place: DatabaseLocation, wait_s: float) -> Iterator[Held]:
    """Hold the database within the block. Waits up to `wait_s` seconds for the run that holds it.

    Raises BusyError, which names the other run, if the wait is not enough, and UsageError if the
    database cannot be locked or reached."""
    with hold_even_moved(place, wait_s) as held:
        yield _NotMoved(held)


@contextmanager
def hold_even_moved(place: DatabaseLocation, wait_s: float) -> Iterator[Held]:
    """Hold the database as `hold` does; it is opened even if it was moved."""
    if isinstance(place, ServerAddress):
        _refuse_without_driver(place)
        from worker.ledger.postgresql.hold import hold_server  # noqa: PLC0415 - an optional extra

        with hold_server(place, wait_s) as held:
            yield held
        return
    with lock.hold(place, wait_s):
        yield _HeldFile(place)


def belongs_to(path: Path, place: DatabaseLocation) -> bool:
    """Whether the file at `path` is the database under any name, or one of the files beside it."""
    return not isinstance(place, ServerAddress) and sqlite.belongs_to(path, place)


def is_new(place: DatabaseLocation) -> bool:
    """Whether nothing was ever written to the database."""
    if isinstance(place, ServerAddress):
        _refuse_without_driver(place)
        from worker.ledger.postgresql import database as server  # noqa: PLC0415 - an optional extra

        return server.is_new(place)
    return sqlite.is_new(place)


def open_for_reading(
    place: DatabaseLocation, api_url: str | None = None, *, checked: bool = False
) -> Reader:
    """Open the database read-only; a run may be using it.

    Without `api_url` it may belong to any API; `checked` refuses a damaged one. Raises UsageError
    if there is no database, or if it is not a ledger database, is newer or older than this program,
    or belongs to another API."""
    if isinstance(place, ServerAddress):
        _refuse_without_driver(place)
        from worker.ledger.postgresql import database as server  # noqa: PLC0415 - an optional extra

        return server.open_for_reading(place, api_url)
    return sqlite.open_for_reading(place, api_url, checked=checked)


def open_for_adding(place: DatabaseLocation) -> Writer:
    """Open the database to add what no run reads. A run may be using it: the lock is not needed,
    and nothing is created or migrated. Raises UsageError as `open_for_reading` does."""
    if isinstance(place, ServerAddress):
        _refuse_without_driver(place)
        from worker.ledger.postgresql import database as server  # noqa: PLC0415 - an optional extra

        return server.open_for_adding(place)
    return sqlite.open_for_adding(place)


def unusable(place: DatabaseLocation, error: Exception) -> WorkerError:
    """The error to show to users for `error`: what is wrong with the database, and what to do
    next."""
    if isinstance(place, ServerAddress):
        _refuse_without_driver(place)
        from worker.ledger.postgresql import database as server  # noqa: PLC0415 - an optional extra

        return server.unusable(place, error)
    return sqlite.unusable(place, error)


def _refuse_without_driver(place: ServerAddress) -> None:
    """Raise UsageError if the extra for PostgreSQL is not installed, or does not work."""
    try:
        import psycopg  # noqa: F401, PLC0415 - an optional extra
    except ImportError as error:
        raise UsageError(
            f"{place}: a ledger on PostgreSQL needs the package psycopg, which cannot be loaded:"
            f" {' '.join(str(error).split())}",
            hint="Install it where this program is: pip install 'duplicate-batches[postgresql]'",
        ) from error
