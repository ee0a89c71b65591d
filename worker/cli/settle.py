"""`settle`: finds out whether unanswered requests created a batch, or records a person's decisions.
It creates nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import anyio

from worker.api.verdicts import source_verdict
from worker.cli.asked import Asked
from worker.cli.common import (
    Target,
    api,
    invocation,
    latest_run,
    ledger_file_of,
    restoring,
    run_start,
    settings_for,
    target,
)
from worker.cli.report import write_or_note
from worker.cli.run_session import RunSession
from worker.export import ledger_file as export
from worker.export.own_files import refuse_foreign_file
from worker.job.cells import read_id
from worker.ledger import decisions, views
from worker.ledger.database import is_new, open_for_writing
from worker.ledger.handle import Reader
from worker.ledger.lock import hold
from worker.ledger.store import Ledger
from worker.model.batch import listed
from worker.model.clock import MachineClock, iso
from worker.model.errors import TokenRefusedError, UsageError, WorkerError
from worker.model.records import Listed, RunEnd, RunKind
from worker.model.run_id import new_run_id
from worker.restore.lost_database import refuse_older_database
from worker.settings.settings import Settings
from worker.terminal.output import complain, say
from worker.terminal.secrets import Scrubber
from worker.text import counted


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Settle. Returns the exit code: 0 if nothing is unknown any more. Raises WorkerError."""
    settings = settings_for("settle", args, environ)
    if is_new(settings.database):
        raise UsageError(
            f"{settings.database}: there is no ledger database here",
            hint="Give its path with --database.",
        )
    assignments = [_assignment(text) for text in args.assign or ()]
    chosen = Target("", "") if args.absent and not assignments else target(settings, environ)
    with hold(settings.database, settings.wait):
        if assignments or args.absent:
            return _record_decisions(args, settings, chosen, assignments, args.absent or [])
        return _find_out(args, settings, chosen)


def _find_out(args: argparse.Namespace, settings: Settings, chosen: Target) -> int:
    """Settle everything that is open in the database, and write every ledger file that changed."""
    with closing(open_for_writing(settings.database, chosen.url)) as database:
        open_ones = views.campaigns_to_settle(database)
        if args.job is None and not settings.asks_for_campaign:
            if not open_ones:
                say("Nothing is unknown.")
                return 0
            latest = views.latest_run(database, campaign=open_ones[0])
        else:
            latest = latest_run(database, settings, args)
        for name in open_ones:
            _refuse_older_database(database, views.latest_run(database, campaign=name), settings)
    if latest is None:
        raise AssertionError("a campaign always has a run")
    ledger_file = _ledger_file(settings, latest)
    asked = Asked(
        settings,
        chosen,
        run_id=new_run_id(MachineClock().wall()),
        campaign=latest.campaign,
        job=latest.job,
        ledger_file=ledger_file,
        only_settle=True,
    )
    code = RunSession(asked).run()
    with closing(open_for_writing(settings.database, chosen.url)) as database:
        for name in open_ones:
            if name != latest.campaign:
                try:
                    _write_files(database, name, settings)
                except UsageError as error:
                    # The results are recorded, and the other files can be written.
                    complain(str(error))
        if code == 0 and args.job is None and views.count_unknown(database):
            return 1
    return code


def _record_decisions(
    args: argparse.Namespace,
    settings: Settings,
    chosen: Target,
    assignments: list[tuple[str, str]],
    absent: list[str],
) -> int:
    """Record a person's decisions. Returns 0 if nothing in the campaign is unknown any more,
    otherwise 1."""
    url = chosen.url or None
    with closing(open_for_writing(settings.database, url)) as database:
        if args.job is None and not settings.asks_for_campaign:
            raise UsageError("--assign and --absent: add the JOB (or --campaign) of ITEM")
        latest = latest_run(database, settings, args)
        ledger_file = _ledger_file(settings, latest)
        batches = (
            anyio.run(_batches, settings, chosen, [batch for _, batch in assignments])
            if assignments
            else {}
        )
        start = run_start(
            settings,
            new_run_id(MachineClock().wall()),
            RunKind.SETTLE,
            campaign=latest.campaign,
            job=latest.job,
            ledger=ledger_file,
        )
        _refuse_older_database(database, latest, settings)
        ledger = Ledger(database, start)
        try:
            for item, batch in assignments:
                decisions.assign(ledger, decisions.find_item(ledger, item), batches[batch])
            for item in absent:
                decisions.declare_absent(ledger, decisions.find_item(ledger, item))
        finally:
            counts = views.counts(database, ledger.campaign)
            code = 1 if counts.unknown else 0
            ledger.end_run(RunEnd(iso(MachineClock().wall()), None, code, 0, 0, 0))
            export.write_ledger_file(
                database, ledger.campaign, latest.campaign, ledger_file, invocation(settings)
            )
            _write_report(database, latest._replace(ledger=ledger_file), settings)
        if not settings.quiet:
            say(
                f"Recorded. {counted(counts.unknown, 'duplicate')} of {latest.campaign} still"
                " unknown."
            )
        return code


def _ledger_file(settings: Settings, latest: views.LatestRun) -> Path:
    """The ledger file to write. Raises UsageError if the path has another campaign's rows or
    another kind of file."""
    path = ledger_file_of(settings, latest)
    refuse_foreign_file(export.LEDGER_FILE, path, latest.campaign)
    export.make_folder(path)
    return path


def _refuse_older_database(
    database: Reader, latest: views.LatestRun | None, settings: Settings
) -> None:
    """Raise UsageError if the campaign's ledger file is newer than the database: writing that file
    again would hide from the next run that the database is an old copy."""
    if latest is not None and latest.ledger.is_file():
        command = restoring(settings, latest.campaign, latest.job)
        refuse_older_database(database, [latest.ledger], latest.campaign, command)


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


async def _batches(settings: Settings, chosen: Target, ids: list[str]) -> dict[str, Listed]:
    """The batches that a person names, as the API shows them. Raises WorkerError if one does not
    exist."""
    found: dict[str, Listed] = {}
    async with api(chosen, settings.timeout, Scrubber(chosen.token or None), ids) as client:
        for batch_id in ids:
            reply = await client.batch(batch_id)
            verdict = source_verdict(reply, batch_id)
            if verdict.http_status == 401:
                raise TokenRefusedError(
                    f"{batch_id}: {verdict.reason}", hint="Nothing was recorded."
                )
            if verdict.batch is None:
                error = UsageError if verdict.state == "missing" else WorkerError
                raise error(f"{batch_id}: {verdict.reason}", hint="Nothing was recorded.")
            found[batch_id] = listed(verdict.batch)
    return found


def _write_files(database: Reader, name: str, settings: Settings) -> None:
    """Write the ledger file of another campaign that was settled too, to the path that its latest
    run used."""
    campaign, latest = (
        views.campaign_id(database, name),
        views.latest_run(database, campaign=name),
    )
    if campaign is not None and latest is not None and latest.ledger.exists():
        refuse_foreign_file(export.LEDGER_FILE, latest.ledger, name)
        export.write_ledger_file(database, campaign, name, latest.ledger, invocation(settings))
        _write_report(database, latest, settings)


def _write_report(database: Reader, latest: views.LatestRun, settings: Settings) -> None:
    """Also write the report, if the settings ask for it."""
    if settings.report and (
        trouble := write_or_note(database, settings, latest.campaign, latest.ledger)
    ):
        complain(trouble)
