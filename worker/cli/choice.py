"""Selects rows of a ledger: reads and applies `--status`, `--source`, `--run` and `--since`.
Pure."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterable, Iterator

from worker.ledger.rows import LedgerRow
from worker.model.clock import iso
from worker.model.errors import UsageError
from worker.model.records import Status


class Choice:
    """The selection that the arguments ask for. Raises UsageError."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._statuses = statuses(args.status, Status)
        self._source = args.source.strip().lower() if args.source else None
        self._run = args.run
        self._since = since(args.since)
        self._dropped = bool(args.all)
        self.of_rows = next(
            (f"--{key}" for key in ("status", "source", "run", "all") if getattr(args, key)), None
        )
        """The first given option that selects rows and does nothing else; None if there is none."""

    def __call__(self, row: LedgerRow) -> bool:
        """Whether this row is selected."""
        return (
            (not self._statuses or row["status"] in self._statuses)
            and (self._source is None or row["source_batch_id"] == self._source)
            and (self._run is None or row["run_id"] == self._run)
            and (self._since is None or (row["last_sent_at"] or "") >= self._since)
        )

    @property
    def description(self) -> str:
        """The selection, for people; "" if it is exactly the duplicates in the job."""
        return "; ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        if self._statuses:
            yield f"only {', '.join(status for status in Status if status in self._statuses)}"
        if self._source is not None:
            yield f"only duplicates of {self._source}"
        if self._run is not None:
            yield f"only rows that run {self._run} changed last"
        if self._since is not None:
            yield f"only rows sent at {self._since} or later"
        if self._dropped:
            yield "also duplicates that are no longer in the job"


def statuses(text: str | None, known: Iterable[str]) -> frozenset[str]:
    """Those of the `known` statuses that `--status` lists, in any case; none if it is not given.
    Raises UsageError."""
    if text is None:
        return frozenset()
    by_name = {one.lower(): one for one in known}
    chosen = {part.strip() for part in text.split(",")}
    if unknown := sorted(one for one in chosen if one.lower() not in by_name):
        raise UsageError(
            f"--status: {', '.join(unknown) or 'an empty value'} is not a status",
            hint=f"Use {', '.join(by_name.values())}.",
        )
    return frozenset(by_name[one.lower()] for one in chosen)


def since(text: str | None) -> str | None:
    """A date or time in the database's format. Raises UsageError if the text is neither."""
    if text is None:
        return None
    try:
        return iso(dt.datetime.fromisoformat(text))
    # OverflowError: the time zone moves the time out of the calendar.
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since: {text!r} is not a date or time",
            hint="Write it like 2026-11-24 or 2026-11-24T02:00Z.",
        ) from None
