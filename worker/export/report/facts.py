"""What the database is asked for a report of one campaign: few questions, each with an answer of
bounded size."""

from __future__ import annotations

from typing import NamedTuple

from worker.export.report.needs import Needs, needs
from worker.export.report.timeline import Timeline, timeline
from worker.ledger import report, setups, views
from worker.ledger.engine import Row
from worker.ledger.handle import Reader
from worker.ledger.proposals import Found
from worker.ledger.rows import extra_columns, ledger_rows
from worker.model.attempts import Evidence
from worker.model.batch import Workspace
from worker.model.clock import seconds
from worker.model.process import is_alive
from worker.model.records import Counts, Notification, RunKind
from worker.model.setups import SetupCounts

RUNS = 200
"""How many runs the report lists; it counts the older ones."""

COMPARED = 7
"""How many runs stand side by side for comparison, the latest included."""

PAUSES = 20_000
"""How many pauses of a run are read: one a second for some hours."""


class Run(NamedTuple):
    """One run. Times are ISO 8601 UTC. `ended_at` is None if it is running or crashed; `alive` says
    which, as far as this computer can know (None: it cannot). `unknown` counts requests that
    may have created a batch."""

    run_id: str
    campaign: str
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
    unknown: int = 0

    @property
    def duration_s(self) -> float | None:
        """How long it took; None if its end is not known."""
        begin, end = seconds(self.started_at), seconds(self.ended_at)
        return None if begin is None or end is None else max(0.0, end - begin)

    @property
    def is_active(self) -> bool:
        """Whether it is certainly running."""
        return self.ended_at is None and self.alive is True

    @property
    def may_be_active(self) -> bool:
        """Whether it is running, as far as this computer can know."""
        return self.ended_at is None and self.alive is not False


class Facts(NamedTuple):
    """Everything that a report shows, except its rows. `settled_by` counts created duplicates by
    how they are known, `tries` pairs a number of requests with how many duplicates took it. `runs`
    are the latest, newest first, of `runs_in_all`. `timeline` is that of the latest run that sent
    something, `sending_run_id` its id; `compared` are that run and the ones before it that sent
    something, of this job or campaign, newest first. `notifications` are what was sent about the
    latest run. `warnings` is how many copies differ from their source, `workspaces` are those of
    the sources. `setups` are the counts of the setups that the
    job asks for; a run can do something about `to_set_up` of them."""

    campaign: str
    counts: Counts
    settled_by: dict[str, int]
    dropped: int
    sources: int
    tries: tuple[tuple[int, int], ...]
    runs: tuple[Run, ...]
    runs_in_all: int
    needs: Needs
    timeline: Timeline | None
    sending_run_id: str | None
    compared: tuple[Run, ...]
    extra_columns: tuple[str, ...]
    notifications: tuple[Notification, ...] = ()
    warnings: int = 0
    workspaces: tuple[Workspace, ...] = ()
    setups: SetupCounts = SetupCounts()
    to_set_up: int = 0

    @property
    def latest(self) -> Run:
        """The latest run."""
        return self.runs[0]

    @property
    def sending_run(self) -> Run | None:
        """The latest run that sent something; None if there is none, or if it is too long ago to be
        among `runs`."""
        return next((run for run in self.runs if run.run_id == self.sending_run_id), None)

    @property
    def is_forgotten(self) -> bool:
        """Whether requests were sent, and their times were removed (`ledger --forget`)."""
        return self.timeline is None and any(run.requests for run in self.runs)


def facts(reader: Reader, campaign_id: int, campaign: str, now: float) -> Facts:
    """What is known of the campaign (its number and name) at `now` (seconds since 1970). It has at
    least one run."""
    counts, settled_by = report.counts(reader, campaign_id)
    size = report.size(reader, campaign_id)
    sending = report.last_sending_run(reader, campaign_id)
    run_rows = report.runs(reader, campaign_id, RUNS)
    compared_rows = report.comparable_runs(reader, sending["id"], COMPARED) if sending else []
    unknown = report.unknown_outcomes(
        reader, min((row["id"] for row in (*run_rows, *compared_rows)), default=0)
    )
    runs = tuple(_run(row, unknown) for row in run_rows)
    return Facts(
        campaign=campaign,
        counts=counts,
        settled_by=settled_by,
        dropped=size.dropped,
        sources=size.sources,
        tries=report.tries(reader, campaign_id),
        runs=runs,
        runs_in_all=report.count_runs(reader, campaign_id),
        needs=needs(
            ledger_rows(reader, campaign_id, campaign, created=False),
            lambda item, batch_id: candidate(reader, item, batch_id),
            active=runs[0].may_be_active,
        ),
        timeline=_timeline(reader, campaign_id, sending, counts.created, now) if sending else None,
        sending_run_id=sending["run_id"] if sending else None,
        compared=tuple(_run(row, unknown) for row in compared_rows),
        extra_columns=extra_columns(reader, campaign_id),
        notifications=report.notifications(reader, campaign_id),
        warnings=views.differing(reader, campaign_id),
        workspaces=report.workspaces(reader, campaign_id),
        setups=setups.counts(reader, campaign_id),
        to_set_up=setups.work(reader, campaign_id).open,
    )


def may_be_active(reader: Reader, campaign_id: int) -> bool:
    """Whether the campaign's latest run is still active, as far as this computer can know."""
    return any(_run(row, {}).may_be_active for row in report.runs(reader, campaign_id, 1))


def candidate(reader: Reader, item: int, batch_id: str) -> Found | None:
    """What is known of a batch that could be the copy of the item; None if it has an owner by
    now."""
    row = report.candidate(reader, item, batch_id)
    if row is None:
        return None
    name, created_at, status, *evidence = row
    fits = (None if one is None else bool(one) for one in evidence)
    return Found(batch_id, name, created_at, status, Evidence(*fits))


def _run(row: Row, unknown: dict[int, int]) -> Run:
    return Run(
        run_id=row["run_id"],
        campaign=row["campaign"],
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
        alive=is_alive(row["host"], row["pid"]) if row["ended_at"] is None else False,
        kind=RunKind(row["kind"]),
        unknown=unknown.get(row["id"], 0),
    )


def _timeline(
    reader: Reader, campaign_id: int, run: Row, created: int, now: float
) -> Timeline | None:
    begin = seconds(run["started_at"])
    if begin is None:
        return None
    running = run["ended_at"] is None and is_alive(run["host"], run["pid"])
    settled = report.settlement(reader, campaign_id, run["id"])
    return timeline(
        report.attempts(reader, campaign_id, run["id"]),
        report.rate_changes(reader, run["id"], PAUSES),
        begin=begin,
        end=seconds(run["ended_at"] or (None if running else run["last_at"])) or now,
        ceiling=run["ceiling"],
        created=created - settled.later,
        settled=settled.settled,
        settled_at=seconds(settled.at),
    )
