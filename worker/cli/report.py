"""`report`: the HTML report of a job's latest run, from the database. It takes no lock and sends
nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from worker.cli.common import invocation, note_moved, report_path, settings_for
from worker.cli.latest_run import campaign_number, latest_run, ledger_file_of, name_campaign
from worker.cli.outdated import open_existing, outdated, warn_if
from worker.export.commands import commands
from worker.ledger import views
from worker.ledger.database import unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Reader
from worker.model.clock import MachineClock
from worker.model.errors import UsageError
from worker.settings.settings import Settings
from worker.terminal.output import say


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write the report. Returns the exit code. Raises UsageError."""
    if args.output == "":
        raise UsageError("--output: is empty; give the path of a file")
    settings = settings_for("report", args, environ)
    with closing(open_existing(settings, args.job)) as reader:
        try:
            note_moved(reader)
            latest = latest_run(reader, settings, args)
            path = (
                Path(args.output)
                if args.output is not None
                else report_path(ledger_file_of(settings, latest))
            )
            name_campaign(latest)
            found = outdated(reader, settings, latest.campaign, latest.job, latest.ledger)
            if found is not None and args.output is None and path.exists():
                raise UsageError(
                    f"{found.text}. {path} may be newer, and was not replaced",
                    hint=f"{found.hint}\n  To write a report of the older state, add --output"
                    " FILE.",
                )
            warn_if(found)
            write(reader, settings, latest.campaign, path, replaces_any=args.output is not None)
        except DATABASE_ERRORS as error:
            raise unusable(settings.database, error) from error
        except OSError as error:
            raise UsageError(
                f"{path}: the report cannot be written: {error.strerror or error}"
            ) from error
    say(path)
    return 0


def write(
    reader: Reader,
    settings: Settings,
    campaign: str,
    path: Path,
    *,
    run: bool = False,
    replaces_any: bool = False,
) -> None:
    """Write the report of a campaign that has a run. `run` says whether the settings are those of a
    `run`. Replaces another campaign's report only with `replaces_any`. Raises UsageError, OSError,
    one of DATABASE_ERRORS."""
    from worker.export.report.page import About, write_report  # noqa: PLC0415 - most commands need no report

    about = About(
        api=views.api_url(reader),
        database=settings.database,
        written_at=MachineClock().wall(),
        sandbox=settings.sandbox,
        batch_url=settings.batch_url,
    )
    latest = views.latest_run_of_campaign(reader, campaign)
    if latest is None:
        raise AssertionError("a campaign always has a run")
    number = campaign_number(reader, latest)
    follow_up = commands(latest, invocation(settings, run=run))
    write_report(reader, number, campaign, path, about, follow_up, replaces_any=replaces_any)


def write_or_note(
    reader: Reader,
    settings: Settings,
    campaign: str,
    ledger_file: Path,
    *,
    run: bool = False,
) -> str | None:
    """Write the report beside the ledger file at a run's end. Returns why that failed, for people,
    or None. Never raises: a run must not fail because of its report."""
    path = report_path(ledger_file)
    try:
        write(reader, settings, campaign, path, run=run)
    except UsageError as error:
        return str(error)
    except OSError as error:
        why = error.strerror or str(error)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    else:
        return None
    return (
        f"{path}: the report cannot be written: {why}\n  The ledger file is complete. To try again,"
        " run `report`."
    )
