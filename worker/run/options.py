"""What one run goes by."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.accidents.rules import Situation
from worker.export.commands import Invocation
from worker.run.limits import Limits


class Options(NamedTuple):
    """What a run goes by; durations in seconds, `rate` requests a second (None: no ceiling). With
    `only_settle` nothing is sent. Commands that the ledger file names go by `invocation`.
    `situation` is what is known about accidents before the look-ups (None: nothing counts as
    one)."""

    campaign: str
    ledger: Path
    rate: float | None
    limits: Limits
    max_duration: float | None
    settle_after: float
    invocation: Invocation
    only_settle: bool = False
    situation: Situation | None = None
