"""Reads of a shared ledger: only a server that is away is tried again."""

from __future__ import annotations

import pytest

from tests.support.ledgers import API, run_start
from tests.support.postgresql import Server
from worker.ledger.database import hold
from worker.ledger.handle import Reader
from worker.ledger.store import Ledger
from worker.model.errors import UsageError


async def test_what_a_read_refuses_is_no_server_that_is_away(server: Server) -> None:
    """A ledger file that cannot be written must not end a run as if the server were away."""
    asked: list[float] = []
    tries: list[int] = []

    def keep_trying(away_s: float) -> bool:
        asked.append(away_s)
        return False

    def operation(_reader: Reader) -> None:
        tries.append(1)
        raise UsageError("the file cannot be written")

    with hold(server.address(), 0) as held:
        database = held.database(Ledger(held.open(API), run_start()), keep_trying, print)
        with pytest.raises(UsageError, match="cannot be written"):
            await database.read(operation)
    assert (len(tries), asked) == (1, [])
