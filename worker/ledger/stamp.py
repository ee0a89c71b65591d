"""How to recognise that a file has not changed: a ledger file since a run wrote it, a job while its
run waited."""

from __future__ import annotations

from pathlib import Path


def stamp(path: Path) -> str | None:
    """A text that identifies the present version of the file at `path`: size, time of change and
    inode. None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
