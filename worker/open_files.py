"""The limit on this process's open files, and how many concurrent requests fit into it.

macOS allows 256 by default, a container sometimes 64. A connection is an open file, too."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import sys
from typing import NamedTuple

from worker.model.errors import UsageError

KEPT = 24
"""Open files that a run needs besides its connections. Measured: at most 13 (five for two database
connections, one for the ledger file, two for a workbook's rows, one for the log file, three for the
event loop, one for the sandbox's listener). The other 11 are spare, for DNS lookups, certificates
and SQLite's temporary files."""

PER_REQUEST = 1
PER_SANDBOX_REQUEST = 2
"""Open files for each request in flight: one end of its connection, or both ends if the sandbox
runs in this process."""

HINT = "Nothing was sent. Raise the limit with ulimit -n 1024; then run the same command again."

_SPENT = (errno.EMFILE, errno.ENFILE)


class Fit(NamedTuple):
    """`limit`: the number of open files to request from the system (None: leave it unchanged);
    `at_once`: how many requests then fit (0: none); `allowed`: how many open files are then
    allowed."""

    limit: int | None
    at_once: int
    allowed: int


def fit(wanted: int, each: int, taken: int, soft: int, hard: int) -> Fit:
    """Calculate the limit for `wanted` concurrent requests of `each` open files, if `taken` files
    are already open and the system allows `soft` of them now and `hard` at most. Pure."""
    needed = taken + KEPT + wanted * each
    allowed = max(soft, min(hard, needed))
    at_once = max(0, min(wanted, (allowed - taken - KEPT) // each))
    return Fit(allowed if allowed > soft else None, at_once, allowed)


def make_room(wanted: int, each: int) -> tuple[int, str | None]:
    """Raise this process's limit as far as `wanted` concurrent requests need it and the system
    allows it.

    Returns how many requests fit, and a message for the user if they are fewer than wanted. Raises
    UsageError if none fits."""
    if sys.platform == "win32":
        return wanted, None
    import resource  # noqa: PLC0415 - Windows has none

    def known(limit: int) -> int:
        return 2**31 - 1 if limit == resource.RLIM_INFINITY else limit

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = _open_now()
    found = fit(wanted, each, taken, known(soft), known(hard))
    if found.limit is not None:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (found.limit, hard))
        except (OSError, ValueError):  # macOS has a second limit that it does not report here
            found = fit(wanted, each, taken, known(soft), known(soft))
    if not found.at_once:
        raise UsageError(
            f"only {found.allowed} open files are allowed, but a run needs {taken + KEPT + each}",
            hint=HINT,
        )
    if found.at_once == wanted:
        return wanted, None
    return found.at_once, (
        f"only {found.allowed} open files are allowed, so at most {found.at_once} requests run at"
        " once; raise the limit with ulimit -n 1024"
    )


def are_spent(error: BaseException) -> bool:
    """Whether `error` means that no more files can be opened. SQLite does not report why it cannot
    open a file, so for its errors this checks whether a file can be opened now."""
    if isinstance(error, OSError):
        return error.errno in _SPENT
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_CANTOPEN and not _can_open()


def _can_open() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _SPENT
    return True


def _open_now() -> int:
    """How many files are open, including those that the parent process left open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder)) - 1  # noqa: PTH208 - one of them is the list itself
    return 3
