"""Reads what the HTML report needs from the database: rows and counts. `worker.export.report`
interprets and shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from worker.ledger.engine import Row
from worker.ledger.handle import Reader
from worker.ledger.views import named_workspaces
from worker.model.batch import Workspace
from worker.model.records import Counts, Notification, NotificationKind


class Size(NamedTuple):
    """How many of the campaign's duplicates are no longer in the job (`dropped`), and how many
    different sources the job has."""

    dropped: int
    sources: int


class Settlement(NamedTuple):
    """How many duplicates a run found by its listings (`settled`), how many became created after it
    (`later`), and when it last listed a workspace (`at`, ISO 8601 UTC; None: never)."""

    settled: int
    later: int
    at: str | None


def counts(reader: Reader, campaign: int) -> tuple[Counts, dict[str, int]]:
    """How many of the job's duplicates have which status, and how many of the created ones are
    known by a response, a listing or a person."""
    found = {"created": 0, "failed": 0, "unknown": 0, "pending": 0}
    settled_by = {"response": 0, "listing": 0, "person": 0}
    for row in reader.execute("report_counts", campaign=campaign):
        found["unknown" if row["status"] == "sent" else row["status"]] += row["items"]
        if row["status"] == "created":
            settled_by[row["settled_by"]] = row["items"]
    return Counts(**found), settled_by


def size(reader: Reader, campaign: int) -> Size:
    """The size of the campaign."""
    return Size(*reader.execute("report_size", campaign=campaign).fetchone())


def runs(reader: Reader, campaign: int, limit: int) -> list[Row]:
    """The campaign's latest runs, the newest first."""
    return reader.execute("report_runs", campaign=campaign, limit=limit).fetchall()


def comparable_runs(reader: Reader, run: int, limit: int) -> list[Row]:
    """The run and the ones before it that sent something, of the same job or campaign, the newest
    first."""
    return reader.execute("report_comparable_runs", run=run, limit=limit).fetchall()


def notifications(reader: Reader, campaign: int) -> tuple[Notification, ...]:
    """What was sent about the campaign's latest run, in order."""
    return tuple(
        Notification(NotificationKind(row["kind"]), row["at"], row["trouble"])
        for row in reader.execute("report_notifications", campaign=campaign)
    )


def unknown_outcomes(reader: Reader, first: int) -> dict[int, int]:
    """How many requests of each run, from the run `first` on, may have created a batch."""
    return {
        row["run"]: row["requests"]
        for row in reader.execute("report_unknown_outcomes", first=first)
    }


def count_runs(reader: Reader, campaign: int) -> int:
    """How many runs the campaign has had."""
    return int(reader.execute("report_run_count", campaign=campaign).fetchone()[0])


def workspaces(reader: Reader, campaign: int) -> tuple[Workspace, ...]:
    """The workspaces of the job's sources."""
    found = reader.execute("workspaces_of_campaign", campaign=campaign)
    return named_workspaces(reader, [row["workspace_id"] for row in found])


def tries(reader: Reader, campaign: int) -> tuple[tuple[int, int], ...]:
    """Pairs of a number of requests and how many of the job's duplicates took that many."""
    found = reader.execute("report_tries", campaign=campaign)
    return tuple((row["attempts"], row["items"]) for row in found)


def candidate(reader: Reader, item: int, batch_id: str) -> Row | None:
    """A batch that could be the copy of the item, as a listing showed it, and what speaks for and
    against it; None if it has an owner by now."""
    found = reader.execute("report_candidate", item=item, batch_id=batch_id)
    row: Row | None = found.fetchone()
    return row


def source_name(reader: Reader, source_id: str) -> str | None:
    """The name of the source when it was last looked up; None if it never was."""
    row = reader.execute("report_source", source_id=source_id).fetchone()
    return None if row is None else str(row["name"])


def last_sending_run(reader: Reader, campaign: int) -> Row | None:
    """The campaign's latest run that sent a request; None if there is none."""
    row: Row | None = reader.execute("report_last_sending_run", campaign=campaign).fetchone()
    return row


def settlement(reader: Reader, campaign: int, run: int) -> Settlement:
    """What the run settled, and what was created after it."""
    return Settlement(*reader.execute("report_settled", campaign=campaign, run=run).fetchone())


def attempts(reader: Reader, campaign: int, run: int) -> Iterable[Mapping[str, Any]]:
    """The run's attempts, in the order in which they left."""
    return reader.execute("report_attempts", campaign=campaign, run=run)


def rate_changes(reader: Reader, run: int, limit: int) -> Iterable[Mapping[str, Any]]:
    """When and why the run waited: its first `limit` rate changes."""
    return reader.execute("report_rate_changes", run=run, limit=limit)
