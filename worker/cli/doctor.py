"""`doctor`: checks the set-up the way cron would use it, and says how to fix what is wrong."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import anyio

from worker.cli.common import Target, api_client, settings_for, target
from worker.cli.outdated import lost_database, outdated_anywhere
from worker.doctor.check import Check
from worker.doctor.local import (
    check_cron,
    check_database,
    check_folders,
    check_heartbeat,
    check_metrics_file,
    check_open_files,
    check_settings,
    check_token_for_cron,
)
from worker.doctor.remote import check_api
from worker.ledger.database import is_new, open_for_reading
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.moved import refuse_moved
from worker.model.clock import MachineClock
from worker.model.errors import SettingsError, UsageError, WorkerError
from worker.settings.access import api_url
from worker.settings.load import load_settings
from worker.settings.settings import Settings
from worker.terminal.output import say, say_json
from worker.terminal.secrets import Scrubber
from worker.text import counted, visible

_OF_CRON = ("HOME", "LOGNAME", "SHELL", "PATH")


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check; the exit code: 1 for any finding."""
    checks = _checks(args, environ)
    found = [check for check in checks if check.fix]
    scrub = Scrubber(environ.get("PROLIFIC_TOKEN") or None)
    if args.json:
        values = [check._asdict() | {"ok": not check.fix} for check in checks]
        say_json(scrub({"checks": values, "findings": len(found), "exit_code": int(bool(found))}))
    else:
        say(scrub("\n".join(map(_text, checks))))
        say(f"{counted(len(found), 'finding')}." if found else "Everything is fine.")
    return int(bool(found))


def _text(check: Check) -> str:
    mark = "✗" if check.fix else "✓"
    text = f"{mark} {check.topic}: {visible(check.text)}"
    fix = "\n".join(map(visible, check.fix.split("\n")))
    return f"{text}\n  → {fix}" if fix else text


def _checks(args: argparse.Namespace, environ: Mapping[str, str]) -> list[Check]:
    try:
        settings = settings_for("doctor", args, environ)
        address = api_url(environ)
    except UsageError as error:
        problems = error.problems if isinstance(error, SettingsError) else (error,)
        return [Check("settings", one.message, one.hint or "Correct it there.") for one in problems]
    checks = [
        *check_settings(settings),
        *check_folders(settings),
        *check_metrics_file(settings),
        *check_heartbeat(settings),
        *(_lost(settings) or check_database(settings, address)),
        *_newest(settings),
        *_of_cron(settings, args, environ),
        check_open_files(settings),
    ]
    try:
        api = target(settings, environ)
    except UsageError as error:
        return [*checks, Check("token", error.message, error.hint or "Correct it there.")]
    return [
        *checks,
        check_token_for_cron(settings, environ),
        *anyio.run(_ask, settings, api),
    ]


def _newest(settings: Settings) -> list[Check]:
    """A finding if the database lacks what exists, as a run would say. A database that cannot be
    read is a finding of its own."""
    with suppress(WorkerError, *DATABASE_ERRORS):
        if not is_new(settings.database):
            with closing(open_for_reading(settings.database)) as reader:
                refuse_moved(reader)
                found = outdated_anywhere(reader, settings)
            return [] if found is None else [Check("outdated", found.text, found.hint)]
    return []


def _lost(settings: Settings) -> list[Check]:
    """A finding if there is no database any more, as `ledger` says."""
    with suppress(WorkerError, *DATABASE_ERRORS):
        if is_new(settings.database) and (found := lost_database(settings, None)) is not None:
            return [Check("database", found.text, found.hint)]
    return []


def _of_cron(
    settings: Settings, args: argparse.Namespace, environ: Mapping[str, str]
) -> list[Check]:
    cron: Settings | UsageError
    try:
        cron = load_settings(
            "doctor",
            vars(args),
            {key: environ[key] for key in _OF_CRON if key in environ},
            job=None,
            job_campaign=None,
            today=dt.date.today(),
            cwd=Path.cwd(),
        )
    except UsageError as error:
        cron = error
    return list(check_cron(settings, cron, Path(environ.get("HOME") or Path.home()), environ))


async def _ask(settings: Settings, api: Target) -> list[Check]:
    clock = MachineClock()
    async with api_client(api, settings.timeout, Scrubber(api.token), ()) as client:
        return [check async for check in check_api(client, lambda: clock.wall().timestamp())]
