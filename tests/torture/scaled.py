"""A shared ledger's waits, some twenty times shorter, in the process of one run: at their real
length, a thousand take-overs would take a day. Their order is that of the real ones, and what is to
spare stays a second, because this machine is busy."""

from __future__ import annotations

from contextlib import suppress

from worker.cli import run_session
from worker.ledger import seat, seat_taking, session
from worker.run import sending
from worker.settle import windows
from worker.setup import requests

with suppress(ImportError):  # psycopg is an optional extra
    from worker.ledger.postgresql import connection, engine, threads
    from worker.ledger.postgresql import session as postgresql_session

SILENT_S = 3.0
LEFT_AFTER_S = 2.0


def scale(machine: str) -> None:
    """Be a run on the machine that this text identifies."""
    # Each module has its own copy of what it imports; mypy does not let it be set there.
    seat.SILENT_S = SILENT_S
    seat.LEFT_AFTER_S = LEFT_AFTER_S
    for module in (windows, sending, requests):
        module.INTENT_EXPIRES_AFTER_S = 0.5  # type: ignore[attr-defined]
    run_session.CONNECTS_WITHIN_S = 0.5  # type: ignore[attr-defined]
    for module in (session, seat_taking, postgresql_session):
        module.SIGN_EVERY_S = 0.25  # type: ignore[attr-defined]
    session.LONGEST_PAUSE_S = 0.5
    session.POLL_S = seat_taking.POLL_S = 0.05  # type: ignore[attr-defined]
    postgresql_session.machine = lambda: machine
    connection.EXCHANGE_S = 1.0
    connection.LONG_EXCHANGE_S = engine.LONG_EXCHANGE_S = 10.0  # type: ignore[attr-defined]
    connection.CONNECT_S = 2  # the shortest that the driver takes
    threads.READ_AGAIN_S = 0.2
