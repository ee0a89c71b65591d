"""A run's attempts become columns, latencies and pauses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ledgers import NOW
from worker.export.report.timeline import MOST_COLUMNS, Timeline, timeline
from worker.model.clock import seconds

BEGIN = seconds(NOW) or 0.0


def at(offset: float) -> str:
    """The database's text for so many seconds after the begin."""
    minutes, rest = divmod(offset, 60)
    return f"2026-03-01T12:{int(minutes):02}:{rest:06.3f}Z"


def attempt(
    left: float, latency: float | None, outcome: str | None, http_status: int | None = None
) -> dict[str, Any]:
    return {
        "started_at": at(left),
        "ended_at": at(left + (latency or 0.0)),
        "latency_s": latency,
        "outcome": outcome,
        "http_status": http_status,
    }


def made(*attempts: dict[str, Any], length: float = 100.0, **changes: Any) -> Timeline:
    facts: dict[str, Any] = {
        "ceiling": 5.0,
        "created": 0,
        "settled": 0,
        "settled_at": None,
        "rate_changes": (),
    } | changes
    rate_changes = facts.pop("rate_changes")
    return timeline(attempts, rate_changes, begin=BEGIN, end=BEGIN + length, **facts)


def test_a_request_counts_when_it_left_and_by_what_became_of_it() -> None:
    one = made(
        attempt(0.5, 0.2, "created", 201),
        attempt(10.5, 2.0, "created", 201),
        attempt(10.6, 0.1, "not_sent", 429),
        attempt(10.7, 0.3, "refused", 422),
        attempt(20.0, 60.0, "unknown"),
        attempt(20.1, 0.4, "unknown", 500),
        attempt(30.0, 0.0, "not_left"),
        attempt(31.0, None, None),
    )
    assert one.width == 1.0
    shown = {
        n: (c.good, c.throttled, c.unclear, c.created)
        for n, c in enumerate(one.columns)
        if c.requests or c.created
    }
    assert shown == {0: (1, 0, 0, 1), 10: (2, 1, 0, 0), 12: (0, 0, 0, 1), 20: (0, 0, 2, 0)}
    assert (one.requests, one.created, one.throttled, one.unclear) == (6, 2, 1, 2)


def test_what_a_crash_interrupted_counts_where_it_was_to_leave() -> None:
    crashed = attempt(40.0, None, "unknown") | {"ended_at": "2026-03-02T09:00:00.000Z"}
    assert made(crashed).columns[40].unclear == 1


def test_attempts_outside_of_the_run_count_at_its_ends() -> None:
    early = attempt(5.0, 0.1, "created", 201) | {"ended_at": "2026-03-01T11:00:00.000Z"}
    late = attempt(5.0, 0.1, "created", 201) | {"ended_at": "2026-03-01T14:00:00.000Z"}
    one = made(early, late)
    assert (one.columns[0].good, one.columns[-1].good) == (1, 1)


@pytest.mark.parametrize(
    ("length", "width"),
    [(0.0, 1.0), (30.0, 1.0), (141.0, 2.0), (3600.0, 30.0), (8 * 3600.0, 300.0), (1e9, 1e9 / 140)],
)
def test_columns_are_round_and_few(length: float, width: float) -> None:
    one = made(length=length)
    assert one.width == pytest.approx(width)
    assert 1 <= len(one.columns) <= MOST_COLUMNS


def test_latencies_of_answers_alone_are_reported() -> None:
    slow = [attempt(1.0, 0.1, "created", 201)] * 60 + [attempt(1.0, 2.0, "created", 201)] * 40
    found = made(*slow, attempt(1.0, 60.0, "unknown")).latencies
    assert found.answers == 100
    assert found.median == pytest.approx(0.1, rel=0.03)
    assert found.p95 == pytest.approx(2.0, rel=0.03)
    assert found.slowest == 2.0
    assert found.columns[0] == pytest.approx((0.1, 0.15, 60))
    assert found.columns[-1] == pytest.approx((2.0, 3.0, 40))
    assert sum(count for *_, count in found.columns) == 100


def test_no_answers_are_reported_as_none() -> None:
    assert made().latencies.columns == ()


def test_pauses_end_with_the_run_and_overlaps_count_once() -> None:
    rate_changes = [
        {"at": at(10), "wait_s": 20.0, "rate": 0.7, "why": "429"},
        {"at": at(20), "wait_s": 20.0, "rate": 0.5, "why": "429"},
        {"at": at(50), "wait_s": None, "rate": 1.0, "why": None},
        {"at": at(95), "wait_s": 60.0, "rate": 0.5, "why": "503"},
    ]
    one = made(rate_changes=rate_changes)
    assert [(p.begin - BEGIN, p.end - BEGIN, p.reason) for p in one.pauses] == [
        (10, 30, "429"), (20, 40, "429"), (95, 100, "503"),
    ]  # fmt: skip
    assert one.paused == 35
    assert [(r.reason, r.pauses, r.length) for r in one.pause_reasons] == [
        ("429", 2, 40),
        ("503", 1, 5),
    ]


def test_what_existed_before_is_what_the_run_did_not_make() -> None:
    one = made(attempt(1, 0.1, "created", 201), created=10, settled=2, settled_at=BEGIN + 50)
    assert (one.before, one.settled, one.settled_at) == (7, 2, BEGIN + 50)
