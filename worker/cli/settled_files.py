"""The ledger file and the report of a campaign that `settle` settled or decided."""

from __future__ import annotations

from pathlib import Path

from worker.cli.common import write_ledger_file
from worker.cli.latest_run import ledger_file_of
from worker.cli.outdated import refuse_outdated
from worker.cli.report import write_or_note
from worker.export import ledger_file as export
from worker.export.own_files import refuse_foreign_file
from worker.ledger import views
from worker.ledger.handle import Reader
from worker.settings.settings import Settings
from worker.terminal.output import complain


def checked_ledger_file(settings: Settings, latest: views.LatestRun) -> Path:
    """The path of the ledger file to write. Raises UsageError if the file there has another
    campaign's rows or is of another kind."""
    path = ledger_file_of(settings, latest)
    refuse_foreign_file(export.LEDGER_FILE, path, latest.campaign)
    return path


def refuse_outdated_ledger(database: Reader, latest: views.LatestRun, settings: Settings) -> None:
    """Raise UsageError if the database lacks what exists: writing the campaign's ledger file again
    would hide that from the next run."""
    refuse_outdated(database, settings, latest.campaign, latest.job, latest.ledger)


def write_files(
    database: Reader, campaign: int, latest: views.LatestRun, settings: Settings
) -> None:
    """Write the campaign's ledger file to `latest.ledger`, and its report if the settings ask for
    it. `campaign` is its number."""
    write_ledger_file(database, campaign, latest.campaign, latest.ledger, settings)
    if settings.report and (
        trouble := write_or_note(database, settings, latest.campaign, latest.ledger)
    ):
        complain(trouble)
