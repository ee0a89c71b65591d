"""Looks at the server of a shared ledger, for `doctor`: facts, without a verdict. Nothing is
changed."""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import NamedTuple

from worker.ledger.engine import ServerError
from worker.ledger.postgresql import database, lineage
from worker.ledger.postgresql.connection import TimedConnection
from worker.ledger.postgresql.engine import ServerEngine
from worker.ledger.postgresql.rights import Rights, rights_of
from worker.ledger.seat import Holder
from worker.ledger.seat_statements import LedgerLock, read_seat
from worker.model.errors import UsageError
from worker.model.server_address import ServerAddress

ROUND_TRIPS = 5
"""How many round trips the latency is the median of."""


class ServerFacts(NamedTuple):
    """What was found.

    version        the server's, as people write it
    schema         the version of the ledger's schema; 0: there is none yet
    newest         the version of the schema that this program works with
    unsafe         why the server does not keep what it confirms (see `lineage.unsafe`)
    pooled         whether transactions of one connection run in several sessions of the server
    latency_s      the median time of a round trip
    ahead_s        seconds that the server's clock is ahead of this machine's
    holder, held   who has or had the seat last, and whether its session still has it
    """

    version: str
    schema: int
    newest: int
    rights: Rights
    unsafe: tuple[tuple[str, str], ...]
    pooled: bool
    latency_s: float
    ahead_s: float
    holder: Holder | None
    held: bool


def inspect(address: ServerAddress) -> ServerFacts:
    """Look at the server. Raises UsageError if it cannot be reached or used, and ServerError."""
    with (
        closing(database.opened(address)) as connection,
        closing(database.opened(address)) as other,
    ):
        # The first statement of a kind takes longer.
        latency_s, ahead_s = _timed(connection)
        engine = ServerEngine(connection, address)
        pooled = _is_pooled(connection, other)
        schema = database.version(connection, address)
        durability = lineage.durability(engine)
        holder, held = _holder(engine, address) if schema else (None, False)
        return ServerFacts(
            version=engine.execute("server_version", {}).fetchone()[0],
            schema=schema,
            newest=database.newest(),
            rights=rights_of(engine, address),
            unsafe=tuple(lineage.unsafe(durability)),
            pooled=pooled,
            latency_s=latency_s,
            ahead_s=ahead_s,
            holder=holder,
            held=held,
        )


def _holder(engine: ServerEngine, address: ServerAddress) -> tuple[Holder | None, bool]:
    """Who has or had the seat last (None: nobody ever had it), and whether the lock is held."""
    number = engine.execute("ledger_number", {"schema": address.schema}).fetchone()[0]
    lock = LedgerLock(engine, {"space": database.SPACE, "ledger": number})
    held = lock.session() is not None
    return read_seat(engine).holder, held


def _timed(connection: TimedConnection) -> tuple[float, float]:
    """The median round trip, and how far the server's clock is ahead, both in seconds."""
    took, ahead = [], []
    for _ in range(ROUND_TRIPS + 1):
        asked, began = datetime.now(UTC).timestamp(), time.perf_counter()
        with connection.exchange() as raw:
            row = raw.execute("SELECT clock_timestamp()").fetchone()
        took.append(time.perf_counter() - began)
        if row is None:
            raise AssertionError("a SELECT of one value has one row")
        ahead.append(row[0].timestamp() - asked - took[-1] / 2)
    return statistics.median(took[1:]), statistics.median(ahead[1:])


def _is_pooled(connection: TimedConnection, other: TimedConnection) -> bool:
    """Whether the connection's next transaction may run in another session. A pooler gives a
    session back after each transaction; while the `other` connection is in a transaction in it, the
    next one of this connection must run elsewhere, or wait."""
    try:
        before = _session(connection)
        with other.exchange() as raw:
            raw.execute("BEGIN")
            taken = _session(other)
            try:
                return taken == before or _session(connection) != before
            finally:
                raw.execute("ROLLBACK")
    except ServerError as error:
        raise UsageError(
            f"two connections at the same time were not possible; a run needs three: {error}",
            hint="Allow more connections, in the server or in the pooler.",
        ) from error


def _session(connection: TimedConnection) -> int:
    """The session of the server that answers: a pooler tells another number at connecting."""
    with connection.exchange(10.0) as raw:
        row = raw.execute("SELECT pg_backend_pid()").fetchone()
    if row is None:
        raise AssertionError("a SELECT of one value has one row")
    return int(row[0])
