"""`settle`: finds out whether unanswered requests created a batch, or records a person's decisions.
It creates nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from worker.cli.common import (
    Target,
    invocation,
    settings_for,
    settle_start,
    target,
    write_ledger_file,
)
from worker.cli.decide import (
    check_sheet,
    ledger_option,
    look_up,
    look_up_checked,
    write_proposals,
)
from worker.cli.latest_run import campaign_number, latest_run, ledger_file_of
from worker.cli.outdated import missing, refuse_outdated
from worker.cli.report import write_or_note
from worker.cli.review import refuse_without_person, review
from worker.cli.run_request import RunRequest
from worker.cli.run_session import RunSession
from worker.export import decision_sheet
from worker.export import ledger_file as export
from worker.export.commands import commands
from worker.export.filled_sheet import SheetRow, as_read, names_batches
from worker.export.kept_decisions import keep_review
from worker.export.own_files import refuse_foreign_file
from worker.export.proposals import DecisionRow, answered
from worker.export.report.facts import may_be_active
from worker.folders import is_gone
from worker.job.cells import read_id
from worker.ledger import decisions, views
from worker.ledger.database import Held, hold, is_new, open_for_reading
from worker.ledger.decisions import Decision, Known
from worker.ledger.handle import Reader, Writer
from worker.ledger.moved import refuse_moved
from worker.ledger.proposals import undecided
from worker.ledger.store import Ledger
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError, WorkerError
from worker.model.names import skeleton
from worker.model.records import Counts, Listed, RunEnd
from worker.model.run_id import new_run_id
from worker.settings.settings import Settings
from worker.terminal.output import complain, say, say_json
from worker.text import counted, quoted


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Settle. Returns the exit code: 0 if nothing is unknown any more. Raises WorkerError."""
    settings = settings_for("settle", args, environ)
    if is_new(settings.database):
        raise missing(settings, args.job)
    _refuse_combinations(args, settings)
    if args.proposals is not None:
        return write_proposals(args, settings)
    if args.review:
        refuse_without_person()
        return _review(args, settings, target(settings, environ))
    if args.decisions is not None:
        sheet = list(decision_sheet.read(Path(args.decisions)))
        needs_api = names_batches(sheet, accept=args.accept_suggestions)
        chosen = target(settings, environ) if needs_api else None
        with hold(settings.database, settings.wait) as held:
            return _record_sheet(args, settings, chosen, held, sheet)
    assignments = [_assignment(text) for text in args.assign or ()]
    if assignments or args.absent:
        chosen = target(settings, environ) if assignments else None
        with hold(settings.database, settings.wait) as held:
            return _record_options(args, settings, chosen, held, assignments)
    api = target(settings, environ)
    with hold(settings.database, settings.wait) as held:
        return _find_out(args, settings, api, held)


def _refuse_combinations(args: argparse.Namespace, settings: Settings) -> None:
    """Raise UsageError for options that exclude each other, or that need a job."""
    options = [
        ("--proposals", args.proposals is not None),
        ("--decisions", args.decisions is not None),
        ("--review", args.review),
        ("--assign and --absent", bool(args.assign or args.absent)),
    ]
    given = [option for option, is_given in options if is_given]
    if len(given) > 1:
        raise UsageError(f"{given[0]} cannot be combined with {given[1]}", hint="Use one of them.")
    if args.accept_suggestions and args.decisions is None:
        raise UsageError("--accept-suggestions: add --decisions with the sheet that has them")
    if given and args.job is None and not settings.asks_for_campaign:
        of = " of ITEM" if args.assign or args.absent else ""
        raise UsageError(f"{given[0]}: add the JOB (or --campaign){of}")
    for option, value in (("--proposals", args.proposals), ("--decisions", args.decisions)):
        if value == "":
            raise UsageError(f"{option}: is empty; give the path of a file")


def _find_out(args: argparse.Namespace, settings: Settings, chosen: Target, held: Held) -> int:
    """Settle everything that is open in the database, and write every ledger file that changed."""
    with closing(held.open(chosen.url)) as database:
        open_ones = views.campaigns_to_settle(database)
        if args.job is None and not settings.asks_for_campaign:
            if not open_ones:
                say("Nothing is unknown.")
                return 0
            latest = views.latest_run_of_campaign(database, open_ones[0])
        else:
            latest = latest_run(database, settings, args)
        for name in open_ones:
            if (of_campaign := views.latest_run_of_campaign(database, name)) is not None:
                _refuse_outdated(database, of_campaign, settings)
    if latest is None:
        raise AssertionError("a campaign always has a run")
    ledger_file = _checked_ledger_file(settings, latest)
    request = RunRequest(
        settings,
        chosen,
        run_id=new_run_id(MachineClock().wall()),
        campaign=latest.campaign,
        job=latest.job,
        ledger_file=ledger_file,
        only_settle=True,
    )
    code = RunSession(request, held).run()
    with closing(held.open(chosen.url)) as database:
        for name in open_ones:
            if name != latest.campaign:
                try:
                    _write_files_of(database, name, settings)
                except UsageError as error:
                    # The results are recorded, and the other files can be written.
                    complain(str(error))
        if code == 0 and args.job is None and views.count_unknown(database):
            return 1
    return code


