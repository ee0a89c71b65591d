"""Forgets what is never needed again: details of old runs, for `ledger --forget`, and a rehearsed
campaign as a whole, for `--fresh`.

Of a real campaign every duplicate stays with its identity, its batch and the number of its
requests: they decide what is never sent again. Every request that created a batch, or may have,
stays with its source, name, baseline and user: settling compares new batches with those. Every run
stays: a ledger file with a run that the database does not know reveals a lost database. Listings
stay, and what they showed (`seen`): a listing that shows none of these batches is not believed, and
batches that appeared since reveal an old copy of the database."""

from __future__ import annotations

from typing import NamedTuple

from worker.ledger.handle import Writer
from worker.ledger.views import SANDBOX, api_url, campaign_id

STATEMENTS = (
    "forget_candidates_of_campaign",
    "forget_differences_of_campaign",
    "forget_attempts",
    "forget_setups",
    "forget_items",
    "forget_extras",
    "forget_rate_changes",
    "forget_sources",
    "forget_unowned_batches",
    "forget_listings",
    "forget_notifications",
    "forget_changes",
    "forget_runs",
    "forget_campaign",
)
"""The statements that forget a campaign, in an order in which no row refers to a deleted one."""


class Forgotten(NamedTuple):
    """How many rows of each kind lost their details: requests that created nothing, requests whose
    measurements are gone, and changes of the rate."""

    requests: int
    measured: int
    rate_changes: int


DETAILS = (
    "forget_vain_attempts",
    "forget_measurements",
    "forget_old_rate_changes",
)
"""The statements that forget details of old runs; each returns one number of `Forgotten`."""


def forget_before(database: Writer, before: str) -> Forgotten:
    """Forget details of the runs that started before this time (ISO 8601 UTC), in one transaction.
    The caller holds the database's lock, so none of these runs is under way.

    Raises one of DATABASE_ERRORS if the database cannot be written."""
    with database.transaction():
        counts = [database.execute(statement, before=before).rowcount for statement in DETAILS]
        database.execute("note_forgotten", before=before)
    return Forgotten(*counts)


def compact(database: Writer) -> None:
    """Give the space that forgetting freed back to the disk. Raises one of DATABASE_ERRORS if the
    disk has no room for a copy of the database meanwhile; then nothing is lost."""
    database.execute("vacuum")
    database.execute("checkpoint")


def forget(database: Writer, campaign: str) -> None:
    """Delete everything about the campaign from this database of rehearsals, in one transaction.

    Raises ValueError if it is not a database of rehearsals, and one of DATABASE_ERRORS if it
    cannot be written."""
    if api_url(database) != SANDBOX:
        raise ValueError("only rehearsals may be forgotten")
    number = campaign_id(database, campaign)
    with database.transaction():
        for statement in STATEMENTS:
            database.execute(statement, campaign=number)
