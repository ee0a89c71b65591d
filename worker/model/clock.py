"""Time, handed in: this machine's clocks, and the API's as its answers tell it. Nothing else reads
a clock.

The wall clock is for people; the monotonic clock measures waits; the API's clock decides what may
be settled."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

HOSTS_DIFFER_S = 5.0
"""Seconds by which the `Date` of one service's hosts, and the order of answers, may differ."""


class Clock(Protocol):
    """This machine's clocks. A simulation hands in its own."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""

    def wall(self) -> datetime:
        """The date and time, with its zone."""


class MachineClock:
    """The real clocks."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def wall(self) -> datetime:
        """The date and time in UTC."""
        return datetime.now(UTC)


class ServerClock:
    """The API's time: the latest `Date` of its own answers, carried forward by the monotonic
    clock."""

    def __init__(self) -> None:
        self.last_date: float | None = None
        self.went_back_to: float | None = None
        """The last Date that was earlier than one before it by more than the hosts of one service
        differ."""
        self._told_at = 0.0

    def tell(self, date: float | None, monotonic: float) -> None:
        """An answer with this `Date` (seconds since 1970; None: without one) came in just now."""
        if (
            date is not None
            and self.last_date is not None
            and date < self.last_date - HOSTS_DIFFER_S
        ):
            self.went_back_to = date
        if date is not None and (self.last_date is None or date >= self.last_date):
            self.last_date = date
            self._told_at = monotonic

    @property
    def earliest(self) -> float | None:
        """The earliest time that the API's clock may show from now on: its latest `Date`, or an
        earlier one after it went back. None until an answer has told it."""
        return self.last_date if self.went_back_to is None else self.went_back_to

    def now(self, monotonic: float) -> float | None:
        """Seconds since 1970 by the API's clock; None until an answer has told it."""
        return None if self.last_date is None else self.last_date + (monotonic - self._told_at)


def seconds(text: str | None) -> float | None:
    """An ISO 8601 time in seconds since 1970; None where it is none. A time without a zone is UTC,
    as the API's are."""
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
