"""A ledger's server that may lack commits: what a run says, and `ledger --accept-server`."""

from __future__ import annotations

from contextlib import closing

from worker.cli.common import invocation, restoring
from worker.export.formats import is_ledger
from worker.ledger import views
from worker.ledger.database import Held, hold, open_for_reading, unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Reader
from worker.model.errors import UsageError
from worker.model.program import program
from worker.model.server_address import ServerAddress
from worker.restore.lost_database import files_of, refuse_older_database
from worker.settings.settings import Settings
from worker.terminal import output
from worker.text import shell_command


def refuse_doubtful(held: Held, database: Reader, settings: Settings) -> None:
    """Raise UsageError if the server may lack commits of earlier runs."""
    if not held.doubt:
        return
    raise UsageError(
        f"{settings.database}: this database may lack the last duplicates: {held.doubt}. Nothing"
        " was sent",
        hint=f"{_last_known(database)} Compare it with the newest ledger file and log of every"
        ' machine. If one of them knows more, follow docs/shared-ledger.md, "After a failover or'
        ' a restored backup". If nothing is missing, say so once:\n   '
        f" {_command(settings)}",
    )


def accept_server(settings: Settings) -> int:
    """Record that the server lacks nothing, so that runs may send again. Returns the exit code.
    Raises UsageError if a ledger file on this machine shows that something is missing, and
    BusyError while a run holds the ledger."""
    if not isinstance(settings.database, ServerAddress):
        raise UsageError(
            f"--accept-server: {settings.database} is a file",
            hint="Only a ledger on a PostgreSQL server can lose what was committed.",
        )
    open_for_reading(settings.database).close()  # holding it would create one
    with hold(settings.database, settings.wait) as held, closing(held.open(None)) as database:
        doubt = held.doubt
        try:
            _refuse_newer_files(database, settings)
            last = _last_known(database)
        except DATABASE_ERRORS as error:
            raise unusable(settings.database, error) from error
        held.accept_server()
    what = f"Accepted: {doubt}." if doubt else "This server is the one of the last run."
    output.say(f"{settings.database}: {what} {last}")
    return 0


def _refuse_newer_files(database: Reader, settings: Settings) -> None:
    """Raise UsageError if a ledger file of a campaign is on this machine and knows more."""
    for row in views.campaigns(database):
        latest = views.latest_run(database, campaign=row["campaign"])
        if latest is None:
            continue
        files = {*files_of(settings.ledger, latest.campaign, settings.database)}
        if latest.ledger.is_file() and is_ledger(latest.ledger):
            files.add(latest.ledger)
        command = restoring(settings, latest.campaign, latest.job)
        refuse_older_database(database, files, latest.campaign, command)


def _last_known(database: Reader) -> str:
    runs = views.runs(database)
    if not runs:
        return "It knows no run."
    last = runs[-1]
    ended = "has not ended" if last["ended_at"] is None else f"ended at {last['ended_at']}"
    return (
        f"The last run that it knows is {last['run_id']} of campaign {last['campaign']}, which"
        f" {ended}."
    )


def _command(settings: Settings) -> str:
    found = invocation(settings)
    options = [] if found.config is None else ["--config", str(found.config)]
    if found.database is not None:
        options += ["--database", str(found.database)]
    return shell_command([*program(), "ledger", *options, "--accept-server"])
