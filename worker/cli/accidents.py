"""Looks for accidents on behalf of `run` and `check`: their settings go in, findings and messages come out."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from worker.accidents import facts
from worker.accidents.message import Asked, Message, messages
from worker.accidents.rules import Accident, Situation
from worker.cli.common import campaign_of, reach
from worker.job.model import Job
from worker.job.plan import Plan
from worker.settings.load import Settings


def situation_of(
    connection: sqlite3.Connection, settings: Settings, job: Job, plan: Plan, api_url: str
) -> Situation | None:
    """What is known before the API is asked; None if nothing counts as an accident: in the sandbox, or with
    `--allow-existing`. Raises sqlite3.Error."""
    if settings.sandbox or settings.allow_existing:
        return None
    return facts.situation(
        connection, plan, job, campaign_of(settings), settings.date,
        named=settings.names_campaign, database=settings.database, api_url=api_url,
    )  # fmt: skip


def messages_for(found: tuple[Accident, ...], settings: Settings, job: Path) -> list[Message]:
    """The messages about the findings, with the commands that continue what they name."""
    moved = settings.config_file if "database" not in settings.origins else None
    return messages(
        found,
        Asked(
            job=Path.cwd() / job,
            campaign=campaign_of(settings),
            ledger=settings.ledger_path("{run_id}"),
            database=settings.database,
            # Another campaign has a ledger file of its own, whatever --ledger says.
            reach=reach(settings, run=True)._replace(ledger=None),
            date=settings.date.isoformat() if "date" in settings.origins else None,
            moved_by=moved,
        ),
    )
