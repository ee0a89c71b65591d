"""One run at a time: a lock on the database that ends with its process, however the process ends.

There are two locks. The lock file beside the database works on every system, and before the
database exists. The lock on the database file itself works under every name of the file, and even
if the lock file is deleted."""

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

from worker.ledger.sqlite.database import open_for_reading, refuse_other_file
from worker.model.errors import BusyError, UsageError, WorkerError
from worker.model.process import is_alive

POLL_S = 0.2
"""Seconds between two tries to get a lock."""

_OFFSET = 2**62
"""The byte of the database file that is locked: far beyond those that SQLite locks (at 2**30)."""


@contextmanager
def hold(database: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock of `database` within the block. Waits up to `wait_s` seconds for the run that
    holds it.

    Raises BusyError, which names the other run, if the wait is not enough, and UsageError if the
    folder or the file cannot be written, or the file is not a SQLite database. If the database does
    not exist, an empty file is created, and removed at the end if it is still empty."""
    refuse_other_file(database)
    database = database.resolve()  # one lock for one file, even if it is reached through links
    lock_file = database.with_name(database.name + ".lock")
    deadline = time.monotonic() + wait_s
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        # No soft lock: a lock that is only a file would remain after its process was killed.
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
    """Hold the lock on the database file itself, which works under every name of the file. Only
    Linux has such locks; other systems refuse a file with several names."""
    if sys.platform != "linux":
        if database.exists() and database.stat().st_nlink > 1:
            raise UsageError(
                f"{database}: this file has another name (a hard link), so a run under that name"
                " would not be noticed",
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
    """Open and lock the file at `database`, waiting until `deadline` (monotonic seconds). Returns
    its handle, and whether the file was created.

    The handle stays open to the end: closing it would release all of SQLite's locks on the file."""
    created = False
    while True:
        try:
            try:
                # The umask decides who may write it. SQLite gives its files beside it the same
                # mode, so that a group can share them.
                handle = os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
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
        os.close(handle)  # the file was replaced after it was opened
        created = False


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _locked(handle: int) -> bool:
    """Lock the open file until it is closed. Returns False if another process has locked it."""
    import fcntl  # noqa: PLC0415 - Windows does not have it

    # An "open file description" lock, which belongs to the open file. A lock that belongs to the
    # process would end as soon as SQLite closes the file.
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
            return True  # the file system has no such locks: the lock file has to be enough
        raise
    return True


def _busy(database: Path) -> BusyError:
    return BusyError(_holder(database), hint="Wait for it to end, or give --wait SECONDS.")


def _holder(database: Path) -> str:
    """Who holds the database: process, host and start of a run that has recorded them. A run has
    not recorded them yet while it opens the database, and other commands never do."""
    try:
        with closing(open_for_reading(_name_in_use(database))) as reader:
            row = reader.execute("holder").fetchone()
    except WorkerError:
        row = None
    if row is None or is_alive(row["host"], row["pid"]) is False:
        return f"another command holds {database}; its process is not recorded"
    run = f"process {row['pid']} on {row['host']}, since {row['started_at']}"
    return f"another run holds {database}: {run}"


def _name_in_use(database: Path) -> Path:
    """The name under which runs use this database. Under another name SQLite does not see their
    latest changes."""
    with closing(open_for_reading(database)) as reader:
        used = reader.execute("path").fetchone()
    name = Path(used[0]) if used else database
    try:
        return name if name.samefile(database) else database
    except OSError:
        return database
