"""`ledger`: what the database knows, as the ledger file, on the screen, or as a job; and copies of the database."""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import os
import socket
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from worker.cli.common import campaign_of, latest_run, new_run_id, settings_for
from worker.clock import MachineClock, iso
from worker.errors import UsageError
from worker.job.plan import planned
from worker.job.read import open_job
from worker.ledger import export, views
from worker.ledger.database import backup, open_for_reading, open_for_writing, unusable
from worker.ledger.lock import hold
from worker.ledger.records import RunEnd, RunStart, Status
from worker.ledger.restore import other_files, restore
from worker.ledger.store import Ledger
from worker.observe.tables import campaign_table, ledger_table, open_console
from worker.observe.text import counted, shell_word
from worker.settings.access import api_url
from worker.settings.load import Settings

Row = views.Row


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show or write what the ledger knows; the exit code. Raises UsageError."""
    settings = settings_for("ledger", args, environ)
    if args.restore is not None:
        return _restore(args, settings, api_url(environ))
    if args.format == "xlsx":
        raise UsageError("--format xlsx: not in this version yet", hint="Use --format csv.")
    if args.backup is not None:
        copy = Path(args.backup)
        if not copy.parent.is_dir():
            raise UsageError(f"{copy}: the backup cannot be written: there is no folder {copy.parent}")
        backup(settings.database, copy)
        return 0
    choose = _Choice(args)
    with closing(open_for_reading(settings.database)) as connection:
        try:
            if args.job is None and settings.campaign is None:
                _show_campaigns(connection, args)
            else:
                _show_campaign(connection, settings, args, choose)
        except sqlite3.Error as error:
            raise unusable(settings.database, error) from error
    return 0


def _restore(args: argparse.Namespace, settings: Settings, url: str) -> int:
    """Rebuild the database from a ledger file of the job."""
    if args.job is None:
        raise UsageError("--restore: needs the JOB that the ledger file is of")
    file, now = Path(args.restore), MachineClock().wall()
    if not file.is_file():
        raise UsageError(f"{file}: there is no ledger file here")
    job, campaign, run_id = open_job(Path(args.job)), campaign_of(settings), new_run_id(now)
    path = settings.ledger_path(run_id)
    export.refuse_foreign_file(path)
    with (
        planned(job, campaign, settings.date) as plan,
        hold(settings.database, settings.wait),
        closing(open_for_writing(settings.database, url)) as connection,
    ):
        start = RunStart(
            run_id, campaign, str(job.path.resolve()), str(path), socket.gethostname(), os.getpid(), iso(now),
            settings.timeout, settings.settle_after,
        )  # fmt: skip
        ledger = Ledger(connection, start)
        ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
        restored = restore(ledger, file, campaign, other_files(file), iso(now))
        counts = views.counts(connection, ledger.campaign)
        ledger.end_run(RunEnd(iso(MachineClock().wall()), None, 0, 0, 0, 0))
        export.write_ledger_file(connection, ledger.campaign, campaign, path)
    _print(
        f"Restored into {settings.database}: {counted(restored.created, 'duplicate')} created, {restored.unknown:,} "
        f"unknown, {counts.pending:,} pending.\nThe next run, or `duplicate-batches settle {shell_word(args.job)}`, "
        f"finds out about what is unknown."
    )
    return 0


class _Choice:
    """Which rows are wanted, from `--status`, `--source`, `--run` and `--since`. Raises UsageError."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._statuses = _statuses(args.status)
        self._source = args.source.strip().lower() if args.source else None
        self._run = args.run
        self._since = since(args.since)

    @property
    def everything(self) -> bool:
        """Whether no row is left out."""
        return not (self._statuses or self._source or self._run or self._since)

    def __call__(self, row: Row) -> bool:
        return (
            (not self._statuses or row["status"] in self._statuses)
            and (self._source is None or row["source_batch_id"] == self._source)
            and (self._run is None or row["run_id"] == self._run)
            and (self._since is None or (row["last_sent_at"] or "") >= self._since)
        )


