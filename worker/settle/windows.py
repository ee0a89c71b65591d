"""When an attempt's copy could have been created: windows of server time. Pure.

All times are the API's, in seconds since 1970; docs/settling.md explains the rules."""

from __future__ import annotations

import math

from worker.model.attempts import Attempt, Interval, UnownedBatch
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S

WIDE_S = 600.0
"""Seconds that the wide window adds at both ends. The clocks of two machines of one service differ
by less."""

ASSUMED_OFFSET = Interval(-WIDE_S, WIDE_S)
"""The offset that presence assumes while none is known, so that a batch from last week does not
count as tonight's."""


def wide_window(attempt: Attempt) -> Interval:
    """Server times at which the attempt's copy could have been created, with a margin for clocks
    that differ. Open at both ends while the offset is not known, or if the API's clock went back
    meanwhile."""
    if attempt.offset is None:
        return Interval()
    before = -math.inf if attempt.date_before is None else attempt.date_before
    after = math.inf if attempt.date_after is None else attempt.date_after
    if after < before:
        return Interval()
    return Interval(before - WIDE_S, after + attempt.settle_after_s + WIDE_S)


def window(attempt: Attempt) -> Interval:
    """Server times at which the attempt's copy was created, if it was: from when the request left
    until it can have no late effect any more. The wide window if it is not known when it left."""
    over = over_at_server(attempt)
    if attempt.sent_at is None or over is None:
        return wide_window(attempt)
    return Interval(attempt.sent_at, over + attempt.settle_after_s)


def over_at_server(attempt: Attempt) -> float | None:
    """The server time at which the attempt's request was over at the latest; None if not known.

    Nobody awaited the request after a crash or a second signal, so it counts with its whole time
    limit."""
    if attempt.sent_at is None or attempt.restored:
        # Restored: it left before its process died, which was before `date_after`.
        return None if attempt.date_after is None else attempt.date_after + attempt.timeout_s
    over = attempt.sent_at + attempt.timeout_s
    if attempt.given_up_at is None:  # `sent_at` is the intent's time
        return over + INTENT_EXPIRES_AFTER_S
    # If the machine slept while it waited, it gave up later than the time limit.
    return max(over, attempt.given_up_at)


def created_in_window(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch may have been created inside the attempt's window. While the offset is not
    known, `ASSUMED_OFFSET` is assumed."""
    return creation_interval(batch, attempt.offset or ASSUMED_OFFSET).meets(window(attempt))


def could_be_in_window(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch could have been created inside the attempt's window: at any time, while the
    offset is not known."""
    return creation_interval(batch, attempt.offset).meets(window(attempt))


def creation_interval(batch: UnownedBatch, offset: Interval | None) -> Interval:
    """The server times (by the API's `Date`) at which the batch may have been created, from its
    `created_at` and the offset. Open at both ends if one of them is not known."""
    if batch.created is None or offset is None:
        return Interval()
    return Interval(batch.created - offset.high, batch.created - offset.low)
