"""What happens in each night of the year: a fixed table, so that every year is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from tests.simulation.weather import Fate, ListingResult, Shown, Weather

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2028, 1, 1)
NIGHTS = 365
AT = time(2, 30)
"""When cron starts a run, in local time. On 26 March this time does not exist, and on 29 October it
exists twice."""


class Trouble(StrEnum):
    """What goes wrong in one night."""

    NONE = "calm"
    LOST = "lost answers"
    PUSHED_BACK = "many requests are too many"
    HOURS = "the API is down for some hours"
    WHOLE = "the API is down for the whole night"
    BLINK = "the API is down for ten minutes, and comes back"
    CRASH = "the process dies"
    TOKEN = "the token is revoked"
    OFF = "the machine is off"
    DISK = "the disk is full"


WEATHERS = {
    Trouble.LOST: Weather(
        duplicate={Fate.LOST_AFTER: 0.2, Fate.SILENT: 0.1, Fate.ERROR_LATE: 0.1, Fate.LATE: 0.1},
        look={ListingResult.LOST: 0.05},
        listing={Shown.CUT: 0.1},
    ),
    Trouble.PUSHED_BACK: Weather(duplicate={Fate.THROTTLED: 0.5}),
    Trouble.HOURS: Weather(down=((3.0, 7_200.0),)),
    Trouble.WHOLE: Weather(down=((0.0, 86_400.0),)),
    Trouble.BLINK: Weather(down=((1.0, 600.0),)),
    Trouble.TOKEN: Weather(token=False),
}
"""The API in each kind of night. In all others it is healthy."""

TROUBLES = {
    4: Trouble.LOST, 7: Trouble.HOURS, 10: Trouble.CRASH, 13: Trouble.PUSHED_BACK,
    18: Trouble.LOST, 21: Trouble.BLINK, 24: Trouble.DISK, 28: Trouble.WHOLE,
}  # fmt: skip
"""What goes wrong on these days of each month."""

SPANS = (
    (date(2028, 6, 11), 3, Trouble.TOKEN),
    (date(2028, 8, 5), 5, Trouble.OFF),
    (date(2028, 2, 29), 1, Trouble.CRASH),
    (date(2028, 12, 20), 14, Trouble.NONE),
)
"""What goes wrong in several nights in a row: from which day, and for how many."""

EDITS = {15: "reorder", 16: "more copies", 17: "a row less", 20: "as it was"}
"""How the jobs are edited before the night of this day of the month."""


@dataclass(frozen=True, slots=True)
class Night:
    """One start by cron: `at` in seconds since 1970. `day` is the value of {date}."""

    day: date
    at: float
    trouble: Trouble
    edit: str | None
    again: bool = False


def trouble_of(day: date) -> Trouble:
    """What goes wrong in the night of this day."""
    for begin, nights, trouble in SPANS:
        if begin <= day < begin + timedelta(days=nights):
            return trouble
    return Trouble.NONE if day.month == 1 else TROUBLES.get(day.day, Trouble.NONE)


def year() -> Iterator[Night]:
    """Every start of the year, in order. The hour that exists twice has two."""
    for number in range(NIGHTS):
        day = FIRST + timedelta(days=number)
        starts = [datetime.combine(day, AT, BERLIN).replace(fold=fold) for fold in (0, 1)]
        stamps = sorted({start.timestamp() for start in starts})
        twice = len(stamps) > 1 and not _is_gap(day)
        for again, at in enumerate(stamps if twice else stamps[-1:]):
            yield Night(day, at, trouble_of(day), EDITS.get(day.day), bool(again))


def _is_gap(day: date) -> bool:
    """Whether the local clock skips the hour of `AT` on this day."""
    there = datetime.combine(day, AT, BERLIN).astimezone(UTC).astimezone(BERLIN)
    return there.time() != AT