def _statuses(text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset()
    chosen = frozenset(part.strip().lower() for part in text.split(","))
    if unknown := chosen - set(Status):
        raise UsageError(
            f"--status: {', '.join(sorted(unknown)) or 'an empty status'} is no status",
            hint=f"The statuses are {', '.join(Status)}.",
        )
    return chosen


def since(text: str | None) -> str | None:
    """A date or time as the database writes times. Raises UsageError where it is neither."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError):  # the latter for times that a time zone moves out of the calendar
        raise UsageError(
            f"--since: {text!r} is no date or time", hint="Write it as in 2026-11-24 or 2026-11-24T02:00Z."
        ) from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _show_campaigns(connection: sqlite3.Connection, args: argparse.Namespace) -> None:
    campaigns, runs = views.campaigns(connection), views.runs(connection, since(args.since))
    match args.format:
        case None | "table":
            campaign_table(campaigns, runs, open_console(sys.stdout))
        case "json":
            _print(json.dumps({"campaigns": campaigns, "runs": runs}, ensure_ascii=False, indent=1))
        case other:
            raise UsageError(f"--format {other}: needs a JOB or --campaign", hint="Without one: table or json.")


def _show_campaign(
    connection: sqlite3.Connection, settings: Settings, args: argparse.Namespace, choose: _Choice
) -> None:
    latest = latest_run(connection, settings, args)
    campaign = views.campaign_id(connection, latest.campaign)
    if campaign is None:
        raise AssertionError("a run always has a campaign")
    rows = (row for row in views.ledger_rows(connection, campaign, latest.campaign, dropped=args.all) if choose(row))
    own = views.extra_columns(connection, campaign)
    match args.format:
        case None:
            if not choose.everything or args.all:
                raise UsageError(
                    "the ledger file always has every row of the job; --status, --source, --run, --since and --all "
                    "choose what is printed",
                    hint="Add --format table, csv, json or job.",
                )
            _write(connection, campaign, latest, settings)
        case "csv":
            export.write_csv(sys.stdout, rows, own)
        case "json":
            _write_json(sys.stdout, rows)
        case "job":
            write_job(sys.stdout, rows, own)
        case "table":
            ledger_table(rows, open_console(sys.stdout))


def _write(connection: sqlite3.Connection, campaign: int, latest: views.LatestRun, settings: Settings) -> None:
    """Write the ledger file where the latest run wrote it, or where --ledger says."""
    path = latest.ledger
    if "ledger" in settings.origins:
        path = settings.ledger_path(latest.run_id, campaign=latest.campaign)
    export.refuse_foreign_file(path)
    export.make_folder(path)
    try:
        export.write_ledger_file(connection, campaign, latest.campaign, path)
    except OSError as error:
        raise UsageError(f"{path}: the ledger file cannot be written: {error.strerror or error}") from error
    _print(str(path))


def _write_json(file: TextIO, rows: Iterator[Row]) -> None:
    """A JSON array, a row at a time: a ledger may be long."""
    separator = "["
    for row in rows:
        shown = {key: value for key, value in row.items() if key != "job_name"}
        file.write(f"{separator}\n{json.dumps(shown, ensure_ascii=False)}")
        separator = ","
    file.write("[]\n" if separator == "[" else "\n]\n")


def write_job(file: TextIO, rows: Iterator[Row], own: tuple[str, ...]) -> None:
    """A job file that asks for as many duplicates as there are `rows`, named as these are or should be. It is a job of
    its own: run, it makes them anew, whatever became of these."""
    wanted = Counter(
        (row["source_batch_id"], row["job_name"], export.cell(row["upload_new_dataset"]), *(row[c] for c in own))
        for row in rows
    )
    file.write("# A job of its own: a run of it makes these anew, in a campaign of its own, whatever exists already.\n")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("batch_id", "name", "upload_new_dataset", "copies", *own))
    for (source, name, flag, *cells), copies in wanted.items():
        writer.writerow((source, name, flag, copies, *cells))


def _print(text: Any) -> None:
    print(text)  # noqa: T201 - what the command says
