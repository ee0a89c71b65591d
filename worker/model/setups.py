"""Setups of new batches, as records: what is known about one, the request, and how it ended. The
rules are in `worker.setup`."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from worker.text import verb

UNINITIALISED, READY, ERROR = "UNINITIALISED", "READY", "ERROR"
"""The API's statuses of a batch that decide something. Every other one means that it was set up."""


class SetupStatus(StrEnum):
    """What is known about the setup of a duplicate's batch."""

    READY = "ready"
    REQUESTED = "requested"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


SETUP_STATUSES = {
    SetupStatus.READY: "the batch is set up: the API shows READY",
    SetupStatus.REQUESTED: "the API accepted the setup, or shows that somebody set the batch up",
    SetupStatus.PENDING: "not sent yet, or sent and certainly without effect",
    SetupStatus.FAILED: "the API rejected the setup, or shows ERROR; `error` says why",
    SetupStatus.UNKNOWN: "sent without a clear answer; the next run looks before it sends again",
}
"""Every status of a setup and its meaning. An empty one: the job does not ask for a setup."""


class SetupCounts(NamedTuple):
    """How many of the job's duplicates that are to be set up have each status."""

    ready: int = 0
    requested: int = 0
    pending: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def open(self) -> int:
        """Those that a run still sends, or looks at before it sends again."""
        return self.pending + self.unknown

    @property
    def undone(self) -> int:
        """Those whose setup is not even requested."""
        return self.open + self.failed


class SetupWork(NamedTuple):
    """What a run could do for batches that exist: set up or find out about (`open`), follow
    (`requested`), look at again because their status was ERROR (`errors`)."""

    open: int = 0
    requested: int = 0
    errors: int = 0


class Copy(NamedTuple):
    """A duplicate's own batch, as the ledger knows it.

    `workspace_id` is where it probably is ("": not known). `status` is what the API showed last
    (None: nothing). `sent` is the outcome of the setup request that stands: accepted, refused,
    unknown (None: none stands), and `setup` its number. `fresh`: the answer that created it, in
    this run, says that it is not set up. `timeout_s` is the time limit of that request, in
    seconds."""

    item_id: int
    line: int
    copy: int
    batch_id: str
    workspace_id: str
    status: str | None
    sent: str | None
    setup: int | None
    fresh: bool
    timeout_s: float


class SetupLabel(NamedTuple):
    """How log lines describe a setup; `sent` counts its requests."""

    item_id: int
    line: int
    copy: int
    source_id: str
    name: str
    batch_id: str
    tasks_per_group: int | None
    status: str
    error: str | None
    sent: int


class SetupIntent(NamedTuple):
    """A setup request that is recorded and may leave."""

    setup_id: int
    item_id: int
    batch_id: str
    tasks_per_group: int


class SetupResult(NamedTuple):
    """How a setup request ended. `outcome` is accepted, refused, not_sent, unknown, or not_left if
    it was withdrawn before it left; `ended` is when (monotonic seconds). `retry`: it may be sent
    again in this run."""

    intent: SetupIntent
    outcome: str
    at: str
    ended: float
    http_status: int | None = None
    error: str | None = None
    retry: bool = False


class Seen(NamedTuple):
    """What a look showed of a batch: its status (None: nothing clear) and when the look's request
    left (monotonic seconds). `error` is what the API says about the status ERROR."""

    status: str | None
    at: float
    error: str | None = None


class ChangedSetup(NamedTuple):
    """`items` batches were set up with the number `sent`; the job asks for `wanted` now."""

    sent: int
    wanted: int
    items: int

    def __str__(self) -> str:
        """As a message for people."""
        were = verb(self.items, "batch was", "batches were")
        stay = verb(self.items, "it stays as it is", "they stay as they are")
        return (
            f"{self.items:,} {were} set up with {self.sent} tasks for each group, and the job asks"
            f" for {self.wanted} now; {stay}: a batch is never set up twice"
        )
