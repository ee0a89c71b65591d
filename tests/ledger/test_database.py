"""Opening, migrating, refusing and copying real database files."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.ledger.old_databases import OLD_ROWS, TEXTS_UNTIL, old_database
from tests.support.ledgers import (
    API,
    claim,
    connection_of,
    items,
    look_up,
    opened,
)
from worker.ledger.queries import sql, statements
from worker.ledger.rows import ledger_rows
from worker.ledger.sqlite import database
from worker.ledger.sqlite.database import (
    backup,
    migrate,
    migrations,
    open_empty,
    open_for_reading,
    open_for_writing,
    unusable,
)
from worker.ledger.sqlite.engine import DamagedError
from worker.model.errors import UsageError, WorkerError
from worker.model.reasons import Reason
from worker.model.records import RunKind

BEFORE_COPYING = 5
"""The last schema before one whose migration copies rows; what writes to the ledger today can write
to it too."""

SECOND = "ALTER TABLE campaigns ADD COLUMN note TEXT;\nCREATE TABLE more (a INTEGER) STRICT;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ledger.db"


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def make(path: Path) -> None:
    open_for_writing(path, API).close()


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return [
        tuple(row)
        for row in connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 2"
        )
    ]


def test_a_fresh_database_is_marked_durable_and_bound_to_its_api(path: Path) -> None:
    with closing(connection_of(open_for_writing(path, API))) as connection:
        assert pragma(connection, "application_id") == database.APPLICATION_ID
        assert pragma(connection, "user_version") == len(migrations())
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2
        assert pragma(connection, "foreign_keys") == 1
        assert [tuple(row) for row in connection.execute("SELECT * FROM meta")] == [
            ("api_url", API),
            ("path", str(path.resolve())),
        ]
        assert not connection.in_transaction


def test_migrations_run_once(path: Path) -> None:
    make(path)
    with raw(path) as connection:
        connection.execute("INSERT INTO campaigns (name, created_at) VALUES ('kept', '')")
        before = schema(connection)
    make(path)

    with raw(path) as connection:
        assert schema(connection) == before
        assert connection.execute("SELECT name FROM campaigns").fetchall() == [("kept",)]


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    make(path)

    open_for_reading(path).close()


def plant(monkeypatch: pytest.MonkeyPatch, scripts: Sequence[str]) -> None:
    monkeypatch.setattr(database, "migrations", lambda: scripts)


def test_a_migration_that_fails_midway_leaves_the_old_version_and_runs_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path)
    with raw(path) as connection:
        before = schema(connection)
    first = [*migrations()]
    for broken in (f"{SECOND}\nINSERT INTO nowhere VALUES (1);", f"{SECOND}\nthis is no SQL;"):
        plant(monkeypatch, [*first, broken])
        with pytest.raises(UsageError, match="cannot be used"):
            open_for_writing(path, API)
        with raw(path) as connection:
            assert pragma(connection, "user_version") == len(first)
            assert schema(connection) == before

    plant(monkeypatch, [*first, SECOND])
    with closing(connection_of(open_for_writing(path, API))) as connection:
        assert pragma(connection, "user_version") == len(first) + 1
        connection.execute("SELECT note FROM campaigns")


def test_a_migrated_database_is_like_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "old.db")
    plant(monkeypatch, [*migrations(), SECOND])
    make(tmp_path / "old.db")
    make(tmp_path / "new.db")

    with (
        raw(tmp_path / "old.db") as old,
        raw(tmp_path / "new.db") as new,
        closing(connection_of(open_empty())) as empty,
    ):
        assert schema(old) == schema(new) == schema(empty)


@pytest.mark.parametrize("version", range(1, len(migrations())))
def test_an_old_database_keeps_its_rows_and_is_like_a_fresh_one(path: Path, version: int) -> None:
    old_database(path, version)
    make(path)

    with raw(path) as connection, closing(connection_of(open_empty())) as empty:
        assert schema(connection) == schema(empty)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        found = connection.execute(
            "SELECT id, status, error, reason, candidates, name, attempts FROM items ORDER BY id"
        )
        assert found.fetchall() == [
            (number, row.status, row.now, row.reason, row.candidates, f"Wave {number}", 1)
            for number, row in enumerate(OLD_ROWS, start=1)
        ]
        assert connection.execute("SELECT count(*), max(latency_s) FROM attempts").fetchone() == (
            len(OLD_ROWS),
            0.5,
        )
        assert connection.execute("SELECT cells FROM extras").fetchall() == [('{"x_a": "a"}',)]


@pytest.mark.parametrize("version", range(1, len(migrations())))
def test_candidates_that_stood_in_a_text_become_rows(path: Path, version: int) -> None:
    old_database(path, version)
    make(path)

    with raw(path) as connection:
        found = connection.execute(
            "SELECT item_id, batch_id FROM candidates ORDER BY item_id, place"
        )
        assert found.fetchall() == [
            (number, batch) for number, row in enumerate(OLD_ROWS, start=1) for batch in row.named
        ]
    with closing(open_for_reading(path)) as reader:
        errors = [row["error"] for row in ledger_rows(reader, 1, "spring")]
        assert errors == [row.error for row in OLD_ROWS], "people read what they read before"


@pytest.mark.parametrize(
    ("version", "kinds"),
    [
        (1, ["run", "settle", "settle"]),  # what it restored is not known then
        (3, ["run", "restore", "settle"]),
        (6, ["run", "restore", "settle"]),
        (7, ["run", "restore", "settle"]),
    ],
)
def test_what_kind_an_old_run_was_is_decided_once(
    path: Path, version: int, kinds: list[str]
) -> None:
    old_database(path, version)
    make(path)

    with raw(path) as connection:
        found = connection.execute("SELECT kind FROM runs ORDER BY id").fetchall()
        assert [row[0] for row in found] == kinds


@pytest.mark.parametrize("version", range(1, len(migrations())))
def test_an_old_run_keeps_all_that_it_told(path: Path, version: int) -> None:
    columns = (
        "id, run_id, campaign_id, job, ledger, host, pid, started_at, ended_at, stopped_by,"
        " exit_code, me, timeout_s, settle_after_s, created, requests, throttled"
    )
    columns += ", ceiling, date" if version >= 3 else ""
    stamp = "ledger_stamp" if version > TEXTS_UNTIL else "written" if version >= 5 else "NULL"
    old_database(path, version)
    with raw(path) as connection:
        connection.execute(
            "UPDATE runs SET ended_at = 'e', stopped_by = 's', exit_code = 1, me = 'me',"
            " created = 2, requests = 3, throttled = 4 WHERE id = 2"
        )
        if stamp != "NULL":
            connection.execute(f"UPDATE runs SET {stamp} = 'as it is' WHERE id = 2")
        before = connection.execute(f"SELECT {columns}, {stamp} FROM runs ORDER BY id").fetchall()
    make(path)

    with raw(path) as connection:
        after = connection.execute(f"SELECT {columns}, ledger_stamp FROM runs ORDER BY id")
        assert after.fetchall() == before


@pytest.mark.parametrize("kind", [None, "", "sandbox"])
def test_a_run_has_one_of_three_kinds(path: Path, kind: str | None) -> None:
    old_database(path, len(migrations()))
    with raw(path) as connection:
        for one in RunKind:
            connection.execute("UPDATE runs SET kind = ?", (one,))
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE runs SET kind = ?", (kind,))


def test_every_reason_that_a_statement_writes_is_of_the_one_list() -> None:
    written = set(re.findall(r"\breason = '(\w+)'", "\n".join(statements().values())))
    assert len(written) == 4
    assert written <= set(Reason)


@pytest.mark.parametrize("version", range(1, len(migrations()) + 1))
def test_a_database_of_any_version_whose_changes_lie_beside_another_name_is_refused(
    path: Path, version: int
) -> None:
    old_database(path, version)
    before = path.with_name("before.db")
    table = "facts" if version < database.META_SINCE else "meta"
    with raw(path) as connection:
        connection.execute(f"INSERT INTO {table} VALUES ('path', ?)", (str(before),))
        connection.commit()
    before.with_name("before.db-wal").write_bytes(b"changes")

    with pytest.raises(UsageError, match="latest changes of this ledger database"):
        open_for_writing(path, API)


def test_tables_that_others_refer_to_are_created_anew_whatever_sqlite_was_built_with(
    path: Path,
) -> None:
    old_database(path, BEFORE_COPYING)
    with raw(path) as connection:
        connection.execute("PRAGMA foreign_keys = ON")  # the default of some builds
        migrate(connection, migrations())
        assert connection.execute("SELECT count(*) FROM items").fetchone()[0] == len(OLD_ROWS)


def test_an_old_database_is_searched_for_damage_before_its_rows_are_copied(path: Path) -> None:
    old_database(path, BEFORE_COPYING)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Wave 1", b"Wave 9", 1))
    before = path.read_bytes()

    with pytest.raises(UsageError, match="damaged"):
        open_for_writing(path, API, checked=False)
    assert path.read_bytes() == before != content


def test_no_statement_has_having_without_groups() -> None:
    """SQLite before 3.39 refuses that: in a migration no database could be opened. STRICT tables
    need 3.37 alone."""
    for text in (*migrations(), *statements().values()):
        assert text.count("HAVING") <= text.count("GROUP BY"), text


def test_what_each_request_writes_fills_no_table_of_its_own(path: Path) -> None:
    with closing(connection_of(open_for_writing(path, API))) as connection:
        for name in ("add_attempt", "mark_sent", "end_attempt", "end_item"):
            parameters = len(set(re.findall(r"\?\d+", sql(name))))
            program = connection.execute(f"EXPLAIN {sql(name)}", [None] * parameters)
            assert "OpenEphemeral" not in {row["opcode"] for row in program}, name


def test_migrating_twice_in_one_connection_changes_nothing() -> None:
    with closing(connection_of(open_empty())) as connection:
        before = schema(connection)
        migrate(connection, migrations())
        assert schema(connection) == before


def test_an_older_database_is_not_read_until_a_run_has_migrated_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path)
    plant(monkeypatch, [*migrations(), SECOND])

    with pytest.raises(UsageError, match="older version"):
        open_for_reading(path)


def refused(path: Path, message: str) -> None:
    """Both ways of opening refuse the file with this message and leave it as it is."""
    before = path.read_bytes()
    with pytest.raises(UsageError, match=message):
        open_for_writing(path, API)
    with pytest.raises(UsageError, match=message):
        open_for_reading(path)
    assert path.read_bytes() == before


def test_a_newer_database_is_refused(path: Path) -> None:
    make(path)
    with raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")

    refused(path, r"\(schema 99\) was written by a newer version")


@pytest.mark.parametrize("mark", ["CREATE TABLE theirs (a)", "PRAGMA application_id = 7"])
def test_another_programs_database_is_refused(mark: str, tmp_path: Path) -> None:
    with raw(tmp_path / "theirs.db") as connection:
        connection.execute(mark)

    refused(tmp_path / "theirs.db", "another program's database")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("line,name\n" * 1000)

    refused(text, "not a ledger database")


@pytest.mark.parametrize("writes", [True, False])
def test_a_damaged_schema_that_is_no_text_any_more_is_reported_as_damaged(
    path: Path, writes: bool
) -> None:
    """SQLite's message quotes it, and cannot be read then."""
    open_for_writing(path, "x").close()
    with path.open("r+b") as file:
        data = file.read()
        file.seek(data.index(b"CREATE TABLE campaigns"))
        file.write(b"CREATE\xa0TABLE campaigns")
    with pytest.raises(UsageError, match="damaged"):
        (open_for_writing(path, "x") if writes else open_for_reading(path)).close()


