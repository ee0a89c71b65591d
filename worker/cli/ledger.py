"""`ledger`: writes or prints what the database contains, as the ledger file, a table, or a job;
restores and backs up the database."""

from __future__ import annotations

import argparse
import filecmp
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import TextIO

from worker.cli.accept_server import accept_server
from worker.cli.choice import Choice, since
from worker.cli.common import (
    campaign_of,
    invocation,
    note_moved,
    open_asked_job,
    restoring,
    run_start,
    settings_for,
    write_ledger_file,
)
from worker.cli.forget import forget
from worker.cli.latest_run import campaign_number, latest_run, ledger_file_of, name_campaign
from worker.cli.outdated import open_existing, outdated, outdated_anywhere, warn_if
from worker.export import csv_format as csv_form
from worker.export import ledger_file as export
from worker.export.commands import commands
from worker.export.content import Content
from worker.export.formats import ledgers_in, read_file
from worker.export.job_file import write_job
from worker.export.own_files import refuse_foreign_file
from worker.export.report.facts import may_be_active
from worker.job.plan import planned
from worker.ledger import views
from worker.ledger.copying import move, name_of
from worker.ledger.database import hold, open_for_reading, unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Reader
from worker.ledger.rows import LedgerRow, ledger_rows
from worker.ledger.sqlite.database import backup
from worker.ledger.store import Ledger
from worker.ledger.views import SANDBOX
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError, WorkerError
from worker.model.records import RunEnd, RunKind
from worker.model.run_id import new_run_id
from worker.model.server_address import (
    OTHER_ADDRESS,
    SCHEMES,
    ServerAddress,
    is_other_address,
    server_address,
)
from worker.restore.lost_database import files_of, refuse_older_database
from worker.restore.restore import restore
from worker.settings.access import api_url
from worker.settings.settings import Settings
from worker.terminal import output
from worker.terminal.pager import paged
from worker.terminal.tables import campaign_tables, ledger_table, open_console
from worker.text import counted, shell_command, verb


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show or write what the ledger contains. Returns the exit code. Raises UsageError."""
    settings = settings_for("ledger", args, environ)
    if args.restore is not None:
        return _restore(args, settings, environ)
    if args.backup is not None:
        return _back_up(settings, args.backup)
    if args.accept_server:
        return accept_server(settings)
    if args.copy_to is not None:
        return _move(args.copy_to, settings)
    if args.forget or args.before is not None:
        return forget(args, settings)
    if args.refresh:
        from worker.cli.refresh import refresh  # noqa: PLC0415 - only this asks the API

        refresh(args, settings, environ)
    choice, of_all = Choice(args), args.job is None and not settings.asks_for_campaign
    if of_all and choice.of_rows:
        raise UsageError(f"{choice.of_rows} selects rows: add a JOB or --campaign")
    with closing(open_existing(settings, args.job)) as reader:
        try:
            note_moved(reader)
            if of_all:
                warn_if(outdated_anywhere(reader, settings))
                _show_campaigns(reader, args, environ)
            else:
                _show_campaign(reader, settings, args, choice, environ)
        except DATABASE_ERRORS as error:
            raise unusable(settings.database, error) from error
    return 0


def _back_up(settings: Settings, written: str) -> int:
    """Copy the database to the file that `written` names."""
    if is_other_address(written) or written.startswith(SCHEMES):
        raise UsageError("--backup: is an address; give the path of a file")
    copy = Path(written)
    if not copy.parent.is_dir():
        raise UsageError(f"{copy}: the backup cannot be written: there is no folder {copy.parent}")
    if isinstance(settings.database, ServerAddress):
        raise UsageError(
            f"--backup: {settings.database} is on a server",
            hint=f"Back it up as its server is backed up, for example: pg_dump --format=custom"
            f" --schema={settings.database.schema} (see docs/shared-ledger.md).",
        )
    backup(settings.database, copy)
    return 0


def _move(text: str, settings: Settings) -> int:
    """Move the ledger to the database that `text` names."""
    if is_other_address(text):
        raise UsageError(f"--copy-to: {OTHER_ADDRESS}")
    try:
        target = server_address(text) or Path(text)
    except ValueError as error:
        raise UsageError(f"--copy-to: {error}") from None
    if not text:
        raise UsageError("--copy-to: is empty; give the path of a file or the address of a server")
    rows = move(settings.database, target, settings.wait)
    output.say(
        f"Moved {counted(rows, 'row')} from {settings.database} to {target}, and compared them."
        f"\n{settings.database} is marked as moved: no run works there any more."
        f"\nFrom now on use --database {shell_command([name_of(target)])}"
    )
    return 0


def _restore(args: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> int:
    """Rebuild the database from a ledger file of the job."""
    if args.job is None:
        raise UsageError("--restore: add the JOB of the ledger file")
    file, now = Path(args.restore), MachineClock().wall()
    url = SANDBOX if settings.sandbox else api_url(environ)
    if not file.is_file():
        raise UsageError(f"{file}: there is no ledger file here")
    job = open_asked_job("ledger", args, environ)
    campaign, run_id = campaign_of(settings), new_run_id(now)
    path = settings.ledger_path(run_id)
    refuse_foreign_file(export.LEDGER_FILE, path, campaign)
    if not settings.sandbox:
        _refuse_rehearsal(file, settings.rehearsals)
    if path.is_file() and not filecmp.cmp(path, file, shallow=False):
        raise UsageError(
            f"{path}: this ledger file would be replaced, and it differs from {file}",
            hint=(
                f"Restore from the newer file. To restore from {file}, move the other one away or"
                " add --ledger with another path."
            ),
        )
    with (
        planned(job, campaign, settings.date) as plan,
        hold(settings.database, settings.wait) as held,
        closing(held.open(url)) as database,
    ):
        start = run_start(
            settings,
            run_id,
            RunKind.RESTORE,
            campaign=campaign,
            job=job.path.resolve(),
            ledger=path,
        )
        ledger, code = Ledger(database, start), 1
        try:
            ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
            restored = restore(ledger, file, campaign, _others(file, path, settings), iso(now))
            code = 0
        except WorkerError as error:
            code = error.exit_code
            raise
        finally:
            ledger.end_run(RunEnd(iso(MachineClock().wall()), None, code, 0, 0, 0))
        write_ledger_file(database, ledger.campaign, campaign, path, settings)
        latest = latest_run(database, settings, args)
        follow_up = commands(latest, invocation(settings, stream=sys.stdout))
    output.say(
        f"Restored into {settings.database}: {counted(restored.created, 'duplicate')} created,"
        f" {restored.unknown:,} unknown."
    )
    if restored.missing:
        output.complain(
            f"{file}: it has no row for {counted(restored.missing, 'duplicate')} of the job, which"
            f" {verb(restored.missing, 'is', 'are')} unknown now, because"
            f" {verb(restored.missing, 'it', 'they')} may exist"
        )
    if restored.unknown:
        output.say(
            "The next run finds out which unknown duplicates exist. To do only that:\n "
            f" {follow_up.settle()}"
        )
    return 0


def _others(file: Path, path: Path, settings: Settings) -> list[Path]:
    """The ledger files beside the one to restore, which may be a copy elsewhere, beside the
    campaign's own at `path`, and where the settings put those of any campaign."""
    found = [
        *ledgers_in(file.parent, settings.database),
        *ledgers_in(path.parent, settings.database),
        *files_of(settings.ledger, None, settings.database),
    ]
    others = {other.resolve(): other for other in found if not other.samefile(file)}
    return list(others.values())


