"""The clocks, passed in as arguments: this machine's, and the API's as its answers report it.
Nothing else reads a clock.

The wall clock is for people. The monotonic clock measures waits. The API's clock decides what may
be settled."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Protocol

HOSTS_DIFFER_S = 5.0
"""How many seconds the `Date` headers of one service's hosts, and the order of their answers, may
differ."""


_COUNTS_SLEEP = getattr(
    time, "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME", None
)
"""The clock that counts sleep, of Linux and of macOS, where `time.monotonic` reads another one. On
Windows `time.monotonic` has to do."""


class Clock(Protocol):
    """This machine's clocks. A simulation passes in its own."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""

    def wall(self) -> datetime:
        """The date and time, with its zone."""


class MachineClock:
    """The real clocks."""

    def monotonic(self) -> float:
        """Seconds that only go forward, also while the machine sleeps: an intent from before must
        not leave when it wakes."""
        return time.clock_gettime(_COUNTS_SLEEP) if _COUNTS_SLEEP else time.monotonic()

    def wall(self) -> datetime:
        """The date and time in UTC."""
        return datetime.now(UTC)


class ServerClock:
    """The API's time: the latest `Date` of its own answers, carried forward by the monotonic
    clock."""

    def __init__(self) -> None:
        self.last_date: float | None = None
        self.went_back_to: float | None = None
        """The last Date that was earlier than a previous one by more than the hosts of one service
        may differ."""
        self._date_at = self._back_at = 0.0

    def observe(self, date: float | None, monotonic: float) -> None:
        """Record that an answer with this `Date` (seconds since 1970; None: without one) has just
        arrived."""
        if (
            date is not None
            and self.last_date is not None
            and date < self.last_date - HOSTS_DIFFER_S
        ):
            self.went_back_to, self._back_at = date, monotonic
        if date is not None and (self.last_date is None or date >= self.last_date):
            self.last_date = date
            self._date_at = monotonic

    @property
    def earliest(self) -> float | None:
        """The earliest time that the API's clock may show from now on: its latest `Date`, or an
        earlier one if the clock went back. None until an answer has reported it."""
        return self.last_date if self.went_back_to is None else self.went_back_to

    def earliest_now(self, monotonic: float) -> float | None:
        """The same, carried forward to now. None until an answer has reported it."""
        if self.went_back_to is None:
            return self.now(monotonic)
        return self.went_back_to + (monotonic - self._back_at)

    def now(self, monotonic: float) -> float | None:
        """The API's time in seconds since 1970; None until an answer has reported it."""
        return None if self.last_date is None else self.last_date + (monotonic - self._date_at)


def seconds(text: str | None) -> float | None:
    """An ISO 8601 time in seconds since 1970; None if the text is not one. A time without a zone is
    UTC, as the API's times are."""
    try:
        timestamp = datetime.fromisoformat(text or "")
        return (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def iso(timestamp: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    utc = timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
