"""Counts SQLite's steps for each statement: the same number each time, on any machine."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from typing import Any

from tests.simulation.database import Crasher, FragileConnection
from worker.ledger.queries import statements

STEPS = 10
"""SQLite reports after this many instructions of its virtual machine."""

OF_LISTINGS = frozenset(
    {
        "add_seen",
        "add_listed_name",
        "add_unowned_batch",
        "queued_of_listed",
        "index_listed_names",
        "names_taken",
        "oldest_open_baseline",
    }
)
"""Statements that run for each batch that a listing shows, or that compare each of these batches
with the names to be sent. A workspace grows with what is created in it, and the API lists all of
it."""

OF_THE_WHOLE = "PRAGMA main.integrity_check(1)"
"""The check for damage, which reads the whole database on purpose."""


class CountingConnection(FragileConnection):
    """A connection that counts the steps of each statement of `queries.sql`, by its name, if
    `counts` is set."""

    def __init__(
        self, connection: sqlite3.Connection, crasher: Crasher, full: float, *, counts: bool
    ) -> None:
        super().__init__(connection, crasher, full, random.Random(f"disk {full}"))
        self.steps: Counter[str] = Counter()
        self._names = {text: name for name, text in statements().items()}
        self._now = ""
        if counts:
            connection.set_progress_handler(self._step, STEPS)

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        self._now = self._names.get(statement, statement)
        return super().execute(statement, parameters)

    def executemany(self, statement: str, parameters: Any) -> sqlite3.Cursor:
        self._now = self._names.get(statement, statement)
        return super().executemany(statement, parameters)

    def _step(self) -> int:
        self.steps[self._now] += STEPS
        return 0

    def counted(self) -> Counter[str]:
        """The steps so far, by statement, of everything that must not grow with the number of
        nights."""
        return Counter(
            {
                name: steps
                for name, steps in self.steps.items()
                if name not in OF_LISTINGS and name != OF_THE_WHOLE
            }
        )
