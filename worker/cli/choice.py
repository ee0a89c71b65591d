"""Which rows of a ledger are wanted: `--status`, `--source`, `--run`, `--since`, read and applied.
Pure."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator

from worker.ledger.views import Row
from worker.model.clock import iso
from worker.model.errors import UsageError
from worker.model.records import Status


class Choice:
    """The rows that the arguments ask for. Raises UsageError."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._statuses = _statuses(args.status)
        self._source = args.source.strip().lower() if args.source else None
        self._run = args.run
        self._since = since(args.since)
        self._dropped = bool(args.all)
        self.of_rows = next(
            (f"--{key}" for key in ("status", "source", "run", "all") if getattr(args, key)), None
        )
        """The first option that chooses among rows, and only among them."""

    def __call__(self, row: Row) -> bool:
        """Whether this row is one of them."""
        return (
            (not self._statuses or row["status"] in self._statuses)
            and (self._source is None or row["source_batch_id"] == self._source)
            and (self._run is None or row["run_id"] == self._run)
            and (self._since is None or (row["last_sent_at"] or "") >= self._since)
        )

    @property
    def words(self) -> str:
        """What is chosen, for a person; empty where it is just what the job wants."""
        return "; ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self._statuses:
            yield f"only {', '.join(status for status in Status if status in self._statuses)}"
        if self._source is not None:
            yield f"only duplicates of {self._source}"
        if self._run is not None:
            yield f"only what run {self._run} changed last"
        if self._since is not None:
            yield f"only what was sent since {self._since}"
        if self._dropped:
            yield "also what the job wants no longer"


def _statuses(text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset()
    chosen = frozenset(part.strip().lower() for part in text.split(","))
    if unknown := chosen - set(Status):
        raise UsageError(
            f"--status: {', '.join(sorted(unknown)) or 'an empty status'} is not a status",
            hint=f"The statuses are {', '.join(Status)}.",
        )
    return chosen


def since(text: str | None) -> str | None:
    """A date or time as the database writes times. Raises UsageError where it is neither."""
    if text is None:
        return None
    try:
        return iso(dt.datetime.fromisoformat(text))
    except (
        ValueError,
        OverflowError,
    ):  # the latter for times that a time zone moves out of the calendar
        raise UsageError(
            f"--since: {text!r} is not a date or time",
            hint="Write it as in 2026-11-24 or 2026-11-24T02:00Z.",
        ) from None
