"""Rebuilds a lost database from a ledger file.

A row that says that a batch exists is trusted. Every other duplicate of the job becomes unknown,
with no baseline and a wide window, because it may have been sent after the file was written, or its
row may have been deleted from the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from worker.export.formats import read_file
from worker.ledger import restoration, setups
from worker.ledger.store import Ledger
from worker.model.clock import iso, seconds
from worker.model.errors import UsageError
from worker.model.job_names import literal
from worker.model.names import needs_source_name
from worker.model.restored import FileItem, Planned
from worker.model.run_id import began_at
from worker.restore.matching import could_be_named, match
from worker.restore.reading import read_items
from worker.text import option, shell_command

CLOCK_OFF_S = 2 * 86_400.0
"""How many seconds this machine's clock may have been wrong when the file was written."""


class Restored(NamedTuple):
    """How many duplicates were restored as created and how many as unknown, and for how many of the
    unknown ones the file has no row."""

    created: int
    unknown: int
    missing: int


def restore(
    ledger: Ledger, path: Path, campaign: str, others: Sequence[Path], now: str
) -> Restored:
    """Restore this campaign's rows of the ledger file `path` into a ledger that has planned the
    job.

    Rows that are `created` in the file become created. Every other duplicate of the job may have
    been sent after the file was written, so it becomes unknown, also if the file has no row for it.
    `others` are the ledger files in the folders of this one and of the campaign's own. The batches
    that they name for other campaigns belong to those campaigns. The batches that they name for
    this campaign (in a copy of the file or a newer one) stay without an owner: this campaign's
    unknown duplicates must find them, or they would be created again. `now` is ISO 8601 UTC. Raises
    UsageError, and changes nothing, if a row matches nothing in the job or names a batch that
    already has an owner."""
    began = _first_request(path, campaign)
    date_before = began - CLOCK_OFF_S if math.isfinite(began) else None
    earliest = iso(datetime.fromtimestamp(max(began, 0.0), UTC)) if began < math.inf else None
    likely_after = (began if math.isfinite(began) else seconds(now) or 0.0) - CLOCK_OFF_S
    created = unknown = 0
    sent, unsent, missing = list[int](), list[int](), list[int]()
    with ledger.transaction():
        _add_foreign_batches(ledger, others, campaign)
        planned = _Job(ledger, path)
        for item in read_items(path):
            duplicate = match(
                item,
                planned.with_name_of(item),
                partial(restoration.planned_as, ledger, item.identity),
                planned.lines_decide,
            )
            if item.status == "created":
                _restore_created(ledger, duplicate, item, now)
                created += 1
            else:
                restoration.restore_unknown(
                    ledger, duplicate, item, _sent_name(duplicate, item), earliest
                )
                unknown += 1
                if item.first_sent_at == restoration.ANY_TIME:  # an earlier file lacked it
                    missing.append(duplicate.id)
                elif item.status == "unknown":
                    sent.append(duplicate.id)
                unsent += [duplicate.id] if item.is_unsent else []
        new = restoration.restore_missing(ledger)
        restoration.restore_attempts(
            ledger,
            now,
            date_before,
            likely_after,
            sent=sent,
            unsent=unsent,
            missing=missing + new,
        )
    return Restored(created, unknown + len(new), len(new))


def _first_request(path: Path, campaign: str) -> float:
    """The earliest time at which a request for a row of the file can have left, in seconds since
    1970 by this machine's clock; minus infinity if a time of the file cannot be read, infinity if
    it has none. Raises UsageError if a row is another campaign's."""
    foreign, runs, began = set[str](), set[str](), math.inf
    for _, row in read_file(path):  # read here and again later, not kept: the file may be long
        foreign.add(row["campaign"])
        runs.add(row["run_id"])
        if row["first_sent_at"] not in ("", restoration.ANY_TIME):
            began = min(began, _or_any(seconds(row["first_sent_at"])))
    if foreign := foreign - {campaign}:
        raise UsageError(
            f"{path}: this ledger file belongs to campaign {', '.join(sorted(foreign))}, not to"
            f" {campaign}",
            hint="To restore that campaign, add"
            f" {shell_command(option('--campaign', min(foreign)))}.",
        )
    # A file that was written before its run's first request has no request times. Those requests
    # left after the run began.
    return min([began, *(_or_any(began_at(run)) for run in runs if run)])


def _add_foreign_batches(ledger: Ledger, others: Sequence[Path], campaign: str) -> None:
    """Record the batches that other ledger files name for campaigns other than this one."""
    for other in others:
        for _, row in read_file(other):
            if row["new_batch_id"] and row["campaign"] != campaign:
                restoration.add_foreign_batch(ledger, row["new_batch_id"])


def _restore_created(ledger: Ledger, duplicate: Planned, item: FileItem, now: str) -> None:
    """Restore a row with a batch, and its setup. Raises UsageError if the batch has an owner."""
    if restoration.owns(ledger, item.new_batch_id):
        raise UsageError(
            f"{item.where}: batch {item.new_batch_id} already belongs to another duplicate"
        )
    restoration.restore_created(ledger, duplicate, item)
    if not item.identity.upload_new_dataset:
        setups.restore(
            ledger, duplicate.id, item.new_batch_id, item.tasks_per_group, item.setup_status, now
        )


class _Job:
    """The planned job, in which the rows of the file at `path` are looked up."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self._ledger = ledger
        self._path = path
        self._lines: bool | None = None

    def with_name_of(self, row: FileItem) -> list[Planned]:
        """The job's duplicates that fit everything the row says."""
        likely = restoration.planned_with_name(self._ledger, row.identity, literal(row.name))
        return [item for item in likely if could_be_named(item.template, row.name)]

    def lines_decide(self) -> bool:
        """Whether every row of the file fits the duplicate on its own line of the job."""
        if self._lines is None:
            self._lines = all(
                any(str(item.line) == row.line for item in self.with_name_of(row))
                for row in read_items(self._path)
            )
        return self._lines


def _sent_name(duplicate: Planned, row: FileItem) -> str | None:
    """The name that was sent; None if it is filled in when the source is looked up."""
    if row.whole_name is None or needs_source_name(row.whole_name):
        return None
    return row.whole_name if duplicate.template else ""


def _or_any(timestamp: float | None) -> float:
    """The timestamp; minus infinity if it could not be read."""
    return -math.inf if timestamp is None else timestamp
