"""What the rows of a ledger come to, for a person: how many have which status, why, and which need
somebody.

It is taken while rows pass by on their way to somewhere else, so its size does not depend on
theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from worker.ledger.views import Row
from worker.model.causes import Causes, Shortlist, shortlist
from worker.model.records import Counts, Status

SHOWN = 20
"""How many rows of a status are kept, and how many causes are shown."""


class Digest:
    """Let rows pass through `of`; when they have, `counts`, `undecided`, `reasons` and `first` tell
    of them."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._causes = Causes()
        self.first: dict[Status, list[Row]] = {Status.UNKNOWN: [], Status.FAILED: []}
        """The first rows that need a person, by status."""
        self.undecided = 0
        """How many unknown rows have batches that could be theirs."""

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            self._take(row)
            yield row

    def _take(self, row: Row) -> None:
        status = row["status"]
        self._statuses[status] += 1
        if status == Status.CREATED:
            return
        self.undecided += bool(row["candidates"])
        self._causes.add(row["cause"])
        kept = self.first.get(status)
        if kept is not None and len(kept) < SHOWN:
            kept.append(row)

    @property
    def counts(self) -> Counts:
        """How many rows have which status."""
        return Counts(**{status: self._statuses[status] for status in Status})

    @property
    def reasons(self) -> Shortlist:
        """Why rows are not created: some of the causes, and how many rows have each."""
        return shortlist(self._causes.all(), SHOWN)
