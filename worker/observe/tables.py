"""Ledger rows and campaigns as tables for a terminal.

Only what they look like: which rows, and in what order, is the caller's business. Everything in them comes
from outside, so no cell is read as markup, and nothing that steers a terminal gets through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.observe.text import Unbreakable, visible

_ID = 36
"""Characters of a UUID."""

_STYLES: Mapping[str, str] = {"created": "green", "failed": "red", "unknown": "yellow", "pending": "dim"}


def open_console(stream: TextIO, *, width: int | None = None, color: bool | None = None) -> Console:
    """A console on `stream`, `width` columns wide (`None`: as the window), in color or not (`None`: on a
    terminal).

    It never raises: where nobody reads any more, the rest is lost."""
    return Console(
        file=cast(Any, Unbreakable(stream)),
        width=width,
        force_terminal=color,
        no_color=None if color is None else not color,
        markup=False,
        highlight=False,
        emoji=False,
    )


def short_id(batch_id: str) -> str:
    """`batch_id` as one can recognise it and nobody can take it for whole: `0192a3b4…89ab`.

    Both ends, because ids made at one time begin alike."""
    return f"{batch_id[:8]}…{batch_id[-4:]}" if len(batch_id) > 13 else batch_id


def ledger_columns(width: int) -> tuple[str, ...]:
    """The columns of a ledger table in a window of `width` characters: the narrower, the fewer; none where a
    table cannot hold an id in full."""
    if width < 64:
        return ()
    columns = ["line", "copy", "status", "outcome"]
    if width >= 76:
        columns.insert(3, "name")
    if width >= 100:
        columns.insert(3, "source" if width < 140 else "source_batch_id")
    return tuple(columns)


def ledger_table(rows: Iterable[Mapping[str, object]], console: Console) -> None:
    """Print `rows` (mappings with the ledger file's columns) to `console`, as wide as its window.

    One column holds the new batch's id, in full, and what is wrong: seldom both. A window too narrow for a
    table gets a few lines for each row."""
    columns = ledger_columns(console.width)
    if not columns:
        for row in rows:
            _print_lines(row, console)
        return
    table = _table()
    for column in columns:
        match column:
            case "line" | "copy":
                table.add_column(column, justify="right", no_wrap=True)
            case "name":
                table.add_column(column, no_wrap=True, max_width=_name_width(console.width))
            case "outcome":
                table.add_column("new batch, or what is wrong", overflow="fold")
            case _:
                table.add_column(column.removesuffix("_batch_id"), no_wrap=True)
    for row in rows:
        table.add_row(*(_outcome(row) if name == "outcome" else _ledger_cell(row, name) for name in columns))
    console.print(table)


def _print_lines(row: Mapping[str, object], console: Console) -> None:
    place = f"{_text(row.get('line'))}.{_text(row.get('copy'))} "
    name = _cell(_text(row.get("name")))
    head = Text(place).append_text(_ledger_cell(row, "status")).append(" ").append_text(name)
    console.print(head, no_wrap=True, overflow="ellipsis")
    for part in (_text(row.get("new_batch_id")), _text(row.get("error"))):
        if part:
            # Wrapped by the terminal itself: what is copied from there is whole.
            console.print(Text(f"  {visible(part)}"), soft_wrap=True)


def _name_width(width: int) -> int:
    # What the other columns surely need: line, copy and status with their gaps, the id, the source.
    source = {"source": 15, "source_batch_id": _ID + 2}
    return max(8, min(40, width - 28 - _ID - 4 - sum(source.get(column, 0) for column in ledger_columns(width))))


def _ledger_cell(row: Mapping[str, object], column: str) -> Text:
    text = _text(row.get("source_batch_id" if column == "source" else column))
    match column:
        case "source":
            return _cell(short_id(text))
        case "status":
            return _cell(text, _STYLES.get(text, ""))
        case _:
            return _cell(text)


def _outcome(row: Mapping[str, object]) -> RenderableType:
    # What went wrong may take many lines: it may name ids, which must be there whole.
    error = Text(visible(_text(row.get("error"))), overflow="fold")
    return Group(*[part for part in (_cell(_text(row.get("new_batch_id"))), error) if part])


def campaign_table(
    campaigns: Sequence[Mapping[str, object]], runs: Sequence[Mapping[str, object]], console: Console
) -> None:
    """Print `campaigns` and their `runs` to `console`, each a table of the mappings' keys in their order."""
    for title, rows in (("campaigns", campaigns), ("runs", runs)):
        if not rows:
            console.print(f"no {title}")
            continue
        table = _table()
        for column in rows[0]:
            table.add_column(visible(column), no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*(_cell(_text(row.get(column))) for column in rows[0]))
        console.print(table)


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _cell(text: str, style: str = "") -> Text:
    """A cell on one line: cut with an ellipsis where it does not fit."""
    return Text(visible(text), style, no_wrap=True, overflow="ellipsis")
