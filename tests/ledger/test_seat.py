"""The rules of the seat, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.ledger.seat import (
    LEFT_AFTER_S,
    SILENT_S,
    Holder,
    is_silent,
    last_sign,
    leaves_for,
)

NOW = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def holder(alive_s: float, *, released: bool = False) -> Holder:
    return Holder("host", "boot", 1, 7, ago(3600), ago(alive_s), ago(0) if released else None)


@pytest.mark.parametrize(
    ("seated", "session", "began_s", "last_s"),
    [
        (holder(30), 7, 3600, 30),
        (holder(30), 8, 10, 10),  # it has the lock, and has not taken the seat yet
        (holder(30), 8, 100, 30),
        (holder(30), 8, None, 30),
        (None, 8, 10, 10),
    ],
)
def test_the_last_sign_is_that_of_the_session_with_the_lock(
    seated: Holder | None, session: int, began_s: float | None, last_s: float
) -> None:
    began = None if began_s is None else ago(began_s)
    assert last_sign(seated, session, began) == ago(last_s)


def test_without_a_holder_and_a_beginning_there_is_no_sign() -> None:
    assert last_sign(None, 8, None) is None
    assert not is_silent(None, NOW)


@pytest.mark.parametrize(
    ("seconds", "silent"), [(0, False), (SILENT_S - 1, False), (SILENT_S, True)]
)
def test_a_holder_is_silent_after_a_minute(seconds: float, silent: bool) -> None:
    assert is_silent(ago(seconds), NOW) is silent


@pytest.mark.parametrize(
    ("seated", "dead", "seconds"),
    [
        (None, False, 0),
        (holder(0), False, LEFT_AFTER_S),
        (holder(LEFT_AFTER_S - 5), False, 5),
        (holder(LEFT_AFTER_S + 5), False, 0),
        (holder(0), True, 0),
        (holder(0, released=True), False, 0),
    ],
)
def test_requests_may_leave_for_a_while_after_the_last_sign(
    seated: Holder | None, dead: bool, seconds: float
) -> None:
    assert leaves_for(seated, NOW, certainly_dead=dead) == seconds
