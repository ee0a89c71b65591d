"""A ledger moves from a file to a server and back: whole, compared, and never usable in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import ledgers
from tests.support.ledgers import claim, connection_of, ending, look_up, opened, record, uuid
from tests.support.postgresql import Server
from worker.ledger import copying, moved
from worker.ledger.copying import move, name_of
from worker.ledger.database import hold, is_new, open_for_reading
from worker.ledger.handle import Reader
from worker.ledger.moved import ARRIVES_FROM, MOVED_TO, fact
from worker.ledger.postgresql.tables import ServerTables
from worker.ledger.sqlite.database import open_empty
from worker.ledger.tables import TABLES, Table
from worker.model.errors import BusyError, UsageError, WorkerError
from worker.model.server_address import DatabaseLocation, ServerAddress

ODD = 'tab\t line\n \\N \\\\ "quoted" Ω ☃ 🐻 \x7f'
EXACT = 1772366400.1234567

RUN_ONLY = {"listed_names", "skipped", "denied"}
"""What a run on a server keeps in tables; SQLite has temporary tables for it."""


@pytest.fixture
def source(engine: str, tmp_path: Path) -> DatabaseLocation:
    """A ledger with something in every table."""
    header = "batch_id,name,copies,x_note"
    with opened(tmp_path, header, f"{uuid(1)},{{source_name}} {{n}},4,{ODD[:4].strip()}") as ledger:
        look_up(ledger)
        first, second, *_ = claim(ledger, 3)
        record(ledger, ending(first, "created"), ending(second, "refused", error=ODD))
        connection = connection_of(ledger)
        for statement, values in (
            ("INSERT INTO listings (run_id, workspace_id, left_at, left_server)"
             " VALUES (1, ?, 'x', ?)",
             ("w", EXACT)),
            ("INSERT INTO listings (run_id, workspace_id, left_at) VALUES (1, ?, 'x')", ("w",)),
            ("INSERT INTO seen VALUES (?, ?, 2)", ("w", "b" + ODD)),
            ("INSERT INTO seen VALUES (?, ?, 2)", ("w", "B")),
            ("INSERT INTO unowned_batches (batch_id, workspace_id, listing, name, details,"
             " loose_details, datasets) VALUES ('u', 'w', 1, ?, 'd', 'l', '[]')", (ODD,)),
            ("INSERT INTO foreign_batches VALUES (?)", ("f",)),
            ("INSERT INTO candidates (item_id, batch_id, place) VALUES (3, ?, 1)", ("u",)),
            ("INSERT INTO differences VALUES (1, ?, 1, 2)", ("instructions",)),
            ("INSERT INTO workspaces VALUES ('w', ?)", (ODD,)),
            ("INSERT INTO rate_changes (run_id, at, rate) VALUES (1, 'x', ?)", (1 / 3,)),
            ("INSERT INTO notifications (run_id, kind, at) VALUES (1, ?, 'x')", ("start",)),
            ("INSERT INTO setups (batch_id, item_id, run_id, started_at) VALUES (?, 1, 1, 'x')",
             ("u",)),
            ("DELETE FROM listings WHERE number = ?", (2,)),
        ):  # fmt: skip
            connection.execute(statement, values)
    return ledgers.place(tmp_path)


@pytest.fixture
def target(engine: str, server: Server, tmp_path: Path) -> DatabaseLocation:
    return server.address() if engine == "sqlite" else tmp_path / "new.db"


def everything(place: DatabaseLocation) -> dict[str, list[tuple[Any, ...]]]:
    with closing(open_for_reading(place)) as reader, reader.snapshot():
        tables = reader.tables()
        return {table.name: list(tables.rows(table)) for table in TABLES}


def facts(place: DatabaseLocation) -> tuple[str | None, str | None]:
    with closing(open_for_reading(place)) as reader:
        return fact(reader, MOVED_TO), fact(reader, ARRIVES_FROM)


def is_usable(place: DatabaseLocation) -> bool:
    try:
        with hold(place, 0) as held, closing(held.open(None)):
            return True
    except UsageError:
        return False


def test_both_engines_have_the_same_tables_and_columns_and_the_list_has_all(
    server: Server, engine: str
) -> None:
    def of(reader: Reader, statement: str) -> dict[str, list[str]]:
        names = {row[0] for row in connection_of(reader).execute(statement)}
        assert names >= {table.name for table in TABLES}
        assert names - {table.name for table in TABLES} <= RUN_ONLY | {"seat"}
        return {table.name: reader.tables().columns(table) for table in TABLES}

    address = server.address()
    with hold(address, 0), closing(open_for_reading(address)) as reader, reader.snapshot():
        there = of(
            reader,
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            f" AND table_schema = '{address.schema}'",
        )
    with closing(open_empty()) as reader:
        here = of(
            reader,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        )
    assert here == there


def test_everything_arrives_and_only_the_new_place_is_used(
    source: DatabaseLocation, target: DatabaseLocation
) -> None:
    before = everything(source)
    assert all(before.values())
    rows = move(source, target, 0)
    assert rows == sum(map(len, before.values()))
    assert everything(target) == before == everything(source)
    assert facts(source) == (name_of(target), None)
    assert facts(target) == (None, None)
    assert not is_usable(source)
    assert is_usable(target)
    with pytest.raises(UsageError, match="was moved to"), hold(source, 0) as held:
        held.open(None)
    with pytest.raises(UsageError, match="was moved to"):
        move(source, target, 0)


def test_on_the_way_back_the_old_state_is_moved_away_first(
    source: DatabaseLocation, target: DatabaseLocation
) -> None:
    move(source, target, 0)
    with pytest.raises(UsageError, match="the old state of a ledger that was moved to") as refused:
        move(target, source, 0)
    assert name_of(target) in refused.value.message
    server = isinstance(source, ServerAddress)
    assert ("RENAME TO" if server else "Move that file away first") in refused.value.hint
    assert is_usable(target)


def test_new_rows_have_higher_numbers_than_any_row_had(
    source: DatabaseLocation, target: DatabaseLocation
) -> None:
    move(source, target, 0)
    with hold(target, 0) as held, closing(held.open(None)) as writer:
        connection_of(writer).execute(
            "INSERT INTO listings (run_id, workspace_id, left_at) VALUES (1, 'w', 'x')"
        )
        found = connection_of(writer).execute("SELECT max(number) FROM listings").fetchone()
        assert found[0] == 3  # 2 was deleted, and `seen` still names it
        connection_of(writer).execute("INSERT INTO rate_changes (run_id, at) VALUES (1, 'later')")


@pytest.mark.sqlite
def test_the_character_0_arrives_as_it_is_shown(
    source: DatabaseLocation, target: DatabaseLocation
) -> None:
    with hold(source, 0) as held, closing(held.open(None)) as writer:
        connection = connection_of(writer)
        for name in ("a\0", "a\0b", "a", "a\x01"):
            connection.execute("INSERT INTO seen VALUES ('w', ?, 1)", (name,))
            connection.execute("INSERT INTO workspaces VALUES (?, ?)", (name, name))
    move(source, target, 0)
    assert everything(target) == everything(source)
    assert ("a␀b", "a␀b") in everything(target)["workspaces"]


def test_what_is_not_empty_is_never_a_target(
    source: DatabaseLocation, target: DatabaseLocation, tmp_path: Path, server: Server
) -> None:
    move(source, target, 0)
    other = server.address()
    with hold(other, 0) as held, closing(held.open(None)) as writer:
        connection_of(writer).execute("INSERT INTO campaigns (name, created_at) VALUES ('a', 'x')")
    before = everything(other)
    with pytest.raises(UsageError, match="there is a ledger here already"):
        move(target, other, 0)
    assert everything(other) == before
    assert is_usable(target)
    foreign = tmp_path / "text.db"
    foreign.write_text("this is no database, but somebody needs it" * 100)
    with pytest.raises(UsageError, match="not a ledger database"):
        move(target, foreign, 0)
    assert foreign.read_text().startswith("this is no")
    with pytest.raises(UsageError, match="this is where the ledger is"):
        move(target, target, 0)


def test_while_one_of_them_is_held_nothing_moves(
    source: DatabaseLocation, target: DatabaseLocation
) -> None:
    for place in (source, target):
        with hold(place, 0), pytest.raises(BusyError):
            move(source, target, 0)
    assert is_usable(source)


def failing(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the move fail in this part: as a bug, a broken disk or a kill would."""
    real = moved.note_fact

    def note(database: Any, key: str, value: str | None) -> None:
        if (key, value is None) == {
            "arriving": (ARRIVES_FROM, False),
            "moved": (MOVED_TO, False),
            "last": (ARRIVES_FROM, True),
        }.get(part):
            raise KeyboardInterrupt
        real(database, key, value)

    monkeypatch.setattr(copying, "note_fact", note)


