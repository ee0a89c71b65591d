"""Which transactions of a run are committed, although the answer to a COMMIT may never have come.
Pure.

The server counts the transactions that are committed since the run took the seat (`commits` in the
seat's row), and the run has one transaction at a time. So the count shows whether a transaction in
doubt took place."""

from __future__ import annotations


class CommitLog:
    """The transactions of one run. Their numbers are the server's counts."""

    def __init__(self) -> None:
        self._begun = 0
        """The number of the last transaction that has begun."""
        self._committed = 0
        """The number of the last transaction that is known to be committed."""
        self._in_doubt: int | None = None
        """The number of a transaction whose COMMIT was not answered, until `resolve`."""
        self._took_place = False

    def begin(self, number: int) -> None:
        """Note that the transaction with this number has begun."""
        self._begun = number

    def confirm(self) -> None:
        """Note that the transaction that began last is committed."""
        self._committed = self._begun

    def doubt(self) -> None:
        """Note that the COMMIT of the transaction that began last was not answered."""
        self._in_doubt, self._took_place = self._begun, False

    def are_lost(self, count: int) -> bool:
        """Whether a server with this count has lost a commit that it had confirmed."""
        return count < self._committed

    def resolve(self, count: int) -> None:
        """Find out by the server's count whether the transaction in doubt took place. No other
        transaction of this run may be open."""
        self._committed = count
        if self._in_doubt is not None:
            self._took_place, self._in_doubt = count >= self._in_doubt, None

    @property
    def took_place(self) -> bool:
        """Whether the last transaction that was in doubt is committed."""
        return self._took_place
