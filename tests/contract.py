"""The contract's tables as plain data: what people's cron lines, spreadsheets and scripts rely on.

Typed by hand, on purpose: nothing here is read from the code that it is held against. A change here
is a change of a promise."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS = (
    "run",
    "check",
    "settle",
    "ledger",
    "report",
    "batches",
    "doctor",
    "completion",
    "sandbox",
)

NOT_BUILT_YET: tuple[str, ...] = ()
"""The commands of the contract that this version leaves out."""

OPTIONS_OF_ALL_WITH_A_JOB = ("--campaign", "--date", "--database", "--ledger", "--config")

RUN_OPTIONS: Mapping[str, tuple[str | None, str | int | bool | None]] = {
    "--campaign": ("NAME", None),
    "--ledger": ("PATH", "ledgers/{campaign}.csv"),
    "--database": ("PATH", "ledgers/ledger.db"),
    "--rate": ("N/s|N/min|unlimited", "5/s"),
    "--max-in-flight": ("N", 16),
    "--timeout": ("S", 60),
    "--settle-after": ("S", 30),
    "--give-up-after": ("S", 900),
    "--retry-failed": (None, False),
    "--limit": ("N", None),
    "--max-duration": ("S", None),
    "--max-failed": ("N", None),
    "--wait": ("S", 0),
    "--follow": ("S", 0),
    "--yes": (None, False),
    "--allow-existing": (None, False),
    "--date": ("YYYY-MM-DD", None),
    "--sandbox": (None, False),
    "--fresh": (None, False),
    "--report": (None, False),
    "--json": (None, False),
    "--log-file": ("PATH", None),
    "--log-format": ("auto|console|json", "auto"),
    "--progress": ("auto|never", "auto"),
    "--quiet": (None, False),
    "--heartbeat-url": ("URL", None),
    "--metrics-file": ("PATH", None),
    "--on-finish": ("COMMAND", None),
    "--config": ("PATH", None),
}
"""Every option of `run`: how its value is written (None: it has none), and its default (None: there
is none)."""

DRY_RUN = "--dry-run"
"""`run --dry-run` is `check`; the contract names it with the commands."""

SETTLE_OPTIONS = (
    "--assign",
    "--absent",
    "--proposals",
    "--decisions",
    "--accept-suggestions",
    "--review",
)
LEDGER_OPTIONS = (
    "--format",
    "--status",
    "--source",
    "--run",
    "--since",
    "--all",
    "--refresh",
    "--restore",
    "--backup",
    "--copy-to",
    "--accept-server",
    "--forget",
    "--before",
)
REPORT_OPTIONS = ("--output",)
LEDGER_FORMATS = ("csv", "json", "table", "xlsx", "job")

COLUMNS = (
    "line",
    "source_batch_id",
    "name",
    "upload_new_dataset",
    "copy",
    "status",
    "new_batch_id",
    "new_batch_status",
    "created_at",
    "settled_by",
    "attempts",
    "http_status",
    "error",
    "first_sent_at",
    "last_sent_at",
    "campaign",
    "run_id",
    "tasks_per_group",
    "setup_status",
    "warning",
)
"""The ledger file's columns, in order."""

JOB_COLUMNS = ("batch_id", "name", "upload_new_dataset", "copies", "tasks_per_group")
PLACEHOLDERS = ("n", "copies", "date", "source_id", "source_name", "campaign")

SETUP_STATUSES = ("ready", "requested", "pending", "failed", "unknown")

STATUSES = ("created", "failed", "unknown", "pending")

EXIT_CODES: Mapping[int, str] = {
    0: "everything in the job is created, and set up if the job asks for it",
    1: "something is failed, unknown or pending",
    2: "wrong usage, job file, config or database, or no token: nothing was sent",
    3: "the API refused the token",
    75: "another run holds this database",
    128: "+ signal after SIGINT, SIGTERM or SIGHUP",
}

EVENTS = (
    "run.started",
    "job.read",
    "preflight.done",
    "batch.created",
    "batch.failed",
    "batch.unknown",
    "batch.settled",
    "batch.retrying",
    "batch.set_up",
    "batch.ready",
    "pace.slowed",
    "pace.recovered",
    "ledger.disconnected",
    "ledger.reconnected",
    "run.interrupted",
    "run.finished",
)
LOG_FIELDS = ("timestamp", "level", "event", "run_id", "campaign")
"""What every JSON log line has at least."""

DUPLICATE_FIELDS = ("line", "source_batch_id", "name", "attempt")
"""What a line about one duplicate has beyond that."""

SETTLED_FIELDS = ("copy", "status", "new_batch_id")
"""What batch.settled has beyond that."""

SETTLED_BY = ("response", "listing", "person")
"""How a created row is known."""

SUMMARY_FIELDS = (
    "campaign",
    "run_id",
    "job",
    "ledger",
    "database",
    "counts",
    "created_this_run",
    "settled_this_run",
    "requests",
    "throttled",
    "duration_s",
    "exit_code",
    "stopped_by",
    "report",
    "setup",
    "warnings",
)
STOPPED_BY = (
    "signal",
    "limit",
    "max_duration",
    "max_failed",
    "token",
    "api",
    "disk",
    "declined",
    "internal",
    "database",
)
