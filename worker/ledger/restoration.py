"""Reads and writes the ledger while a lost database is restored. `worker.restore` decides which row
of the ledger file is which duplicate of the job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from worker.ledger.commit_writer import add_differences
from worker.ledger.handle import Reader
from worker.ledger.store import Ledger
from worker.model.clock import iso
from worker.model.restored import FileItem, Identity, Planned

ANY_TIME = iso(datetime.fromtimestamp(0.0, UTC))
"""The earliest possible time of a request if nothing says when it left. The next ledger file has to
say so, in case this database is lost too."""


def is_as_written(reader: Reader, campaign: str, path: Path, stamp: str | None) -> bool:
    """Whether a run of the campaign wrote the ledger file at `path` with this stamp, so that the
    file has not changed since."""
    found = reader.execute("wrote", campaign=campaign, path=str(path), stamp=stamp)
    return found.fetchone() is not None


def has_run(reader: Reader, run_id: str) -> bool:
    """Whether the database contains the run."""
    return reader.execute("has_run", run_id=run_id).fetchone() is not None


def latest_restore(reader: Reader, campaign: str) -> str | None:
    """The id of the latest run that restored the campaign from a ledger file; None if none did."""
    row = reader.execute("latest_restore", campaign=campaign).fetchone()
    return None if row is None else str(row["run_id"])


def count_attempts(reader: Reader, campaign: str) -> int:
    """How many requests of the campaign are in the database."""
    return int(reader.execute("count_attempts", campaign=campaign).fetchone()[0])


def owns(reader: Reader, batch_id: str) -> bool:
    """Whether the batch belongs to a duplicate of this database."""
    return reader.execute("owns", batch_id=batch_id).fetchone() is not None


def add_foreign_batch(ledger: Ledger, batch_id: str) -> None:
    """Record that another campaign's ledger file names this batch."""
    ledger.execute("add_foreign_batch", batch_id=batch_id)


def planned_as(ledger: Ledger, identity: Identity) -> list[Planned]:
    """The campaign's duplicates with this identity, whatever their names; at most two of them."""
    found = ledger.execute("item_by_identity", campaign=ledger.campaign, **identity._asdict())
    return [Planned(*row) for row in found.fetchmany(2)]


def planned_with_name(ledger: Ledger, identity: Identity, literal: str) -> list[Planned]:
    """The campaign's duplicates with this identity that may have the name `literal`: it is their
    template, or their template is filled in later."""
    found = ledger.execute(
        "items_that_may_be_named",
        campaign=ledger.campaign,
        literal=literal,
        **identity._asdict(),
    )
    return [Planned(*row) for row in found]


def restore_created(ledger: Ledger, item: Planned, row: FileItem) -> None:
    """Record that the duplicate exists, and where it differs, as the ledger file says."""
    add_differences(ledger, item.id, row.differences)
    ledger.execute(
        "restore_created",
        item=item.id,
        run=ledger.run,
        batch_id=row.new_batch_id,
        name=row.whole_name,
        batch_status=row.new_batch_status,
        created_at=row.created_at,
        settled_by=row.settled_by or "response",
        attempts=row.attempts if row.attempts is not None else 1,
        http_status=row.http_status,
        first_sent_at=row.first_sent_at,
        last_sent_at=row.last_sent_at,
    )


def restore_unknown(
    ledger: Ledger, item: Planned, row: FileItem, name: str | None, earliest: str | None
) -> None:
    """Record that the duplicate may exist: it may have been sent after the file was written. `name`
    is the name that was sent (None: not known yet). If the file does not say when its first request
    left, it was not before `earliest`: the next ledger file has to say so, in case this database is
    lost too."""
    ledger.execute(
        "restore_unknown",
        item=item.id,
        run=ledger.run,
        name=name,
        error="restored from a ledger file: it may have been sent after the file was written",
        attempts=row.attempts or 0,
        first_sent_at=row.first_sent_at or earliest,
        last_sent_at=row.last_sent_at,
    )


def restore_missing(ledger: Ledger) -> list[int]:
    """Record that every duplicate of the job that the ledger file does not have may exist. It may
    have been sent at any time: if its row was deleted, also long before what the file has. Returns
    the items."""
    found = ledger.execute(
        "restore_missing",
        campaign=ledger.campaign,
        run=ledger.run,
        error="the ledger file that was restored has no row for it: it may have been sent",
        any_time=ANY_TIME,
    )
    return [row[0] for row in found]


def restore_attempts(
    ledger: Ledger,
    now: str,
    date_before: float | None,
    likely_after: float,
    *,
    sent: Sequence[int],
    unsent: Sequence[int],
    missing: Sequence[int],
) -> None:
    """Open an attempt for every unknown item that was restored. `sent` are the items that had been
    sent when the file was written, `unsent` those that certainly had not, `missing` those that it
    did not have. `date_before` is a server time before all attempts of the others (None: not
    known). The missing ones were probably sent after `likely_after`, but not certainly."""
    ledger.execute(
        "restore_attempts",
        run=ledger.run,
        now=now,
        date_before=date_before,
        likely_after=likely_after,
        sent=json.dumps(sent),
        unsent=json.dumps(unsent),
        missing=json.dumps(missing),
    )
