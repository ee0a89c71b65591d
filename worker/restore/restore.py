"""Rebuilds a lost database from a ledger file.

A file is believed where it says that a batch exists. All else that it says was sent becomes
unknown, with no baseline and a wide window, because the file may be older than what happened after
it was written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from worker.export.formats import read_file
from worker.ledger import restoration
from worker.ledger.store import Ledger
from worker.model.clock import seconds
from worker.model.errors import UsageError
from worker.model.job_names import literal
from worker.model.names import needs_source_name
from worker.model.restored import FileItem, Planned
from worker.model.run_id import began_at
from worker.restore.matching import could_be_named, match
from worker.restore.reading import read_items
from worker.text import shell_word

CLOCK_OFF_S = 2 * 86_400.0
"""Seconds by which this machine's clock may have been wrong when the file was written."""


class Restored(NamedTuple):
    """How many rows were taken as created, and how many have to be found out about."""

    created: int
    unknown: int


def restore(
    ledger: Ledger, path: Path, campaign: str, others: Sequence[Path], now: str
) -> Restored:
    """Take what the ledger file `path` says of this campaign into a ledger that has planned the
    job.

    What exists by the file exists; all else may have been sent after the file was written, so it
    becomes unknown. The batches that `others` (the folder's other ledger files) name for other
    campaigns belong to those. What they name for this campaign (a copy of the file, or a newer one)
    is its own: its unknown duplicates have to find these batches, or they would be created again.
    `now` is ISO 8601 UTC. Raises UsageError, and changes nothing, where a row matches nothing in
    the job or names a batch that has an owner."""
    foreign, runs, began = set[str](), set[str](), math.inf
    for _, row in read_file(path):  # read twice, not kept: it may be long
        foreign.add(row["campaign"])
        runs.add(row["run_id"])
        if row["first_sent_at"]:
            began = min(began, _or_any(seconds(row["first_sent_at"])))
    if foreign := foreign - {campaign}:
        raise UsageError(
            f"{path}: this ledger file is of campaign {', '.join(sorted(foreign))}, not of"
            f" {campaign}",
            hint=f"Restore it as that campaign: --campaign {shell_word(min(foreign))}",
        )
    # A file of before its run's first request has no times of requests: they came after that run
    # began.
    began = min([began, *(_or_any(began_at(run)) for run in runs if run)])
    date_before = began - CLOCK_OFF_S if math.isfinite(began) else None
    created = unknown = 0
    sent = list[int]()
    with ledger.transaction():
        for other in others:
            for _, row in read_file(other):
                if row["new_batch_id"] and row["campaign"] != campaign:
                    restoration.add_foreign_batch(ledger, row["new_batch_id"])
        planned = _Job(ledger, path)
        for item in read_items(path):
            duplicate = match(
                item,
                planned.with_name_of(item),
                partial(restoration.planned_as, ledger, item.identity),
                planned.lines_decide,
            )
            if item.status == "created":
                if restoration.owns(ledger, item.new_batch_id):
                    raise UsageError(
                        f"{item.where}: batch {item.new_batch_id} belongs to another duplicate"
                        " already"
                    )
                restoration.restore_created(ledger, duplicate, item)
                created += 1
            else:
                restoration.restore_unknown(ledger, duplicate, item, _sent_name(duplicate, item))
                unknown += 1
                if item.status == "unknown":
                    sent.append(duplicate.id)
        restoration.restore_attempts(ledger, now, date_before, sent)
    return Restored(created, unknown)


class _Job:
    """The planned job, as the rows of the file at `path` are looked up in it."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self._ledger = ledger
        self._path = path
        self._lines: bool | None = None

    def with_name_of(self, row: FileItem) -> list[Planned]:
        """The job's duplicates that could be the row by all that it says."""
        likely = restoration.planned_with_name(self._ledger, row.identity, literal(row.name))
        return [item for item in likely if could_be_named(item.template, row.name)]

    def lines_decide(self) -> bool:
        """Whether every row of the file may be what stands on its own line of the job."""
        if self._lines is None:
            self._lines = all(
                any(str(item.line) == row.line for item in self.with_name_of(row))
                for row in read_items(self._path)
            )
        return self._lines


def _sent_name(duplicate: Planned, row: FileItem) -> str | None:
    """The name as it was sent; None if it is filled in when the source is looked up."""
    if row.whole_name is None or needs_source_name(row.whole_name):
        return None
    return row.whole_name if duplicate.template else ""


def _or_any(moment: float | None) -> float:
    """A moment; one that cannot be read may be any."""
    return -math.inf if moment is None else moment
