"""What one run uses of the limits of its command, and what is then closed."""

from __future__ import annotations

import pytest

from worker.run.limits import Limits, Tally


def limits(limit: int | None = None, max_failed: int | None = None) -> Limits:
    return Limits(16, limit, max_failed, 900.0)


@pytest.mark.parametrize(
    ("before", "tally", "after"),
    [
        (limits(), Tally(created=3, refused=2, unknown=1), limits()),
        (limits(10), Tally(created=3, requests=9, throttled=6), limits(7)),
        (limits(10), Tally(created=3, refused=2, unknown=1, settled=1), limits(4)),
        (limits(2), Tally(created=2), limits(0)),
        (limits(None, 3), Tally(created=9, refused=1), limits(None, 2)),
        (limits(None, 1), Tally(refused=4), limits(None, 0)),
    ],
)
def test_a_run_uses_limits_of_the_next_one(before: Limits, tally: Tally, after: Limits) -> None:
    assert before.after(tally) == after


@pytest.mark.parametrize(
    ("left", "seconds", "closed"),
    [
        (limits(), None, None),
        (limits(1, 1), 0.1, None),
        (limits(0), None, "limit"),
        (limits(None, 0), None, "max_failed"),
        (limits(0, 0), 0.0, "max_duration"),
    ],
)
def test_a_limit_that_is_used_up_closes_the_next_run(
    left: Limits, seconds: float | None, closed: str | None
) -> None:
    assert left.closed(seconds) == closed
