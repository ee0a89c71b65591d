"""Writes the metrics file, and adds what a command sent about its runs to the ledger and the
reports. Nothing here fails a run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from worker.cli.common import report_path
from worker.cli.report import write_or_note
from worker.export.replacing import replaced
from worker.ledger import notifications
from worker.ledger.database import open_for_adding, open_for_reading
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Reader
from worker.model.clock import MachineClock, iso
from worker.model.errors import WorkerError
from worker.model.records import Notification, NotificationKind
from worker.notify.metrics import metrics_text
from worker.settings.settings import Settings


def write_metrics(settings: Settings) -> list[Notification]:
    """Write the metrics file, if one is asked for."""
    path = settings.metrics_file
    if path is None:
        return []
    at, trouble = iso(MachineClock().wall()), None
    try:
        with closing(open_for_reading(settings.database)) as reader:
            text = metrics_text(reader)
        with replaced(path) as file:
            file.write(text.encode())
    except (OSError, WorkerError, *DATABASE_ERRORS) as error:
        why = getattr(error, "strerror", error)
        trouble = f"{path}: the metrics cannot be written: {why}"
    return [Notification(NotificationKind.METRICS, at, trouble)]


def record(settings: Settings, run_ids: Sequence[str], sent: Sequence[Notification]) -> list[str]:
    """Record what was sent about these runs, and write their reports again with it. Returns what
    went wrong."""
    if not sent:
        return []
    try:
        with closing(open_for_adding(settings.database)) as database:
            notifications.record(database, run_ids, sent)
            return [why for run_id in run_ids if (why := _rewrite(database, settings, run_id))]
    except WorkerError:
        return []  # no run could begin, and its own message says why
    except DATABASE_ERRORS as error:
        return [f"{settings.database}: what was sent cannot be recorded: {error}"]


def _rewrite(reader: Reader, settings: Settings, run_id: str) -> str | None:
    """Write the run's report again, if it has one. Returns what went wrong."""
    run = notifications.notified(reader, run_id)
    if run is None or not settings.report or not report_path(run.ledger).exists():
        return None
    return write_or_note(reader, settings, run.campaign, run.ledger, run=True)
