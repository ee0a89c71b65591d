"""The rules of the seat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.ledger.seat import (
    CONNECTS_WITHIN_S,
    LEFT_AFTER_S,
    SIGN_EVERY_S,
    SILENT_S,
    Holder,
    LockSession,
    is_silent,
    leaves_for,
    may_be_ended,
)
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_AGO = SILENT_S + 1


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def holder(alive_ago_s: float, *, session: int = 7, released: bool = False) -> Holder:
    left = ago(0) if released else None
    return Holder("host", "machine", 11, session, ago(3600), ago(alive_ago_s), left)


@pytest.mark.parametrize(
    ("whom", "active_ago_s", "silent"),
    [
        (holder(SILENT_S), LONG_AGO, True),
        (holder(SILENT_S - 1), LONG_AGO, False),
        # It works on one long transaction, whose sign of life nobody sees yet.
        (holder(LONG_AGO), 0.0, False),
        # This role may not see what the session does: its signs of life count.
        (holder(LONG_AGO), None, True),
        (holder(0.0), None, False),
        # The lock is another session's, which is about to take the seat of a silent run.
        (holder(LONG_AGO, session=8), 1.0, False),
        # That one died or is stopped before it took the seat.
        (holder(1.0, session=8), LONG_AGO, True),
        (None, 1.0, False),
        (None, LONG_AGO, True),
        (None, None, False),
    ],
)
def test_who_may_be_ended(whom: Holder | None, active_ago_s: float | None, silent: bool) -> None:
    session = LockSession(7, NOW, None if active_ago_s is None else ago(active_ago_s))
    assert is_silent(whom, session, NOW) is silent


@pytest.mark.parametrize(
    ("silent", "watched_s", "ended"),
    [
        (True, LEFT_AFTER_S, True),
        # The server's clock may have been set forward a moment ago.
        (True, LEFT_AFTER_S - 1, False),
        (False, LEFT_AFTER_S, False),
        # Or back.
        (False, SILENT_S, True),
    ],
)
def test_the_servers_clock_alone_ends_nobody(silent: bool, watched_s: float, ended: bool) -> None:
    quiet_s = LONG_AGO if silent else -3600.0
    session = LockSession(7, NOW, ago(quiet_s))
    assert may_be_ended(holder(quiet_s), session, NOW, watched_s) is ended
    # The same if this role may not see what the session does: the seat's signs of life count.
    hidden = LockSession(7, None, None)
    assert may_be_ended(holder(quiet_s), hidden, NOW, watched_s) is ended


def test_a_holder_is_named_with_its_process_and_its_start() -> None:
    assert str(holder(0.0)) == "process 11 on host, since 2026-03-01T11:00:00Z"


@pytest.mark.parametrize(
    ("whom", "dead", "seconds"),
    [
        (None, False, 0.0),
        (holder(0.0), False, LEFT_AFTER_S),
        (holder(LEFT_AFTER_S - 1), False, 1.0),
        (holder(-3600.0), False, LEFT_AFTER_S),  # the server's clock was set back
        (holder(SILENT_S), False, 0.0),
        (holder(0.0), True, 0.0),
        (holder(0.0, released=True), False, 0.0),
    ],
)
def test_how_long_requests_of_the_last_run_may_leave(
    whom: Holder | None, dead: bool, seconds: float
) -> None:
    assert leaves_for(whom, NOW, certainly_dead=dead) == pytest.approx(seconds)


def test_the_waits_fit_together() -> None:
    assert INTENT_EXPIRES_AFTER_S + CONNECTS_WITHIN_S < LEFT_AFTER_S < SILENT_S
    assert 5 * SIGN_EVERY_S < SILENT_S
