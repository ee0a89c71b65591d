"""Opens a ledger database that is a SQLite file: pragmas, identity, migrations, backup. Queries
about campaigns do not belong here."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cache
from importlib import resources
from pathlib import Path

from worker import open_files
from worker.ledger.handle import Reader, Writer
from worker.ledger.queries import sql
from worker.ledger.rehearsals import rehearsed
from worker.ledger.sqlite.engine import BUSY_TIMEOUT_S, DamagedError, SqliteEngine
from worker.ledger.sqlite.files import FILES, unwritable, with_owner
from worker.ledger.sqlite.mounts import is_mount_point
from worker.model.errors import NoLedgerError, UsageError, WorkerError
from worker.model.names import render_name
from worker.text import joined

APPLICATION_ID = 0x44757042
"""Marks a SQLite file as a ledger database (`PRAGMA application_id`; "DupB" in ASCII)."""

ADDING_TIMEOUT_S = 2.0
"""Seconds that `open_for_adding` waits for another program's write."""

HEADER = b"SQLite format 3\0"
"""What every SQLite file begins with, unless it is empty."""

META_SINCE = 7
"""The first schema version in which the table `meta` has this name."""


def is_new(path: Path) -> bool:
    """Whether nothing was ever written to the database at `path`."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def belongs_to(path: Path, database: Path) -> bool:
    """Whether the file at `path` is the database under any name, or one of the files that SQLite
    and the lock keep beside it.

    While a connection is open, nobody may open and close these files: closing one releases SQLite's
    locks on it."""
    beside = {
        database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal", ".lock")
    }
    try:
        return path in beside or any(one.exists() and path.samefile(one) for one in beside)
    except OSError:
        return True  # it was removed meanwhile, so nobody can read it


@cache
def migrations() -> tuple[str, ...]:
    """The SQL scripts that lead from an empty database to the current schema, in order."""
    folder = resources.files("worker.ledger.sqlite") / "migrations"
    files = sorted(
        (f for f in folder.iterdir() if re.fullmatch(r"\d{3}_\w+\.sql", f.name)),
        key=lambda f: f.name,
    )
    return tuple(file.read_text(encoding="utf-8") for file in files)


def open_for_writing(path: Path, api_url: str | None, *, checked: bool = True) -> Writer:
    """Open the database at `path` for the API at `api_url` (None: any API). Creates or migrates it
    if necessary.

    The caller holds the lock. With `checked`, a damaged database is refused now; planning a job
    checks it too. Raises UsageError if the file is not a ledger database, is newer than this
    program, belongs to another API, is damaged, is mounted without its folder, or cannot be
    written, and WorkerError if the disk is full."""
    _refuse_mounted_alone(path)
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        _refuse_foreign(connection, path)
        _refuse_other_name(connection, path)
        # A migration may copy rows, and a copy of damaged rows looks intact.
        if checked or 0 < _version(connection) < len(migrations()):
            SqliteEngine(connection).refuse_damaged()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        new = _version(connection) < len(migrations())
        migrate(connection, migrations())
        connection.execute("PRAGMA foreign_keys = ON")
        if _remember_name(connection, path) or new:
            # Even if this run is killed, the file itself says from now on what it is and under
            # which name it is used.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if api_url is not None:
            _bind_to_api(connection, path, api_url)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, (sqlite3.Error, OSError, UnicodeDecodeError)):
            raise unusable(path, error) from error
        raise
    _prepare(connection)
    return Writer(SqliteEngine(connection, path))


def open_for_reading(path: Path, api_url: str | None = None, *, checked: bool = False) -> Reader:
    """Open the database at `path` read-only; a run may be using it.

    Without `api_url` it may belong to any API; `checked` refuses a damaged one. Raises UsageError
    if there is no database, or if it is not a ledger database, is newer or older than this program,
    or belongs to another API."""
    connection = _open_existing(path, "ro", BUSY_TIMEOUT_S, api_url, checked=checked)
    return Reader(SqliteEngine(connection, path))


def open_for_adding(path: Path) -> Writer:
    """Open the database at `path` to add what no run reads. A run may be using it: the lock is not
    needed, and nothing is created or migrated. Raises UsageError as `open_for_reading` does, and
    if the file is mounted without its folder."""
    _refuse_mounted_alone(path)
    return Writer(SqliteEngine(_open_existing(path, "rw", ADDING_TIMEOUT_S), path))


def _open_existing(
    path: Path, mode: str, timeout_s: float, api_url: str | None = None, *, checked: bool = False
) -> sqlite3.Connection:
    if is_new(path):
        raise NoLedgerError(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        _refuse_foreign(connection, path)
        if _version(connection) < len(migrations()):
            raise UsageError(
                f"{path}: this ledger database was written by an older version of"
                " duplicate-batches",
                hint="The next `run` updates it.",
            )
        if api_url is not None:
            _refuse_other_api(connection, path, api_url)
        if checked:
            SqliteEngine(connection).refuse_damaged()
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
            raise unusable(path, error) from error
        raise
    _prepare(connection)
    return connection


def open_empty() -> Reader:
    """An empty ledger in memory. The first `check` of a job compares the job with it."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(connection, migrations())
    _prepare(connection)
    return Reader(SqliteEngine(connection))


