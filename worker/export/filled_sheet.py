"""What a person filled in to the sheet of `proposals`: a decision in each row, for its item or for
its group. Pure; `decision_sheet` reads the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from worker.export.proposals import ABSENT, OURS, REST_ABSENT
from worker.ledger.decisions import Decision, Seen
from worker.model.batch_id import BATCH_ID
from worker.model.clock import seconds
from worker.model.error_values import why_error_value
from worker.model.errors import Problem
from worker.model.names import shown
from worker.text import joined, verb

NAMED = 3
"""How many duplicates with the same candidate a problem names."""

EXPECTED = f"write {OURS} beside the batch that is the copy (or its id), {ABSENT}, or nothing"


class SheetRow(NamedTuple):
    """A row that was read: its line in the file, the name of its sheet (empty in a CSV), its cells
    by column, and how many cells have no column."""

    line: int
    cells: Mapping[str, str]
    sheet: str = ""
    extra: int = 0


class Filled(NamedTuple):
    """A decision in a sheet, and the row that it is in."""

    decision: Decision
    row: SheetRow


class Recorded(NamedTuple):
    """What is recorded already: which item has a batch (None: no item), and whether an item is
    known and not unknown any more."""

    owner: Callable[[str], int | None] = lambda _: None
    is_closed: Callable[[int], bool] = lambda _: False


NOTHING = Recorded()


def filled_in(
    rows: Iterable[SheetRow], *, accept: bool = False, recorded: Recorded = NOTHING
) -> tuple[list[Filled], list[Problem]]:
    """The decisions in these rows, and what is wrong with others. Rows without a decision say
    nothing. With `accept`, a suggestion is the decision about an item that has none. What is
    `recorded` is no longer shared out in a group."""
    some = _accepted(rows) if accept else list(rows)
    said = _Said()
    for row in some:
        said.add(row)
    created = {_text(row, "candidate_id").lower(): _created(row) for row in some}
    for group in said.groups.values():
        if group.marked or group.rest_absent:
            shared, problem = _shared_out(group, said.filled, created, recorded)
            said.filled |= shared
            said.problems += [problem] if problem else []
    candidates: dict[str | None, set[str]] = defaultdict(set)
    for row in some:
        candidates[_text(row, "candidate_id").lower()].add(_text(row, "item"))
    fitting: list[Filled] = []
    for one in said.filled.values():
        others = candidates[one.decision.batch_id]
        if others and f"#{one.decision.item}" not in others:
            wrong = (
                f"{one.decision.batch_id} is a candidate of {joined(sorted(others)[:NAMED])}, not"
            )
            wrong += f" of #{one.decision.item}; if it is its copy all the same, use --assign"
            said.problems.append(problem_in(one.row, wrong))
        else:
            fitting.append(one)
    return fitting, said.problems


@dataclass(slots=True)
class _Group:
    """A group in a sheet: its items, each with its first row; the batches that are `marked` as
    ours, each with the row that says so; and the row that says that the rest is absent."""

    items: dict[int, SheetRow] = field(default_factory=dict)
    marked: dict[str, SheetRow] = field(default_factory=dict)
    rest_absent: SheetRow | None = None


@dataclass(slots=True)
class _Said:
    """What the rows say: decisions by item, groups by sheet and name, and what is wrong."""

    filled: dict[int, Filled] = field(default_factory=dict)
    groups: dict[tuple[str, str], _Group] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, row: SheetRow) -> None:
        text = _text(row, "decision")
        item, batch_id, problem = _decision(row, text)
        group = self.groups.setdefault((row.sheet, _text(row, "group")), _Group())
        if number := _item_number(_text(row, "item")):
            group.items.setdefault(number, row)
        if problem:
            self.problems.append(problem_in(row, problem))
        elif text and _is_for_group(row):
            if text.casefold() == REST_ABSENT:
                group.rest_absent = row
            for one in _ids(row):
                group.marked.setdefault(one, row)
        elif text and (before := self.filled.get(item)) is not None:
            where = f"line {before.row.line}"
            if before.row.sheet != row.sheet:
                where += f" of sheet {before.row.sheet}"
            again = f"#{item} has a decision in {where} too; keep one of the two"
            self.problems.append(problem_in(row, again))
        elif text:
            self.filled[item] = Filled(Decision(item, batch_id, _seen(row)), row)


def _shared_out(
    group: _Group,
    filled: Mapping[int, Filled],
    created: Mapping[str, float],
    recorded: Recorded,
) -> tuple[dict[int, Filled], Problem | None]:
    """The decisions about the items of a group that have no `filled` in decision of their own: one
    of the marked batches for each, the oldest first. Or what is wrong with the group."""
    first = next(iter(group.items.values()))
    if other := next((row for row in group.items.values() if _kind(row) != _kind(first)), None):
        text = (
            f"the column group says that {_text(other, 'item')} and {_text(first, 'item')} are"
            " copies of one row, but they are not; correct it, or write the sheet again"
        )
        return {}, problem_in(other, text)
    found: dict[int, Filled] = {}
    own = {filled[item].decision.batch_id for item in group.items if item in filled}
    left: list[str] = []
    for batch_id, row in group.marked.items():
        owner = recorded.owner(batch_id)
        if owner in group.items and owner not in filled:
            found[owner] = Filled(Decision(owner, batch_id, _seen(group.items[owner])), row)
        elif batch_id not in own:
            left.append(batch_id)
    left.sort(key=lambda batch_id: (created.get(batch_id, inf), batch_id))
    free = [item for item in sorted(group.items) if item not in filled and item not in found]
    free = [item for item in free if not recorded.is_closed(item)]
    if len(left) > len(free):
        text = (
            f"{len(left):,} {verb(len(left), 'batch', 'batches')} of this group"
            f" {verb(len(left), 'is', 'are')} marked as ours, but only {len(free):,} of its copies"
            f" in this sheet {verb(len(free), 'is', 'are')} undecided; each batch is the copy of"
            " one row"
        )
        return {}, problem_in(group.marked[left[-1]], text)
    for item, batch_id in zip(free, left, strict=False):
        seen = _seen(group.items[item])
        found[item] = Filled(Decision(item, batch_id, seen), group.marked[batch_id])
    if group.rest_absent is not None:
        for item in free[len(left) :]:
            seen = _seen(group.items[item])
            found[item] = Filled(Decision(item, None, seen), group.rest_absent)
    return found, None


def _kind(row: SheetRow) -> tuple[str, ...]:
    return tuple(_text(row, column) for column in ("line", "source_batch_id", "name"))


def _seen(row: SheetRow) -> Seen:
    return Seen(*(_text(row, column) for column in Seen._fields))


def _created(row: SheetRow) -> float:
    at = seconds(_text(row, "candidate_created_at"))
    return inf if at is None else at


def _is_for_group(row: SheetRow) -> bool:
    """Whether the decision in a row is about its whole group."""
    text = _text(row, "decision").casefold()
    return bool(_text(row, "group")) and (text in (OURS, REST_ABSENT) or len(text.split()) > 1)


def _ids(row: SheetRow) -> list[str]:
    """The batches that a decision about a group marks as ours."""
    text = _text(row, "decision")
    if text.casefold() == OURS:
        return [_text(row, "candidate_id").lower()]
    return [] if text.casefold() == REST_ABSENT else _several(text)


def _several(text: str) -> list[str]:
    """Ids, separated by spaces, commas, semicolons or lines."""
    return text.lower().replace(",", " ").replace(";", " ").split()


def _accepted(rows: Iterable[SheetRow]) -> list[SheetRow]:
    """The rows, with each suggestion as the decision if neither its item nor its group has one."""
    some = list(rows)
    decided = {_text(row, "item") for row in some if _text(row, "decision")}
    groups = {(row.sheet, _text(row, "group")) for row in some if _is_for_group(row)}
    return [
        row._replace(cells={**row.cells, "decision": row.cells["suggestion"]})
        if _text(row, "suggestion")
        and _text(row, "item") not in decided
        and (row.sheet, _text(row, "group")) not in groups
        else row
        for row in some
    ]


def _text(row: SheetRow, column: str) -> str:
    return plain(row.cells.get(column, ""))


def has_columns(header: Iterable[str], columns: Iterable[str]) -> bool:
    """Whether a header has these columns."""
    return set(columns) <= {column_of(cell) for cell in header}


def column_of(cell: str) -> str:
    """The column that the cell of a header names."""
    return plain(cell).casefold()


def sheet_row(line: int, columns: Sequence[str], cells: Sequence[str], sheet: str) -> SheetRow:
    """A row that was read, below these columns."""
    extra = sum(bool(cell.strip()) for cell in cells[len(columns) :])
    named = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
    return SheetRow(line, named, sheet, extra)


def problem_in(row: SheetRow, text: str) -> Problem:
    """A problem in this row."""
    return Problem(row.line, f"sheet {row.sheet}: {text}" if row.sheet else text)


def plain(cell: str) -> str:
    """A cell without surrounding spaces, and without the `'` that marks text."""
    return cell.strip().removeprefix("'").strip()


def _item_number(item: str) -> int:
    """The number in `#N`; 0 if this is not an item."""
    number = item.removeprefix("#")
    is_item = item.startswith("#") and number.isascii() and number.isdigit() and len(number) < 19
    return int(number) if is_item else 0


def _decision(row: SheetRow, text: str) -> tuple[int, str | None, str]:
    """The item, the batch (None: absent), and what is wrong (empty: nothing). What a row says about
    its group has neither."""
    if row.extra:
        return (
            0,
            None,
            "this row has more cells than the header; text with a delimiter needs quotes",
        )
    if not text:
        return 0, None, ""
    item = _text(row, "item")
    if not item:
        return 0, None, "a decision without an item; fill in the column item, or empty the decision"
    if not (number := _item_number(item)):
        return 0, None, f"item: {shown(item)} is not an item; write its number, such as #40"
    if text.casefold() == ABSENT:
        return number, None, ""
    if text.casefold() == REST_ABSENT:
        single = f"{REST_ABSENT} is for a group of copies; write {ABSENT}"
        return number, None, "" if _is_for_group(row) else f"decision: {single}"
    if text.casefold() == OURS:
        candidate = _text(row, "candidate_id")
        if BATCH_ID.fullmatch(candidate):
            return number, candidate.lower(), ""
        return number, None, f"decision: there is no candidate_id beside {OURS}; write the id"
    if BATCH_ID.fullmatch(text):
        return number, text.lower(), ""
    if _is_for_group(row) and all(BATCH_ID.fullmatch(one) for one in _several(text)):
        return number, None, ""
    why = why_error_value(text) or f"is not a decision; {EXPECTED}"
    return number, None, f"decision: {shown(text)} {why}"
