"""What happens in a run, as records. The heart emits them; logs, the progress display and the
summary read them.

Nothing here knows how a record is shown. The names and their fields are promises to people's
scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]

ITEM_FIELDS = ("line", "source_batch_id", "name", "attempt")
"""Fields of every event about one duplicate."""

EVENTS: Mapping[str, str] = {
    "run.started": "a run holds the database and has read its settings",
    "job.read": "the job file is read and planned",
    "preflight.done": "token, sources and names are looked up",
    "batch.created": "a duplicate exists",
    "batch.failed": "the API refused a duplicate for good",
    "batch.unknown": "a request went out and its outcome is not known",
    "batch.settled": "an unknown outcome was found out",
    "batch.retrying": "a duplicate was surely not created and is tried again",
    "pace.slowed": "the API pushed back or is unusable: all senders wait",
    "pace.recovered": "the API answers again as it should",
    "run.interrupted": "a signal asked the run to stop",
    "run.finished": "the run is over; counts by status",
    "note": "something a person should know, in words (`text`)",
}
"""Every event and what it means."""

STOPPED_BY: Mapping[str, str] = {
    "signal": "a signal asked it to stop",
    "limit": "--limit was reached",
    "max_duration": "--max-duration was over",
    "max_failed": "as many requests were refused as --max-failed allows",
    "token": "the API refused the token",
    "api": "the API was unusable for longer than --give-up-after",
    "disk": "the disk could not be written",
    "declined": "the question was answered with no",
    "internal": "of an error in this program",
}
"""Every `stopped_by` in words: the run ended early because …"""


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Event(NamedTuple):
    """One thing that happened: `name` is a key of `EVENTS`, `fields` are JSON values; times are ISO
    8601 UTC, durations seconds."""

    name: str
    level: Level = "info"
    fields: Mapping[str, Any] = _NOTHING


Emit = Callable[[Event], None]
"""Where the heart sends its events."""
