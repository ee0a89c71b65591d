"""When an attempt's copy could have been created: windows of server time. Pure.

All times are the API's, in seconds since 1970; docs/settling.md explains the rules."""

from __future__ import annotations

import math

from worker.model.attempts import Attempt, Interval, UnownedBatch

WIDE_S = 600.0
"""What the wide window adds to both sides: the clocks of two machines of one service differ by
less."""

LEAVES_WITHIN_S = 10.0
"""An intent that has not left this long after it was written down is taken back, so a request whose
answer was never recorded left at most this long after its intent."""

PRESUMED = Interval(-WIDE_S, WIDE_S)
"""The offset that presence goes by while none is known: a batch from last week is not taken for
tonight's."""


def wide_window(attempt: Attempt) -> Interval:
    """Server times at which its copy could have been made, with all that clocks may differ. Open
    while the offset is not known, and where the API's clock went back meanwhile."""
    if attempt.offset is None:
        return Interval()
    before = -math.inf if attempt.date_before is None else attempt.date_before
    after = math.inf if attempt.date_after is None else attempt.date_after
    if after < before:
        return Interval()
    return Interval(before - WIDE_S, after + attempt.settle_after_s + WIDE_S)


def window(attempt: Attempt) -> Interval:
    """Server times at which its copy was made, if it was: from its leaving to the end of late
    effects. The wide window where it is not known when it left."""
    over = over_at(attempt)
    if attempt.left is None or over is None:
        return wide_window(attempt)
    return Interval(attempt.left, over + attempt.settle_after_s)


def over_at(attempt: Attempt) -> float | None:
    """The server time at which its request was over at the latest, whoever waited for it; None
    where that is not known. What nobody awaited (a crash, a second signal) may have been under way
    for that long."""
    if (
        attempt.left is None
    ):  # a restored one: it left before its process died, and that was before `date_after`
        return None if attempt.date_after is None else attempt.date_after + attempt.timeout_s
    over = attempt.left + attempt.timeout_s
    if attempt.ended is None:  # `left` is the intent's time
        return over + LEAVES_WITHIN_S
    # A process that slept while it waited gave up later than its time limit says.
    return max(over, attempt.ended)


def made_at(batch: UnownedBatch, offset: Interval | None) -> Interval:
    """When the batch was made by the API's `Date`, as its own created_at and the offset say."""
    if batch.created is None or offset is None:
        return Interval()
    return Interval(batch.created - offset.high, batch.created - offset.low)
