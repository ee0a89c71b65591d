"""Reads what a run of a plan would do, before the ledger takes the plan over. Nothing here changes
the database."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.ledger.engine import Rows
from worker.ledger.handle import Reader
from worker.ledger.views import counts_in
from worker.model.names import render_name
from worker.model.records import Counts


class Coming(NamedTuple):
    """A duplicate that a run would create: its source, and what is known about its name without
    asking the API."""

    source_id: str
    template: str
    copies: int
    sent_name: str | None

    def name(self, source_name: str | None) -> str:
        """Its name as it will be sent. `{source_name}` stays if `source_name` is None."""
        if self.sent_name is not None:
            return self.sent_name
        return render_name(self.template, source_name, self.copies)


class Forecast(NamedTuple):
    """What a run of a plan would do.

    counts   how many of the plan's duplicates in the ledger have which status
    new      how many of the plan's duplicates are not in the ledger yet
    set_up   how many existing batches the run would set up
    first    the first duplicates that the run would create
    sources  how many different sources the plan has
    """

    counts: Counts
    new: int
    first: tuple[Coming, ...]
    sources: int
    set_up: int = 0


def of_plan(
    reader: Reader,
    staged: Path,
    campaign_id: int | None,
    items: int,
    *,
    retry_failed: bool,
) -> Forecast:
    """What a run of the plan file `staged`, which has this number of `items`, would do."""
    with reader.attached(staged):
        known = counts_in(reader.execute("plan_counts", campaign=campaign_id))
        missing = reader.execute(
            "plan_missing", campaign=campaign_id, retry_failed=retry_failed, limit=5
        ).fetchall()
        sources = int(reader.execute("plan_sources").fetchone()[0])
        asked = {"campaign": campaign_id, "retry_failed": retry_failed}
        set_up = int(reader.execute("plan_to_set_up", **asked).fetchone()[0])
    return Forecast(
        counts=known,
        new=items - known.total,
        first=tuple(
            Coming(row["source_id"], row["template"], row["copies"], row["name"]) for row in missing
        ),
        sources=sources,
        set_up=set_up,
    )


def count_setups(
    reader: Reader, staged: Path, campaign_id: int | None, create: int, *, retry_failed: bool
) -> int:
    """How many of the first `create` duplicates that a run of the plan would create it sets up."""
    with reader.attached(staged):
        found = reader.execute(
            "plan_missing_to_set_up", campaign=campaign_id, retry_failed=retry_failed, limit=create
        )
        return int(found.fetchone()[0])


def count_leaving(reader: Reader, staged: Path, campaign_id: int | None) -> int:
    """How many duplicates of the campaign are not in the plan file `staged`."""
    with reader.attached(staged):
        return int(reader.execute("plan_left", campaign=campaign_id).fetchone()[0])


def plan_left_out(reader: Reader, campaign_id: int, *, retry_failed: bool) -> Rows:
    """The `line` and `copy` of the plan's duplicates (table `plan.staged`) that a run would not
    send."""
    return reader.execute("plan_left_out", campaign=campaign_id, retry_failed=retry_failed)
