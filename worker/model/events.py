"""What happens in a run, as records. The run emits them; logs, the progress display and the summary
show them.

Nothing here knows how a record is shown. People's scripts rely on the names and fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]

EVENTS: Mapping[str, str] = {
    "run.started": "a run has locked the database and read its settings",
    "job.read": "the job file was read and planned",
    "preflight.done": "the token, the sources and the names were looked up",
    "batch.created": "a duplicate exists",
    "batch.failed": "the API rejected a duplicate and will reject it again",
    "batch.unknown": "a request left and its outcome is unknown",
    "batch.settled": "an unknown outcome was resolved",
    "batch.retrying": "a duplicate was certainly not created and is sent again",
    "batch.set_up": "a setup has an outcome, or a batch was found set up (`setup_status`)",
    "batch.ready": "the API shows READY: the batch is set up",
    "pace.slowed": "the API throttled requests or is unusable: all senders wait",
    "pace.recovered": "the API answers normally again",
    "ledger.disconnected": "the connection to the ledger's server broke: nothing new is sent",
    "ledger.reconnected": "the connection is open again, and the run continues",
    "run.interrupted": "a signal asked the run to stop",
    "run.finished": "the run is over; counts by status",
    "note": "a message for people (`text`)",
}
"""Every event and its meaning."""


class StopReason(StrEnum):
    """Why a run ended early: the values of `stopped_by`."""

    SIGNAL = "signal"
    LIMIT = "limit"
    MAX_DURATION = "max_duration"
    MAX_FAILED = "max_failed"
    TOKEN = "token"  # noqa: S105 - a reason, not a token
    API = "api"
    DISK = "disk"
    DECLINED = "declined"
    INTERNAL = "internal"
    DATABASE = "database"


STOPPED_BY: Mapping[str, str] = {
    StopReason.SIGNAL: "a signal asked it to stop",
    StopReason.LIMIT: "--limit was reached",
    StopReason.MAX_DURATION: "--max-duration was reached",
    StopReason.MAX_FAILED: "--max-failed was reached",
    StopReason.TOKEN: "the API refused the token",
    StopReason.API: "the API was unusable for longer than --give-up-after",
    StopReason.DISK: "the disk could not be written",
    StopReason.DECLINED: "nobody agreed to create the duplicates",
    StopReason.INTERNAL: "of an error in this program",
    StopReason.DATABASE: "the ledger's server was away for longer than --give-up-after, or another"
    " machine took over",
}
"""Every `stopped_by`, as the end of the sentence: the run ended early because …"""


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Event(NamedTuple):
    """One thing that happened: `name` is a key of `EVENTS`; `fields` are JSON values. Times are ISO
    8601 UTC, durations seconds."""

    name: str
    level: Level = "info"
    fields: Mapping[str, Any] = _NOTHING


Emit = Callable[[Event], None]
"""The function that receives a run's events."""


def ignore(_event: Event) -> None:
    """The `Emit` of a command that has no log: it drops every event."""
