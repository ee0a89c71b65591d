"""Forgets a rehearsed campaign, for `--fresh`. Only rehearsals are ever forgotten, because their
batches are not real."""

from __future__ import annotations

from worker.ledger.database import SANDBOX
from worker.ledger.handle import Writer
from worker.ledger.views import api_url, campaign_id

STATEMENTS = (
    "forget_candidates_of_campaign",
    "forget_attempts",
    "forget_setups",
    "forget_items",
    "forget_extras",
    "forget_rate_changes",
    "forget_sources",
    "forget_unowned_batches",
    "forget_listings",
    "forget_changes",
    "forget_runs",
    "forget_campaign",
)
"""The statements that forget a campaign, in an order in which no row refers to a deleted one."""


def forget(database: Writer, campaign: str) -> None:
    """Delete everything about the campaign from this database of rehearsals, in one transaction.

    Raises ValueError if it is not a database of rehearsals, and sqlite3.Error if it cannot be
    written."""
    if api_url(database) != SANDBOX:
        raise ValueError("only rehearsals may be forgotten")
    number = campaign_id(database, campaign)
    with database.transaction():
        for statement in STATEMENTS:
            database.ask(statement, campaign=number)
