"""Finds other ledger databases near a job or a database, and what their campaigns share with a
plan. They are only read, whichever version wrote them. Those that cannot be read are skipped."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path

from worker.folders import changed_at
from worker.ledger.database import belongs_to
from worker.ledger.handle import Reader
from worker.ledger.overlap import Overlap, shared_with
from worker.ledger.sqlite.database import APPLICATION_ID, HEADER, META_SINCE
from worker.ledger.sqlite.engine import SqliteEngine
from worker.model.server_address import DatabaseLocation

MAX_FILES = 1000
"""The maximum number of files that are examined in one folder."""

MAX_COMPARED = 10
"""How many databases nearby are compared with the plan row by row: those that changed last. Of the
others, which are mostly nightly backups, only campaigns of the run's name are looked at."""

DATABASE_ENDINGS = (".db", ".sqlite", ".sqlite3")
"""The usual name endings of databases."""

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""The errors of a database that cannot be read. SQLite's message about a damaged schema quotes it,
which may be no text any more."""

OTHER_ENDINGS = (
    "-wal",
    "-shm",
    "-journal",
    ".lock",
    ".csv",
    ".tsv",
    ".xlsx",
    ".html",
    ".yaml",
    ".yml",
    ".toml",
    ".log",
)
"""Name endings of files that are never opened to see whether they are databases."""


def ledgers_in(folder: Path, own: DatabaseLocation, *, any_name: bool) -> list[Path]:
    """The ledger databases in this folder, recognised by their first bytes, except the run's own
    (`own`). Without `any_name`, only files with a usual ending of databases are opened.

    The run's own database must not be opened and closed here under any name: closing it would
    release SQLite's locks on it."""
    try:
        names = sorted(one.name for one in islice(os.scandir(folder), MAX_FILES))
    except OSError:
        return []
    candidates = (
        name
        for name in names
        if name.endswith(DATABASE_ENDINGS) or (any_name and not name.endswith(OTHER_ENDINGS))
    )
    files = (folder / name for name in candidates)
    return [path for path in files if not belongs_to(path, own) and _is_ledger(path)]


def shared_nearby(
    files: Sequence[Path], plan: Path, campaign: str, api_url: str, beside: Sequence[Path]
) -> list[Overlap]:
    """Like `shared_with`, for the campaigns in other databases (`files`) of the same API. `plan` is
    the plan file; `beside` are the folders that count as the job's."""
    found: list[Overlap] = []
    compared = set(sorted(files, key=changed_at, reverse=True)[:MAX_COMPARED])
    for file in files:
        with peek(file) as reader:
            if reader is None:
                continue
            try:
                if _api_url(reader) != api_url:
                    continue
                if file not in compared and not _has_campaign(reader, campaign):
                    continue
                with reader.attached(plan):
                    overlaps = shared_with(reader, campaign).campaigns
            except UNREADABLE:  # damaged, or locked for long: it cannot be read
                continue
        is_beside = file.parent in beside
        found += [one._replace(database=file, beside_job=is_beside) for one in overlaps]
    return found


def latest_backup(database: Path, api_url: str) -> Path | None:
    """The newest other ledger database of the same API in the folders where docs/nightly.md puts
    backups: the database's, the one above, and `backups` there. None if there is none. A database
    of rehearsals belongs to another API, so it is not a backup."""
    above = database.parent.parent
    copies = [
        copy
        for folder in (database.parent, above, above / "backups")
        for copy in ledgers_in(folder, database, any_name=folder != above)
    ]
    for copy in sorted(copies, key=changed_at, reverse=True):
        with peek(copy) as reader, suppress(*UNREADABLE):
            if reader is not None and _api_url(reader) == api_url:
                return copy
    return None


def _api_url(reader: Reader) -> str | None:
    """The API of a ledger database, whichever version wrote it; None if it is not one, or has no
    run yet. Raises sqlite3.Error if it cannot be read."""
    if reader.execute("application").fetchone()[0] != APPLICATION_ID:
        return None
    new = reader.execute("version").fetchone()[0] >= META_SINCE
    known = reader.execute("api_url" if new else "api_url_of_old").fetchone()
    return None if known is None else str(known[0])


def _has_campaign(reader: Reader, campaign: str) -> bool:
    """Whether the database has a campaign of this name."""
    return reader.execute("campaign_id", name=campaign).fetchone() is not None


def _is_ledger(path: Path) -> bool:
    """Whether the file begins like a ledger database (SQLite's header has the application id)."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    # If an earlier version's first run was killed, all of its changes are in the file beside it.
    ours = (APPLICATION_ID.to_bytes(4, "big"), bytes(4) if _has_wal(path) else b"")
    return head.startswith(HEADER) and head[68:72] in ours


def _has_wal(path: Path) -> bool:
    """Whether SQLite keeps changes in a file beside the database: while it is in use, and after a
    crash."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


@contextmanager
def peek(path: Path) -> Iterator[Reader | None]:
    """A read-only connection to the file, whichever version wrote it; None if it cannot be
    opened."""
    # With mode=ro SQLite may create files beside the database, which only a writer would remove.
    # Without changes beside it they are not needed.
    mode = "mode=ro" if _has_wal(path) else "immutable=1"
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=5.0, isolation_level=None
        )
    except sqlite3.Error:
        yield None
        return
    with closing(Reader(SqliteEngine(connection, path))) as reader:
        yield reader
