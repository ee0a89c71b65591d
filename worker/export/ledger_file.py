"""Writes the ledger file: the database as a table for people. It decides nothing.

`content` says what is in it, `formats` says which format it has."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.export.commands import Invocation, commands
from worker.export.content import About, Content
from worker.export.formats import format_of, is_ledger, read_file
from worker.export.kept_decisions import keep_decisions
from worker.export.own_files import OwnFile
from worker.export.proposals import sheet_rows
from worker.export.replacing import beside, replaced
from worker.ledger import views
from worker.ledger.handle import Reader
from worker.ledger.proposals import undecided
from worker.ledger.rows import extra_columns, ledger_rows
from worker.ledger.stamp import stamp
from worker.ledger.views import SANDBOX
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError


def campaign_in(path: Path) -> str | None:
    """The campaign that the first row of a ledger file names; None if no row does, or it cannot be
    read."""
    try:
        first = next(read_file(path), None)
    except UsageError:  # reading all of it reports what is wrong
        return None
    return (first[1]["campaign"] or None) if first else None


class Written(NamedTuple):
    """What was written: the file's stamp, and messages for people."""

    stamp: str | None
    messages: list[str]


LEDGER_FILE = OwnFile("ledger file", "--ledger", is_ledger, campaign_in)


def make_folder(path: Path) -> None:
    """Create the ledger file's folder. Raises UsageError if that fails, or the file cannot be
    written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = beside(path)
        with probe.open("xb"):  # its longer name may be too long
            pass
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"{path}: the ledger file cannot be written there: {error.strerror}",
            hint="Nothing was sent. Name another file with --ledger.",
        ) from error


def write_ledger_file(
    reader: Reader,
    campaign_id: int,
    campaign: str,
    path: Path,
    invocation: Invocation,
    *,
    active: bool = False,
) -> Written:
    """Write the ledger file of the campaign (its number and name), replacing `path` at once.
    `invocation` completes the commands in it; `active` says that the run is still active.

    If a person has filled in decisions there that are not recorded, they are kept in another file;
    messages say so. Raises OSError if it cannot be written. The previous file then stays as it was.
    """
    kept = keep_decisions(reader, path)
    stamps: list[str | None] = []
    # The stamp is taken before the rename: afterwards another command may replace the file.
    with replaced(path, lambda temporary: stamps.append(stamp(temporary))) as file:
        content = content_of(reader, campaign_id, campaign, invocation, active=active)
        about = content.about._replace(file=path.absolute())
        format_of(path).write(file, content._replace(about=about))
    messages = [
        f"{path}: decisions that were filled in there are not recorded; they are kept in {sheet}."
        " Record them with settle --decisions"
        for sheet in kept
    ]
    return Written(stamps[0], messages)


def content_of(
    reader: Reader,
    campaign_id: int,
    campaign: str,
    invocation: Invocation,
    *,
    active: bool = False,
) -> Content:
    """The current content of the campaign's ledger file (its number and name). Parameters are
    those of `write_ledger_file`."""
    run = views.latest_run_of_campaign(reader, campaign)
    if run is None:
        raise AssertionError("a campaign always has a run")
    about = About(
        campaign=campaign,
        job=run.job,
        run_id=run.run_id,
        database=reader.place,
        sandbox=views.api_url(reader) == SANDBOX,
        written_at=iso(MachineClock().wall()),
        commands=commands(run, invocation),
        active=active,
    )
    return Content(
        about,
        extra_columns(reader, campaign_id),
        ledger_rows(reader, campaign_id, campaign),
        # While a run is active it settles by itself, and nobody else can record a decision.
        ()
        if active
        else sheet_rows(undecided(reader, campaign_id), campaign, invocation.batch_url),
    )
