"""What comes next for one batch that is to be set up. Pure: what is recorded and what was seen in,
the next step out.

What a second setup does is not documented. So a batch is set up only if a look of this run, or its
own answer in this run, says that it is not set up; and after a request without a clear answer only
if two looks say so (docs/settling.md, "Setups")."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from worker.model.setups import UNINITIALISED, Copy, Seen


class Do(StrEnum):
    """What comes next."""

    SEND = "send"
    """Send the setup."""
    SEND_AGAIN = "send again"
    """The request that stands had no effect: record that, then send."""
    LOOK = "look"
    """See what the API shows, before the first request."""
    LOOK_AGAIN = "look again"
    """See whether the request without an answer took effect."""
    WAIT = "wait"
    """Wait until that may be looked at."""
    NOTHING = "nothing"
    """Nothing in this run."""


class Step(NamedTuple):
    """The next step; `until` is the end of a wait (monotonic seconds)."""

    do: Do
    until: float = 0.0


NOTHING = Step(Do.NOTHING)


def is_set_up(status: str | None) -> bool:
    """Whether this status of a batch says that somebody set it up."""
    return status is not None and status != UNINITIALISED


def next_step(
    copy: Copy, looks: Sequence[Seen], ended: float, settle_after: float, now: float
) -> Step:
    """What comes next for `copy`. `looks` are this run's, in order; the setup that stands, or
    else the duplicate request, ended at `ended` at the latest (monotonic seconds, like `now`); a
    request may take effect, and a look may be out of date, for `settle_after` seconds."""
    if is_set_up(copy.status):
        return NOTHING
    if any(is_set_up(look.status) for look in looks):
        return NOTHING
    if looks and looks[-1].status is None:
        return NOTHING  # the API does not show it, so nobody can say what a setup would do
    match copy.sent:
        case "accepted" | "refused":
            return NOTHING
        case None if copy.fresh or looks:
            return Step(Do.SEND)
        case None if copy.status is None and now < ended + settle_after:
            # The API may have shown a status that came from the copying itself.
            return Step(Do.WAIT, ended + settle_after)
        case None:
            return Step(Do.LOOK)
    return _after_unknown([look.at for look in looks], ended + settle_after, settle_after, now)


def _after_unknown(looks: Sequence[float], first: float, settle_after: float, now: float) -> Step:
    """The step after a request without a clear answer, which takes effect before `first` or never.
    All `looks` (monotonic seconds) show that the batch is not set up."""
    telling = [at for at in looks if at >= first]
    if not telling:
        return Step(Do.LOOK_AGAIN) if now >= first else Step(Do.WAIT, first)
    second = telling[0] + settle_after
    if telling[-1] >= second:
        return Step(Do.SEND_AGAIN)
    return Step(Do.LOOK_AGAIN) if now >= second else Step(Do.WAIT, second)