def test_a_damaged_database_is_reported_as_damaged(path: Path) -> None:
    make(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    with pytest.raises(UsageError, match="damaged"):
        open_for_writing(path, API)


def test_the_database_of_a_rehearsal_says_what_to_do_before_real_runs(path: Path) -> None:
    open_for_writing(path, "http://127.0.0.1:8765").close()
    with pytest.raises(UsageError) as caught:
        open_for_writing(path, "https://api.example.org")
    assert "is for http://127.0.0.1:8765, but the API" in caught.value.message
    assert caught.value.hint.startswith("This looks like a rehearsal: nothing in it is real. Move")
    assert "and the ledger files that its runs wrote" in caught.value.hint


def test_a_database_of_another_api_is_refused(path: Path) -> None:
    make(path)
    other = "http://127.0.0.1:8000"

    with pytest.raises(UsageError, match=f"is for {API}, but the API of this command is {other}"):
        open_for_writing(path, other)
    with pytest.raises(UsageError, match="is for"):
        open_for_reading(path, other)
    open_for_reading(path, API).close()
    open_for_reading(path).close()


def test_a_database_that_is_not_there_is_not_created_by_reading(path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger database here"):
        open_for_reading(path)
    assert not path.parent.exists()


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="cannot be used"):
        open_for_writing(tmp_path / "file" / "ledger.db", API)


def test_reading_changes_nothing_even_in_a_path_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "a %20?#é b.db"
    make(path)
    before = path.read_bytes()
    with closing(connection_of(open_for_reading(path))) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone()[0] == 0
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")

    assert path.read_bytes() == before


def test_reading_continues_while_a_run_writes(path: Path) -> None:
    with closing(connection_of(open_for_writing(path, API))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO meta VALUES ('a', 'b')")
        with closing(connection_of(open_for_reading(path))) as reader:
            assert reader.execute("SELECT count(*) FROM meta").fetchone()[0] == 2
            writer.execute("COMMIT")
            assert reader.execute("SELECT count(*) FROM meta").fetchone()[0] == 3


def test_a_backup_during_a_write_is_whole_and_of_before(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with opened(tmp_path, "batch_id,copies", "0192a3b4-5678-7abc-8def-000000000001,50") as ledger:
        look_up(ledger)
        claim(ledger, 10)
        connection_of(ledger).execute("BEGIN IMMEDIATE")
        connection_of(ledger).execute("UPDATE items SET status = 'unknown'")
        backup(tmp_path / "ledger.db", target)
        connection_of(ledger).execute("ROLLBACK")

    with closing(connection_of(open_for_reading(target, API))) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert [status for (status,) in items(copy, "status")] == ["sent"] * 10 + ["pending"] * 40
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("copy")) == ["copy.db"]


def test_a_backup_never_replaces_a_file(path: Path, tmp_path: Path) -> None:
    make(path)
    target = tmp_path / "there.txt"
    target.write_text("mine")

    with pytest.raises(UsageError, match="already exists"):
        backup(path, target)
    assert target.read_text() == "mine"


def test_a_backup_that_cannot_be_written_is_reported(path: Path, tmp_path: Path) -> None:
    make(path)

    with pytest.raises(UsageError, match="cannot be written"):
        backup(path, tmp_path / "nowhere" / "copy.db")


def test_a_new_database_says_what_it_is_before_it_is_closed(path: Path) -> None:
    """A first run may be killed at any time, and its ledger must be found from other folders."""
    with closing(open_for_writing(path, API)):
        copy = path.with_name("as-after-a-crash.db")
        copy.write_bytes(path.read_bytes())
        assert copy.read_bytes()[68:72] == database.APPLICATION_ID.to_bytes(4, "big")
        with raw(copy) as connection:
            assert ("path", str(path.resolve())) in connection.execute(
                "SELECT * FROM meta"
            ).fetchall()


def test_a_backup_does_not_claim_the_name_of_what_it_is_a_copy_of(
    path: Path, tmp_path: Path
) -> None:
    make(path)
    backup(path, tmp_path / "copy.db")
    with raw(tmp_path / "copy.db") as connection:
        assert not connection.execute("SELECT * FROM meta WHERE key = 'path'").fetchall()


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full", WorkerError),
        (sqlite3.SQLITE_NOTADB, "is not a ledger database", UsageError),
        (sqlite3.SQLITE_CORRUPT, "is damaged", UsageError),
        (sqlite3.SQLITE_CORRUPT_INDEX, "is damaged", UsageError),
        (sqlite3.SQLITE_CANTOPEN, "cannot be used", UsageError),
        (sqlite3.SQLITE_READONLY, "cannot be used", UsageError),
        (sqlite3.SQLITE_BUSY, "cannot be used", UsageError),
        (None, "cannot be used", UsageError),
    ],
)
@pytest.mark.parametrize(
    "words", ["disk is full", "malformed", "file is not a database", "unable to open", "e\u00e9"]
)
def test_an_error_of_sqlite_is_known_by_its_code_whatever_its_text(
    code: int | None, message: str, kind: type[WorkerError], words: str
) -> None:
    error = sqlite3.OperationalError(words)
    if code is not None:
        error.sqlite_errorcode = code
    found = unusable(Path("ledger.db"), error)
    assert message in str(found)
    assert type(found) is kind


def test_what_the_check_for_damage_finds_is_reported_as_damage() -> None:
    assert "is damaged" in str(unusable(Path("ledger.db"), DamagedError("malformed: row 1")))