def migrate(connection: sqlite3.Connection, scripts: Sequence[str]) -> None:
    """Run those of the `scripts` that the database has not run yet, and set its new version, in one
    transaction."""
    if not (unseen := scripts[_version(connection) :]):
        return
    # A script may create a table again that others refer to.
    connection.execute("PRAGMA foreign_keys = OFF")
    marks = f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {len(scripts)};"
    try:
        connection.executescript("\n".join(("BEGIN IMMEDIATE;", *unseen, marks, "COMMIT;")))
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def backup(source: Path, target: Path) -> None:
    """Copy the whole database at `source` to `target`; a run may be using it.

    Raises UsageError if there is no database, or if `target` exists or cannot be written.
    """
    if os.path.lexists(target):
        raise UsageError(
            f"{target}: already exists; a backup never replaces a file", hint="Name another file."
        )
    with closing(_open_existing(source, "ro", BUSY_TIMEOUT_S)) as connection:
        try:
            with closing(sqlite3.connect(target)) as copy:
                connection.backup(copy)
                # The copy has no changes in a file beside another name.
                copy.execute("DELETE FROM meta WHERE key = 'path'")
                copy.commit()
                # In WAL mode, SQLite would create two files beside the copy when it is first read.
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            with suppress(OSError):
                target.unlink()
            raise UsageError(f"{target}: the backup cannot be written: {error}") from error


def unusable(path: Path, error: Exception) -> WorkerError:
    """The error to show to users for `error`: what is wrong with the database at `path`, and what
    to do next."""
    if open_files.are_spent(error):
        return UsageError(
            f"{path}: too many open files, so the ledger database cannot be opened",
            hint=open_files.HINT,
        )
    code = _code(error)
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return WorkerError(
            f"{path}: the disk is full, so the ledger cannot be written",
            hint="Nothing was sent. Free some disk space, then run the same command again.",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return _no_database(path, "file")
    # SQLite's message about a damaged schema quotes it, which may be no text any more.
    if code == sqlite3.SQLITE_CORRUPT or isinstance(error, (DamagedError, UnicodeDecodeError)):
        return UsageError(
            f"{path}: the ledger database is damaged ({error})",
            hint=(
                "Nothing was sent. Replace it with a backup; compare that with the ledger file,"
                " which shows what the database must contain."
            ),
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) and (closed := _closed(path)):
        return UsageError(
            f"{path}: the ledger database cannot be used ({error}), because this user cannot write"
            f" {joined([with_owner(one) for one in closed])}",
            hint=(
                "Nothing was sent. Give this user write access, for example with chmod or chown."
                " Delete no file: the latest changes are in the one that ends in -wal."
            ),
        )
    return UsageError(
        f"{path}: the ledger database cannot be used: {error}",
        hint=(
            "Nothing was sent. The file and its folder must be writable; a missing folder is"
            " created if possible."
        ),
    )


def refuse_other_file(path: Path) -> None:
    """Raise UsageError if there is a folder, or a file that is not a SQLite database. Call it
    before anything is created beside the file, and while this process has no connection to it: on
    POSIX systems, closing the file drops the locks that SQLite has on it."""
    with suppress(OSError):  # whatever else is wrong is reported when the file is opened
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _no_database(path, "folder")
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                begins = file.read(len(HEADER))
            if begins and begins != HEADER:
                raise _no_database(path, "file")


def _no_database(path: Path, found: str) -> UsageError:
    return UsageError(
        f"{path}: this {found} is not a ledger database",
        hint="Nothing was changed. Name another with --database.",
    )


def _closed(path: Path) -> list[Path]:
    """The files of the database, and its folder, that exist and that this user cannot write."""
    folder = Path(os.path.realpath(path)).parent
    closed = folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK)
    return [*unwritable(path, FILES), *([folder] if closed else [])]


