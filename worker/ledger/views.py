"""Reads the ledger: counts, campaigns, runs, sources and names. Every function takes a reader and
returns plain values; nothing here changes the database. The rows of a campaign are in `rows`, and
what a run of a plan would do is in `forecast`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from worker.ledger.engine import Rows
from worker.ledger.handle import Reader
from worker.ledger.rows import coming_name
from worker.model import reasons as why
from worker.model.batch import Workspace
from worker.model.causes import Cause, Causes
from worker.model.records import Counts

SANDBOX = "the sandbox"
"""The API address that the database of rehearsals stores: the real port differs each time."""

CampaignRow = Mapping[str, Any]
"""A campaign: the columns of the statement `campaigns`."""

RunRow = Mapping[str, Any]
"""A run: the columns of the statement `runs`."""


class LatestRun(NamedTuple):
    """The latest run of a job or campaign, the files of its job and its ledger, the campaign's
    latest value of `{date}`, and the host of these files."""

    run_id: str
    campaign: str
    ledger: Path
    job: Path
    date: str | None
    host: str = ""


def campaign_id(reader: Reader, campaign: str) -> int | None:
    """The campaign's number, or None if the ledger does not have it."""
    row = reader.execute("campaign_id", name=campaign).fetchone()
    return None if row is None else int(row["id"])


def counts(reader: Reader, campaign_id: int) -> Counts:
    """How many of the duplicates that are in the campaign's job now have which status."""
    return counts_in(reader.execute("counts", campaign=campaign_id))


def causes(reader: Reader, campaign_id: int) -> list[Cause]:
    """Why rows are not created: every cause and how many rows have it, most frequent first."""
    found = Causes()
    for row in reader.execute("reasons", campaign=campaign_id):
        found.add(why.cause(row["reason"], row["error"]), row["items"])
    return found.all()


def undecided(reader: Reader, campaign_id: int) -> int:
    """How many of the campaign's unknown duplicates a person must decide: batches were found that
    could be their copies."""
    return int(reader.execute("count_undecided", campaign=campaign_id).fetchone()[0])


def differing(reader: Reader, campaign_id: int) -> int:
    """How many of the job's copies differ from their source."""
    return int(reader.execute("count_differing", campaign=campaign_id).fetchone()[0])


def named_workspaces(reader: Reader, ids: Iterable[str]) -> tuple[Workspace, ...]:
    """These workspaces, each with its title if a token could list it."""
    titles = {row["id"]: row["title"] for row in reader.execute("workspace_titles")}
    return tuple(Workspace(one, titles.get(one, "")) for one in ids)


def to_set_up(reader: Reader, campaign_id: int, run: int, create: int) -> int:
    """How many of the first `create` duplicates that the run may send it sets up afterwards."""
    found = reader.execute("claimable_to_set_up", campaign=campaign_id, run=run, limit=create)
    return int(found.fetchone()[0])


def first_names(reader: Reader, campaign_id: int, run: int, limit: int) -> list[str]:
    """The first names that the run will send, in the job's order."""
    found = reader.execute("first_claimable", campaign=campaign_id, run=run, limit=limit)
    return [
        coming_name(row["name"], row["template"], row["copies"], row["source_name"])
        for row in found
    ]


def sources_found(reader: Reader, run: int) -> dict[str, int]:
    """How many of the run's sources are in which workspace, most sources first."""
    found = reader.execute("workspaces_of_run", run=run)
    return {row["workspace_id"]: row["sources"] for row in found}


def sources_lost(
    reader: Reader, campaign_id: int, run: int, state: str
) -> list[tuple[int, str, str]]:
    """The sources that the run found to be in this `state`, `missing` or `unclear`: the first line
    that names each one, its id, and why."""
    found = reader.execute("sources_lost", campaign=campaign_id, run=run, state=state)
    return [(row["line"], row["source_id"], row["reason"]) for row in found]


class Names(NamedTuple):
    """Names that a run would use and that already exist.

    items      how many duplicates the run would send
    taken      how many of those would get a name that exists on a batch which this database does
               not know
    example    one such name; None if there is none
    own_taken  how many of the taken have their own name, which is sent; the API names the others
    appeared   for how many of the items a batch with their name appeared since the campaign's
               latest request left; a batch counts once
    appeared_example  one such name; None if there is none
    """

    items: int
    taken: int
    example: str | None
    own_taken: int
    appeared: int = 0
    appeared_example: str | None = None


def names_taken(
    reader: Reader, campaign_id: int, run: int, latest: int | None, unsettled: Sequence[str] = ()
) -> Names:
    """Which names that the run would use already exist, according to its listings. `latest` is the
    result of `latest_baseline`; `unsettled` are the names of batches that unanswered requests of
    another database may have created."""
    found = reader.execute(
        "names_taken",
        campaign=campaign_id,
        run=run,
        latest=latest,
        unsettled=json.dumps(unsettled),
    )
    return Names(*found.fetchone())


