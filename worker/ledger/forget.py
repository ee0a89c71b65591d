"""Forgets a campaign, for `--fresh`: only rehearsals are ever forgotten, since nothing real stands
behind them."""

from __future__ import annotations

from worker.ledger.database import SANDBOX
from worker.ledger.handle import Writer
from worker.ledger.views import api_url, campaign_id

STATEMENTS = (
    "forget_candidates_of_campaign",
    "forget_attempts",
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
"""In this order, since rows refer to others."""


def forget(database: Writer, campaign: str) -> None:
    """Remove all that this database of rehearsals knows of the campaign, in one transaction.

    Raises ValueError if the database is not one of rehearsals, sqlite3.Error if it cannot be
    written."""
    if api_url(database) != SANDBOX:
        raise ValueError("only rehearsals may be forgotten")
    number = campaign_id(database, campaign)
    with database.transaction():
        for statement in STATEMENTS:
            database.ask(statement, campaign=number)
