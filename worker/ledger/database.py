"""Opens the ledger's database: pragmas, identity, migrations. No queries about campaigns live
here."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path

from worker import open_files
from worker.ledger.handle import BUSY_TIMEOUT_S, Reader, Writer
from worker.ledger.queries import sql
from worker.model.errors import UsageError, WorkerError
from worker.model.names import render_name

APPLICATION_ID = 0x44757042
"""Marks a SQLite file as ours (`PRAGMA application_id`; "DupB" in ASCII)."""

SANDBOX = "the sandbox"
"""What the database of rehearsals has for its API's address: the port differs each time."""


META_SINCE = 7
"""The schema from which on the table `meta` has that name."""


class DamagedError(sqlite3.DatabaseError):
    """A database whose pages, constraints or indexes do not hold."""


def is_new(path: Path) -> bool:
    """Whether nothing was ever written to the database at `path`."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def belongs_to(path: Path, database: Path) -> bool:
    """Whether the file is the database, by whatever name, or one of those that SQLite and the lock
    keep beside it.

    Nobody may open and close these while a connection is open: that ends the locks which SQLite has
    on them."""
    beside = {
        database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal", ".lock")
    }
    try:
        return path in beside or any(one.exists() and path.samefile(one) for one in beside)
    except OSError:
        return True  # it went away meanwhile, so it is nothing to be read


def migrations() -> Sequence[str]:
    """The SQL scripts that lead from an empty database to the current schema, in order."""
    folder = resources.files("worker.ledger") / "migrations"
    files = sorted(
        (f for f in folder.iterdir() if re.fullmatch(r"\d{3}_\w+\.sql", f.name)),
        key=lambda f: f.name,
    )
    return [file.read_text(encoding="utf-8") for file in files]


def open_for_writing(path: Path, api_url: str | None, *, checked: bool = True) -> Writer:
    """Open the database at `path`, made or migrated as needed, for the API at `api_url` (None:
    whichever it is for).

    The caller holds the lock. `checked`: refuse a damaged one now; whoever plans a job has it
    checked then. Raises UsageError where the file is no database of ours, is newer than this
    program, belongs to another API, or cannot be written."""
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
        # A migration may copy rows, and a copy of damaged rows looks whole.
        if checked or 0 < _version(connection) < len(migrations()):
            refuse_damaged(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        new = _version(connection) < len(migrations())
        migrate(connection, migrations())
        connection.execute("PRAGMA foreign_keys = ON")
        if _remember_name(connection, path) or new:
            # Whatever kills this run, the file itself says from now on what it is, and by which
            # name it is used.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if api_url is not None:
            _bind_to_api(connection, path, api_url)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, (sqlite3.Error, OSError)):
            raise unusable(path, error) from error
        raise
    _prepare(connection)
    return Writer(connection)


def open_for_reading(path: Path, api_url: str | None = None, *, checked: bool = False) -> Reader:
    """Open the database at `path` so that nothing can be changed, also while a run goes on.

    Without `api_url` any API's database will do; `checked` refuses a damaged one. Raises UsageError
    if there is none, or it is not ours, newer or older than this program, or of another API."""
    if is_new(path):
        raise UsageError(
            f"{path}: there is no ledger database here",
            hint="Run the job first, or name the database with --database.",
        )
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        _refuse_foreign(connection, path)
        if _version(connection) < len(migrations()):
            raise UsageError(
                f"{path}: this ledger database was written by an older version of"
                " duplicate-batches",
                hint="The next `run` brings it up to date.",
            )
        if api_url is not None:
            _refuse_other_api(connection, path, api_url)
        if checked:
            refuse_damaged(connection)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise unusable(path, error) from error
        raise
    _prepare(connection)
    return Reader(connection)


def open_empty() -> Reader:
    """An empty ledger in memory: what a job's first `check` compares with."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(connection, migrations())
    _prepare(connection)
    return Reader(connection)