def latest_baseline(reader: Reader, campaign_id: int) -> int | None:
    """The number of the last listing before the campaign's latest request left, or before it was
    known that one had created nothing; None if there was no request."""
    found: int | None = reader.execute("latest_baseline", campaign=campaign_id).fetchone()[
        "listing"
    ]
    return found


def count_left(reader: Reader, campaign_id: int) -> int:
    """How many duplicates of the campaign are no longer in its job."""
    return int(reader.execute("count_left", campaign=campaign_id).fetchone()[0])


def previous_date(reader: Reader, campaign_id: int, run: int) -> str | None:
    """The {date} of the campaign's latest run before this one; None if there is none."""
    row = reader.execute("previous_date", campaign=campaign_id, run=run).fetchone()
    return None if row is None else str(row["date"])


class Unfinished(NamedTuple):
    """Another campaign of a job file (of an earlier date) that is not finished: how many duplicates
    are not created, and how many batches are not set up. `is_last`: the job's latest run before was
    one of this campaign. Batches are counted, and this is known, only if each date has a
    campaign."""

    campaign: str
    items: int
    set_up: int
    is_last: bool


def unfinished_elsewhere(
    reader: Reader, campaign: str, job: str, *, dated: bool
) -> list[Unfinished]:
    """The other campaigns of the same job file that are not finished; newest first. `dated`: the
    job has a campaign for each date."""
    found = reader.execute("unfinished_elsewhere", campaign=campaign, job=job, dated=int(dated))
    return [
        Unfinished(row["campaign"], int(row["items"]), int(row["set_up"]), bool(row["is_last"]))
        for row in found
    ]


def latest_run_of_campaign(reader: Reader, campaign: str) -> LatestRun | None:
    """The latest run of the campaign; None if there is none."""
    return _latest_run(reader.execute("latest_run_of_campaign", campaign=campaign))


def latest_run_of_job(reader: Reader, job: Path, host: str = "") -> LatestRun | None:
    """The latest run of the job file with this absolute path, on this host if one is given; None
    if there is none."""
    if not host:
        return _latest_run(reader.execute("latest_run_of_job", job=str(job)))
    return _latest_run(reader.execute("latest_run_of_job_on", job=str(job), host=host))


def latest_run_of_job_name(reader: Reader, name: str) -> LatestRun | None:
    """The latest run of a job file with this name, in any folder on any host; None if there is
    none."""
    found = reader.execute("latest_run_of_name", slash=f"/{name}", backslash=f"\\{name}")
    return _latest_run(found)


def _latest_run(found: Rows) -> LatestRun | None:
    row = found.fetchone()
    if row is None:
        return None
    return LatestRun(
        row["run_id"],
        row["campaign"],
        Path(row["ledger"]),
        Path(row["job"]),
        row["date"],
        row["host"],
    )


def api_url(reader: Reader) -> str:
    """The address of the API that the database belongs to; empty if no run has stored it yet."""
    row = reader.execute("api_url").fetchone()
    return "" if row is None else str(row["value"])


def owned_batches(reader: Reader) -> Iterator[str]:
    """The ids of all batches that belong to a duplicate of this database, or to another
    campaign."""
    return (row[0] for row in reader.execute("owned_batches"))


def looked_at(reader: Reader, campaign_id: int, listing: int) -> list[str]:
    """The ids of the workspaces of which the campaign had a whole listing by this number."""
    found = reader.execute("looked_at", campaign=campaign_id, listing=listing)
    return [row["workspace_id"] for row in found]


def seen_by(reader: Reader, listing: int) -> Rows:
    """The `workspace_id` and `batch_id` of what the listings up to this number showed."""
    return reader.execute("seen_by", listing=listing)


def unsettled_names(reader: Reader) -> list[str]:
    """The names of the batches that unanswered requests of this database may have created."""
    return [row[0] for row in reader.execute("unsettled_names")]


def campaigns_to_settle(reader: Reader) -> list[str]:
    """The names of the campaigns that have an open attempt."""
    return [row["name"] for row in reader.execute("campaigns_with_open_attempts")]


def count_unknown(reader: Reader, *, active: bool = False) -> int:
    """How many duplicates of all campaigns are unknown, including those no longer in a job. If a
    run is `active`, its requests under way are not unknown."""
    return int(reader.execute("count_unknown", active=active).fetchone()[0])


def campaigns(reader: Reader) -> list[CampaignRow]:
    """Every campaign with its counts, oldest first."""
    return [dict(row) for row in reader.execute("campaigns")]


def runs(reader: Reader, since: str | None = None) -> list[RunRow]:
    """Every run, oldest first; with `since` (ISO 8601 UTC) only those that started at that time or
    later."""
    return [dict(row) for row in reader.execute("runs", since=since)]


def source_name(reader: Reader, run: int, source_id: str) -> str | None:
    """The source's name as the run found it; None if the run did not find the source."""
    row = reader.execute("source_name", run=run, source_id=source_id).fetchone()
    return None if row is None else str(row["name"])


def counts_in(found: Rows) -> Counts:
    """The counts in rows that have a `status` and its number of `items`."""
    return Counts(**{row["status"]: row["items"] for row in found})