def _refuse_rehearsal(file: Path, rehearsals: Path | None) -> None:
    """Raise UsageError if a run of the rehearsals' database wrote the ledger file: none of its
    batches is real."""
    if rehearsals is None:
        return
    try:
        with closing(open_for_reading(rehearsals, SANDBOX)) as reader:
            known = {run["run_id"] for run in views.runs(reader)}
    except WorkerError:  # no readable database of rehearsals: do not block a real ledger
        return
    if any(row["run_id"] in known for _, row in read_file(file)):
        raise UsageError(
            f"{file}: this is the ledger file of a rehearsal (--sandbox): none of its batches is"
            " real",
            hint="Nothing was restored. Restore from the ledger file of a real run.",
        )


def _show_campaigns(reader: Reader, args: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """List the campaigns and runs of the database as a table or JSON. Raises UsageError for another
    format."""
    campaigns, runs = views.campaigns(reader), views.runs(reader, since(args.since))
    match args.format:
        case None | "table":
            with paged(sys.stdout, environ) as page:
                campaign_tables(campaigns, runs, open_console(page.text))
        case "json":
            output.say_json({"campaigns": campaigns, "runs": runs}, indent=1)
        case other:
            raise UsageError(
                f"--format {other}: add a JOB or --campaign", hint="Without one, use table or json."
            )


def _show_campaign(
    reader: Reader,
    settings: Settings,
    args: argparse.Namespace,
    choice: Choice,
    environ: Mapping[str, str],
) -> None:
    """Write the campaign's ledger file, or print its chosen rows in the format that was asked for.
    Raises UsageError."""
    latest = latest_run(reader, settings, args)
    campaign = campaign_number(reader, latest)
    if args.format is None and not choice.description:
        _write(reader, campaign, latest, settings)
        return
    warn_if(outdated(reader, settings, latest.campaign, latest.job, latest.ledger))
    all_rows = ledger_rows(
        reader, campaign, latest.campaign, dropped=args.all, job_names=args.format == "job"
    )
    active = may_be_active(reader, campaign)
    content = export.content_of(
        reader, campaign, latest.campaign, invocation(settings), active=active
    )
    content = content._replace(
        about=content.about._replace(choice=choice.description),
        rows=filter(choice, all_rows),
        decisions=() if choice.description else content.decisions,
    )
    match args.format:
        case None | "table":
            with paged(sys.stdout, environ) as page:
                ledger_table(
                    takewhile(lambda _: not page.over, content.rows), open_console(page.text)
                )
        case "csv":
            with output.data() as out:
                csv_form.write_rows(out, content.rows, content.columns)
        case "json":
            with output.data() as out:
                _write_json(out, content.rows)
        case "job":
            with output.data() as out:
                write_job(out, content.rows, content.own)
        case "xlsx":
            _write_workbook(content)


def _write_workbook(content: Content) -> None:
    """Print a workbook. Raises UsageError if standard output is a terminal."""
    if sys.stdout.isatty():
        raise UsageError(
            "--format xlsx: a terminal cannot show a workbook",
            hint=(
                "Write it to a file: add > FILE.xlsx, or replace --format xlsx with --ledger"
                " FILE.xlsx."
            ),
        )
    from worker.export import workbook  # noqa: PLC0415 - its libraries are slow to import

    with TemporaryFile() as file:
        workbook.write(file, content)
        file.seek(0)
        with output.data() as out:
            copyfileobj(file, out.buffer)


def _write(reader: Reader, campaign: int, latest: views.LatestRun, settings: Settings) -> None:
    """Write the ledger file to the path that the latest run used, or to that of --ledger."""
    path = ledger_file_of(settings, latest)
    refuse_foreign_file(export.LEDGER_FILE, path, latest.campaign)
    found = outdated(reader, settings, latest.campaign, latest.job, path, latest.ledger)
    if found is not None and path.is_file():
        refuse_older_database(
            reader, [path], latest.campaign, restoring(settings, latest.campaign, latest.job)
        )
    warn_if(found)
    export.make_folder(path)
    try:
        active = may_be_active(reader, campaign)
        write_ledger_file(reader, campaign, latest.campaign, path, settings, active=active)
    except OSError as error:
        raise UsageError(
            f"{path}: the ledger file cannot be written: {error.strerror or error}"
        ) from error
    name_campaign(latest)
    output.say(str(path))


def _write_json(file: TextIO, rows: Iterable[LedgerRow]) -> None:
    """Write a JSON array, one row at a time: a ledger may be long."""
    separator = "["
    for row in rows:
        file.write(f"{separator}\n{json.dumps(row, ensure_ascii=False)}")
        separator = ","
    file.write("[]\n" if separator == "[" else "\n]\n")
