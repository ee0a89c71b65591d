"""One run at a time: a lock on the database that dies with its process, whatever kills that.

Two locks are held. The one beside the database works on every system and also before there is a
database. The one on the file itself holds by whatever name the file is reached, and if the other
one is deleted."""

from __future__ import annotations

import errno
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import filelock

from worker.ledger.database import open_for_reading
from worker.model.errors import BusyError, UsageError, WorkerError

POLL_S = 0.2
"""Seconds between two tries to get a lock."""

_OFFSET = 2**62
"""The byte of the database that is locked: far beyond those that SQLite locks (from 2**30 on)."""


@contextmanager
def hold(database: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock of `database`, after waiting up to `wait_s` seconds for the run that has it.

    Raises BusyError that names the other run, UsageError if the folder cannot be written. A
    database that does not exist is created empty, and removed at the end if it is still empty."""
    database = database.resolve()  # one lock for one file, whichever link leads to it
    lock_file = database.with_name(database.name + ".lock")
    deadline = time.monotonic() + wait_s
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        # A lock that is only a file would outlive a killed process, so there is no falling back to
        # one.
        lock = filelock.FileLock(lock_file, fallback_to_soft=False, poll_interval=POLL_S)
        lock.acquire(timeout=wait_s)
    except filelock.Timeout:
        raise _busy(database) from None
    except OSError as error:
        raise UsageError(
            f"{lock_file}: cannot be locked: {error.strerror or error}",
            hint=(
                "Nothing was sent. The database's folder must be writable; name another with"
                " --database."
            ),
        ) from error
    try:
        with _hold_file(database, deadline):
            yield
    finally:
        lock.release()


@contextmanager
def _hold_file(database: Path, deadline: float) -> Iterator[None]:
    """Hold the database's file itself, by whatever name others invocation it (Linux; elsewhere one
    with several names is refused)."""
    if sys.platform != "linux":
        if database.exists() and database.stat().st_nlink > 1:
            raise UsageError(
                f"{database}: this file has another name (a hard link), so a run by that name would"
                " not be noticed",
                hint=(
                    "Nothing was sent. Remove the other name, or use a copy: duplicate-batches"
                    " ledger --backup FILE."
                ),
            )
        yield
        return
    handle, created = _open_locked(database, deadline)
    try:
        yield
    finally:
        with suppress(OSError):
            if created and os.fstat(handle).st_size == 0 and _is_at(handle, database):
                database.unlink()
        os.close(handle)


def _open_locked(database: Path, deadline: float) -> tuple[int, bool]:
    """The open and locked file at `database`, and whether it was created for that. Closing it lets
    go of all locks that SQLite has on it, so it stays open to the end."""
    created = False
    while True:
        try:
            try:
                handle = os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                created = True
            except FileExistsError:
                handle = os.open(database, os.O_RDWR)
        except OSError as error:
            raise UsageError(
                f"{database}: the ledger database cannot be opened: {error.strerror}",
                hint="Nothing was sent. The file must be writable; name another with --database.",
            ) from error
        try:
            while not _locked(handle):
                if time.monotonic() >= deadline:
                    raise _busy(database)
                time.sleep(POLL_S)
            if _is_at(handle, database):
                return handle, created
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # another file lies there since it was opened
        created = False


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _locked(handle: int) -> bool:
    """Whether the open file is locked now, for as long as it is open; False if somebody else has
    it."""
    import fcntl  # noqa: PLC0415 - Windows has none

    # One that belongs to the open file: SQLite's own locks belong to the process and would end this
    # one.
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _OFFSET, 1, 0)
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, lock)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        if error.errno in (
            errno.EINVAL,
            errno.ENOLCK,
            errno.ENOSYS,
            errno.EOPNOTSUPP,
            errno.EOVERFLOW,
        ):
            return True  # a file system without such locks: the lock beside the database has to do
        raise
    return True


def _busy(database: Path) -> BusyError:
    return BusyError(
        f"another run holds {database}: {_holder(database)}",
        hint="Wait for it to end, or give --wait SECONDS.",
    )


def _holder(database: Path) -> str:
    """Process, host and start of the run that holds the database, as far as they can be known."""
    try:
        with closing(open_for_reading(_name_in_use(database))) as reader:
            row = reader.ask("holder").fetchone()
    except WorkerError:
        row = None
    if row is None:
        return "it started a moment ago"
    return f"process {row['pid']} on {row['host']}, since {row['started_at']}"


def _name_in_use(database: Path) -> Path:
    """The name by which runs use this database: by another one SQLite does not see their latest
    changes."""
    with closing(open_for_reading(database)) as reader:
        used = reader.ask("path").fetchone()
    name = Path(used[0]) if used else database
    try:
        return name if name.samefile(database) else database
    except OSError:
        return database
