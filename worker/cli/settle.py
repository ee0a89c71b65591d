"""`settle`: finds out whether unanswered requests created a batch, or records a person's decisions.
It creates nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from worker.cli.common import (
    Target,
    settings_for,
    target,
)
from worker.cli.decide import assignment, record_options, record_sheet, review_and_record
from worker.cli.latest_run import latest_run
from worker.cli.outdated import missing as missing_database
from worker.cli.review import refuse_without_person
from worker.cli.run_request import RunRequest
from worker.cli.run_session import RunSession
from worker.cli.settled_files import checked_ledger_file, refuse_outdated_ledger, write_files
from worker.cli.write_proposals import write_proposals
from worker.export import decision_sheet
from worker.export import ledger_file as export
from worker.export.filled_sheet import names_batches
from worker.export.own_files import refuse_foreign_file
from worker.folders import is_gone
from worker.ledger import views
from worker.ledger.database import Held, hold, is_new
from worker.ledger.handle import Reader
from worker.model.clock import MachineClock
from worker.model.errors import UsageError
from worker.model.records import Counts
from worker.model.run_id import new_run_id
from worker.settings.settings import Settings
from worker.terminal.output import complain, say, say_json


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Settle. Returns the exit code: 0 if nothing is unknown any more. Raises WorkerError."""
    settings = settings_for("settle", args, environ)
    if is_new(settings.database):
        raise missing_database(settings, args.job)
    _refuse_combinations(args, settings)
    if args.proposals is not None:
        return write_proposals(args, settings)
    if args.review:
        refuse_without_person()
        return review_and_record(args, settings, target(settings, environ))
    if args.decisions is not None:
        sheet = list(decision_sheet.read(Path(args.decisions)))
        needs_api = names_batches(sheet, accept=args.accept_suggestions)
        api = target(settings, environ) if needs_api else None
        with hold(settings.database, settings.wait) as held:
            return record_sheet(args, settings, api, held, sheet)
    assignments = [assignment(text) for text in args.assign or ()]
    if assignments or args.absent:
        api = target(settings, environ) if assignments else None
        with hold(settings.database, settings.wait) as held:
            return record_options(args, settings, api, held, assignments)
    api = target(settings, environ)
    with hold(settings.database, settings.wait) as held:
        return _settle_all(args, settings, api, held)


def _refuse_combinations(args: argparse.Namespace, settings: Settings) -> None:
    """Raise UsageError for options that exclude each other, or that need a job."""
    options = [
        ("--proposals", args.proposals is not None),
        ("--decisions", args.decisions is not None),
        ("--review", args.review),
        ("--assign", bool(args.assign)),
        ("--absent", bool(args.absent)),
    ]
    given = [option for option, is_given in options if is_given]
    if len(given) > 1 and given != ["--assign", "--absent"]:
        raise UsageError(f"{given[0]} cannot be combined with {given[1]}", hint="Use one of them.")
    if args.accept_suggestions and args.decisions is None:
        raise UsageError("--accept-suggestions: add --decisions with the sheet that has them")
    if given and args.job is None and not settings.asks_for_campaign:
        of = " of ITEM" if args.assign or args.absent else ""
        raise UsageError(f"{given[0]}: add the JOB (or --campaign){of}")
    for option, value in (("--proposals", args.proposals), ("--decisions", args.decisions)):
        if value == "":
            raise UsageError(f"{option} is empty; give the path of a file")


def _settle_all(args: argparse.Namespace, settings: Settings, api: Target, held: Held) -> int:
    """Settle everything that is open in the database, and write every ledger file that changed.
    Returns the exit code."""
    with closing(held.open(api.url)) as database:
        unsettled = views.campaigns_to_settle(database)
        if args.job is None and not settings.asks_for_campaign:
            if not unsettled:
                _show_nothing_unknown(database, settings)
                return 0
            # The run is recorded for one campaign and settles all of them: any of them will do.
            latest = views.latest_run_of_campaign(database, unsettled[0])
        else:
            latest = latest_run(database, settings, args)
        for name in unsettled:
            if (of_campaign := views.latest_run_of_campaign(database, name)) is not None:
                refuse_outdated_ledger(database, of_campaign, settings)
    if latest is None:
        raise AssertionError("a campaign always has a run")
    ledger_file = checked_ledger_file(settings, latest)
    export.make_folder(ledger_file)
    request = RunRequest(
        settings,
        api,
        run_id=new_run_id(MachineClock().wall()),
        campaign=latest.campaign,
        job=latest.job,
        ledger_file=ledger_file,
        only_settle=True,
        typed_job=args.job,
    )
    code = RunSession(request, held).run()
    with closing(held.open(api.url)) as database:
        for name in unsettled:
            if name != latest.campaign:
                try:
                    _write_other_files(database, name, settings)
                except (UsageError, OSError) as error:
                    # The results are recorded, and the other files can be written.
                    complain(f"campaign {name}: {error}")
        if code == 0 and args.job is None:
            return int(views.count_unknown(database) > 0)
    return code


def _show_nothing_unknown(database: Reader, settings: Settings) -> None:
    """Say that nothing is unknown in any campaign of the database."""
    if settings.json:
        campaigns = views.campaigns(database)
        counts = {status: sum(row[status] for row in campaigns) for status in Counts._fields}
        say_json({"database": str(settings.database), "counts": counts, "exit_code": 0})
    elif not settings.quiet:
        say("Nothing is unknown.")


def _write_other_files(database: Reader, name: str, settings: Settings) -> None:
    """Write the files of another campaign that was settled too, to the path that its latest run
    used."""
    campaign = views.campaign_id(database, name)
    latest = views.latest_run_of_campaign(database, name)
    if campaign is not None and latest is not None and not is_gone(latest.ledger):
        refuse_foreign_file(export.LEDGER_FILE, latest.ledger, name)
        write_files(database, campaign, latest, settings)
