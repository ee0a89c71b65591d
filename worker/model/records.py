"""Arguments and results of the ledger's operations. Plain records; no SQL and no rules."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from worker.model.differences import Content, Difference
from worker.model.reasons import Reason


class Status(StrEnum):
    """What is known about a duplicate. (The database also has `sent`: a request is in flight.)"""

    CREATED = "created"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PENDING = "pending"


STATUSES = {
    Status.CREATED: "exists; `new_batch_id` is its id",
    Status.FAILED: "does not exist; the API rejected it and will reject it again; `error` says why",
    Status.UNKNOWN: "may exist; `error` says what is known",
    Status.PENDING: "not sent yet, or sent and certainly not created",
}
"""Every status and its meaning."""


class Counts(NamedTuple):
    """How many of a job's duplicates have each status."""

    created: int = 0
    failed: int = 0
    unknown: int = 0
    pending: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.created + self.failed + self.unknown + self.pending


class RunKind(StrEnum):
    """The purpose of a run."""

    RUN = "run"
    """Creates what is missing."""
    SETTLE = "settle"
    """Finds out whether unanswered requests created a batch, or records a person's decisions."""
    RESTORE = "restore"
    """Rebuilds a lost database from a ledger file."""


class NotificationKind(StrEnum):
    """What was sent about a run."""

    START = "start"
    """The heartbeat of its start."""
    SUCCESS = "success"
    """The heartbeat of its end, with exit code 0."""
    FAIL = "fail"
    """The heartbeat of its end, with another exit code."""
    ON_FINISH = "on_finish"
    """The summary, to the command of `--on-finish`."""
    METRICS = "metrics"
    """The metrics file."""


class Notification(NamedTuple):
    """Something that was sent about a run at `at` (ISO 8601 UTC). `trouble` says what went wrong
    (None: nothing)."""

    kind: NotificationKind
    at: str
    trouble: str | None = None


class RunStart(NamedTuple):
    """What is recorded when a run begins. Paths are absolute; times are ISO 8601 UTC. `ceiling` is
    in requests per second (None: unlimited), `date` is the value of `{date}`."""

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
    """From `at` (ISO 8601 UTC) on, all senders wait `wait_s` seconds (None: the API answers
    normally again), and then `rate` requests per second may leave (None: unlimited)."""

    at: str
    wait_s: float | None
    rate: float | None
    why: str | None


class Leaving(NamedTuple):
    """Unfinished duplicates that are no longer in the job: how many are not created, how many are
    unknown, and how many have a batch that is not set up."""

    not_created: int = 0
    unknown: int = 0
    not_set_up: int = 0


class RunEnd(NamedTuple):
    """What is recorded when a run ends. `ledger_stamp` identifies its ledger file (None: the file
    is incomplete)."""

    now: str
    stopped_by: str | None
    exit_code: int
    created: int
    requests: int
    throttled: int
    ledger_stamp: str | None = None


class Timestamp(NamedTuple):
    """When something happened: `at` by this machine's clock (ISO 8601 UTC, for people), `server` by
    the API's clock (seconds since 1970; None: no answer has reported it yet), `earliest` the
    earliest time that the API's clock may show from then on."""

    at: str
    server: float | None
    earliest: float | None = None


class Listed(NamedTuple):
    """What is kept of one batch that a listing or a GET showed. `datasets` are sorted ids; times
    are as the API wrote them; `details` and `loose_details` are digests (the latter ignores case,
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
    instructions: int | None = None
    auto_sync: bool | None = None


class Intent(NamedTuple):
    """An attempt that is recorded and may leave: one request for one item.

    `name` is the name to send (None: no name); `label` names the item for people; `attempt` is the
    number of the item's request, from 1. `source` is what its copy is compared with. `listing`
    numbers its baseline: what listings up to it showed existed before the request (-1: nothing)."""

    attempt_id: int
    item_id: int
    line: int
    copy: int
    source_id: str
    name: str | None
    label: str
    upload_new_dataset: bool
    attempt: int
    source: Content = Content()
    listing: int = -1


class AttemptResult(NamedTuple):
    """How an attempt ended, as the ledger keeps it.

    `outcome` is created, refused, not_sent, unknown, or not_left if the request was withdrawn
    before it left. `left` says whether it counts as a request that left. `sent_at` and `ended_at`
    are ISO 8601 UTC; `*_server` and `answer_date` are seconds since 1970 by the API's clock;
    `latency_s` is in seconds."""

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
    """Why the item is not created, if the outcome alone does not say it."""
    retry: bool = False
    """Whether the sender retries the item in this run."""
    differences: tuple[Difference, ...] = ()
    """Where the new batch differs from its source."""
