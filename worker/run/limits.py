"""The limits of a run's sending, its results so far, and whether anything new may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from worker.model.events import StopReason
from worker.model.stop import Stop


class Limits(NamedTuple):
    """The limits of a run: `max_in_flight` requests at the same time; `limit` duplicates created
    and `max_failed` duplicates rejected in this run (None: no limit); `give_up_after_s` seconds for
    which the API may be unusable."""

    max_in_flight: int
    limit: int | None
    max_failed: int | None
    give_up_after_s: float

    def after(self, tally: Tally) -> Limits:
        """What is left of these limits for the next run of the same command."""
        # An unknown duplicate may exist, and a rejected one counts in a single run too.
        used = tally.created + tally.refused + tally.unknown
        return self._replace(
            limit=None if self.limit is None else max(0, self.limit - used),
            max_failed=None if self.max_failed is None else max(0, self.max_failed - tally.refused),
        )

    def closed(self, seconds_left: float | None) -> StopReason | None:
        """Which limit is used up, with so many seconds left of `max_duration` (None: no limit);
        None if none is."""
        if seconds_left is not None and seconds_left <= 0:
            return StopReason.MAX_DURATION
        if self.max_failed == 0:
            return StopReason.MAX_FAILED
        return StopReason.LIMIT if self.limit == 0 else None


@dataclass(slots=True)
class Tally:
    """How many requests of this run have had which result so far."""

    created: int = 0
    refused: int = 0
    unknown: int = 0
    settled: int = 0
    absent: int = 0
    """How many of the settled ones were proved not to be created."""
    requests: int = 0
    throttled: int = 0


@dataclass(slots=True)
class Gate:
    """Whether anything new may be sent in this run."""

    stop: Stop
    closed: StopReason | None = None
    """Why nothing new is sent although the run continues: a limit that is reached."""

    @property
    def is_closed(self) -> bool:
        """Whether the run was asked to stop, or a limit was reached."""
        return self.stop.asked or self.closed is not None

    @property
    def bars_setups(self) -> bool:
        """Whether no setup may be sent either. The limit on created duplicates does not count: what
        was created is set up."""
        return self.stop.asked or self.closed == StopReason.MAX_FAILED
