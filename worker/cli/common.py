"""What several commands need: the job with its settings, the API client, the ledger file of a run,
and commands to show to people."""

from __future__ import annotations

import argparse
import datetime as dt
import math
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from worker.api.client import ProlificClient
from worker.api.connection import connected, proxy_for
from worker.export import ledger_file as export
from worker.export.commands import CampaignFiles, Commands, Invocation, commands
from worker.job.read import open_job
from worker.ledger import views
from worker.ledger.handle import Reader
from worker.ledger.moved import MOVED_TO, fact
from worker.ledger.views import SANDBOX
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError
from worker.model.job import Job
from worker.model.program import program
from worker.model.records import RunKind, RunStart
from worker.model.run_id import new_run_id
from worker.model.server_address import server_address
from worker.settings.access import api_url, check_certificates, read_token
from worker.settings.file_conflicts import file_id
from worker.settings.load import load_settings
from worker.settings.options import BY_KEY
from worker.settings.settings import Layer, Settings
from worker.terminal.output import complain, warn
from worker.text import option


class Target(NamedTuple):
    """The API to ask, and the token; `token` is None for the in-process sandbox."""

    url: str
    token: str | None

    @property
    def is_sandbox(self) -> bool:
        """Whether this is the in-process sandbox, so that nothing real is asked."""
        return self.url == SANDBOX


def run_start(
    settings: Settings, run_id: str, kind: RunKind, *, campaign: str, job: Path, ledger: Path
) -> RunStart:
    """What is recorded when a run of this process begins now. `job` is absolute."""
    return RunStart(
        run_id=run_id,
        campaign=campaign,
        job=str(job),
        ledger=str(ledger),
        host=socket.gethostname(),
        pid=os.getpid(),
        now=iso(MachineClock().wall()),
        timeout_s=settings.timeout,
        settle_after_s=settings.settle_after,
        kind=kind,
    )


def settle_start(settings: Settings, latest: views.LatestRun, ledger: Path) -> RunStart:
    """What is recorded when a run begins now that creates nothing, for the campaign of `latest`."""
    run_id = new_run_id(MachineClock().wall())
    return run_start(
        settings, run_id, RunKind.SETTLE, campaign=latest.campaign, job=latest.job, ledger=ledger
    )


def for_job(args: argparse.Namespace, job: str | None) -> argparse.Namespace:
    """The arguments of a command that takes several jobs, for one of them (None: for none)."""
    return argparse.Namespace(**(vars(args) | {"job": job}))


