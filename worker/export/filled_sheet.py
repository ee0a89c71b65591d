"""Reads the decisions that a person filled in to the sheet of `proposals`: one in each row, about
its item or about its group. Pure; `decision_sheet` reads the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from worker.export.proposals import ABSENT, OURS, REST_ABSENT, DecisionRow
from worker.ledger.decisions import Decision, Seen
from worker.model.batch_id import BATCH_ID
from worker.model.clock import seconds
from worker.model.error_values import why_error_value
from worker.model.errors import Problem
from worker.text import first_of, quoted, verb

NAMED = 3
"""How many duplicates with the same candidate a problem names."""

EXPECTED = f"write {OURS} beside the batch that is the copy (or its id), {ABSENT}, or nothing"
EXPECTED_IN_GROUP = f"write {OURS} beside each copy (or ids of batches), {REST_ABSENT}, or nothing"


class SheetRow(NamedTuple):
    """A row that was read: its line in the file, the name of its sheet (empty in a CSV), its cells
    by column, and how many cells have no column."""

    line: int
    cells: Mapping[str, str]
    sheet: str = ""
    extra: int = 0

    def text(self, column: str) -> str:
        """The cell in this column, as `plain` returns it; empty if there is none."""
        return plain(self.cells.get(column, ""))

    def time(self, column: str) -> str:
        """The cell in this column, without the `UTC` that a workbook shows behind a time: programs
        save what is shown as CSV."""
        return self.text(column).removesuffix(" UTC")


class Filled(NamedTuple):
    """A decision in a sheet, and the row that it is in. `for_group`: the person answered for a
    group of copies, and this is the resulting decision about one of them."""

    decision: Decision
    row: SheetRow
    for_group: bool = False


class Recorded(NamedTuple):
    """What is recorded already: which item has a batch (None: no item), whether an item exists and
    is already decided or settled, and whether a batch is a candidate of an item."""

    owner: Callable[[str], int | None] = lambda _: None
    is_closed: Callable[[int], bool] = lambda _: False
    is_candidate: Callable[[str, int], bool] = lambda _batch_id, _item: True


NOTHING = Recorded()


def filled_in(
    rows: Iterable[SheetRow], *, accept: bool = False, recorded: Recorded = NOTHING
) -> tuple[list[Filled], list[Problem]]:
    """The decisions in these rows, and what is wrong with others. Rows without a decision are left
    out. With `accept`, a suggestion is the decision about an item that has none. In a group,
    batches that are already `recorded` stay with their copy."""
    given = _accepted(rows) if accept else list(rows)
    sheet = _Sheet()
    for row in given:
        sheet.add(row)
    created = {row.text("candidate_id").lower(): _created(row) for row in given}
    sheet.problems += _contradictions(sheet)
    for group in sheet.groups.values():
        if group.marked or group.rest_absent:
            shared, problem = _shared_out(group, sheet.filled, created, recorded)
            sheet.filled |= shared
            sheet.problems += [problem] if problem else []
    left, misplaced = _with_own_candidates(sheet.filled.values(), ShownCandidates(given), recorded)
    return left, [*sheet.problems, *misplaced]


def names_batches(rows: Iterable[SheetRow], *, accept: bool = False) -> bool:
    """Whether a decision in these rows names a batch; with `accept`, or a suggestion that is one.
    Which item it belongs to does not matter, and neither does whether it is recorded."""
    for row in _accepted(rows) if accept else rows:
        with suppress(ValueError):  # what is no decision
            match _decided(row):
                case Decision(batch_id=str()) | _ForGroup(batch_ids=(_, *_)):
                    return True
    return False


class ShownCandidates:
    """The candidates that rows show: of an item in its own rows, and of a group, for which a person
    answers once, in the rows of all its items."""

    def __init__(self, rows: Iterable[SheetRow]) -> None:
        self._of_item: dict[int, set[str]] = defaultdict(set)
        self._of_group: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._groups: dict[int, set[tuple[str, str]]] = defaultdict(set)
        self._items: dict[str, set[int]] = defaultdict(set)
        for row in rows:
            item, batch_id = _item_number(row.text("item")), row.text("candidate_id").lower()
            if not item or "candidate_id" not in row.cells:
                continue
            self._of_item[item].add(batch_id)
            self._items[batch_id].add(item)
            if group := row.text("group"):
                self._of_group[row.sheet, group].add(batch_id)
                self._groups[item].add((row.sheet, group))

    def of(self, item: int, *, for_group: bool = False) -> set[str] | None:
        """The candidates that are shown of an item, or `for_group`, of its group; None if no row of
        the item has a column for them."""
        if (own := self._of_item.get(item)) is None or not for_group:
            return own
        return own.union(*(self._of_group[group] for group in self._groups[item]))

    def items_of(self, batch_id: str) -> list[int]:
        """The items in whose rows a batch is shown, in order."""
        return sorted(self._items.get(batch_id, ()))


def _with_own_candidates(
    filled: Iterable[Filled], shown: ShownCandidates, recorded: Recorded
) -> tuple[list[Filled], list[Problem]]:
    """The decisions without those for a batch that is `shown` as a candidate of other items only,
    and what is wrong with those: the cell may have been moved. Of a group, the rows of one item may
    show what is recorded as a candidate of all."""
    left: list[Filled] = []
    problems: list[Problem] = []
    for one in filled:
        item, batch_id = one.decision.item, one.decision.batch_id
        items = [] if batch_id is None else shown.items_of(batch_id)
        if (
            batch_id is None
            or not items
            or item in items
            or recorded.owner(batch_id) == item  # the sheet is recorded a second time
            or (one.for_group and recorded.is_candidate(batch_id, item))
        ):
            left.append(one)
            continue
        named = first_of([f"#{other}" for other in items[:NAMED]], len(items))
        text = (
            f"{batch_id} is a candidate of {named}, not of #{item}; if it is its copy all the same,"
            " use --assign"
        )
        problems.append(problem_in(one.row, text))
    return left, problems


@dataclass(slots=True)
class _Group:
    """A group in a sheet: its items, each with its first row; the batches that are `marked` as
    ours, each with the row that says so; the row that says that the rest is absent; the items whose
    rows say either (`answered`); and a row that is about another row of the job than the first one
    of its item (`odd`)."""

    items: dict[int, SheetRow] = field(default_factory=dict)
    marked: dict[str, SheetRow] = field(default_factory=dict)
    rest_absent: SheetRow | None = None
    answered: set[int] = field(default_factory=set)
    odd: SheetRow | None = None


class _ForGroup(NamedTuple):
    """A decision about the group of its row: these batches are copies of it (`batch_ids`), or what
    gets no batch was not created (`rest_absent`)."""

    batch_ids: tuple[str, ...] = ()
    rest_absent: bool = False


@dataclass(slots=True)
class _Sheet:
    """What was read: decisions by item, groups by sheet and name, and what is wrong."""

    filled: dict[int, Filled] = field(default_factory=dict)
    groups: dict[tuple[str, str], _Group] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, row: SheetRow) -> None:
        """Read one more row."""
        group = self.groups.setdefault((row.sheet, row.text("group")), _Group())
        if number := _item_number(row.text("item")):
            first = group.items.setdefault(number, row)
            if _job_row(first) != _job_row(row):
                group.odd = group.odd or row
        try:
            decided = _decided(row)
        except ValueError as error:
            self.problems.append(problem_in(row, str(error)))
            return
        match decided:
            case _ForGroup(batch_ids, rest_absent):
                group.answered.add(number)
                if rest_absent:
                    group.rest_absent = row
                for batch_id in batch_ids:
                    group.marked.setdefault(batch_id, row)
            case Decision(item) if item in self.filled and self.filled[item].decision == decided:
                pass  # filled down in the rows of its other candidates, or in a copied sheet
            case Decision(item) if (before := self.filled.get(item)) is not None:
                where = f"line {before.row.line}"
                if before.row.sheet != row.sheet:
                    where += f" of sheet {before.row.sheet}"
                again = f"#{item} has a decision in {where} too; keep one of the two"
                self.problems.append(problem_in(row, again))
            case Decision(item):
                self.filled[item] = Filled(decided, row)


def _contradictions(sheet: _Sheet) -> list[Problem]:
    """What is wrong with the items that are absent, although their rows answer for the group: the
    person may have meant one of the batches only."""
    return [
        problem_in(
            one.row,
            f"#{item} is {ABSENT} here, and its other rows answer for the group; write"
            f" {REST_ABSENT} if what gets no batch was not created, or empty this decision",
        )
        for group in sheet.groups.values()
        for item in sorted(group.answered)
        if (one := sheet.filled.get(item)) is not None and one.decision.batch_id is None
    ]


def _shared_out(
    group: _Group,
    filled: Mapping[int, Filled],
    created: Mapping[str, float],
    recorded: Recorded,
) -> tuple[dict[int, Filled], Problem | None]:
    """The decisions about the items of a group that have no `filled` in decision of their own: one
    of the marked batches for each, the oldest first. Or what is wrong with the group."""
    first = next(iter(group.items.values()))
    others = (row for row in group.items.values() if _job_row(row) != _job_row(first))
    if other := next(others, group.odd):
        text = (
            f"the column group says that {other.text('item')} and {first.text('item')} are"
            " copies of one row, but they are not; correct it, or write the sheet again"
        )
        return {}, problem_in(other, text)
    found: dict[int, Filled] = {}
    own = {filled[item].decision.batch_id for item in group.items if item in filled}
    left: list[str] = []
    for batch_id, row in group.marked.items():
        owner = recorded.owner(batch_id)
        if owner in group.items and owner not in filled:
            seen = _seen(group.items[owner])
            found[owner] = Filled(Decision(owner, batch_id, seen), row, for_group=True)
        elif batch_id not in own:
            left.append(batch_id)
    left.sort(key=lambda batch_id: (created.get(batch_id, inf), batch_id))
    free = [item for item in sorted(group.items) if item not in filled and item not in found]
    free = [item for item in free if not recorded.is_closed(item)]
    if left and not free:
        text = (
            "this batch is marked as ours, but all copies of its group in this sheet are decided"
            " already; write the sheet again with --proposals"
        )
        return {}, problem_in(group.marked[left[-1]], text)
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
        found[item] = Filled(Decision(item, batch_id, seen), group.marked[batch_id], for_group=True)
    if group.rest_absent is not None:
        for item in free[len(left) :]:
            seen = _seen(group.items[item])
            found[item] = Filled(Decision(item, None, seen), group.rest_absent, for_group=True)
    return found, None


def _job_row(row: SheetRow) -> tuple[str, ...]:
    """What the copies of one row of the job have in common."""
    return tuple(row.text(column) for column in ("line", "source_batch_id", "name"))


def _seen(row: SheetRow) -> Seen:
    seen = Seen(*(row.text(column) for column in Seen._fields))
    return seen._replace(last_sent_at=row.time("last_sent_at"))


def _created(row: SheetRow) -> float:
    at = seconds(row.time("candidate_created_at"))
    return inf if at is None else at


def _is_for_group(row: SheetRow) -> bool:
    """Whether the decision in a row is about its whole group."""
    text = row.text("decision").casefold()
    return bool(row.text("group")) and (text in (OURS, REST_ABSENT) or len(_words(text)) > 1)


def _words(text: str) -> list[str]:
    """The words of a decision: ids may stand between spaces, line feeds, commas or semicolons."""
    return text.replace(",", " ").replace(";", " ").split()


def _accepted(rows: Iterable[SheetRow]) -> list[SheetRow]:
    """The rows, with each suggestion as the decision if neither its item nor a group of its item
    has one, in any sheet: a person may have copied a sheet, and answered in one of them."""
    given = list(rows)
    decided = {row.text("item") for row in given if row.text("decision")}
    answered = {(row.sheet, row.text("group")) for row in given if _is_for_group(row)}
    decided |= {row.text("item") for row in given if (row.sheet, row.text("group")) in answered}
    return [
        row._replace(cells={**row.cells, "decision": row.cells["suggestion"]})
        if row.text("suggestion") and row.text("item") not in decided
        else row
        for row in given
    ]


def has_columns(header: Iterable[str], columns: Iterable[str]) -> bool:
    """Whether a header has these columns."""
    return set(columns) <= {column_of(cell) for cell in header}


def column_of(cell: str) -> str:
    """The column that the cell of a header names."""
    return plain(cell).casefold()


def sheet_row(line: int, columns: Sequence[str], cells: Sequence[str], sheet: str) -> SheetRow:
    """A row that was read, below these columns. Cells that a short row lacks are empty."""
    extra = sum(bool(cell.strip()) for cell in cells[len(columns) :])
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    named = {column: cell for column, cell in zip(columns, padded, strict=False) if column}
    return SheetRow(line, named, sheet, extra)


def as_read(rows: Iterable[DecisionRow]) -> list[SheetRow]:
    """The rows of a sheet as they are read from a file."""
    return [
        SheetRow(line, {column: "" if cell is None else str(cell) for column, cell in row.items()})
        for line, row in enumerate(rows, start=2)
    ]


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


def _decided(row: SheetRow) -> Decision | _ForGroup | None:
    """What a row decides, about its item or about its group; None if it decides nothing. Raises
    ValueError, with what is wrong."""
    text, item, for_group = row.text("decision"), row.text("item"), _is_for_group(row)
    if row.extra:
        raise ValueError(
            "this row has more cells than the header; text with a delimiter needs quotes"
        )
    if not text:
        return None
    if not item:
        raise ValueError(
            "a decision without an item; fill in the column item, or empty the decision"
        )
    if not (number := _item_number(item)):
        raise ValueError(f"item: {quoted(item)} is not an item; write its number, such as #40")
    if text.casefold() == ABSENT:
        return Decision(number, None, _seen(row))
    if text.casefold() == REST_ABSENT:
        if not for_group:
            raise ValueError(f"decision: {REST_ABSENT} is for a group of copies; write {ABSENT}")
        return _ForGroup(rest_absent=True)
    if text.casefold() == OURS:
        batch_id = row.text("candidate_id").lower()
        if not BATCH_ID.fullmatch(batch_id):
            raise ValueError(f"decision: there is no candidate_id beside {OURS}; write the id")
        return _ForGroup((batch_id,)) if for_group else Decision(number, batch_id, _seen(row))
    if BATCH_ID.fullmatch(text):
        return Decision(number, text.lower(), _seen(row))
    if for_group and all(BATCH_ID.fullmatch(one) for one in _words(text)):
        return _ForGroup(tuple(_words(text.lower())))
    expected = EXPECTED_IN_GROUP if row.text("group") else EXPECTED
    why = why_error_value(text) or f"is not a decision; {expected}"
    raise ValueError(f"decision: {quoted(text)} {why}")
