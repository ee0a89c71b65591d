"""`ledger --accept-server`: a person says that a server lacks no commits."""

from __future__ import annotations

from contextlib import closing

from worker.cli.outdated import last_known, newer_file_anywhere
from worker.ledger.database import hold, open_for_reading, unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.model.errors import UsageError
from worker.model.server_address import ServerAddress
from worker.settings.settings import Settings
from worker.terminal import output


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
        try:
            doubt = database.doubt()
            if newer := newer_file_anywhere(database, settings):
                raise newer.refusal()
            last = last_known(database)
        except DATABASE_ERRORS as error:
            raise unusable(settings.database, error) from error
        held.accept_server()
    what = f"Accepted: {doubt}." if doubt else "This server is the one of the last run."
    output.say(f"{settings.database}: {what} {last}")
    return 0
