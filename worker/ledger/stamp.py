"""How the database recognises a ledger file that is as a run left it."""

from __future__ import annotations

from pathlib import Path


def stamp(path: Path) -> str | None:
    """What tells this ledger file from any other that is or was at `path`; None where there is
    none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
