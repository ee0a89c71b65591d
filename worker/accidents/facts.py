"""Reads what the decision about accidents needs: from the run's database, from databases nearby,
and from the plan. It decides nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path

from worker.accidents.rules import FirstRun, LaterRun, Situation
from worker.folders import is_gone, users_config_folder, without_dots
from worker.job.plan import Plan, planned
from worker.ledger import nearby, overlap
from worker.ledger.handle import Reader
from worker.ledger.overlap import Overlap, Shared
from worker.model.job import Job
from worker.model.server_address import DatabaseLocation, ServerAddress

MOST_ENTRIES = 1000
"""How many entries of a folder are searched for subfolders."""

MOST_PLANNED = 200_000
"""How many duplicates are planned, or five times the job if that is more, to compare the job with
campaigns whose job file is gone, under their own names (see `_by_their_own_name`)."""


MOST_SPELLED = 20_000
"""How many duplicates of a job are compared in other spellings, because they are kept in memory.
Spreadsheets and people change smaller jobs."""


def situation(
    reader: Reader,
    plan: Plan,
    job: Job,
    campaign: str,
    day: date,
    *,
    named_on_purpose: bool,
    new_each_day: bool,
    retry_failed: bool,
    database: DatabaseLocation,
    api_url: str,
) -> Situation:
    """What is known before a run of `job`, planned for `campaign` on `day`, asks the API at
    `api_url`.

    `reader` reads the run's database at `database`, or an empty ledger if there is none yet.
    If the campaign has already sent a request, others are compared only with what it would create
    (`shared_later`). With `new_each_day`, its campaign is not compared with other campaigns of
    its database. Raises one of DATABASE_ERRORS."""
    own = Path(os.path.realpath(job.path))
    is_meant = named_on_purpose or new_each_day
    if overlap.sent_before(reader, campaign):
        with reader.attached(plan.file):
            create = overlap.to_create(reader, campaign, retry_failed=retry_failed)
            if not create:
                return LaterRun(create, named_on_purpose)
            shared = Shared()
            if not is_meant:
                shared = overlap.shared_later(reader, campaign, retry_failed=retry_failed)
                shared = shared._replace(campaigns=tuple(_with_job(shared.campaigns, own)))
            again = overlap.written_again(reader, campaign)
            respelled = overlap.respelled(reader, campaign)
        return LaterRun(create, named_on_purpose, *shared, again, respelled)
    if overlap.has_duplicates(reader):  # otherwise a server need not get a copy of the plan
        with reader.attached(plan.file):
            create = overlap.not_created(reader, campaign)
            # There may be many nightly campaigns, all with the same duplicates.
            here = Shared() if new_each_day else overlap.shared_with(reader, campaign)
            if not is_meant and plan.items <= MOST_SPELLED:
                any_spelling = overlap.with_other_spellings(reader, here.campaigns)
                here = here._replace(campaigns=any_spelling)
    else:
        create, here = plan.items, Shared()
    others = [one for one in here.campaigns if one.campaign != campaign]
    if "campaign" in plan.placeholders and not is_meant:
        others += _by_their_own_name(reader, job, own, campaign, day, plan.items)
    others = list(_with_job(others, own))
    folders = _folders_of(job.path)
    elsewhere = nearby.shared_nearby(
        list(_files_nearby(folders, database)), plan.file, campaign, api_url, _beside(folders)
    )
    return FirstRun(create, named_on_purpose, tuple(others), here.sent, tuple(elsewhere))


def _by_their_own_name(
    reader: Reader, job: Job, own: Path, campaign: str, day: date, items: int
) -> Iterator[Overlap]:
    """What the job of so many `items` shares with campaigns whose job file is gone or is its `own`,
    planned with their names in place of {campaign}. If the job was renamed, {campaign} now gives
    its duplicates other names. A copied job is meant to have them."""
    jobs = overlap.jobs_of_campaigns(reader)
    left = [name for name, path in jobs if name != campaign and (path == own or is_gone(path))]
    for name in left[: max(5, MOST_PLANNED // max(1, items))]:
        with planned(job, name, day) as plan, reader.attached(plan.file):
            shared = overlap.shared_with(reader, name).campaigns
            yield from (one._replace(lacking=0) for one in shared if one.has_name)


def _with_job(others: Iterable[Overlap], own: Path) -> Iterator[Overlap]:
    """These campaigns, with whether their latest run was of the job file `own`."""
    return (one._replace(has_job=one.job == own) for one in others)


def _folders_of(job: Path) -> list[Path]:
    """The folder of a job, and that of the file to which it leads if it is a symbolic link."""
    path = without_dots(Path.cwd() / job)
    return list(dict.fromkeys((path.parent, Path(os.path.realpath(path)).parent)))


def _beside(folders: list[Path]) -> list[Path]:
    """The folders that count as the job's, which is in one of these folders."""
    return [one for folder in folders for one in (folder, folder / "ledgers")]


def _files_nearby(folders: list[Path], database: DatabaseLocation) -> Iterator[Path]:
    """The ledger databases near a job in these folders, except the run's own: beside the job,
    beside the run's database, in the subfolders of these folders, and where a config file in a
    parent folder or the user's config folder would have put one."""
    known: set[str] = set()
    own = [] if isinstance(database, ServerAddress) else [without_dots(database).parent]
    beside = [*_beside(folders), *own]
    ledgers = [*beside, *(one for above in (*folders, *own) for one in _folders_in(above))]
    above = (one for folder in folders for one in folder.parents)
    ledgers += [one / "ledgers" for one in (*above, *_current(), users_config_folder())]
    for number, candidate in enumerate(ledgers):
        # Other folders may contain many files of all kinds, perhaps on a network disk.
        for file in nearby.ledgers_in(candidate, database, any_name=number < len(beside)):
            if (real := os.path.realpath(file)) not in known:
                known.add(real)
                yield file


def _folders_in(folder: Path) -> list[Path]:
    """The subfolders of this folder, a bounded number of them."""
    try:
        return sorted(Path(one) for one in islice(os.scandir(folder), MOST_ENTRIES) if one.is_dir())
    except OSError:
        return []


def _current() -> tuple[Path, ...]:
    """The current folder and its parents; empty if it does not exist any more."""
    try:
        here = Path.cwd()
    except OSError:
        return ()
    return (here, *here.parents)
