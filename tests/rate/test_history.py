"""What the times of requests say, as tables."""

from __future__ import annotations

import math

import pytest

from worker.rate.history import (
    CLEAN,
    LONG,
    RECENT,
    SHARP,
    History,
    Share,
    counted,
    is_sharp,
    share,
    sustained,
)

TEN_A_SECOND = [n / 10 for n in range(100)]


def test_what_was_sustained_less_a_burst_is_a_guess() -> None:
    guess, taken, seconds = sustained(TEN_A_SECOND, 10.0, 0.0, 4.0)
    assert (taken, seconds) == (100, 10.0)
    assert guess == pytest.approx(9.6)


def test_only_what_left_since_counts() -> None:
    times = [n / 100 for n in range(500)] + [5.0 + n / 10 for n in range(50)]
    guess, taken, _ = sustained(times, 10.0, 5.0, 0.0)
    assert taken == 50
    assert guess == pytest.approx(10.0, rel=0.05)


def test_a_few_requests_in_a_moment_still_give_a_guess() -> None:
    guess, taken, _ = sustained([0.0, 0.1, 0.2], 0.3, -math.inf, 4.0)
    assert taken == 3
    assert 0 < guess < 10


def test_between_two_push_backs_what_was_taken_is_counted() -> None:
    rate, taken = counted(TEN_A_SECOND, 5.0, 1.0, 8)
    assert taken == 32
    assert rate == pytest.approx(8.0)
    assert counted(TEN_A_SECOND, 5.0, 4.95, 0)[0] > 0


@pytest.mark.parametrize(
    ("taken", "seconds", "asked", "sharp"),
    [
        (SHARP, 2.0, False, True),
        (SHARP - 1, 9.0, False, False),
        (SHARP, 1.0, False, False),
        (SHARP, 1.0, True, True),
    ],
)
def test_many_requests_over_some_time_are_sharp(
    taken: int, seconds: float, asked: bool, sharp: bool
) -> None:
    assert is_sharp(taken, seconds, 30.0, asked=asked) is sharp


@pytest.mark.parametrize(
    ("until", "since", "most", "sent", "rejected", "seconds"),
    [
        (5.0, -math.inf, 16, 16, 2, 1.5),
        (5.0, 4.75, 16, 3, 1, 0.2),
        (5.0, -math.inf, 99, 51, 3, 5.0),
        (5.0, 6.0, 16, 0, 0, 0.0),
        (99.0, -math.inf, 2, 2, 0, 89.2),
    ],
)
def test_of_the_latest_requests_so_many_were_rejected(
    until: float, since: float, most: int, sent: int, rejected: int, seconds: float
) -> None:
    found = share(TEN_A_SECOND, [1.0, 4.0, 5.0, 6.0], until, since, most)
    assert (found.sent, found.rejected) == (sent, rejected)
    assert found.seconds == pytest.approx(seconds)


def test_what_was_taken_is_a_rate() -> None:
    assert Share(12, 2, 5.0).taken == 2.0
    assert Share(1, 1, 0.0).taken == 0.0


def test_a_push_back_is_seen_with_what_was_before_it() -> None:
    history = History()
    for at in TEN_A_SECOND:
        history.left(at)
    history.rejected(9.9)
    seen = history.seen(9.9, 10.0, -math.inf, -math.inf, asked=False, first=True)

    assert (seen.recent.sent, seen.recent.rejected, seen.long.sent, seen.long.rejected) == (
        RECENT,
        1,
        LONG,
        1,
    )
    assert seen.recent.seconds == pytest.approx(1.5)
    assert seen.taken == pytest.approx(10.0)
    assert seen.calm and seen.sharp
    assert seen.guess == pytest.approx(9.6, rel=0.01)


def test_a_push_back_soon_after_another_is_of_the_same_series() -> None:
    history = History()
    for at in TEN_A_SECOND[: CLEAN - 1]:
        history.left(at)
    history.rejected(5.2)
    history.seen(5.2, 10.0, -math.inf, -math.inf, asked=False, first=True)
    history.rejected(5.8)
    seen = history.seen(5.8, 10.0, 5.25, 5.25, asked=False, first=False)

    assert not seen.calm and not seen.sharp
    assert (seen.recent.sent, seen.recent.rejected) == (6, 1)
    assert seen.guess == pytest.approx(5 / 0.6), (
        "six left since the first one, and one of them was rejected"
    )
