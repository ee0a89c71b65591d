"""Keeps what was sent about a run, for its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from worker.ledger.handle import Reader, Writer
from worker.model.records import Notification


class Notified(NamedTuple):
    """A run that something was sent about: its campaign and its ledger file."""

    campaign: str
    ledger: Path


def record(database: Writer, run_ids: Sequence[str], sent: Sequence[Notification]) -> None:
    """Add what was sent about these runs. Leaves out runs that did not begin. Raises
    one of DATABASE_ERRORS."""
    rows = [one._asdict() | {"run_id": run_id} for run_id in run_ids for one in sent]
    with database.transaction():
        database.execute_many("add_notification", rows)


def notified(reader: Reader, run_id: str) -> Notified | None:
    """The run with this id; None if it did not begin."""
    row = reader.execute("campaign_of_run", run_id=run_id).fetchone()
    return None if row is None else Notified(row["campaign"], Path(row["ledger"]))
