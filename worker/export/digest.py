"""A summary of ledger rows for people: how many have which status, why, and which need a decision.

It is collected while the rows pass through to a file, so its size does not grow with their
number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from worker.ledger.rows import LedgerRow
from worker.model.causes import Causes, Shortlist, shortlist
from worker.model.records import Counts, Status
from worker.model.setups import SetupCounts, SetupStatus

SHOWN = 20
"""Maximum number of rows kept for each status, and of causes shown."""


class Digest:
    """Pass rows through `of`. Afterwards `counts`, `warnings`, `undecided`, `reasons`, `first` and
    `first_undecided` describe them."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._setups: Counter[str] = Counter()
        self._causes = Causes()
        self.first: dict[Status, list[LedgerRow]] = {Status.UNKNOWN: [], Status.FAILED: []}
        """The first unknown and the first failed rows."""
        self.warnings = 0
        """Number of copies that differ from their source."""
        self.undecided = 0
        """Number of unknown rows with candidates: batches that could be their copy."""
        self.first_undecided: list[LedgerRow] = []
        """The first of these rows."""

    def of(self, rows: Iterable[LedgerRow]) -> Iterator[LedgerRow]:
        """Count each row and return it unchanged."""
        for row in rows:
            self._count(row)
            yield row

    def _count(self, row: LedgerRow) -> None:
        status = row["status"]
        self._statuses[status] += 1
        if status == Status.CREATED:
            self.warnings += row["warning"] is not None
            self._setups[row["setup_status"]] += 1
            return
        self._causes.add(row["cause"])
        if row["candidates"]:
            self.undecided += 1
            _keep(row, self.first_undecided)
        if status in self.first:
            _keep(row, self.first[status])

    @property
    def counts(self) -> Counts:
        """Number of rows by status."""
        return Counts(**{status: self._statuses[status] for status in Status})

    @property
    def setups(self) -> SetupCounts:
        """Number of created rows that are to be set up, by the status of their setup."""
        return SetupCounts(*(self._setups[status] for status in SetupStatus))

    @property
    def reasons(self) -> Shortlist:
        """The causes why rows are not created, each with its number of rows; at most `SHOWN`."""
        return shortlist(self._causes.all(), SHOWN)


def _keep(row: LedgerRow, rows: list[LedgerRow]) -> None:
    if len(rows) < SHOWN:
        rows.append(row)