def _code(error: Exception) -> int | None:
    """SQLite's primary result code; None if the error has none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.create_function("render_name", 3, render_name, deterministic=True)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise UsageError if the file is another program's database, or from a newer version of this
    one. An empty file passes."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise UsageError(
            f"{path}: this is another program's database",
            hint="Nothing was changed. Name another with --database.",
        )
    if (version := _version(connection)) > len(migrations()):
        raise UsageError(
            f"{path}: this ledger database (schema {version}) was written by a newer version of"
            " duplicate-batches",
            hint=(
                "Nothing was changed. Update the program, or name another database with --database."
            ),
        )


def _refuse_mounted_alone(path: Path) -> None:
    """Raise UsageError if the file is mounted into a container without its folder. SQLite keeps the
    latest changes in a file beside it, which is lost with the container."""
    if is_mount_point(path):
        raise UsageError(
            f"{path}: this database is mounted without its folder, so its latest changes would be"
            " lost with the container",
            hint="Nothing was sent. Mount its folder instead of the file.",
        )


def _refuse_other_name(connection: sqlite3.Connection, path: Path) -> None:
    """Raise UsageError if the database's latest changes are in a file beside another name: the name
    that the last run used, or the place from which the database was moved without that file. SQLite
    keeps them in NAME-wal until the database is closed properly."""
    if _version(connection) == 0:
        if path.stat().st_nlink > 1:
            raise UsageError(
                f"{path}: this database has another name (a hard link), and its first changes are"
                " in a file beside that name",
                hint="Nothing was sent. Use the other name, as its first run did.",
            )
        return
    statement = "path" if _version(connection) >= META_SINCE else "path_of_old"
    known = connection.execute(sql(statement)).fetchone()
    if known is None or known[0] == os.path.realpath(path):
        return
    before, changes = Path(known[0]), Path(f"{known[0]}-wal")
    try:
        kept = changes.stat().st_size > 0 and (not before.exists() or before.samefile(path))
    except OSError:
        return
    if kept:
        raise UsageError(
            f"{path}: the latest changes of this ledger database are in {changes}, beside the name"
            " that it had before",
            hint=(
                f"Nothing was sent. Use that name (--database), or move the database back to"
                f" {before}, run once, then move both."
            ),
        )


def _remember_name(connection: sqlite3.Connection, path: Path) -> bool:
    """Store the name under which the database is used from now on. Returns whether it changed."""
    name, known = os.path.realpath(path), connection.execute(sql("path")).fetchone()
    if known is not None and known[0] == name:
        return False
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('path', ?)", (name,))
    return True


def _bind_to_api(connection: sqlite3.Connection, path: Path, api_url: str) -> None:
    connection.execute("INSERT INTO meta VALUES ('api_url', ?) ON CONFLICT DO NOTHING", (api_url,))
    _refuse_other_api(connection, path, api_url)


def _refuse_other_api(connection: sqlite3.Connection, path: Path, api_url: str) -> None:
    known = connection.execute(sql("api_url")).fetchone()
    if known is not None and known[0] != api_url:
        raise UsageError(
            f"{path}: this ledger database is for {known[0]}, but the API of this command is"
            f" {api_url}",
            hint=rehearsed(
                known[0],
                "Move this database away, and the ledger files that its runs wrote: a ledger file"
                " does not name its API, and must not be restored for another one.",
            )
            or "Each API needs a database of its own. Set PROLIFIC_URL as before, or name another"
            " database with --database.",
        )