def test_a_copy_that_fails_leaves_the_original_as_it_was_and_the_target_empty(
    source: DatabaseLocation, target: DatabaseLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(source)
    with monkeypatch.context() as patch:
        failing("arriving", patch)
        with pytest.raises(KeyboardInterrupt):
            move(source, target, 0)
    assert is_usable(source)
    assert everything(source) == before
    if isinstance(target, Path):
        assert is_new(target)
        assert not [*target.parent.glob(f"{target.name}-*")]
    else:
        assert not any(everything(target).values())
    move(source, target, 0)
    assert everything(target) == before


def test_a_copy_that_differs_is_refused(
    source: DatabaseLocation, target: DatabaseLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Iterator[tuple[Any, ...]]] = copying.Digest.counting

    def losing(self: copying.Digest, rows: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
        for row in real(self, rows):
            if row[-1] != ODD:
                yield row

    monkeypatch.setattr(copying.Digest, "counting", losing)
    with pytest.raises(WorkerError, match=r"differs .*: table workspaces has 1 rows"):
        move(source, target, 0)
    assert is_usable(source)
    assert is_new(target) if isinstance(target, Path) else not any(everything(target).values())


@pytest.mark.sqlite
def test_a_connection_that_breaks_while_copying_leaves_everything_as_it_was(
    source: DatabaseLocation,
    target: DatabaseLocation,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = everything(source)
    real = ServerTables.add

    def breaking(self: ServerTables, table: Table, *rest: Any) -> None:
        if table.name == "attempts":
            server.stop("immediate")
            server.start()
        real(self, table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ServerTables, "add", breaking)
        with pytest.raises(UsageError, match="the ledger cannot be used"):
            move(source, target, 0)
    assert is_usable(source)
    assert facts(source) == (None, None)
    assert not any(everything(target).values())
    move(source, target, 30)
    assert everything(target) == before


@pytest.mark.parametrize("part", ["moved", "last"])
def test_an_interrupted_move_is_usable_in_one_place_at_most_and_completed_by_another_try(
    source: DatabaseLocation, target: DatabaseLocation, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(source)
    with monkeypatch.context() as patch:
        failing(part, patch)
        with pytest.raises(KeyboardInterrupt):
            move(source, target, 0)
    assert not is_usable(target)
    assert is_usable(source) == (part == "moved")
    if part == "moved":  # and the original is used meanwhile
        with hold(source, 0) as held, closing(held.open(None)) as writer:
            connection_of(writer).execute("INSERT INTO foreign_batches VALUES ('later')")
        before = everything(source)
    assert move(source, target, 0) == sum(map(len, before.values()))
    assert everything(target) == before
    assert is_usable(target)
    assert not is_usable(source)
