"""The options of one run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.accidents.rules import Situation
from worker.export.commands import Invocation
from worker.model.events import StopReason
from worker.run.limits import Limits


class Options(NamedTuple):
    """The options of a run. Durations are in seconds; `rate` is the maximum number of requests a
    second (None: no maximum). With `only_settle` nothing is sent. `invocation` says how the ledger
    file writes commands. `situation` is what is known about accidents before the look-ups (None:
    nothing counts as an accident). `closed` is why nothing new may be sent from the start: a limit
    (`limit`, `max_failed`, `max_duration`) that earlier jobs of the same command have used up.
    `follow` is how long to wait until batches are set up."""

    campaign: str
    ledger: Path
    rate: float | None
    limits: Limits
    max_duration: float | None
    settle_after: float
    invocation: Invocation
    only_settle: bool = False
    situation: Situation | None = None
    closed: StopReason | None = None
    follow: float = 0.0
    retry_failed: bool = False