def _record_options(
    args: argparse.Namespace,
    settings: Settings,
    chosen: Target | None,
    held: Held,
    assignments: list[tuple[str, str]],
) -> int:
    """Record the decisions of --assign and --absent: all, or none. `chosen` is needed if a batch is
    named. Returns the exit code."""
    with closing(held.open(chosen.url if chosen else None)) as database:
        latest = latest_run(database, settings, args)
        ids = [batch_id for _, batch_id in assignments]
        found, missing = look_up(ids, settings, chosen)
        for batch_id, reason in missing.items():
            raise UsageError(f"{batch_id}: {reason}", hint="Nothing was recorded.")

        campaign = campaign_number(database, latest)
        made = [
            Decision(decisions.find_item(database, campaign, item), batch_id)
            for item, batch_id in (*assignments, *((item, None) for item in args.absent or ()))
        ]
        return _record(database, latest, settings, made, found)


def _record_sheet(
    args: argparse.Namespace,
    settings: Settings,
    chosen: Target | None,
    held: Held,
    sheet: Sequence[SheetRow],
) -> int:
    """Record the decisions of a sheet: all, or none. `chosen` is needed if a batch is named.
    Returns the exit code."""
    with closing(held.open(chosen.url if chosen else None)) as database:
        latest = latest_run(database, settings, args)
        checked = check_sheet(database, sheet, latest.campaign, accept=args.accept_suggestions)
        found = look_up_checked(checked, Path(args.decisions), settings, chosen)
        made = [one.decision for one in checked.filled]
        return _record(database, latest, settings, made, found, checked.recorded)


def _review(args: argparse.Namespace, settings: Settings, chosen: Target) -> int:
    """Go through what is unknown with the person at the terminal, and record the decisions when
    they leave. Returns the exit code."""
    with closing(open_for_reading(settings.database)) as reader:
        refuse_moved(reader)
        latest = latest_run(reader, settings, args)
        _refuse_outdated(reader, latest, settings)  # its decisions could not be recorded
        campaign = campaign_number(reader, latest)
        unknown = list(undecided(reader, campaign, active=may_be_active(reader, campaign)))
    rows = list(answered(unknown, latest.campaign, review(unknown, latest.campaign)))
    try:
        with (
            hold(settings.database, settings.wait) as held,
            closing(held.open(chosen.url)) as database,
        ):
            # The ledger may have changed during the review.
            checked = check_sheet(database, as_read(rows), latest.campaign, accept=False)
            for problem in checked.problems:
                complain(f"{problem.text}; this decision is not recorded")
            found, missing = look_up(checked.batch_ids, settings, chosen)
            for batch_id, reason in missing.items():
                complain(f"{batch_id}: {reason}; this decision is not recorded")
            made = [one.decision for one in checked.filled]
            left = [one for one in made if one.batch_id is None or one.batch_id in found]
            return _record(database, latest, settings, left, found, checked.recorded)
    except WorkerError as error:
        if rows:
            hint = _keep_review(settings, latest, rows)
            error.hint = f"{error.hint} {hint}" if error.hint else hint
        raise


def _keep_review(settings: Settings, latest: views.LatestRun, rows: Sequence[DecisionRow]) -> str:
    """Keep the decisions of a review that could not be recorded. Returns how to record them: as a
    sheet, so that they are compared with what the ledger is by then."""
    try:
        sheet = keep_review(rows, ledger_file_of(settings, latest), latest.campaign)
    except OSError as error:
        return f"Your decisions could not be kept ({error}): use --review again."
    shown = commands(latest, invocation(settings, stream=sys.stderr))
    again = shown.settle(*ledger_option(settings), "--decisions", str(sheet.absolute()))
    return f"To record your decisions later: {again}"


def _warn_of_name(made: Decision, item: Known | None, batches: Mapping[str, Listed]) -> None:
    """Warn if the batch has another name than its duplicate: the id may be a wrong one. It is
    recorded all the same, because people rename batches."""
    batch = batches.get(made.batch_id or "")
    if batch is None or item is None or not item.name or "{source_name}" in item.name:
        return  # with the placeholder, the source is not known yet
    if skeleton(batch.name) != skeleton(item.name):
        complain(
            f"warning: #{made.item}: batch {batch.id} is named {quoted(batch.name)}, and the"
            f" duplicate {quoted(item.name)}; see on Prolific whether it is the right one"
        )


