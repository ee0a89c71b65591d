"""What headers say of time and pace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.edge import DATE, DATE_S, NEW, answered
from tests.support.raw_server import answer
from worker.api.headers import LONGEST_S, quota
from worker.model.replies import Quota


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"RateLimit": '"default";r=50;t=30'}, Quota(50, 30.0)),
        (
            {"RateLimit": '"burst";r=50;t=10, "daily";r=60;t=3600'},
            Quota(60, 3600.0),
        ),  # the tighter one
        ({"RateLimit": "limit=100, remaining=7, reset=30"}, Quota(7, 30.0)),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "12"}, Quota(0, 12.0)),
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": f"{DATE_S + 20:.0f}"}, Quota(5, 20.0)),
        ({"X-Rate-Limit-Remaining": "5", "X-Rate-Limit-Reset": "1.5"}, Quota(5, 1.5)),
        ({"RateLimit-Remaining": "5"}, None),
        ({"RateLimit": "none of your business"}, None),
        ({"RateLimit-Remaining": "-1", "RateLimit-Reset": "12"}, None),
        ({"RateLimit-Remaining": "5", "RateLimit-Reset": "0"}, None),
        ({"RateLimit-Remaining": "5", "RateLimit-Reset": str(LONGEST_S + 1)}, None),
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(DATE_S) - 20)}, None),
    ],
)
def test_rate_limit_headers_are_read_in_all_their_forms(
    headers: dict[str, str], expected: Quota | None
) -> None:
    assert quota(headers, DATE_S) == expected


def test_a_reset_that_is_a_time_needs_the_answers_own_date() -> None:
    assert (
        quota({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(DATE_S) + 20)}, None)
        is None
    )


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("99999999999999999999", None),
        ("Sun, 01 Mar 99999999999999 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +99999999999999", None),
    ],
)
async def test_retry_after_in_seconds_or_as_a_date_against_the_answers_own_date(
    header: str, seconds: float | None
) -> None:
    reply = await answered(answer(429, {"message": "slow"}, {"Retry-After": header, "Date": DATE}))

    assert (reply.status, reply.retry_after_s) == (429, seconds)


async def test_a_retry_after_date_without_a_date_to_read_it_against_is_nothing() -> None:
    reply = await answered(answer(429, {}, {"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT"}))

    assert reply.retry_after_s is None


async def test_a_gateways_retry_after_counts_but_its_date_does_not() -> None:
    reply = await answered(
        answer(503, b"<html>", {"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT", "Date": DATE})
    )

    assert (reply.retry_after_s, reply.date) == (90.0, None)


@pytest.mark.parametrize(
    ("body", "header", "date"),
    [
        ({"id": NEW}, DATE, DATE_S),
        ({"id": NEW}, "Sun, 01 Mar 2026 13:00:00 +0100", DATE_S),
        ({"id": NEW}, "yesterday", None),
        ({"id": NEW}, "Sun, 01 Mar 99999999999999 12:00:00 GMT", None),
        (b"<html>", DATE, None),
        (b"", DATE, None),
        (b"[" * 100_000, DATE, None),
    ],
)
async def test_a_date_counts_where_the_body_is_json(
    body: Any, header: str, date: float | None
) -> None:
    assert (await answered(answer(200, body, {"Date": header}))).date == date
