"""What the ledger can be asked without changing it. Every function takes a reader and returns
plain values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from worker.ledger.group_commit import default_name
from worker.ledger.handle import Reader
from worker.model import reasons as why
from worker.model.causes import Cause, Causes
from worker.model.job_names import job_name
from worker.model.names import render_name
from worker.model.records import Counts

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
)
"""The ledger file's columns, in order; the job's `x_` columns follow."""

_decode = json.JSONDecoder().raw_decode

Row = Mapping[str, Any]


class LatestRun(NamedTuple):
    """The latest run of a job or campaign, the ledger file that it wrote, and the campaign's latest
    `{date}`."""

    run_id: str
    campaign: str
    ledger: Path
    job: Path
    date: str | None


def campaign_id(reader: Reader, name: str) -> int | None:
    """The campaign's number, or None where the ledger does not know it."""
    row = reader.ask("campaign_id", name=name).fetchone()
    return None if row is None else int(row["id"])


def counts(reader: Reader, campaign: int) -> Counts:
    """How the duplicates that the campaign's job wants now stand."""
    return _counts(reader.ask("counts", campaign=campaign))


def reasons(reader: Reader, campaign: int) -> list[Cause]:
    """Why rows are not created: every cause and how many rows have it, the most frequent first."""
    causes = Causes()
    for row in reader.ask("reasons", campaign=campaign):
        causes.add(why.cause(row["reason"], row["error"]), row["items"])
    return causes.all()


def undecided(reader: Reader, campaign: int) -> int:
    """How many of the campaign's unknown duplicates wait for a person: batches were found that
    could be theirs."""
    return int(reader.ask("count_undecided", campaign=campaign).fetchone()[0])


def claimable(reader: Reader, campaign: int, run: int) -> int:
    """How many duplicates the run may send: pending, and their source is there."""
    return int(reader.ask("count_claimable", campaign=campaign, run=run).fetchone()[0])


def first_names(reader: Reader, campaign: int, run: int, limit: int) -> list[str]:
    """The first names that the run will send, in the job's order."""
    found = reader.ask("first_claimable", campaign=campaign, run=run, limit=limit)
    return [
        (
            row["name"]
            if row["name"] is not None
            else render_name(row["template"], row["source_name"], row["copies"])
        )
        or default_name(row["source_name"])
        for row in found
    ]


def sources_found(reader: Reader, run: int) -> dict[str, int]:
    """How many of the run's sources are in which workspace, the fullest first."""
    found = reader.ask("workspaces_of_run", run=run)
    return {row["workspace_id"]: row["sources"] for row in found}


def sources_lost(reader: Reader, campaign: int, run: int, state: str) -> list[tuple[int, str, str]]:
    """The sources that the run found `missing` or `unclear`: the first line that asks for each, its
    id, and why."""
    found = reader.ask("sources_lost", campaign=campaign, run=run, state=state)
    return [(row["line"], row["source_id"], row["reason"]) for row in found]


class Names(NamedTuple):
    """Of `items` duplicates that a run would send, how many would get a name that exists on a batch
    which this database does not know (`taken`), one such name, and how many of those have a name of
    their own, which is sent (`own_taken`); the others would be named by the API."""

    items: int
    taken: int
    example: str | None
    own_taken: int


def names_taken(reader: Reader, campaign: int, run: int) -> Names:
    """Which names of what the run would send exist already, as its listings show."""
    return Names(*reader.ask("names_taken", campaign=campaign, run=run).fetchone())


def count_left(reader: Reader, campaign: int) -> int:
    """How many duplicates of the campaign are no longer in its job."""
    return int(reader.ask("count_left", campaign=campaign).fetchone()[0])


def unfinished_elsewhere(reader: Reader, campaign: str, job: str) -> list[tuple[str, int]]:
    """Other campaigns of the same job file (an earlier date's) with rows left to do, newest
    first."""
    found = reader.ask("unfinished_elsewhere", campaign=campaign, job=job)
    return [(row["campaign"], row["items"]) for row in found]


def latest_run(reader: Reader, *, job: str = "", campaign: str = "") -> LatestRun | None:
    """The latest run of the job file (an absolute path), or of the campaign; None where there was
    none."""
    if campaign:
        row = reader.ask("latest_run_of_campaign", campaign=campaign).fetchone()
    else:
        row = reader.ask("latest_run_of_job", job=job).fetchone()
    if row is None:
        return None
    return LatestRun(
        row["run_id"], row["campaign"], Path(row["ledger"]), Path(row["job"]), row["date"]
    )


def database_path(reader: Reader) -> Path:
    """The database's file."""
    return Path(reader.ask("database_path").fetchone()[0])


def api_url(reader: Reader) -> str:
    """The API that the database's batches live in; empty where no run has said it yet."""
    row = reader.ask("api_url").fetchone()
    return "" if row is None else str(row["value"])


def count_leaving(reader: Reader, staged: Path, campaign: int | None) -> int:
    """How many duplicates of the campaign the plan file `staged` does not have."""
    with reader.attached(staged):
        return int(reader.ask("plan_left", campaign=campaign).fetchone()[0])


def owned_batches(reader: Reader) -> list[str]:
    """The batches that some duplicate of this database is."""
    return [row[0] for row in reader.ask("owned_batches")]


def campaigns_to_settle(reader: Reader) -> list[str]:
    """The campaigns that hold an attempt whose outcome is not known."""
    return [row["name"] for row in reader.ask("campaigns_with_open_attempts")]


