"""What needs a person: rows that are not created, by what is known of them, in memory that does not
grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.ledger.views import Row

EXAMPLES = 5
"""How many rows of a group are shown."""

UNDECIDED = 50
"""How many rows with candidates are shown, each by itself."""

GROUPS = 500
"""How many different reasons are told apart; what is beyond shares one."""

OTHERS = "for other reasons (the table below tells each)"


class Candidate(NamedTuple):
    """A batch that could be a row's copy: its name and the rest as a listing showed them, None
    where none did."""

    id: str
    name: str | None
    created_at: str | None
    status: str | None


class Undecided(NamedTuple):
    """An unknown row that only a person can decide."""

    row: Row
    why: str
    candidates: tuple[Candidate, ...]


@dataclass(slots=True)
class Group:
    """Rows of one status that have the same reason: how many, and the first of them."""

    status: str
    why: str | None
    http_status: int | None
    count: int = 0
    first: list[Row] = field(default_factory=list)


class Needs(NamedTuple):
    """What is not created: `undecided` rows (the first of `undecided_count`), and groups, the
    fullest first. `under_way` rows are neither: their answers may still come."""

    undecided: tuple[Undecided, ...]
    undecided_count: int
    groups: tuple[Group, ...]
    under_way: int

    def of(self, status: str) -> Sequence[Group]:
        """The groups of this status."""
        return [group for group in self.groups if group.status == status]

    def count(self, status: str) -> int:
        """How many rows the groups of this status have."""
        return sum(group.count for group in self.of(status))


def needs(
    rows: Iterable[Row], look_up: Callable[[str], Candidate | None], *, going_on: bool
) -> Needs:
    """What the rows that are not created need. `look_up` tells what is known of a batch, None where
    it has an owner; with `going_on` a run may still record what is under way."""
    undecided: list[Undecided] = []
    undecided_count = under_way = 0
    groups: dict[tuple[str, str | None, int | None], Group] = {}
    for row in rows:
        if row["under_way"] and going_on:
            under_way += 1
            continue
        why: str | None = row["cause"]
        if row["candidates"]:
            undecided_count += 1
            if len(undecided) < UNDECIDED:
                found = tuple(filter(None, map(look_up, row["candidates"])))
                undecided.append(Undecided(row, why or "", found))
            continue
        key = (row["status"], why, row["http_status"])
        if key not in groups and len(groups) >= GROUPS:
            key = (row["status"], OTHERS, None)
        group = groups.setdefault(key, Group(*key))
        group.count += 1
        if len(group.first) < EXAMPLES:
            group.first.append(row)
    ordered = sorted(groups.values(), key=lambda group: -group.count)
    return Needs(tuple(undecided), undecided_count, tuple(ordered), under_way)
