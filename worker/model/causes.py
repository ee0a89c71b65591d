"""Counts duplicates that are not created by cause, and picks the causes for a short list. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.text import counted

Cause = tuple[str, int]
"""The text of a cause, and how many duplicates have it."""

MOST = 10_000
"""How many different causes are counted separately, so that memory does not grow with the rows."""

BEYOND = "other causes"


class Causes:
    """Counts duplicates by cause."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, cause: str | None, number: int = 1) -> None:
        """Add `number` duplicates with this cause (None: without a cause)."""
        if cause is None:
            return
        if cause not in self._counts and len(self._counts) >= MOST:
            cause = BEYOND
        self._counts[cause] += number

    def all(self) -> list[Cause]:
        """Every cause, most frequent first."""
        return sorted(self._counts.items(), key=lambda cause: (-cause[1], cause[0]))


class Shortlist(NamedTuple):
    """The causes that are `shown`, how many causes are not, and how many `duplicates` have
    those."""

    shown: tuple[Cause, ...]
    more: int = 0
    duplicates: int = 0

    @property
    def rest(self) -> str:
        """The text about what is not shown; "" if everything is."""
        if not self.more:
            return ""
        return f"… and {counted(self.more, 'more cause')} ({counted(self.duplicates, 'duplicate')})"


def shortlist(causes: Iterable[Cause], most: int) -> Shortlist:
    """At most `most` causes, most frequent first. If there are more, the rare causes are more
    informative: then the rarest are shown first, and the others are only counted."""
    ordered: Sequence[Cause] = sorted(causes, key=lambda cause: -cause[1])
    if len(ordered) <= most:
        return Shortlist(tuple(ordered))
    hidden = ordered[: len(ordered) - most]
    return Shortlist(
        tuple(reversed(ordered[-most:])), len(hidden), sum(number for _, number in hidden)
    )