def count_unknown(reader: Reader) -> int:
    """How many duplicates of all campaigns are unknown, also those that no job wants any longer."""
    return int(reader.ask("count_unknown").fetchone()[0])


def campaigns(reader: Reader) -> list[Row]:
    """Every campaign with its counts, oldest first."""
    return [dict(row) for row in reader.ask("campaigns")]


def runs(reader: Reader, since: str | None = None) -> list[Row]:
    """Every run, oldest first; with `since` (ISO 8601 UTC) those that started then or later."""
    return [dict(row) for row in reader.ask("runs", since=since)]


def extra_columns(reader: Reader, campaign: int) -> tuple[str, ...]:
    """The job's own `x_` columns, in its order."""
    return tuple(json.loads(reader.ask("extra_columns", campaign=campaign).fetchone()[0]))


def ledger_rows(
    reader: Reader,
    campaign: int,
    name: str,
    *,
    dropped: bool = False,
    created: bool | None = None,
    job_names: bool = False,
) -> Iterator[Row]:
    """The ledger's rows with exact values, in the job's order; with `dropped` also what the job
    wants no longer, at the end; with `created` only those that are created, or (False) only the
    job's others.

    A row has `COLUMNS` and the `x_` columns, and besides
      item       its own number
      under_way  whether its request has left, or is about to, and no answer is recorded
      reason     a `worker.model.reasons.Reason`; None if it is created, under way or not tried
      cause      why it is not created, in words that rows with one cause share; None if it is
      copies     how many copies its line of the job asks for
      candidates the first ids of batches that could be its copy
      candidate_count how many batches those are in all
    and with `job_names` also `job_name`, its name as a job file writes it. `name` is the
    campaign's."""
    own = extra_columns(reader, campaign)
    asked = {"campaign": campaign, "name": name, "created": created}
    for statement in ("ledger_rows", "dropped_rows") if dropped else ("ledger_rows",):
        found = reader.ask(statement, **asked)
        found.row_factory = (
            None  # each row of every ledger file comes through here: names are looked up but once
        )
        for (
            *values,
            item,
            sent_name,
            template,
            copies,
            source_name,
            cells,
            reason,
            count,
            named,
        ) in found:
            row: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
            row["upload_new_dataset"] = bool(row["upload_new_dataset"])
            if row["name"] is None:
                row["name"] = _coming_name(sent_name, template, copies, source_name)
            row["under_way"] = row["status"] == "sent"
            row["candidates"] = ids = _decode(named)[0] if named else []
            if row["under_way"]:
                # While the file is written the answer may be under way; if nobody comes to record
                # it, this still holds. What was known before the request says nothing of it.
                row["status"], row["reason"] = "unknown", None
                row["cause"] = row["error"] = why.UNDER_WAY
            else:
                row["reason"], row["cause"] = reason, why.cause(reason, row["error"])
                row["error"] = why.message(item, reason, row["error"], ids, count)
            row["item"], row["copies"], row["candidate_count"] = item, copies, count
            if own:
                extra = _decode(cells or "{}")[0]
                for column in own:
                    row[column] = extra.get(column, "")
            if job_names:
                row["job_name"] = job_name(sent_name, template, copies)
            yield row


def _coming_name(sent_name: str | None, template: str, copies: int, source_name: str | None) -> str:
    """The name that the new batch should have; a source's name that is not known yet stays
    `{source_name}`."""
    name = sent_name if sent_name is not None else render_name(template, source_name, copies)
    if name:
        return name
    return default_name(source_name) if source_name is not None else ""


class Coming(NamedTuple):
    """A duplicate that a run would make: of which source, and its name as far as it is known
    without asking."""

    source_id: str
    template: str
    copies: int
    sent_name: str | None

    def name(self, source_name: str | None) -> str:
        """Its name as it will be sent; a source's name that is not known stays `{source_name}`."""
        if self.sent_name is not None:
            return self.sent_name
        return render_name(self.template, source_name, self.copies)


class Forecast(NamedTuple):
    """What a run of a plan would do: `counts` of what the ledger knows of it, `new` that it does
    not know yet, the first duplicates that it would make, and how many sources it has."""

    counts: Counts
    new: int
    first: tuple[Coming, ...]
    sources: int


def forecast(
    reader: Reader,
    staged: Path,
    campaign: int | None,
    items: int,
    *,
    retry_failed: bool,
) -> Forecast:
    """What a run of the plan file `staged` with so many `items` would meet in the ledger."""
    with reader.attached(staged):
        known = _counts(reader.ask("plan_counts", campaign=campaign))
        missing = reader.ask(
            "plan_missing", campaign=campaign, retry_failed=retry_failed, limit=5
        ).fetchall()
        sources = int(reader.ask("plan_sources").fetchone()[0])
    return Forecast(
        counts=known,
        new=items - known.total,
        first=tuple(
            Coming(row["source_id"], row["template"], row["copies"], row["name"]) for row in missing
        ),
        sources=sources,
    )


def source_name(reader: Reader, run: int, source_id: str) -> str | None:
    """What the source is called, as the run found it; None where it did not."""
    row = reader.ask("source_name", run=run, source_id=source_id).fetchone()
    return None if row is None else str(row["name"])


def _counts(found: sqlite3.Cursor) -> Counts:
    return Counts(**{row["status"]: row["items"] for row in found})
