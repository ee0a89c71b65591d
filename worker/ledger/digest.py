"""What the rows of a ledger come to, for a person: how many have which status, why, and which need somebody.

It is taken while rows pass by on their way to somewhere else, so its size does not depend on theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from worker.ledger.records import Counts, Status
from worker.ledger.views import Row
from worker.settle.words import named_batches, without_names

SHOWN = 20
"""How many rows of a status are kept, and how many reasons."""

_REASONS = 10_000
"""How many different reasons are counted: those of unknown rows may name batches, and then no two are alike."""


class Digest:
    """Let rows pass through `of`; when they have, `counts`, `undecided`, `reasons` and `first` tell of them."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self.first: dict[Status, list[Row]] = {Status.UNKNOWN: [], Status.FAILED: []}
        """The first rows that need a person, by status."""
        self.undecided = 0
        """How many unknown rows name batches that could be theirs."""

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            self._take(row)
            yield row

    def _take(self, row: Row) -> None:
        status, error = row["status"], row["error"]
        self._statuses[status] += 1
        if status == Status.CREATED:
            return
        if status == Status.UNKNOWN and error:
            self.undecided += bool(named_batches(error))
            error = without_names(error)
        if error and (error in self._reasons or len(self._reasons) < _REASONS):
            self._reasons[error] += 1
        kept = self.first.get(status)
        if kept is not None and len(kept) < SHOWN:
            kept.append(row)

    @property
    def counts(self) -> Counts:
        """How many rows have which status."""
        return Counts(**{status: self._statuses[status] for status in Status})

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """The most frequent reasons why rows are not created, and how many rows have each."""
        return self._reasons.most_common(SHOWN)
