"""What only the engine on PostgreSQL does: many rows in one statement, several statements in one
round trip."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ledgers
from tests.support.engines import server as postgresql
from tests.support.ledgers import TIMESTAMP, WORKSPACE, look_up, opened, plan, run_start, source
from tests.support.postgresql import Server
from worker.ledger.database import hold
from worker.ledger.engine import ServerError
from worker.ledger.handle import Writer
from worker.ledger.postgresql.statements import sql, statements
from worker.ledger.store import Ledger
from worker.model.server_address import ServerAddress

__all__ = ["postgresql"]

ATTEMPT = ("2026-03-01T02:00:00Z", None, 1.5, 0, None, "a name")


@pytest.fixture
def address(postgresql: Server) -> ServerAddress:
    return postgresql.address()


@pytest.fixture
def ledger(address: ServerAddress) -> Iterator[Writer]:
    with hold(address, 0) as held:
        yield held.open("https://api.example.org")


def attempts(ledger: Writer) -> int:
    return int(ledger.execute("last_numbers").fetchone()["attempt"])


def test_a_statement_that_fails_after_others_were_sent_with_it_undoes_all_of_them(
    ledger: Writer,
) -> None:
    with pytest.raises(ServerError, match="foreign key"), ledger.transaction():
        ledger.execute_many("add_attempt", [(1, 1, 1, *ATTEMPT)])
        ledger.execute_many("mark_sent", [(1, "a name", 1)])
    assert attempts(ledger) == 0
    with pytest.raises(ServerError, match="foreign key"), ledger.transaction():
        ledger.execute_many("add_attempt", [(1, 1, 1, *ATTEMPT)])
        attempts(ledger)  # the error comes with the next result
    with ledger.transaction():
        assert attempts(ledger) == 0, "the next transaction works"


def test_what_was_not_sent_is_undone_too(ledger: Writer) -> None:
    class LateError(Exception):
        """Something else went wrong."""

    with pytest.raises(LateError), ledger.transaction():
        ledger.execute_many("add_attempt", [(1, 1, 1, *ATTEMPT)])
        raise LateError
    with ledger.transaction():
        assert attempts(ledger) == 0


def test_changes_count_what_waits_to_be_sent(ledger: Writer) -> None:
    before = ledger.changes
    with ledger.transaction():
        ledger.execute_many("mark_sent", [(1, "a name", 1)])
        assert ledger.changes - before == 1, "the sign of life, and no such duplicate"


def exchanges(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every exchange with the server from now on."""
    asked: list[str] = []
    engine: Any = ledger._engine
    execute = engine._execute

    def counting(statement: str, values: Any) -> Any:
        asked.append(statement)
        return execute(statement, values)

    monkeypatch.setattr(engine, "_execute", counting)
    return asked


def test_more_sources_need_no_more_round_trips(
    address: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "place", lambda _folder: address)
    sources = [source(number) for number in range(1, 101)]
    with opened(tmp_path, "batch_id", *(one.id for one in sources)) as ledger:
        ledger.queue_sources()
        number = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        asked = exchanges(ledger, monkeypatch)
        assert ledger.add_listed(number, WORKSPACE, [*sources, sources[0]]) == 100
        assert len(asked) < 10


def test_the_plan_of_a_new_campaign_is_not_copied_twice(
    address: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "place", lambda _folder: address)
    with opened(tmp_path) as ledger:
        asked = exchanges(ledger, monkeypatch)
        rows = ("batch_id,x_owner", *(f"{source(number).id},me" for number in range(1, 4)))
        plan(ledger, tmp_path, *rows)
        assert not any("staged" in one for one in asked)
        plan(ledger, tmp_path, *rows[:3])
        assert any("staged" in one for one in asked)


def test_what_is_told_is_undone_if_it_fails(ledger: Writer) -> None:
    run = Ledger(ledger, run_start())
    with pytest.raises(ServerError, match="runs_campaign_id_fkey"), ledger.transaction():
        ledger.execute_later("add_campaign", name="another", now="2026-03-01T02:00:00Z")
        ledger.execute_later("forget_campaign", campaign=run.campaign)
    assert ledger.execute("campaign_id", name="another").fetchone() is None


def test_owners_are_looked_up_one_by_one_before_the_table_is_analyzed_again(
    address: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each group commit would read all batches that the run has created."""
    monkeypatch.setattr(ledgers, "place", lambda _folder: address)
    with opened(tmp_path, "batch_id,copies", f"{source().id},1000") as ledger:
        look_up(ledger)  # the table is analyzed while no item has a batch
        engine: Any = ledger._engine
        raw = engine.connection.raw
        raw.execute("UPDATE items SET status = 'created', new_batch_id = 'batch ' || id")
        batches = json.dumps([f"batch {number}" for number in (3, 1, 10_000)])
        assert sorted(row["id"] for row in ledger.execute("owners", batches=batches)) == [1, 3]
        shown = raw.execute(f"EXPLAIN {sql('owners')}".encode(), {"batches": batches}).fetchall()
        assert any("Index Cond: (new_batch_id = ANY" in row[0] for row in shown), shown


def assigned(statement: str) -> set[str]:
    """The columns that an UPDATE, or an INSERT with its ON CONFLICT, sets or fills."""
    into = re.findall(r"INSERT INTO \w+ \(([^)]*)\)", statement)
    sets = re.findall(r"\bSET\b(.*?)(?:\bFROM json|\bWHERE\b|$)", statement, re.S)
    without_nested = [re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", one)) for one in sets]
    return {name.strip() for one in into for name in one.split(",")} | {
        name for one in without_nested for name in re.findall(r"(?:^|,)\s*(\w+) =", one)
    }


@pytest.mark.parametrize("name", [name for name in statements() if f"many_{name}" in statements()])
def test_the_form_for_many_rows_sets_the_same_columns(name: str) -> None:
    assert assigned(sql(f"many_{name}")) == assigned(sql(name)) != set()
