"""Which files of a ledger database this user cannot write, and whose they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

FILES = ("", "-wal", "-shm")
"""The endings of the database and of the files in which SQLite keeps its changes. Whoever reads the
database may create the last two, and owns them then."""


def unwritable(database: Path, endings: Sequence[str]) -> list[Path]:
    """Those files of the database that exist and that this user cannot write."""
    place = os.path.realpath(database)
    files = (Path(f"{place}{ending}") for ending in endings)
    return [file for file in files if os.access(file, os.F_OK) and not os.access(file, os.W_OK)]


def with_owner(path: Path) -> str:
    """The path, and who owns it, for a message."""
    try:
        number = path.stat().st_uid
        owner = path.owner()
    except KeyError:  # the user has no name here, as in a container
        owner = f"user {number}"
    except (OSError, NotImplementedError):  # it is gone, or the system is Windows
        return str(path)
    return f"{path} (owner: {owner})"
