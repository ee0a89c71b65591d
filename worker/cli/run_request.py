"""The request for one run: its settings, the API, its job, and the guard against accidents."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.cli.accidents import Guard
from worker.cli.common import Target
from worker.job.plan import Plan
from worker.model.events import StopReason
from worker.settings.settings import Settings


class RunRequest(NamedTuple):
    """A request to run a campaign. Without a `plan`, the job stays as it was last read. With
    `only_settle`, nothing is sent. The `guard` checks what a plan would create. `closed` is why
    nothing new may be sent (see `run.options.Options`). `alone` is false for one of several jobs of
    a command, which presents what all have in common. `typed_job` is the job as the user named it,
    if that is another path than `job`."""

    settings: Settings
    target: Target
    run_id: str
    campaign: str
    job: Path
    ledger_file: Path
    plan: Plan | None = None
    guard: Guard | None = None
    only_settle: bool = False
    closed: StopReason | None = None
    alone: bool = True
    typed_job: str | None = None
