"""The state of a run at one moment, and its text. Pure; `progress` shows it."""

from __future__ import annotations

import math
from typing import NamedTuple

from worker.model.phase import Phase
from worker.text import counted, human_duration, visible


class Snapshot(NamedTuple):
    """The state of a run. `total` requested duplicates by status: `created`, `failed`, `unknown`,
    `pending`; `in_flight` requests; `rate` and its maximum `ceiling` (None: unlimited) in
    duplicates a second; `waiting_s` seconds until sending continues (0: it is not paused); its
    `phase`; `elapsed_s` seconds so far. Settling waits for `unanswered` requests and checks again
    in `looks_in_s` seconds (None: it is checking)."""

    total: int = 0
    created: int = 0
    failed: int = 0
    unknown: int = 0
    pending: int = 0
    in_flight: int = 0
    rate: float = 0.0
    ceiling: float | None = None
    waiting_s: float = 0.0
    phase: Phase = Phase.PLANNING
    elapsed_s: float = 0.0
    unanswered: int = 0
    looks_in_s: float | None = None

    @property
    def done(self) -> int:
        """Number of duplicates whose outcome is known."""
        return self.created + self.failed


def eta(snapshot: Snapshot) -> float | None:
    """Seconds until nothing is pending at the current rate, pauses included; None if that cannot be
    estimated."""
    if snapshot.pending <= 0:
        return 0.0 if snapshot.total else None
    if not snapshot.rate > 0 or not math.isfinite(snapshot.rate):
        return None
    return max(snapshot.waiting_s, 0.0) + snapshot.pending / snapshot.rate


def line(snapshot: Snapshot) -> str:
    """One plain line: `created 120/1000 · 5.0/s · 2 unknown · ETA 3 min`."""
    parts = [] if snapshot.phase is Phase.SENDING else doing(snapshot)
    if snapshot.total:
        parts += [f"created {snapshot.created}/{snapshot.total}", f"{snapshot.rate:.1f}/s"]
    parts += [
        f"{n} {status}"
        for n, status in ((snapshot.failed, "failed"), (snapshot.unknown, "unknown"))
        if n
    ]
    return " · ".join([*parts, *ahead(snapshot)])


def doing(snapshot: Snapshot) -> list[str]:
    """What the run is doing, in parts of a line: `settling`, `3 unanswered requests`, …"""
    phase = visible(snapshot.phase)
    if not snapshot.unanswered:
        return [f"{phase} …" if snapshot.phase is Phase.LOOKING_UP else phase]
    looks = (
        "looking now"
        if snapshot.looks_in_s is None
        else f"looking again in {human_duration(snapshot.looks_in_s)}"
    )
    return [phase, counted(snapshot.unanswered, "unanswered request"), looks]


def ahead(snapshot: Snapshot) -> list[str]:
    """What comes next while a run sends: the end of a pause, the end of the run."""
    if snapshot.phase is not Phase.SENDING:
        return []
    parts = [f"paused for {human_duration(snapshot.waiting_s)}"] if snapshot.waiting_s > 0 else []
    left = eta(snapshot)
    return [*parts, f"ETA {human_duration(left)}"] if left else parts
