"""`report`: the HTML report of a job's latest run, from the database. It takes no lock and sends nothing."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from worker.cli.common import latest_run, report_path, settings_for
from worker.clock import MachineClock
from worker.errors import UsageError
from worker.ledger import views
from worker.ledger.database import open_for_reading, unusable
from worker.report.commands import Commands, commands
from worker.report.facts import Facts
from worker.settings.load import Settings
from worker.settings.options import PREFIX


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write the report; the exit code. Raises UsageError."""
    if args.output == "":
        raise UsageError("--output: names no file")
    settings = settings_for("report", args, environ)
    with closing(open_for_reading(settings.database)) as connection:
        try:
            latest = latest_run(connection, settings, args)
            path = Path(args.output) if args.output is not None else report_path(_ledger(settings, latest))
            write(connection, settings, latest.campaign, path)
        except sqlite3.Error as error:
            raise unusable(settings.database, error) from error
        except OSError as error:
            raise UsageError(f"{path}: the report cannot be written: {error.strerror or error}") from error
    print(path)  # noqa: T201 - what the command says
    return 0


def write(connection: sqlite3.Connection, settings: Settings, campaign: str, path: Path) -> None:
    """Write the report of a campaign that has a run. Raises UsageError, OSError, sqlite3.Error."""
    from worker.report.page import About, write_report  # noqa: PLC0415 - most runs need no templates

    number = views.campaign_id(connection, campaign)
    if number is None:
        raise AssertionError("a run always has a campaign")
    about = About(
        api=views.api_url(connection),
        database=settings.database,
        made_at=MachineClock().wall(),
        sandbox=settings.sandbox,
    )
    write_report(connection, number, campaign, path, about, lambda facts: _commands(settings, facts))


def write_or_note(connection: sqlite3.Connection, settings: Settings, campaign: str, ledger_file: Path) -> str | None:
    """Write the report beside the ledger file at a run's end; where that cannot be, why, for people. Whatever it is, a
    run's truth does not hang on its picture."""
    path = report_path(ledger_file)
    try:
        write(connection, settings, campaign, path)
    except UsageError as error:
        return str(error)
    except OSError as error:
        why = error.strerror or str(error)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    else:
        return None
    return f"{path}: the report cannot be written: {why}\n  The ledger file has all of it; `report` tries again."


def _ledger(settings: Settings, latest: views.LatestRun) -> Path:
    """The ledger file: where the latest run wrote it, or where --ledger says."""
    if "ledger" in settings.origins:
        return settings.ledger_path(latest.run_id, campaign=latest.campaign)
    return latest.ledger


def _commands(settings: Settings, facts: Facts) -> Commands:
    """The commands that find this campaign again. What the config file says need not be said once more."""
    latest = facts.latest
    return commands(
        latest.job,
        facts.campaign,
        date=facts.date,
        campaigns_of_job=facts.campaigns_of_job,
        config=settings.config_file,
        database=None if _said_by_file(settings, "database") else settings.database,
        ledger=_ledger_option(settings, facts),
        sandbox=settings.sandbox,
    )


def _ledger_option(settings: Settings, facts: Facts) -> str | None:
    """The ledger file's path as --ledger has to say it; None where a run finds it without."""
    if not _said_by_file(settings, "ledger"):
        return settings.ledger_written
    latest = facts.latest
    usual = str(settings.ledger_path(latest.run_id, campaign=facts.campaign))
    # A path with the run's id is another for each run.
    return None if usual == latest.ledger or "{run_id}" in settings.ledger_template else latest.ledger


def _said_by_file(settings: Settings, key: str) -> bool:
    """Whether a setting needs no option: the config file or the default says it."""
    return not settings.origins.get(key, "").startswith(("--", PREFIX))
