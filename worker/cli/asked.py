"""What one run was asked to do: its settings, the API, its job, and the guard before it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.cli.accidents import Guard
from worker.cli.common import Target
from worker.job.plan import Plan
from worker.settings.settings import Settings


class Asked(NamedTuple):
    """One run of a campaign. Without a `plan` the job stays as it was last read, and with
    `only_settle` nothing is sent. The `guard` stands before what a plan would create."""

    settings: Settings
    target: Target
    run_id: str
    campaign: str
    job: Path
    ledger_file: Path
    plan: Plan | None = None
    guard: Guard | None = None
    only_settle: bool = False
