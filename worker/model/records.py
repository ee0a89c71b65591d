"""What goes into the ledger's operations and comes out of them. Plain records; no SQL and no
rules."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from worker.model.reasons import Reason


class Status(StrEnum):
    """What is known of a wanted duplicate (`sent` exists in the database alone: its outcome is
    under way)."""

    CREATED = "created"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PENDING = "pending"


STATUSES = {
    Status.CREATED: "exists; `new_batch_id` is its id",
    Status.FAILED: "does not exist; the API refused it for good; `error` says why",
    Status.UNKNOWN: "may exist; `error` says what is known",
    Status.PENDING: "not tried, or tried and surely not created",
}
"""Every status and what it means."""


class Counts(NamedTuple):
    """How many of a job's duplicates have which status."""

    created: int = 0
    failed: int = 0
    unknown: int = 0
    pending: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.created + self.failed + self.unknown + self.pending


class RunKind(StrEnum):
    """What a run is there for."""

    RUN = "run"
    """Creates what is missing."""
    SETTLE = "settle"
    """Finds out about unanswered requests, or records what a person found out."""
    RESTORE = "restore"
    """Rebuilds a lost database from a ledger file."""


class RunStart(NamedTuple):
    """What a run says of itself when it begins. Paths are absolute; times are ISO 8601 UTC.
    `ceiling` is in requests a second (None: no ceiling), `date` the value of `{date}`."""

    run_id: str
    campaign: str
    job: str
    ledger: str
    host: str
    pid: int
    now: str
    timeout_s: float
    settle_after_s: float
    ceiling: float | None = None
    date: str | None = None
    kind: RunKind = RunKind.RUN


class RateChange(NamedTuple):
    """All senders were told to wait `wait_s` seconds from `at` (ISO 8601 UTC) on, or, where that is
    None, the API answers well again; `rate` requests a second may leave from then on (None:
    any)."""

    at: str
    wait_s: float | None
    rate: float | None
    why: str | None


class RunEnd(NamedTuple):
    """What a run says of itself when it ends; `ledger_stamp` tells its ledger file (None: not
    whole)."""

    now: str
    stopped_by: str | None
    exit_code: int
    created: int
    requests: int
    throttled: int
    ledger_stamp: str | None = None


class Timestamp(NamedTuple):
    """When something happened: `at` by this machine (ISO 8601 UTC, for people), `server` by the
    API's clock (seconds since 1970; None where no answer has told it yet), `earliest` the earliest
    that this clock may show from then on."""

    at: str
    server: float | None
    earliest: float | None = None


class Listed(NamedTuple):
    """What is kept of one batch that a listing or a GET showed. `datasets` are ids, sorted; times
    as the API wrote them; `details` and `loose_details` are digests (the latter without case,
    spaces and Unicode form)."""

    id: str
    name: str
    status: str | None
    workspace_id: str
    created_at: str | None
    created_by: str | None
    details: str
    loose_details: str
    datasets: tuple[str, ...]


class Intent(NamedTuple):
    """An attempt that is written down and may leave: one request for one item.

    `name` is what is sent (None: no name); `label` is what people call the item; `attempt` counts
    its requests from 1."""

    attempt_id: int
    item_id: int
    line: int
    copy: int
    source_id: str
    name: str | None
    label: str
    upload_new_dataset: bool
    attempt: int


class AttemptResult(NamedTuple):
    """How an attempt ended, as the ledger keeps it.

    `outcome` is one of created, refused, not_sent, unknown, and not_left where the request was
    taken back before it left. `left` says whether it counts as a request that left. Times:
    `sent_at`, `ended_at` ISO 8601 UTC, `*_server` and `answer_date` seconds since 1970 by the API's
    clock, `latency_s` seconds."""

    intent: Intent
    outcome: str
    left: bool
    sent_at: str
    ended_at: str
    left_server: float | None
    ended_server: float | None
    answer_date: float | None
    latency_s: float
    http_status: int | None = None
    error: str | None = None
    batch_id: str | None = None
    batch_name: str | None = None
    batch_status: str | None = None
    created_at: str | None = None
    created_by: str | None = None
    reason: Reason | None = None
    """Why the item is not created, where the outcome alone does not say it."""
    retry: bool = False
    """Whether the sender wants it again in this run."""