def migrate(connection: sqlite3.Connection, scripts: Sequence[str]) -> None:
    """Run the `scripts` that the database has not seen; they share one transaction with the note
    that they ran."""
    if not (unseen := scripts[_version(connection) :]):
        return
    connection.execute("PRAGMA foreign_keys = OFF")  # a table that others refer to may be made anew
    marks = f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {len(scripts)};"
    try:
        connection.executescript("\n".join(("BEGIN IMMEDIATE;", *unseen, marks, "COMMIT;")))
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def refuse_damaged(connection: sqlite3.Connection) -> None:
    """Raise DatabaseError where a page, a constraint or an index does not hold: a flipped bit in a
    row's identity would make its duplicate again. A million rows take some seconds."""
    problem = connection.execute("PRAGMA main.integrity_check(1)").fetchone()[0]
    if problem != "ok":
        raise DamagedError(f"malformed: {problem}")


def backup(source: Path, target: Path) -> None:
    """Copy the database at `source` to `target`, whole, also while a run goes on.

    Raises UsageError where there is no database, or `target` exists or cannot be written.
    """
    if os.path.lexists(target):
        raise UsageError(
            f"{target}: exists already; a backup never replaces a file", hint="Name another file."
        )
    with closing(open_for_reading(source)) as reader:
        try:
            with closing(sqlite3.connect(target)) as copy:
                reader._connection.backup(copy)
                copy.execute(
                    "DELETE FROM meta WHERE key = 'path'"
                )  # no changes are kept for it anywhere
                copy.commit()
                # A copy in WAL mode would make two more files beside it as soon as it is looked at.
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            with suppress(OSError):
                target.unlink()
            raise UsageError(f"{target}: the backup cannot be written: {error}") from error


def unusable(path: Path, error: Exception) -> WorkerError:
    """`error` as people should read it: what is wrong with the database at `path`, and what to
    do."""
    if open_files.are_spent(error):
        return UsageError(
            f"{path}: too many open files, so the ledger database cannot be opened",
            hint=open_files.HINT,
        )
    code = _code(error)
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return WorkerError(
            f"{path}: the disk is full, so the ledger cannot be written",
            hint="Nothing was sent. Make room; the same command goes on.",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return UsageError(
            f"{path}: this file is no ledger database",
            hint="Nothing was changed. Name another with --database.",
        )
    if code == sqlite3.SQLITE_CORRUPT or isinstance(error, DamagedError):
        return UsageError(
            f"{path}: the ledger database is damaged ({error})",
            hint=(
                "Nothing was sent. Put a backup in its place; the ledger file shows what it has to"
                " know."
            ),
        )
    return UsageError(
        f"{path}: the ledger database cannot be used: {error}",
        hint=(
            "Nothing was sent. The folder must exist or be creatable, and be writable, as must the"
            " file."
        ),
    )


def _code(error: Exception) -> int | None:
    """SQLite's primary result code, where the error has one."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.create_function("render_name", 3, render_name, deterministic=True)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise UsageError where the file is another program's database, or a later version's; a new
    file passes."""
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


def _refuse_other_name(connection: sqlite3.Connection, path: Path) -> None:
    """Raise UsageError if the database's latest changes are kept beside another name of it: by
    which it was used last, or from where it was moved without them. SQLite has them in the file
    NAME-wal until it closes well."""
    if _version(connection) == 0:
        if path.stat().st_nlink > 1:
            raise UsageError(
                f"{path}: this database has another name (a hard link), beside which its first"
                " changes are kept",
                hint="Nothing was sent. Use the other name, by which its first run used it.",
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
            " by which it was used before",
            hint=(
                f"Nothing was sent. Use that name (--database), or move it back to {before}, run"
                " once, and move both."
            ),
        )


def _remember_name(connection: sqlite3.Connection, path: Path) -> bool:
    """Note by which name the database is used from now on; whether that is a new one."""
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
            f"{path}: this ledger database is for {known[0]}, but PROLIFIC_URL says {api_url}",
            hint="Each API needs a database of its own: name it with --database.",
        )
