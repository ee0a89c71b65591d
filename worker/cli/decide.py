"""Records what a person decided about unknown duplicates: with options, in a sheet, or in a
review at the terminal. All decisions are recorded, or none."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from worker.cli.check_decisions import check_sheet, look_up_sheet
from worker.cli.common import Target, invocation, settle_start
from worker.cli.latest_run import campaign_number, latest_run, ledger_file_of
from worker.cli.look_up_batches import NOTHING_RECORDED, look_up_batches
from worker.cli.review import review
from worker.cli.settled_files import checked_ledger_file, refuse_outdated_ledger, write_files
from worker.cli.write_proposals import ledger_option
from worker.export import ledger_file as export
from worker.export.commands import commands
from worker.export.filled_sheet import SheetRow, as_read
from worker.export.kept_decisions import keep_review
from worker.export.proposals import DecisionRow, answered
from worker.export.report.facts import may_be_active
from worker.job.cells import read_id
from worker.ledger import decisions, views
from worker.ledger.database import Held, hold, open_for_reading
from worker.ledger.decisions import Decision, Known
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Writer
from worker.ledger.moved import refuse_moved
from worker.ledger.proposals import undecided
from worker.ledger.store import Ledger
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError, WorkerError
from worker.model.names import skeleton
from worker.model.records import Counts, Listed, RunEnd
from worker.settings.settings import Settings
from worker.terminal.output import complain, say, say_json
from worker.text import counted, quoted, verb


def record_options(
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
        found, not_found = look_up_batches(ids, settings, api)
        if not_found:
            lines = [f"{batch_id}: {reason}" for batch_id, reason in not_found.items()]
            raise UsageError("\n".join(lines), hint=NOTHING_RECORDED)

        campaign = campaign_number(database, latest)
        to_record = [
            Decision(decisions.find_item(database, campaign, item), batch_id)
            for item, batch_id in (*assignments, *((item, None) for item in args.absent or ()))
        ]
        _refuse_repeated(to_record)
        return _record(database, latest, settings, to_record, found)


def _refuse_repeated(to_record: Sequence[Decision]) -> None:
    """Raise UsageError if options decide an item or give a batch twice."""
    items: set[int] = set()
    item_of: dict[str, int] = {}
    for item, batch_id, _ in to_record:
        if item in items:
            raise UsageError(f"#{item} is decided twice; decide it once", hint=NOTHING_RECORDED)
        items.add(item)
        if batch_id is not None and (other := item_of.setdefault(batch_id, item)) != item:
            raise UsageError(
                f"{batch_id} is given for #{other} and #{item}; a batch belongs to one item only",
                hint=NOTHING_RECORDED,
            )


def record_sheet(
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


def review_and_record(args: argparse.Namespace, settings: Settings, api: Target) -> int:
    """Go through what is unknown with the person at the terminal, and record the decisions when
    they leave. Returns the exit code."""
    with closing(open_for_reading(settings.database)) as reader:
        refuse_moved(reader)
        latest = latest_run(reader, settings, args)
        refuse_outdated_ledger(reader, latest, settings)  # its decisions could not be recorded
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
            found, not_found = look_up_batches(checked.batch_ids, settings, api)
            for batch_id, reason in not_found.items():
                complain(f"{batch_id}: {reason}; this decision is not recorded")
            to_record = [
                one.decision
                for one in checked.to_record
                if one.decision.batch_id is None or one.decision.batch_id in found
            ]
            return _record(database, latest, settings, to_record, found, checked.recorded_before)
    except (WorkerError, KeyboardInterrupt, OSError, *DATABASE_ERRORS) as error:
        if rows:
            hint = _keep_review(settings, latest, rows)
            if isinstance(error, WorkerError):
                error.hint = f"{error.hint} {hint}" if error.hint else hint
            else:
                complain(hint)
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


def _record(
    database: Writer,
    latest: views.LatestRun,
    settings: Settings,
    to_record: Sequence[Decision],
    batches: Mapping[str, Listed],
    recorded_before: int = 0,
) -> int:
    """Record these decisions in one transaction, and write the campaign's files. `batches` has
    every batch that they name. Returns 0 if nothing in the campaign is unknown any more and the
    files could be written, otherwise 1."""
    ledger_file = checked_ledger_file(settings, latest)
    refuse_outdated_ledger(database, latest, settings)
    latest = latest._replace(ledger=ledger_file)
    if to_record:
        export.make_folder(ledger_file)
        for one in to_record:
            _warn_of_name(one, decisions.known(database, one.item), batches)
        ledger = Ledger(database, settle_start(settings, latest, ledger_file))
        code = WorkerError.exit_code
        try:
            decisions.record(ledger, to_record, batches)
            code = int(views.counts(database, ledger.campaign).unknown > 0)
        except UsageError as error:
            code = error.exit_code
            raise
        finally:
            ledger.end_run(RunEnd(iso(MachineClock().wall()), None, code, 0, 0, 0))
    counts = views.counts(database, campaign_number(database, latest))
    code = int(counts.unknown > 0)
    if to_record:
        try:
            write_files(database, ledger.campaign, latest, settings)
        except OSError as error:
            complain(
                f"{ledger_file}: the decisions are recorded, but this file cannot be written:"
                f" {error.strerror or error}; use `ledger` to write it"
            )
            code = WorkerError.exit_code
    _show_recorded(settings, latest, to_record, counts, recorded_before, code)
    return code


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


def _show_recorded(
    settings: Settings,
    latest: views.LatestRun,
    just_recorded: Sequence[Decision],
    counts: Counts,
    recorded_before: int,
    code: int,
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
                "exit_code": code,
            }
        )
    elif not settings.quiet:
        before = ""
        if recorded_before:
            before = f" {recorded_before:,} {verb(recorded_before, 'was', 'were')} recorded before."
        recorded = f"{assigned:,} assigned, {absent:,} absent" if just_recorded else "nothing"
        say(
            f"Recorded: {recorded}.{before} {counted(counts.unknown, 'duplicate')} of"
            f" {latest.campaign} {verb(counts.unknown, 'is', 'are')} still unknown."
        )
        if absent:
            shown = commands(latest, invocation(settings, stream=sys.stdout))
            say(f"To create the absent duplicates:\n  {shown.run()}")


def assignment(text: str) -> tuple[str, str]:
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