def _record(
    database: Writer,
    latest: views.LatestRun,
    settings: Settings,
    made: Sequence[Decision],
    batches: Mapping[str, Listed],
    recorded_before: int = 0,
) -> int:
    """Record these decisions in one transaction, and write the campaign's files. `batches` has
    every batch that they name. Returns 0 if nothing in the campaign is unknown any more, otherwise
    1."""
    ledger_file = _checked_ledger_file(settings, latest)
    _refuse_outdated(database, latest, settings)
    latest = latest._replace(ledger=ledger_file)
    if made:
        for one in made:
            _warn_of_name(one, decisions.known(database, one.item), batches)
        ledger = Ledger(database, settle_start(settings, latest, ledger_file))
        try:
            decisions.record(ledger, made, batches)
        finally:
            code = 1 if views.counts(database, ledger.campaign).unknown else 0
            ledger.end_run(RunEnd(iso(MachineClock().wall()), None, code, 0, 0, 0))
            write_ledger_file(database, ledger.campaign, latest.campaign, ledger_file, settings)
            _write_report(database, latest, settings)
    counts = views.counts(database, campaign_number(database, latest))
    _show_recorded(settings, latest, made, counts, recorded_before)
    return 1 if counts.unknown else 0


def _show_recorded(
    settings: Settings,
    latest: views.LatestRun,
    made: Sequence[Decision],
    counts: Counts,
    recorded_before: int,
) -> None:
    """Say how many decisions were recorded, and what is still unknown in the campaign."""
    absent = sum(one.batch_id is None for one in made)
    if settings.json:
        say_json(
            {
                "campaign": latest.campaign,
                "ledger": str(latest.ledger),
                "assigned": len(made) - absent,
                "absent": absent,
                "recorded_before": recorded_before,
                "counts": counts._asdict(),
                "exit_code": 1 if counts.unknown else 0,
            }
        )
    elif not settings.quiet:
        before = f" {recorded_before:,} were recorded before." if recorded_before else ""
        recorded = f"{len(made) - absent:,} assigned, {absent:,} absent" if made else "nothing"
        say(
            f"Recorded: {recorded}.{before} {counted(counts.unknown, 'duplicate')} of"
            f" {latest.campaign} still unknown."
        )
        if absent:
            shown = commands(latest, invocation(settings, stream=sys.stdout))
            say(f"To create what is absent:\n  {shown.run()}")


def _checked_ledger_file(settings: Settings, latest: views.LatestRun) -> Path:
    """The path of the ledger file to write; creates its folder. Raises UsageError if the path has
    another campaign's rows or another kind of file."""
    path = ledger_file_of(settings, latest)
    refuse_foreign_file(export.LEDGER_FILE, path, latest.campaign)
    export.make_folder(path)
    return path


def _refuse_outdated(database: Reader, latest: views.LatestRun, settings: Settings) -> None:
    """Raise UsageError if the database lacks what exists: writing the campaign's ledger file again
    would hide that from the next run."""
    refuse_outdated(database, settings, latest.campaign, latest.job, latest.ledger)


def _assignment(text: str) -> tuple[str, str]:
    """The two parts of ITEM=BATCH_ID. Raises UsageError."""
    item, equals, batch = text.partition("=")
    try:
        if not equals:
            raise ValueError(
                "write ITEM=BATCH_ID, such as 12.3=0192a3b4-5678-7abc-8def-0123456789ab"
            )
        return item.strip(), read_id(batch.strip())
    except ValueError as error:
        raise UsageError(f"--assign: {text!r}: {error}") from None


def _write_files_of(database: Reader, name: str, settings: Settings) -> None:
    """Write the ledger file of another campaign that was settled too, to the path that its latest
    run used."""
    campaign = views.campaign_id(database, name)
    latest = views.latest_run_of_campaign(database, name)
    if campaign is not None and latest is not None and not is_gone(latest.ledger):
        refuse_foreign_file(export.LEDGER_FILE, latest.ledger, name)
        write_ledger_file(database, campaign, name, latest.ledger, settings)
        _write_report(database, latest, settings)


def _write_report(database: Reader, latest: views.LatestRun, settings: Settings) -> None:
    """Also write the report, if the settings ask for it."""
    if settings.report and (
        trouble := write_or_note(database, settings, latest.campaign, latest.ledger)
    ):
        complain(trouble)
