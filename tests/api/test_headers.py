"""What headers say of time and pace."""

from __future__ import annotations

import pytest

from worker.api.headers import LONGEST_S, quota
from worker.model.replies import Quota

DATE = 1_772_366_400.0


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
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(DATE) + 20)}, Quota(5, 20.0)),
        ({"X-Rate-Limit-Remaining": "5", "X-Rate-Limit-Reset": "1.5"}, Quota(5, 1.5)),
        ({"RateLimit-Remaining": "5"}, None),
        ({"RateLimit": "none of your business"}, None),
        ({"RateLimit-Remaining": "-1", "RateLimit-Reset": "12"}, None),
        ({"RateLimit-Remaining": "5", "RateLimit-Reset": "0"}, None),
        ({"RateLimit-Remaining": "5", "RateLimit-Reset": str(LONGEST_S + 1)}, None),
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(DATE) - 20)}, None),
    ],
)
def test_rate_limit_headers_are_read_in_all_their_forms(
    headers: dict[str, str], expected: Quota | None
) -> None:
    assert quota(headers, DATE) == expected


def test_a_reset_that_is_a_time_needs_the_answers_own_date() -> None:
    assert (
        quota({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(DATE) + 20)}, None)
        is None
    )
