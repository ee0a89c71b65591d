"""What the database is asked for a report of one campaign: few questions, each with an answer of
bounded size."""

from __future__ import annotations

import os
import socket
import sqlite3
from typing import NamedTuple

from worker.export.report.needs import Candidate, Needs, needs
from worker.export.report.timeline import Timeline, timeline
from worker.ledger import report, views
from worker.ledger.handle import Reader
from worker.model.clock import seconds
from worker.model.records import Counts, RunKind

RUNS = 200
"""How many runs are told; of older ones their number."""

PACES = 20_000
"""How many pauses of a run are told: one a second for some hours."""


class Run(NamedTuple):
    """One run. Times are ISO 8601 UTC; `ended_at` is None where it goes on or died, and then
    `alive` says which, as far as this machine can know (None: it cannot)."""

    run_id: str
    job: str
    ledger: str
    host: str
    pid: int
    started_at: str
    ended_at: str | None
    stopped_by: str | None
    exit_code: int | None
    created: int
    requests: int
    throttled: int
    alive: bool | None
    kind: RunKind

    @property
    def duration_s(self) -> float | None:
        """How long it took; None where its end is not known."""
        begin, end = seconds(self.started_at), seconds(self.ended_at)
        return None if begin is None or end is None else max(0.0, end - begin)

    @property
    def going_on(self) -> bool:
        """Whether it surely goes on."""
        return self.ended_at is None and self.alive is True

    @property
    def may_go_on(self) -> bool:
        """Whether it goes on, as far as this machine can know."""
        return self.ended_at is None and self.alive is not False


class Facts(NamedTuple):
    """All that a report tells but its rows. `settled_by` counts created duplicates by how they are
    known, `tries` duplicates by how many requests each took; `runs` are the latest, newest first,
    of `runs_in_all`; `night` is the latest run that sent something, `night_id` its run id."""

    campaign: str
    counts: Counts
    settled_by: dict[str, int]
    dropped: int
    sources: int
    tries: tuple[tuple[int, int], ...]
    runs: tuple[Run, ...]
    runs_in_all: int
    needs: Needs
    night: Timeline | None
    night_id: str | None
    extra_columns: tuple[str, ...]

    @property
    def latest(self) -> Run:
        """The latest run."""
        return self.runs[0]

    @property
    def sender(self) -> Run | None:
        """The run of `night`; None where that is the latest one, or too long ago to be among
        `runs`."""
        return next((run for run in self.runs[1:] if run.run_id == self.night_id), None)


def facts(reader: Reader, campaign: int, name: str, now: float) -> Facts:
    """What is known of the campaign (its number and name) at `now` (seconds since 1970). It has at
    least one run."""
    counts, settled_by = report.counts(reader, campaign)
    size = report.size(reader, campaign)
    runs = tuple(_run(row) for row in report.runs(reader, campaign, RUNS))
    night_id, one = _night(reader, campaign, counts.created, now)
    return Facts(
        campaign=name,
        counts=counts,
        settled_by=settled_by,
        dropped=size.dropped,
        sources=size.sources,
        tries=report.tries(reader, campaign),
        runs=runs,
        runs_in_all=report.count_runs(reader, campaign),
        needs=needs(
            views.ledger_rows(reader, campaign, name, created=False),
            lambda batch_id: candidate(reader, batch_id),
            going_on=runs[0].may_go_on,
        ),
        night=one,
        night_id=night_id,
        extra_columns=views.extra_columns(reader, campaign),
    )


def candidate(reader: Reader, batch_id: str) -> Candidate | None:
    """What a listing showed of a batch that could be a duplicate's copy; None where it has an owner
    by now."""
    row = report.candidate(reader, batch_id)
    if row is None:
        return None
    return Candidate(batch_id, row["name"], row["created_at"], row["status"])


def _run(row: sqlite3.Row) -> Run:
    return Run(
        run_id=row["run_id"],
        job=row["job"],
        ledger=row["ledger"],
        host=row["host"],
        pid=row["pid"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        stopped_by=row["stopped_by"],
        exit_code=row["exit_code"],
        created=row["created"],
        requests=row["requests"],
        throttled=row["throttled"],
        alive=_alive(row["host"], row["pid"]) if row["ended_at"] is None else False,
        kind=RunKind(row["kind"]),
    )


def _alive(host: str, pid: int) -> bool | None:
    """Whether the process is there; None where that cannot be told from here."""
    if os.name != "posix" or host != socket.gethostname():
        return None
    try:
        os.kill(pid, 0)  # signal 0 asks, and does nothing
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _night(
    reader: Reader, campaign: int, created: int, now: float
) -> tuple[str | None, Timeline | None]:
    run = report.last_sending_run(reader, campaign)
    begin = seconds(run["started_at"]) if run else None
    if run is None or begin is None:
        return None, None
    going_on = run["ended_at"] is None and _alive(run["host"], run["pid"])
    settled = report.settlement(reader, campaign, run["id"])
    one = timeline(
        report.attempts(reader, campaign, run["id"]),
        report.rate_changes(reader, run["id"], PACES),
        begin=begin,
        end=seconds(run["ended_at"] or (None if going_on else run["last_at"])) or now,
        ceiling=run["ceiling"],
        created=created - settled.later,
        settled=settled.settled,
        settled_at=seconds(settled.at),
    )
    return run["run_id"], one
