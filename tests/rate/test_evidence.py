"""What answers say about a limit, as tables."""

from __future__ import annotations

import math

import pytest

from worker.rate.evidence import (
    BURST,
    RAISED,
    RARE,
    Evidence,
    estimate,
    restarted,
    share,
    weights,
    with_accepted,
    with_throttled,
)


def answers(shown: str, contention: float = 0.0) -> Evidence:
    """The evidence after these answers, one a second: `.` accepted, `x` throttled."""
    seen = Evidence()
    for second, answer in enumerate(shown):
        accepted = answer == "."
        seen = (
            with_accepted(seen, contention)
            if accepted
            else with_throttled(seen, contention, float(second))
        )
    return seen


@pytest.mark.parametrize(
    ("shown", "taken", "sent", "throttled", "in_row", "first"),
    [
        ("...", 3, 3, 0, 0, -math.inf),
        ("..x", 2, 3, 1, 1, 2.0),
        ("..xxx", 2, 3, 1, 3, 2.0),  # in a row they count once
        ("..xx.x", 3, 5, 2, 1, 5.0),
    ],
)
def test_answers_are_counted_and_those_throttled_in_a_row_count_once(
    shown: str, taken: int, sent: int, throttled: int, in_row: int, first: float
) -> None:
    seen = answers(shown)
    assert (seen.taken, seen.sent, seen.throttled) == (taken, sent, throttled)
    assert (seen.in_row, seen.first) == (in_row, first)


@pytest.mark.parametrize(("contention", "usual"), [(0.0, RARE), (0.05, 0.05), (0.2, 0.2)])
def test_the_score_is_the_logarithm_of_a_likelihood_ratio(contention: float, usual: float) -> None:
    more = 2 * usual + RAISED
    expected = 2 * math.log(more / usual) + 5 * math.log((1 - more) / (1 - usual))
    assert answers("..x...xx", contention).score == pytest.approx(expected)


def test_the_score_does_not_fall_below_the_least_one() -> None:
    assert with_accepted(Evidence(), 0.0, 0.0).score == 0.0
    assert with_accepted(Evidence(score=1.0), 0.0, 0.0).score == 1.0 + weights(0.0)[0] > 0.0


@pytest.mark.parametrize(("usual", "given"), [(RARE, 0.05), (0.05, 0.15), (0.2, 0.45)])
def test_the_score_falls_at_the_usual_share_and_rises_at_a_raised_one(
    usual: float, given: float
) -> None:
    def drift(share: float) -> float:
        accepted, throttled = weights(usual)
        return share * throttled + (1 - share) * accepted

    assert drift(usual) < 0 < drift(given)


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        (Evidence(mark=10.0, taken=31, burst=1, first=20.0), 3.0),  # full at both ends
        (Evidence(mark=10.0, taken=36, burst=BURST, first=20.0), 3.0),  # it had rested before
        (Evidence(mark=10.0, taken=3, burst=BURST, first=20.0), 0.0),
        (Evidence(mark=10.0, taken=0, burst=1, first=10.0), 0.0),
    ],
)
def test_what_was_accepted_between_two_throttled_answers_is_the_limit(
    seen: Evidence, rate: float
) -> None:
    assert estimate(seen) == pytest.approx(rate)


def test_the_share_counts_throttled_answers_in_a_row_once() -> None:
    assert share(answers("...xx")) == 1 / 4
    assert share(Evidence()) == 0.0


def test_accepted_requests_are_counted_anew_from_a_mark_on() -> None:
    seen = restarted(answers("...x"), 7.0)
    assert (seen.mark, seen.taken, seen.burst, seen.sent) == (7.0, 0, 1, 4)
    assert restarted(seen, 9.0, BURST).burst == BURST
