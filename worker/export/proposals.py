"""The sheet in which people decide about unknown duplicates: its columns, its rows, and what a
filled in one says. Pure; `decision_sheet` writes and reads the files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from worker.export.evidence import has_equal, speaks_against, speaks_for, suggested
from worker.ledger.decisions import Decision, Seen
from worker.ledger.proposals import Found, Undecided
from worker.ledger.views import Row
from worker.model.batch_id import BATCH_ID
from worker.model.error_values import why_error_value
from worker.model.errors import Problem
from worker.model.names import shown
from worker.text import joined

COLUMNS = (
    "item",
    "line",
    "copy",
    "source_batch_id",
    "source_name",
    "name",
    "why_unknown",
    "last_sent_at",
    "candidate_id",
    "candidate_url",
    "candidate_name",
    "candidate_created_at",
    "candidate_status",
    "for",
    "against",
    "suggestion",
    "suggestion_reason",
    "decision",
    "attempts",
    "campaign",
)
"""The columns of the sheet, in order."""

FIRST_COLUMNS = tuple(column for column in COLUMNS if column != "candidate_url")
"""The columns that the sheets of every version have."""

NEEDED = ("item", "decision")
"""The columns that are needed to read decisions."""

ABSENT = "absent"
"""The decision that the duplicate was not created."""

NAMED = 3
"""How many duplicates with the same candidate a problem names."""

EXPECTED = f"write the id of the batch that is the copy, {ABSENT}, or nothing"


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


def sheet_rows(
    some: Iterable[Undecided], campaign: str, batch_url: str | None = None
) -> Iterator[Row]:
    """The rows of the sheet: one for each unknown duplicate and candidate. `some` are in the job's
    order; `batch_url` is the address of a batch, with {id} in place of its id."""
    for _, rows in rows_by_item(some, campaign, batch_url):
        yield from rows


def rows_by_item(
    some: Iterable[Undecided], campaign: str, batch_url: str | None = None
) -> Iterator[tuple[Undecided, list[Row]]]:
    """The rows of the sheet about each of these duplicates, as `sheet_rows` has them."""
    for one, best in suggested(some):
        about: Row = {
            "item": f"#{one.item}",
            "line": one.line,
            "copy": one.copy,
            "source_batch_id": one.source_id,
            "source_name": one.source_name,
            "name": one.name,
            "why_unknown": _why(one),
            "last_sent_at": one.last_sent_at,
            "attempts": one.attempts,
            "campaign": campaign,
            "decision": None,
        }
        rows: list[Row] = []
        for found in one.found:
            is_best = best.batch_id in (found.batch_id, None)
            row = {
                **about,
                "candidate_id": found.batch_id,
                "candidate_url": batch_link(batch_url, found.batch_id),
                "candidate_name": found.name,
                "candidate_created_at": found.created_at,
                "candidate_status": found.status,
                "for": speaks_for(found, one.last_sent_at),
                "against": _against(one, found),
                "suggestion": best.batch_id if is_best else None,
                "suggestion_reason": (best.reason or None) if is_best else None,
            }
            rows.append(row)
        yield one, rows or [{column: about.get(column) for column in COLUMNS}]


def batch_link(template: str | None, batch_id: str) -> str | None:
    """The address of a batch; None if batches are not linked."""
    return None if template is None else template.replace("{id}", quote(batch_id, safe=""))


def _against(one: Undecided, found: Found) -> str:
    return speaks_against(found, one.last_sent_at, has_equal=has_equal(found, one.found))


def _why(one: Undecided) -> str:
    more = f" ({one.hidden:,} more candidates are not in this sheet)" if one.hidden else ""
    return f"{one.cause}{more}"


def filled_in(
    rows: Iterable[SheetRow], *, accept: bool = False
) -> tuple[list[Filled], list[Problem]]:
    """The decisions in these rows, and what is wrong with others. Rows without a decision say
    nothing. With `accept`, a suggestion is the decision about an item that has none."""
    if accept:
        rows = _accepted(rows)
    filled: dict[int, Filled] = {}
    problems: list[Problem] = []
    candidates: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        cells = {column: plain(cell) for column, cell in row.cells.items()}
        text = cells.get("decision", "")
        candidates[cells.get("candidate_id", "").lower()].add(cells.get("item", ""))
        item, batch_id, problem = _decision(cells.get("item", ""), text, row)
        if problem:
            problems.append(problem_in(row, problem))
        elif text and (before := filled.get(item)) is not None:
            where = f"line {before.row.line}"
            if before.row.sheet != row.sheet:
                where += f" of sheet {before.row.sheet}"
            again = f"#{item} has a decision in {where} too; keep one of the two"
            problems.append(problem_in(row, again))
        elif text:
            seen = Seen(*(cells.get(column, "") for column in Seen._fields))
            filled[item] = Filled(Decision(item, batch_id, seen), row)
    fitting: list[Filled] = []
    for one in filled.values():
        others = candidates.get(one.decision.batch_id or "", set())
        if others and f"#{one.decision.item}" not in others:
            wrong = (
                f"{one.decision.batch_id} is a candidate of {joined(sorted(others)[:NAMED])}, not"
            )
            wrong += f" of #{one.decision.item}; if it is its copy all the same, use --assign"
            problems.append(problem_in(one.row, wrong))
        else:
            fitting.append(one)
    return fitting, problems


def _accepted(rows: Iterable[SheetRow]) -> list[SheetRow]:
    """The rows, with each suggestion as the decision if its item has none."""
    some = list(rows)
    decided = {plain(row.cells.get("item", "")) for row in some if _text(row, "decision")}
    return [
        row._replace(cells={**row.cells, "decision": row.cells["suggestion"]})
        if _text(row, "suggestion") and _text(row, "item") not in decided
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


def _decision(item: str, text: str, row: SheetRow) -> tuple[int, str | None, str]:
    """The item, the batch (None: absent), and what is wrong (empty: nothing)."""
    if row.extra:
        return (
            0,
            None,
            "this row has more cells than the header; text with a delimiter needs quotes",
        )
    if not text:
        return 0, None, ""
    number = item.removeprefix("#")
    if not item:
        return 0, None, "a decision without an item; fill in the column item, or empty the decision"
    if not (item.startswith("#") and number.isascii() and number.isdigit() and len(number) < 19):
        return 0, None, f"item: {shown(item)} is not an item; write its number, such as #40"
    if text.casefold() == ABSENT:
        return int(number), None, ""
    if BATCH_ID.fullmatch(text):
        return int(number), text.lower(), ""
    why = why_error_value(text) or f"is not a decision; {EXPECTED}"
    return int(number), None, f"decision: {shown(text)} {why}"
