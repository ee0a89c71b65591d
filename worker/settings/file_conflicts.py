"""Checks that no file is used twice: as ledger, database, log file, job, config or token file."""

from __future__ import annotations

import os
from pathlib import Path

from worker.model.errors import UsageError
from worker.model.server_address import ServerAddress
from worker.settings.settings import Settings

_DATABASE_ENDS = ("-wal", "-shm", "-journal", ".lock")


def refuse_file_conflicts(settings: Settings, job: Path | None) -> None:
    """Raise `UsageError` if a file that the command writes is also another file that it writes or
    reads."""
    of_database = f"one that belongs to {settings.origin('database')}"
    database = None if isinstance(settings.database, ServerAddress) else settings.database
    seen = {}
    if database is not None:
        seen = {
            file_id(database.with_name(database.name + end)): of_database for end in _DATABASE_ENDS
        }
    read = {
        "the job file": job,
        "the config file": settings.config_file,
        "the token file": settings.token_file,
    }
    written = {
        "database": database,
        "ledger": Path(settings.ledger_template),
        "log_file": settings.log_file,
        "metrics_file": settings.metrics_file,
    }
    named = read | {settings.origin(key): path for key, path in written.items()}
    for label, path in named.items():
        if path is None:
            continue
        name = file_id(path)
        if name in seen and label not in read:
            raise UsageError(f"{label}: is the same file as {seen[name]}")
        seen.setdefault(name, label)


def file_id(path: Path) -> tuple[int, int] | str:
    """An id that all paths of one file share: its device and inode, or, if it does not exist yet,
    its path without links."""
    try:
        found = path.stat()
        return found.st_dev, found.st_ino
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(path))
