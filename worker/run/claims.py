"""When a group commit is worthwhile, and how many items it claims: pure rules about a run's
`Load`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from worker.model.sending_bounds import UNRECORDED_PER_SENDER, UNSETTLED_PER_SENDER
from worker.run.limits import Limits

LINGER_S = 0.04
"""Seconds after a commit that the next one waits for more results, as long as the senders have
something to send."""

LINGER_SLOTS = 10
"""A commit waits for at most this many slots: senders wait for it, and at a high rate they would
miss their slots."""


@dataclass(slots=True)
class Load:
    """What a run has claimed. Senders and commits change it all the time."""

    again: dict[int, None] = field(default_factory=dict)
    """Items to send again in this run, in this order, each once."""
    waiting: int = 0
    """How many claimed items have not reached their slot yet."""
    outstanding: int = 0
    """How many claimed items are not recorded yet."""
    claimed: int = 0
    """How many items were claimed for the first time in this run; the limit on created duplicates
    limits them."""
    more: bool = True
    """Whether the ledger had more items to claim at the last claim."""
    unsettled: int = 0
    """How many outcomes are unknown and not settled yet."""


def linger(rate: float | None) -> float:
    """Seconds that a commit waits for more results, if `rate` requests a second may leave (None:
    any number)."""
    return LINGER_S if rate is None else min(LINGER_S, LINGER_SLOTS / rate)


def most_unrecorded(limits: Limits) -> int:
    """How many items may be claimed but not recorded."""
    return UNRECORDED_PER_SENDER * limits.max_in_flight


def paused(load: Load, limits: Limits) -> bool:
    """Whether so many outcomes are unknown that settling comes before more sending (rule 8)."""
    return load.unsettled >= UNSETTLED_PER_SENDER * limits.max_in_flight


def room(load: Load, limits: Limits, prefetch: int, *, closed: bool) -> int:
    """How many items may be claimed now, if the pace lets `prefetch` requests leave soon. `closed`:
    nothing new may be sent."""
    if closed or paused(load, limits):
        return 0
    most = min(prefetch - load.waiting, most_unrecorded(limits) - load.outstanding)
    if not load.more:
        most = min(most, len(load.again))
    if limits.limit is not None:
        most = min(most, limits.limit - load.claimed + len(load.again))
    return max(0, most)


def take_again(load: Load, most: int) -> list[int]:
    """Take at most `most` of the items to send again out of the load."""
    taken = list(islice(load.again, most))
    for item in taken:
        del load.again[item]
    return taken


def claim(load: Load, again: Sequence[int], items: Sequence[int]) -> None:
    """Count these items as claimed. Of them, `again` were taken out to be sent again. The ledger
    may find others that wait for that too: after a commit was rolled back, it claims from the job's
    beginning."""
    load.claimed += len(set(items).difference(again, load.again))
    load.waiting += len(items)
    load.outstanding += len(items)
    for item in items:
        load.again.pop(item, None)


def low_water(load: Load, limits: Limits, prefetch: int) -> int:
    """If no more than this many items wait for their slot, the senders will soon have nothing to
    send: half of what leaves soon may leave before the next commit. -1: there is nothing more to
    claim."""
    more = (load.more or load.again) and not paused(load, limits)
    return prefetch // 2 if more else -1


def needs_refill(load: Load, low: int, in_flight: int) -> bool:
    """Whether the senders will soon have nothing to send although there is more (`low`: see
    `low_water`), or no request is under way, so that no result will come."""
    return load.waiting <= low or not (in_flight or load.waiting)


def reached_limit(load: Load, limits: Limits) -> bool:
    """Whether there is more to claim, and only the limit on created duplicates forbids it."""
    limit = limits.limit
    return not load.again and load.more and limit is not None and load.claimed >= limit


def nothing_left(load: Load, limits: Limits, *, closed: bool) -> bool:
    """Whether this run has nothing left to claim that it may send."""
    may = not (closed or paused(load, limits) or reached_limit(load, limits))
    return not (may and (load.again or load.more))
