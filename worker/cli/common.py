"""What several commands need: the job with its settings, the API behind a token, names for a
run."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from worker.api.client import ProlificClient
from worker.api.connection import connected, proxy_for
from worker.export.commands import Commands, Invocation, commands
from worker.job.read import open_job
from worker.ledger import views
from worker.ledger.database import SANDBOX
from worker.ledger.handle import Reader
from worker.model.errors import UsageError
from worker.model.job import Job
from worker.model.program import program
from worker.settings.access import api_url, check_certificates, read_token
from worker.settings.load import load_settings
from worker.settings.options import BY_KEY
from worker.settings.settings import Layer, Settings
from worker.terminal.output import warn
from worker.text import shell_command


class Target(NamedTuple):
    """Which API is asked, and with which token; `token` is empty for the in-process sandbox."""

    url: str
    token: str

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing real is asked."""
        return self.url == SANDBOX


def open_job_with_settings(
    command: str, args: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[Job, Settings]:
    """The job that the command names, its outside read, and the settings for it. Raises
    UsageError."""
    job = open_job(Path(args.job))
    return job, settings_for(command, args, environ, job.campaign)


def settings_for(
    command: str,
    args: argparse.Namespace,
    environ: Mapping[str, str],
    job_campaign: str | None = None,
) -> Settings:
    """The settings of a command; what a YAML job says is looked up where it is not given. Raises
    UsageError."""
    if job_campaign is None:
        job_campaign = _job_campaign(args.job)
    return load_settings(
        command,
        vars(args),
        environ,
        job=Path(args.job) if args.job else None,
        job_campaign=job_campaign,
        today=dt.date.today(),
        cwd=Path.cwd(),
    )


def campaign_of(settings: Settings) -> str:
    """The campaign of a command that has a job."""
    if settings.campaign is None:
        raise UsageError("no campaign is named", hint="Give --campaign NAME.")
    return settings.campaign


def target(settings: Settings, environ: Mapping[str, str]) -> Target:
    """The API that a command asks. Raises UsageError where there is no token, no certificates, or
    an address of the API or of a proxy is none."""
    if settings.sandbox:
        return Target(SANDBOX, "")
    check_certificates(environ)
    url = api_url(environ)
    proxy_for(url)
    return Target(url, read_token(settings, environ))


@asynccontextmanager
async def api(
    chosen: Target, timeout_s: float, scrub: Callable[[Any], Any], sources: Iterable[str]
) -> AsyncIterator[ProlificClient]:
    """A client for the target; the in-process sandbox lives as long as it, and its listing shows
    the job's `sources`, as the real one would."""
    if not chosen.is_sandbox:
        async with connected(chosen.url, chosen.token, timeout_s, scrub) as client:
            yield client
        return
    from worker.sandbox.options import SandboxOptions  # noqa: PLC0415 - rehearsals alone need a server
    from worker.sandbox.server import Sandbox  # noqa: PLC0415

    options = SandboxOptions()
    sandbox = Sandbox(options)
    for source in sources:
        sandbox.world.find(source)
    url = await sandbox.start()
    try:
        async with connected(url, options.token, timeout_s, scrub) as client:
            yield client
    finally:
        await sandbox.stop()


def invocation(settings: Settings, *, run: bool = False) -> Invocation:
    """The way to a campaign's database, for the commands that are named to people. What `--ledger`
    says is where this command writes; only a `run` means it for the runs to come."""
    said_ledger = settings.given("ledger")
    found = (
        settings.config_file is not None and not settings.sandbox and not settings.given("database")
    )
    return Invocation(
        config=settings.config_file,
        database=None if found else settings.database,
        ledger=settings.ledger if said_ledger and run else None,
        usual_ledger=None if said_ledger else settings.ledger_template,
        sandbox=settings.sandbox,
        kept=tuple(_kept(settings)) if run else (),
        program=program(),
    )


KEPT = ("yes", "rate", "max_in_flight", "timeout", "settle_after", "give_up_after", "log_file")
"""Options of a run that the run after it keeps: whether it asks, how gently it sends, and where its
log is."""


def _kept(settings: Settings) -> Iterator[str]:
    for key in KEPT:
        if settings.given(key):
            value = getattr(settings, key)
            if BY_KEY[key].metavar is None:
                yield from (BY_KEY[key].flag,) if value else ()
            else:
                yield from (
                    BY_KEY[key].flag,
                    _rate(value) if key == "rate" else f"{value}".removesuffix(".0"),
                )


def _rate(rate: float | None) -> str:
    """A rate as `--rate` takes it."""
    return "unlimited" if rate is None else f"{rate:g}/s" if rate >= 1 else f"{rate * 60:g}/min"


def typed(settings: Settings, job: str, words: Sequence[str]) -> Commands:
    """The commands for a person at the shell where `run` was called with these words: as short as
    there."""
    shared: list[str] = []
    for key, value in (("config", settings.config_file), ("database", settings.database)):
        if settings.is_set(key, Layer.OPTION):
            shared += [f"--{key}", str(value)]
    if settings.is_set("sandbox", Layer.OPTION):
        shared.append("--sandbox")
    if any(settings.is_set(key, Layer.OPTION) for key in ("campaign", "date")):
        shared += ["--campaign", campaign_of(settings)]
    kept = tuple(word for word in words if word != "--fresh")  # what was rehearsed just now stays
    return Commands(job, tuple(shared), typed=kept, program=program(sys.stdout))


def report_path(ledger_file: Path) -> Path:
    """Where the report of a run goes that writes this ledger file."""
    return ledger_file.with_suffix(".html")


def latest_run(reader: Reader, settings: Settings, args: argparse.Namespace) -> views.LatestRun:
    """The run that is meant: that of the campaign that an option names, else the job's latest; of a
    job that never ran under this path, that of the campaign which a run of it would have. Raises
    UsageError."""
    named = settings.asks_for_campaign
    latest = None
    if not named and args.job is not None:
        latest = views.latest_run(reader, job=str(Path(args.job).resolve()))
    if latest is None and settings.campaign is not None:
        latest = views.latest_run(reader, campaign=settings.campaign)
    if latest is None:
        wanted = f"campaign {settings.campaign}" if named else f"job {args.job}"
        raise UsageError(
            f"{settings.database}: this ledger knows no run of {wanted}",
            hint="The campaigns that it knows: "
            + shell_command([*program(sys.stderr), "ledger", "--database", settings.database]),
        )
    return latest


def ledger_file_of(settings: Settings, latest: views.LatestRun) -> Path:
    """The ledger file of this run: where `--ledger` says, else where the run wrote it. Whatever the
    settings name by default is another campaign's file, if that run was of another campaign."""
    if settings.given("ledger"):
        return settings.ledger_path_of(latest.run_id, latest.campaign, latest.date)
    return latest.ledger


def restoring(settings: Settings, campaign: str, job: Path) -> Callable[[Path], str]:
    """The command that rebuilds the campaign's database from a ledger file."""
    day = settings.date.isoformat() if settings.is_set("date") else None
    leads = commands(
        views.LatestRun("", campaign, Path(), Path.cwd() / job, day), invocation(settings)
    )
    options = [] if day is None else ["--date", day]
    if settings.given(
        "ledger"
    ):  # else another file would be written, and this one would go on to know more
        options += ["--ledger", settings.ledger]
    return lambda file: leads.ledger(*options, "--restore", str(file))


def name_campaign(latest: views.LatestRun) -> None:
    """Tell a person which campaign and run a command acts on; standard output is for its result."""
    warn(f"campaign {latest.campaign}, run {latest.run_id}\n")


def _job_campaign(job: str | None) -> str | None:
    """What the job says its campaign is, as far as it can be read: a ledger outlives its job
    file."""
    try:
        return open_job(Path(job)).campaign if job else None
    except UsageError:
        return None
