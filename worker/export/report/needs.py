"""What needs a person: the rows that are not created, grouped by reason, in memory that does not
grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.export import evidence
from worker.ledger.proposals import Found
from worker.ledger.rows import LedgerRow

EXAMPLES = 5
"""How many rows of a group are shown."""

UNDECIDED = 50
"""How many rows with candidates are shown, each by itself."""

GROUPS = 500
"""How many different reasons have a group of their own; the others share one."""

OTHERS = "for other reasons (see the table below)"


class Undecided(NamedTuple):
    """An unknown row that only a person can decide. `hidden` candidates are not in the list."""

    row: LedgerRow
    reason: str
    candidates: tuple[Found, ...]
    hidden: int

    def speaks_for(self, found: Found) -> str:
        """What speaks for this candidate."""
        return evidence.speaks_for(found, self.row["last_sent_at"])

    def speaks_against(self, found: Found) -> str:
        """What speaks against this candidate."""
        has_equal = evidence.has_equal(found, self.candidates)
        return evidence.speaks_against(found, self.row["last_sent_at"], has_equal=has_equal)


@dataclass(slots=True)
class Group:
    """Rows of one status that have the same reason: how many, and the first of them."""

    status: str
    reason: str | None
    count: int = 0
    first: list[LedgerRow] = field(default_factory=list)


class Needs(NamedTuple):
    """What is not created: `undecided` rows (the first of `undecided_count`), and groups, the
    largest first. `under_way` rows are in neither: their answers may still come."""

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
    rows: Iterable[LedgerRow], look_up: Callable[[int, str], Found | None], *, active: bool
) -> Needs:
    """What the rows that are not created need.

    `look_up` returns what is known of a batch that could be the copy of an item, None if it has an
    owner. With `active` a run may still record what is under way."""
    undecided: list[Undecided] = []
    undecided_count = under_way = 0
    groups: dict[tuple[str, str | None], Group] = {}
    for row in rows:
        if row["under_way"] and active:
            under_way += 1
            continue
        reason: str | None = row["cause"]
        if ids := row["candidates"]:
            undecided_count += 1
            if len(undecided) < UNDECIDED:
                found = tuple(one for id in ids if (one := look_up(row["item"], id)) is not None)
                hidden = max(0, row["candidate_count"] - len(ids))
                undecided.append(Undecided(row, reason or "", found, hidden))
            continue
        key = (row["status"], reason)
        if key not in groups and len(groups) >= GROUPS:
            key = (row["status"], OTHERS)
        group = groups.setdefault(key, Group(*key))
        group.count += 1
        if len(group.first) < EXAMPLES:
            group.first.append(row)
    ordered = sorted(groups.values(), key=lambda group: -group.count)
    return Needs(_with_other_items(undecided), undecided_count, tuple(ordered), under_way)


def _with_other_items(undecided: Sequence[Undecided]) -> tuple[Undecided, ...]:
    """The same rows; each candidate names the other items that it could be the copy of."""
    uses = Counter(found.batch_id for one in undecided for found in one.candidates)
    items: dict[str, list[int]] = {id: [] for id, many in uses.items() if many > 1}
    for one in undecided:
        for found in one.candidates:
            if found.batch_id in items:
                items[found.batch_id].append(one.row["item"])
    return tuple(
        one._replace(
            candidates=tuple(
                _with_others(found, items.get(found.batch_id, ()), one.row["item"])
                for found in one.candidates
            )
        )
        for one in undecided
    )


def _with_others(found: Found, items: Iterable[int], own: int) -> Found:
    others = tuple(item for item in items if item != own)
    return found._replace(shared=others, others=len(others))
