"""Why duplicates are not created, by cause: what a short list shows of many causes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.text import counted

Cause = tuple[str, int]
"""A cause in words, and how many duplicates have it."""

MOST = 10_000
"""How many different causes are told apart, so that memory does not grow with the rows."""

BEYOND = "other causes"


class Causes:
    """Counts duplicates by cause."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, cause: str | None, number: int = 1) -> None:
        """So many duplicates have this cause (None: they have none)."""
        if cause is None:
            return
        if cause not in self._counts and len(self._counts) >= MOST:
            cause = BEYOND
        self._counts[cause] += number

    def all(self) -> list[Cause]:
        """Every cause, the most frequent first."""
        return sorted(self._counts.items(), key=lambda cause: (-cause[1], cause[0]))


class Shortlist(NamedTuple):
    """The causes that are shown, and how many causes of how many duplicates are not."""

    shown: tuple[Cause, ...]
    more: int = 0
    duplicates: int = 0

    @property
    def rest(self) -> str:
        """What is not shown, in words; empty if all is."""
        if not self.more:
            return ""
        return f"… and {counted(self.more, 'more cause')} ({counted(self.duplicates, 'duplicate')})"


def shortlist(causes: Iterable[Cause], most: int) -> Shortlist:
    """At most so many causes, the most frequent first. If there are more, the rare ones are the
    news: the rarest come first then, and the others are counted."""
    ordered: Sequence[Cause] = sorted(causes, key=lambda cause: -cause[1])
    if len(ordered) <= most:
        return Shortlist(tuple(ordered))
    hidden = ordered[: len(ordered) - most]
    return Shortlist(
        tuple(reversed(ordered[-most:])), len(hidden), sum(number for _, number in hidden)
    )
