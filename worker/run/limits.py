"""What bounds a run's sending, what it has come to, and whether anything new may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from worker.model.stop import Stop


class Limits(NamedTuple):
    """`max_in_flight` requests at once; at most `limit` duplicates, or `max_failed` rejected ones,
    in this run (None: no such limit); `give_up_after_s` seconds of an unusable API."""

    max_in_flight: int
    limit: int | None
    max_failed: int | None
    give_up_after_s: float


@dataclass(slots=True)
class Tally:
    """What this run's sending has come to so far."""

    created: int = 0
    refused: int = 0
    unknown: int = 0
    settled: int = 0
    absent: int = 0
    """Of the settled, those that turned out not to be created."""
    requests: int = 0
    throttled: int = 0


@dataclass(slots=True)
class Gate:
    """Whether anything new may be sent in this run."""

    stop: Stop
    closed: str | None = None
    """NotSentReason nothing new is sent, though the run continues: `limit` or `max_failed`."""

    @property
    def is_closed(self) -> bool:
        """Whether the run was asked to stop, or a limit was reached."""
        return self.stop.asked or self.closed is not None
