"""One run at a time: a lock beside the database that dies with its process, whatever kills that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import filelock

from worker.errors import BusyError, UsageError, WorkerError
from worker.ledger.database import open_for_reading
from worker.ledger.queries import sql


@contextmanager
def hold(database: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock of `database`, after waiting up to `wait_s` seconds for the run that has it.

    Raises BusyError that names the other run, UsageError where the folder cannot be written.
    """
    database = database.resolve()  # one lock for one file, whichever link leads to it
    lock_file = database.with_name(database.name + ".lock")
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        # A lock that is only a file would outlive a killed process, so there is no falling back to one.
        lock = filelock.FileLock(lock_file, fallback_to_soft=False, poll_interval=0.2)
        lock.acquire(timeout=wait_s)
    except filelock.Timeout:
        raise BusyError(
            f"another run holds {database}: {_holder(database)}",
            hint="Wait for it to end, or give --wait SECONDS.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{lock_file}: cannot be locked: {error.strerror or error}",
            hint="Nothing was sent. The database's folder must be writable; name another with --database.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _holder(database: Path) -> str:
    """Process, host and start of the run that holds the database, as far as they can be known."""
    try:
        with closing(open_for_reading(database)) as connection:
            row = connection.execute(sql("holder")).fetchone()
    except WorkerError:
        row = None
    if row is None:
        return "it has only just started"
    return f"process {row['pid']} on {row['host']}, since {row['started_at']}"
