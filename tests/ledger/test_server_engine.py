"""What only the engine on PostgreSQL does: many rows in one statement, several statements in one
round trip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engines import server as postgresql
from tests.support.postgresql import Server
from worker.ledger.database import hold
from worker.ledger.engine import ServerError
from worker.ledger.handle import Writer
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
    return int(ledger.ask("max_attempt").fetchone()[0])


def test_a_statement_that_fails_after_others_were_sent_with_it_undoes_all_of_them(
    ledger: Writer,
) -> None:
    with pytest.raises(ServerError, match="foreign key"), ledger.transaction():
        ledger.many("add_attempt", [(1, 1, 1, *ATTEMPT)])
        ledger.many("mark_sent", [(1, "a name", 1)])
    assert attempts(ledger) == 0
    with pytest.raises(ServerError, match="foreign key"), ledger.transaction():
        ledger.many("add_attempt", [(1, 1, 1, *ATTEMPT)])
        attempts(ledger)  # the error comes with the next result
    with ledger.transaction():
        assert attempts(ledger) == 0, "the next transaction works"


def test_what_was_not_sent_is_undone_too(ledger: Writer) -> None:
    class LateError(Exception):
        """Something else went wrong."""

    with pytest.raises(LateError), ledger.transaction():
        ledger.many("add_attempt", [(1, 1, 1, *ATTEMPT)])
        raise LateError
    with ledger.transaction():
        assert attempts(ledger) == 0


def test_changes_count_what_waits_to_be_sent(ledger: Writer) -> None:
    before = ledger.changes
    with ledger.transaction():
        ledger.many("mark_sent", [(1, "a name", 1)])
        assert ledger.changes - before == 1, "the sign of life, and no such duplicate"
