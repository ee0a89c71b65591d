"""Which run a command about an earlier run means, and where that run's ledger file is."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from worker.folders import is_gone
from worker.ledger import views
from worker.ledger.handle import Reader
from worker.ledger.overlap import jobs_of_campaigns
from worker.model.errors import UsageError
from worker.model.program import program
from worker.model.server_address import ServerAddress
from worker.settings.settings import Settings
from worker.terminal.output import warn
from worker.text import option, shell_command


def latest_run(reader: Reader, settings: Settings, args: argparse.Namespace) -> views.LatestRun:
    """The run that the command means: the latest run of the campaign that an option names,
    otherwise the job's latest run. If the job never ran under this path, the latest run of the
    campaign that a run of it would use. Raises UsageError if there is none.

    In a ledger that machines share, a path means a file of this host, and a job that never ran here
    is known by its file's name. The job and the ledger file are always this host's."""
    job = None if args.job is None else Path(args.job).resolve()
    named, host = settings.asks_for_campaign, socket.gethostname()
    shared = isinstance(settings.database, ServerAddress)
    own = latest = None
    if job is not None:
        own = views.latest_run_of_job(reader, job, host if shared else "")
    if not named:
        latest = own
        if latest is None and job is not None and shared:
            latest = views.latest_run_of_job_name(reader, job.name)
    if latest is None and settings.campaign is not None:
        latest = views.latest_run_of_campaign(reader, settings.campaign)
    if latest is None:
        wanted = f"campaign {settings.campaign}" if named else f"job {args.job}"
        renamed = None if named or shared else _renamed(reader)
        listing = [*program(sys.stderr), "ledger", "--database", settings.database]
        raise UsageError(
            f"{settings.database}: this ledger database contains no run of {wanted}",
            hint=(f"{renamed} " if renamed else "")
            + f"To list its campaigns: {shell_command(listing)}",
        )
    if not shared or job is None or (latest.job, latest.host) == (job, host):
        return latest
    if not named:
        warn(
            f"{args.job} never ran on this host: this is about campaign {latest.campaign}, which"
            f" {latest.job} ran on {latest.host}\n"
        )
    if own is not None and own.campaign == latest.campaign:
        return latest._replace(job=job, ledger=own.ledger, host=own.host)
    written = settings.ledger_path_of(latest.run_id, latest.campaign, latest.date)
    return latest._replace(job=job, ledger=written, host=host)


def _renamed(reader: Reader) -> str | None:
    """A hint for a job that may have been renamed; None if no campaign's job file is gone."""
    for campaign, job in jobs_of_campaigns(reader):
        if is_gone(job):
            return (
                f"If the job file was renamed: campaign {campaign} ran {job}, which is gone; add"
                f" {shell_command(option('--campaign', campaign))} to use it."
            )
    return None


def campaign_number(reader: Reader, latest: views.LatestRun) -> int:
    """The number of the campaign of this run."""
    campaign = views.campaign_id(reader, latest.campaign)
    if campaign is None:
        raise AssertionError("a run always has a campaign")
    return campaign


def ledger_file_of(settings: Settings, latest: views.LatestRun) -> Path:
    """The ledger file of this run: the one that `--ledger` names, otherwise the one that the run
    wrote. If the run was of another campaign, the default ledger file is not its file; if it was on
    another host, its file is there."""
    shared = isinstance(settings.database, ServerAddress)
    if settings.given("ledger") or (shared and latest.host != socket.gethostname()):
        return settings.ledger_path_of(latest.run_id, latest.campaign, latest.date)
    return latest.ledger


def name_campaign(latest: views.LatestRun) -> None:
    """Show which campaign and run a command uses, on standard error: standard output is for the
    command's result."""
    warn(f"campaign {latest.campaign}, run {latest.run_id}\n")
