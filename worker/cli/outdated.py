"""A database that lacks what exists: a ledger file is newer, or its server may have lost commits. A
run refuses it. Commands that only read warn of it, and replace no newer file with older rows."""

from __future__ import annotations

from pathlib import Path

from worker.cli.common import invocation, restoring
from worker.export.formats import is_readable_ledger
from worker.export.ledger_file import campaign_in
from worker.folders import changed_at
from worker.ledger import views
from worker.ledger.database import open_for_reading
from worker.ledger.handle import Reader
from worker.ledger.moved import MOVED_TO, fact
from worker.model.errors import NoLedgerError, UsageError
from worker.model.program import program
from worker.restore.lost_database import Outdated, files_of, newer_file, records_a_run
from worker.settings.settings import Layer, Settings
from worker.terminal.output import complain
from worker.text import first_of, shell_command, verb

FILES_SHOWN = 3
"""How many ledger files a message names."""


def outdated(
    database: Reader, settings: Settings, campaign: str, job: Path, *more: Path
) -> Outdated | None:
    """What shows that the database lacks what exists: a ledger file of this campaign, also of
    `more` files, or the server. None if nothing does."""
    files = ledger_files(database, settings, campaign).union(
        path for path in more if is_readable_ledger(path)
    )
    found = newer_file(database, files, campaign, restoring(settings, campaign, job))
    return _if_moved(database, found) or doubtful(database, settings)


def outdated_anywhere(database: Reader, settings: Settings) -> Outdated | None:
    """The same for every campaign of the database, and for ledger files beside its own whose
    campaign it does not know."""
    found = newer_file_anywhere(database, settings) or _unknown_campaign(database, settings)
    return _if_moved(database, found) or doubtful(database, settings)


def newer_file_anywhere(database: Reader, settings: Settings) -> Outdated | None:
    """The first ledger file on this machine, of any campaign of the database, that is newer than
    the database."""
    for row in views.campaigns(database):
        name = row["campaign"]
        if (latest := views.latest_run_of_campaign(database, name)) is None:
            continue
        files = ledger_files(database, settings, name)
        command = restoring(settings, name, latest.job)
        if found := newer_file(database, files, name, command):
            return found
    return None


def _unknown_campaign(database: Reader, settings: Settings) -> Outdated | None:
    """The first ledger file of a campaign that the database does not know: it may be a new one,
    begun after another was lost."""
    known = {row["campaign"] for row in views.campaigns(database)}
    for path in files_of(settings.ledger, None, settings.database):
        name = campaign_in(path)
        if name is not None and name not in known:
            command = restoring(settings, name, Path("JOB"))
            if found := newer_file(database, [path], name, command):
                return found
    return None


def doubtful(database: Reader, settings: Settings) -> Outdated | None:
    """What shows that the server may lack commits of earlier runs; None if nothing does."""
    try:
        doubt = database.doubt()
    except UsageError as error:
        return Outdated(error.message, error.hint)
    if not doubt:
        return None
    return Outdated(
        f"{settings.database}: this database may lack the last duplicates: {doubt}",
        f"{last_known(database)} Compare it with the newest ledger file and log of every machine."
        ' If one of them knows more, follow docs/shared-ledger.md, "After a failover or a restored'
        f' backup". If nothing is missing, say so once:\n    {_accepting(settings)}',
    )


def refuse_outdated(
    database: Reader, settings: Settings, campaign: str, job: Path, *more: Path
) -> None:
    """Raise UsageError if the database lacks what exists (see `outdated`)."""
    if found := outdated(database, settings, campaign, job, *more):
        raise found.refusal()


def open_existing(settings: Settings, job: str | None) -> Reader:
    """Open the database to show what it contains. Raises UsageError (see `missing`)."""
    try:
        return open_for_reading(settings.database)
    except NoLedgerError as error:
        raise missing(settings, job) from error


def missing(settings: Settings, job: str | None) -> UsageError:
    """The error if there is no database: with ledger files of earlier runs it was lost, and the
    message says how to rebuild it. `job` is the job file of the command, if it has one."""
    if (lost := lost_database(settings, job)) is not None:
        return UsageError(lost.text, hint=lost.hint)
    text, hint = _no_ledger(settings)
    if not settings.sandbox and settings.rehearsals and settings.rehearsals.exists():
        hint += " There are rehearsals: add --sandbox to see them."
    return UsageError(text, hint=f"{hint} If it was moved, `check JOB` looks for it.")


def lost_database(settings: Settings, job: str | None) -> Outdated | None:
    """What shows that there was a database, although there is none: ledger files of earlier runs.
    None if there are none. `job` as in `missing`."""
    text, _ = _no_ledger(settings)
    files = [
        path
        for path in files_of(settings.ledger, settings.campaign, settings.database)
        if records_a_run(path, settings.campaign)
    ]
    if not files:
        return None
    newest_first = sorted(files, key=changed_at, reverse=True)
    shown = first_of([str(path) for path in newest_first[:FILES_SHOWN]], len(files))
    wrote = f"earlier runs wrote {verb(len(files), 'this ledger file', 'these ledger files')}"
    rebuilding = (
        "run `ledger JOB` to see how to rebuild it."
        if job is None or settings.campaign is None
        else "rebuild it from the ledger file:\n    "
        + restoring(settings, settings.campaign, Path(job))(newest_first[0])
    )
    return Outdated(
        f"{text}, but {wrote}: {shown}. The database was lost, or is somewhere else. `run` notices"
        " that too, and creates nothing",
        f"Put the database back, or name it with --database. If there is none, {rebuilding}",
    )


def _no_ledger(settings: Settings) -> tuple[str, str]:
    """The message that there is no database, and what to do if there never was one."""
    error = NoLedgerError(settings.database)
    named = settings.is_set("database", Layer.FILE, Layer.ENVIRONMENT)
    return error.message + (f" (set by {settings.origin('database')})" if named else ""), error.hint


def warn_if(found: Outdated | None) -> None:
    """Say on standard error what shows that the state that is read is not the newest."""
    if found is not None:
        complain(f"warning: {found}")


def ledger_files(database: Reader, settings: Settings, campaign: str) -> set[Path]:
    """The campaign's ledger files on this machine: those that these settings name, and that of its
    latest run."""
    latest = views.latest_run_of_campaign(database, campaign)
    before = {latest.ledger} if latest is not None and is_readable_ledger(latest.ledger) else set()
    return before.union(files_of(settings.ledger, campaign, settings.database))


def last_known(database: Reader) -> str:
    """The last run that the database knows."""
    runs = views.runs(database)
    if not runs:
        return "It knows no run."
    last = runs[-1]
    ended = "has not ended" if last["ended_at"] is None else f"ended at {last['ended_at']}"
    return (
        f"The last run that it knows is {last['run_id']} of campaign {last['campaign']}, which"
        f" {ended}."
    )


def _if_moved(database: Reader, found: Outdated | None) -> Outdated | None:
    """A ledger that was moved is older than its files, and newer where it is now."""
    if found is None or (to := fact(database, MOVED_TO)) is None:
        return found
    return Outdated(
        f"{database.place}: this is the state before this ledger was moved to {to}",
        f"Use --database {shell_command([to])}.",
    )


def _accepting(settings: Settings) -> str:
    found = invocation(settings)
    options = [] if found.config is None else ["--config", str(found.config)]
    if found.database is not None:
        options += ["--database", str(found.database)]
    return shell_command([*program(), "ledger", *options, "--accept-server"])
