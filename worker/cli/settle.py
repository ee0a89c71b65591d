"""`settle`: finds out whether unanswered requests created a batch, or records a person's decisions.
It creates nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from worker.cli.check_decisions import check_sheet, look_up_sheet
from worker.cli.common import (
    Target,
    invocation,
    settings_for,
    settle_start,
    target,
    write_ledger_file,
)
from worker.cli.latest_run import campaign_number, latest_run, ledger_file_of
from worker.cli.look_up_batches import NOTHING_RECORDED, look_up_batches
from worker.cli.outdated import missing, refuse_outdated
from worker.cli.report import write_or_note
from worker.cli.review import refuse_without_person, review
from worker.cli.run_request import RunRequest
from worker.cli.run_session import RunSession
from worker.cli.write_proposals import ledger_option, write_proposals
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
        api = target(settings, environ) if needs_api else None
        with hold(settings.database, settings.wait) as held:
            return _record_sheet(args, settings, api, held, sheet)
    assignments = [_assignment(text) for text in args.assign or ()]
    if assignments or args.absent:
        api = target(settings, environ) if assignments else None
        with hold(settings.database, settings.wait) as held:
            return _record_options(args, settings, api, held, assignments)
    api = target(settings, environ)
    with hold(settings.database, settings.wait) as held:
        return _settle_all(args, settings, api, held)


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
                _refuse_outdated(database, of_campaign, settings)
    if latest is None:
        raise AssertionError("a campaign always has a run")
    ledger_file = _checked_ledger_file(settings, latest)
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
                except UsageError as error:
                    # The results are recorded, and the other files can be written.
                    complain(str(error))
        if code == 0 and args.job is None:
            return _exit_code(views.count_unknown(database))
    return code


def _record_options(
    args: argparse.Namespace,
    settings: Settings,
    api: Target | None,
    held: Held,
    assignments: list[tuple[str, str]],
) -> int:
    """Record the decisions of --assign and --absent: all, or none. `api` is needed if a batch is
    named. Returns the exit code."""
    with closing(held.open(api.url if api else None)) as database:
        latest = latest_run(database, settings, args)
        ids = [batch_id for _, batch_id in assignments]
        found, missing = look_up_batches(ids, settings, api)
        for batch_id, reason in missing.items():
            raise UsageError(f"{batch_id}: {reason}", hint=NOTHING_RECORDED)

        campaign = campaign_number(database, latest)
        to_record = [
            Decision(decisions.find_item(database, campaign, item), batch_id)
            for item, batch_id in (*assignments, *((item, None) for item in args.absent or ()))
        ]
        return _record(database, latest, settings, to_record, found)


def _record_sheet(
    args: argparse.Namespace,
    settings: Settings,
    api: Target | None,
    held: Held,
    sheet: Sequence[SheetRow],
) -> int:
    """Record the decisions of a sheet: all, or none. `api` is needed if a batch is named.
    Returns the exit code."""
    with closing(held.open(api.url if api else None)) as database:
        latest = latest_run(database, settings, args)
        checked = check_sheet(database, sheet, latest.campaign, accept=args.accept_suggestions)
        found = look_up_sheet(checked, Path(args.decisions), settings, api)
        to_record = [one.decision for one in checked.to_record]
        return _record(database, latest, settings, to_record, found, checked.recorded_before)


def _review(args: argparse.Namespace, settings: Settings, api: Target) -> int:
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
            closing(held.open(api.url)) as database,
        ):
            # The ledger may have changed during the review.
            checked = check_sheet(database, as_read(rows), latest.campaign, accept=False)
            for problem in checked.problems:
                complain(f"{problem.text}; this decision is not recorded")
            found, missing = look_up_batches(checked.batch_ids, settings, api)
            for batch_id, reason in missing.items():
                complain(f"{batch_id}: {reason}; this decision is not recorded")
            to_record = [
                one.decision
                for one in checked.to_record
                if one.decision.batch_id is None or one.decision.batch_id in found
            ]
            return _record(database, latest, settings, to_record, found, checked.recorded_before)
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


def _warn_of_name(decision: Decision, item: Known | None, batches: Mapping[str, Listed]) -> None:
    """Warn if the batch has another name than its duplicate: the id may be a wrong one. It is
    recorded all the same, because people rename batches."""
    batch = batches.get(decision.batch_id or "")
    if batch is None or item is None or not item.name or "{source_name}" in item.name:
        return  # with the placeholder, the source is not known yet
    if skeleton(batch.name) != skeleton(item.name):
        complain(
            f"warning: #{decision.item}: batch {batch.id} is named {quoted(batch.name)}, and the"
            f" duplicate {quoted(item.name)}; see on Prolific whether it is the right one"
        )


def _record(
    database: Writer,
    latest: views.LatestRun,
    settings: Settings,
    to_record: Sequence[Decision],
    batches: Mapping[str, Listed],
    recorded_before: int = 0,
) -> int:
    """Record these decisions in one transaction, and write the campaign's files. `batches` has
    every batch that they name. Returns 0 if nothing in the campaign is unknown any more, otherwise
    1."""
    ledger_file = _checked_ledger_file(settings, latest)
    _refuse_outdated(database, latest, settings)
    latest = latest._replace(ledger=ledger_file)
    if to_record:
        export.make_folder(ledger_file)
        for one in to_record:
            _warn_of_name(one, decisions.known(database, one.item), batches)
        ledger = Ledger(database, settle_start(settings, latest, ledger_file))
        try:
            decisions.record(ledger, to_record, batches)
        finally:
            code = _exit_code(views.counts(database, ledger.campaign).unknown)
            ledger.end_run(RunEnd(iso(MachineClock().wall()), None, code, 0, 0, 0))
            _write_files(database, ledger.campaign, latest, settings)
    counts = views.counts(database, campaign_number(database, latest))
    _show_recorded(settings, latest, to_record, counts, recorded_before)
    return _exit_code(counts.unknown)


def _show_recorded(
    settings: Settings,
    latest: views.LatestRun,
    just_recorded: Sequence[Decision],
    counts: Counts,
    recorded_before: int,
) -> None:
    """Say how many decisions were recorded, and what is still unknown in the campaign."""
    absent = sum(one.batch_id is None for one in just_recorded)
    assigned = len(just_recorded) - absent
    if settings.json:
        say_json(
            {
                "campaign": latest.campaign,
                "ledger": str(latest.ledger),
                "assigned": assigned,
                "absent": absent,
                "recorded_before": recorded_before,
                "counts": counts._asdict(),
                "exit_code": _exit_code(counts.unknown),
            }
        )
    elif not settings.quiet:
        before = f" {recorded_before:,} were recorded before." if recorded_before else ""
        recorded = f"{assigned:,} assigned, {absent:,} absent" if just_recorded else "nothing"
        say(
            f"Recorded: {recorded}.{before} {counted(counts.unknown, 'duplicate')} of"
            f" {latest.campaign} still unknown."
        )
        if absent:
            shown = commands(latest, invocation(settings, stream=sys.stdout))
            say(f"To create what is absent:\n  {shown.run()}")


def _show_nothing_unknown(database: Reader, settings: Settings) -> None:
    """Say that nothing is unknown in any campaign of the database."""
    if settings.json:
        campaigns = views.campaigns(database)
        counts = {status: sum(row[status] for row in campaigns) for status in Counts._fields}
        say_json({"database": str(settings.database), "counts": counts, "exit_code": 0})
    elif not settings.quiet:
        say("Nothing is unknown.")


def _exit_code(unknown: int) -> int:
    """The exit code if this number of duplicates is still unknown."""
    return 1 if unknown else 0


def _checked_ledger_file(settings: Settings, latest: views.LatestRun) -> Path:
    """The path of the ledger file to write. Raises UsageError if the file there has another
    campaign's rows or is of another kind."""
    path = ledger_file_of(settings, latest)
    refuse_foreign_file(export.LEDGER_FILE, path, latest.campaign)
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


def _write_other_files(database: Reader, name: str, settings: Settings) -> None:
    """Write the files of another campaign that was settled too, to the path that its latest run
    used."""
    campaign = views.campaign_id(database, name)
    latest = views.latest_run_of_campaign(database, name)
    if campaign is not None and latest is not None and not is_gone(latest.ledger):
        refuse_foreign_file(export.LEDGER_FILE, latest.ledger, name)
        _write_files(database, campaign, latest, settings)


def _write_files(
    database: Reader, campaign: int, latest: views.LatestRun, settings: Settings
) -> None:
    """Write the campaign's ledger file to `latest.ledger`, and its report if the settings ask for
    it. `campaign` is its number."""
    write_ledger_file(database, campaign, latest.campaign, latest.ledger, settings)
    if settings.report and (
        trouble := write_or_note(database, settings, latest.campaign, latest.ledger)
    ):
        complain(trouble)