def open_job_with_settings(
    command: str, args: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[Job, Settings]:
    """The command's job, with its header read, and the settings for it. Raises UsageError."""
    job = open_asked_job(command, args, environ)
    return job, settings_for(command, args, environ, job.campaign)


def open_asked_job(command: str, args: argparse.Namespace, environ: Mapping[str, str]) -> Job:
    """The command's job, with its header read. Raises UsageError, which quotes nothing of the file
    if it is the token file."""
    try:
        return open_job(Path(args.job))
    except UsageError:
        token_file = None
        with suppress(UsageError):  # if the settings are invalid too, the job's error comes first
            token_file = settings_for(command, for_job(args, None), environ).token_file
        if token_file is not None and file_id(token_file) == file_id(Path(args.job)):
            raise UsageError(
                f"{args.job}: this is the token file; name a job file instead"
            ) from None
        raise


def settings_for(
    command: str,
    args: argparse.Namespace,
    environ: Mapping[str, str],
    job_campaign: str | None = None,
) -> Settings:
    """The settings of a command. `job_campaign` is the campaign in a YAML job; if it is not given,
    it is read from the job. Raises UsageError."""
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
    """The campaign of a command. Raises UsageError if there is none."""
    if settings.campaign is None:
        raise UsageError("no campaign is named", hint="Add --campaign NAME.")
    return settings.campaign


def target(settings: Settings, environ: Mapping[str, str]) -> Target:
    """The API that a command asks. Raises UsageError if there is no token or no certificates, or if
    the address of the API or of a proxy is invalid."""
    if settings.sandbox:
        return Target(SANDBOX, None)
    check_certificates(environ)
    url = api_url(environ)
    proxy_for(url)
    return Target(url, read_token(settings, environ))


@asynccontextmanager
async def api_client(
    api: Target,
    timeout_s: float,
    scrub: Callable[[Any], Any],
    sources: Iterable[str],
    connect_s: float = math.inf,
) -> AsyncIterator[ProlificClient]:
    """A client for the target. The in-process sandbox lives as long as the client, and its listing
    shows the job's `sources`, as the real one would. Connecting may take `connect_s` seconds."""
    if api.token is not None:
        async with connected(api.url, api.token, timeout_s, scrub, connect_s) as client:
            yield client
        return
    from worker.sandbox.options import SandboxOptions  # noqa: PLC0415 - only rehearsals need a server
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


def invocation(
    settings: Settings, *, run: bool = False, stream: TextIO | None = None
) -> Invocation:
    """How to reach a campaign's database, for commands that people read on `stream` (None: in a
    file). `--ledger` says where this command writes; it only applies to later runs if this command
    is a `run`."""
    ledger_given = settings.given("ledger")
    found = (
        settings.config_file is not None and not settings.sandbox and not settings.given("database")
    )
    return Invocation(
        config=settings.config_file,
        database=None if found else settings.database,
        ledger=settings.ledger if ledger_given and run else None,
        usual_ledger=None if ledger_given else settings.ledger_template,
        sandbox=settings.sandbox,
        kept=tuple(_kept(settings)) if run else (),
        program=program(stream),
        # The sandbox's batches are nowhere else.
        batch_url=None if settings.sandbox else settings.batch_url,
    )


KEPT = ("yes", "rate", "max_in_flight", "timeout", "settle_after", "give_up_after", "log_file")
"""Options of a run that are repeated in the command for the next run: whether it asks, its pace,
and its log."""


def _kept(settings: Settings) -> Iterator[str]:
    for key in KEPT:
        if settings.given(key):
            value = getattr(settings, key)
            if BY_KEY[key].metavar is None:
                yield from (BY_KEY[key].flag,) if value else ()
            else:
                yield from (BY_KEY[key].flag, _rate(value) if key == "rate" else _written(value))


def _written(value: object) -> str:
    """A value as people write it: `60` seconds, not `60.0`."""
    return f"{value}".removesuffix(".0") if isinstance(value, float) else f"{value}"


def _rate(rate: float | None) -> str:
    """A rate in the form that `--rate` takes."""
    return "unlimited" if rate is None else f"{rate:g}/s" if rate >= 1 else f"{rate * 60:g}/min"


def typed(settings: Settings, job: str, arguments: Sequence[str]) -> Commands:
    """The commands for a person at the shell in which `run` was called with these `arguments`: as
    short as the call, without the secrets in it."""
    shared: list[str] = []
    for key, value in (("config", settings.config_file), ("database", settings.database)):
        if settings.is_set(key, Layer.OPTION):
            shared += [f"--{key}", str(value)]
    if settings.is_set("sandbox", Layer.OPTION):
        shared.append("--sandbox")
    if any(settings.is_set(key, Layer.OPTION) for key in ("campaign", "date")):
        shared += option("--campaign", campaign_of(settings))
    # Keep this rehearsal, and show no password.
    kept = tuple(_without_password(word) for word in arguments if word != "--fresh")
    job = f"./{job}" if job.startswith("-") else job  # otherwise it would be read as an option
    found = Commands(job, tuple(shared), typed=kept, program=program(sys.stdout))
    return found.without(BY_KEY["heartbeat_url"].flag)  # its value is a secret


def _without_password(word: str) -> str:
    """A typed word; an address of a database (alone, or after --database=) has no password."""
    flag = "--database=" if word.startswith("--database=") else ""
    address = server_address(word.removeprefix(flag))
    return word if address is None else f"{flag}{address}"


def write_ledger_file(
    reader: Reader,
    campaign_id: int,
    campaign: str,
    path: Path,
    settings: Settings,
    *,
    active: bool = False,
) -> None:
    """Write the ledger file of the campaign (its number and name) to `path`. `active` says that a
    run may be active: this command does not hold the database. Says on standard error where
    decisions are kept that were filled in there and are not recorded. Raises OSError."""
    found = invocation(settings)
    written = export.write_ledger_file(reader, campaign_id, campaign, path, found, active=active)
    for message in written.messages:
        complain(message)


def report_path(ledger_file: Path) -> Path:
    """The path of the report of a run that writes this ledger file."""
    return ledger_file.with_suffix(".html")


def note_moved(reader: Reader) -> None:
    """Say on standard error if the ledger was moved to another database after what is read here."""
    if (place := fact(reader, MOVED_TO)) is not None:
        warn(f"{reader.place}: this ledger was moved to {place}; this is its state before that\n")


def restoring(settings: Settings, campaign: str, job: Path) -> Callable[[Path], str]:
    """The command that rebuilds the campaign's database from a ledger file."""
    day = settings.date.isoformat() if settings.is_set("date") else None
    files = CampaignFiles(campaign, Path(), Path.cwd() / job, day)
    shown = commands(files, invocation(settings))
    options = [] if day is None else ["--date", day]
    # Without --ledger, another file would be written, and this one would stay newer than it.
    if settings.given("ledger"):
        options += ["--ledger", settings.ledger]
    return lambda file: shown.ledger(*options, "--restore", str(file))


def _job_campaign(job: str | None) -> str | None:
    """The campaign that the job names; None if the job cannot be read: a ledger outlives its job
    file."""
    try:
        return open_job(Path(job)).campaign if job else None
    except UsageError:
        return None
