"""When a group commit is worthwhile, and how many items it claims: tables of the rules."""

from __future__ import annotations

import pytest

from worker.run.claims import (
    LINGER_S,
    Load,
    claim,
    linger,
    low_water,
    most_unrecorded,
    needs_refill,
    nothing_left,
    paused,
    reached_limit,
    room,
    take_again,
)
from worker.run.limits import Limits

FREE = Limits(2, None, None, 900.0)
"""Two senders: at most 40 items not recorded, and a pause at 8 unknown outcomes."""


def limited(limit: int) -> Limits:
    return FREE._replace(limit=limit)


def load(again: int = 0, *, more: bool = True, **counts: int) -> Load:
    return Load(dict.fromkeys(range(again)), more=more, **counts)


@pytest.mark.parametrize(
    ("rate", "seconds"), [(None, LINGER_S), (0.2, LINGER_S), (250, 0.04), (1000, 0.01)]
)
def test_close_slots_are_not_missed_for_linger(rate: float | None, seconds: float) -> None:
    assert linger(rate) == pytest.approx(seconds)


def test_a_new_run_has_claimed_nothing_and_may_claim() -> None:
    assert Load() == Load(again={}, waiting=0, outstanding=0, claimed=0, more=True, unsettled=0)
    assert most_unrecorded(FREE) == 40


@pytest.mark.parametrize(("unsettled", "pauses"), [(0, False), (7, False), (8, True), (9, True)])
def test_sending_pauses_at_four_unknown_outcomes_for_each_sender(
    unsettled: int, pauses: bool
) -> None:
    assert paused(load(unsettled=unsettled), FREE) is pauses


ROOM: dict[str, tuple[Load, Limits, int, bool, int]] = {
    "as many as the pace lets leave soon": (load(), FREE, 5, False, 5),
    "those that wait for their slot count": (load(waiting=2, outstanding=3), FREE, 5, False, 3),
    "never fewer than none": (load(waiting=6, outstanding=6), FREE, 5, False, 0),
    "those not recorded count": (load(outstanding=38), FREE, 5, False, 2),
    "as many as may be unrecorded": (load(outstanding=40), FREE, 5, False, 0),
    "nothing new after a stop": (load(), FREE, 5, True, 0),
    "nothing in a pause for settling": (load(unsettled=8), FREE, 5, False, 0),
    "only those to send again, if there is no more": (load(3, more=False), FREE, 5, False, 3),
    "those to send again within the pace": (load(7, more=False), FREE, 5, False, 5),
    "nothing if there is no more": (load(more=False), FREE, 5, False, 0),
    "as many as the limit leaves": (load(claimed=7), limited(10), 5, False, 3),
    "those to send again are within the limit": (load(1, claimed=10), limited(10), 5, False, 1),
    "nothing beyond the limit": (load(claimed=12), limited(10), 5, False, 0),
}


@pytest.mark.parametrize("why", ROOM)
def test_how_many_items_may_be_claimed(why: str) -> None:
    now, limits, prefetch, closed, expected = ROOM[why]
    assert room(now, limits, prefetch, closed=closed) == expected


@pytest.mark.parametrize(
    ("now", "low"),
    [
        (load(), 4),
        (load(more=False), -1),
        (load(1, more=False), 4),
        (load(unsettled=8), -1),
        (load(1, unsettled=8), -1),
    ],
)
def test_half_of_what_leaves_soon_may_leave_before_the_next_commit(now: Load, low: int) -> None:
    assert low_water(now, FREE, 9) == low


@pytest.mark.parametrize(
    ("waiting", "low", "in_flight", "needs"),
    [
        (5, 4, 1, False),
        (4, 4, 1, True),
        (3, 4, 1, True),
        (0, -1, 1, False),  # the last ones are under way
        (0, -1, 0, True),  # no result will come
        (1, -1, 0, False),  # one leaves soon
    ],
)
def test_senders_that_soon_have_nothing_to_send_need_a_commit(
    waiting: int, low: int, in_flight: int, needs: bool
) -> None:
    assert needs_refill(load(waiting=waiting), low, in_flight) is needs


ENDS: dict[str, tuple[Load, Limits, bool, bool, bool]] = {
    "there is more": (load(), FREE, False, False, False),
    "there is no more": (load(more=False), FREE, False, False, True),
    "only those to send again": (load(1, more=False), FREE, False, False, False),
    "a stop": (load(1), FREE, True, False, True),
    "a pause for settling": (load(1, unsettled=8), FREE, False, False, True),
    "below the limit": (load(claimed=9), limited(10), False, False, False),
    "the limit": (load(claimed=10), limited(10), False, True, True),
    "beyond the limit": (load(claimed=11), limited(10), False, True, True),
    "the limit, and those to send again": (load(1, claimed=10), limited(10), False, False, False),
    "the limit, and there is no more": (
        load(claimed=10, more=False),
        limited(10),
        False,
        False,
        True,
    ),
}


@pytest.mark.parametrize("why", ENDS)
def test_when_a_run_has_nothing_left_to_claim(why: str) -> None:
    now, limits, closed, at_limit, left = ENDS[why]
    assert reached_limit(now, limits) is at_limit
    assert nothing_left(now, limits, closed=closed) is left


def test_items_to_send_again_are_taken_in_their_order() -> None:
    now = load(3)
    assert (take_again(now, 2), list(now.again)) == ([0, 1], [2])
    assert (take_again(now, 2), list(now.again)) == ([2], [])


CLAIMS: dict[str, tuple[list[int], list[int], int, list[int]]] = {
    "new items": ([], [7, 8], 2, [0, 1]),
    "items to send again, and a new one": ([5, 6], [5, 6, 7], 1, [0, 1]),
    "one to send again is no longer pending": ([5, 6], [6, 7], 1, [0, 1]),
    "one that waits to be sent again is found too": ([], [1, 7], 1, [0]),
}
"""What was taken out to be sent again, what is claimed, how much of that is new, and what still
waits to be sent again."""


@pytest.mark.parametrize("what", CLAIMS)
def test_what_is_claimed_waits_to_be_sent_again_no_more(what: str) -> None:
    again, items, new, left = CLAIMS[what]
    now = load(2, waiting=1, outstanding=3, claimed=4)
    claim(now, again, items)
    count = len(items)
    assert now == Load(
        dict.fromkeys(left), waiting=1 + count, outstanding=3 + count, claimed=4 + new
    )
