"""Ledger rows and campaigns as tables for a terminal.

The caller decides which rows, and in what order. All cells come from outside, so none is read as
markup, and control characters are escaped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from worker.model.clock import seconds
from worker.model.row_position import row_position
from worker.text import Unbreakable, human_duration, verb, visible

WIDE = 200
"""Characters of a table that no window shows."""

_ID = 36
"""Characters of a UUID."""

_STYLES: Mapping[str, str] = {
    "created": "green",
    "failed": "red",
    "unknown": "yellow",
    "pending": "dim",
}


def open_console(stream: TextIO, *, width: int | None = None, color: bool | None = None) -> Console:
    """A console on `stream`, `width` characters wide (None: as the window, or `WIDE` if there is
    none), with `color` or without (None: with color on a terminal).

    It never raises: if the reader ends, the rest of the output is lost."""
    if width is None and not stream.isatty() and "COLUMNS" not in os.environ:
        width = WIDE
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
    """`batch_id` visibly shortened to both ends, because ids created at one time begin alike:
    `0192a3b4…89ab`."""
    return f"{batch_id[:8]}…{batch_id[-4:]}" if len(batch_id) > 13 else batch_id


def ledger_columns(width: int) -> tuple[str, ...]:
    """The columns of a ledger table in a window of `width` characters: fewer in a narrow one, none
    if a whole id does not fit."""
    if width < 64:
        return ()
    columns = ["line", "copy", "status", "outcome"]
    if width >= 76:
        columns.insert(3, "name")
    if width >= 100:
        columns.insert(3, "source" if width < 140 else "source_batch_id")
    return tuple(columns)


def ledger_table(rows: Iterable[Mapping[str, object]], console: Console) -> None:
    """Print `rows` (from `ledger.rows.ledger_rows`) to `console`, as wide as its window.

    The status of a row that is to be set up names its setup's, too. One column contains the new
    batch's whole id, or what is wrong. If the window is too narrow for a table, each row becomes a
    few lines. Rows are printed in parts as they come; the first part decides the widths of the
    columns."""
    columns = ledger_columns(console.width)
    if not columns:
        for row in rows:
            _print_lines(row, console)
        return
    rows = iter(rows)
    part = list(islice(rows, _AT_A_TIME))
    if not part:
        console.print("no rows")
        return
    widths = _widths(columns, part, console.width)
    head = True
    while part:
        table = _table(head=head)
        for column in columns:
            title = (
                "new batch, or what is wrong"
                if column == "outcome"
                else column.removesuffix("_batch_id")
            )
            right: JustifyMethod = "right" if column in ("line", "copy") else "left"
            table.add_column(
                title,
                width=widths[column],
                justify=right,
                no_wrap=column != "outcome",
                overflow="fold",
            )
        for row in part:
            table.add_row(
                *(
                    _outcome(row) if name == "outcome" else _ledger_cell(row, name)
                    for name in columns
                )
            )
        console.print(table)
        head, part = False, list(islice(rows, _AT_A_TIME))


_AT_A_TIME = 500
"""Rows that are laid out together. More rows take more memory and delay the first output."""

_NARROW = {"line": 4, "copy": 4, "status": 7}
"""Minimum widths of the columns of short values: a later row may need more than the first rows."""

_GAP = 2


def _widths(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], window: int
) -> dict[str, int]:
    """The width of each column in characters. Name and outcome share the space that the narrow
    columns and the ids leave; the name takes only what it needs."""
    widths = {"source": 13, "source_batch_id": _ID}
    for column, least in _NARROW.items():
        widths[column] = max(least, *(len(_cell_text(row, column)) for row in rows))
    if len(rows) == _AT_A_TIME:  # more rows may follow, with higher numbers
        widths |= {"line": max(widths["line"], 7), "copy": max(widths["copy"], 5)}
    taken = {column: widths[column] for column in columns if column in widths}
    left = window - sum(taken.values()) - _GAP * (len(columns) - 1)
    if "name" in columns:
        needed = max(4, *(cell_len(visible(_text(row.get("name")))) for row in rows))
        taken["name"] = min(needed, max(8, min(40, left - _ID - _GAP)))
        left -= taken["name"]
    return taken | {"outcome": max(_ID, left)}


def _print_lines(row: Mapping[str, object], console: Console) -> None:
    line = row.get("line")
    of = row_position(line, row.get("copy"), row.get("copies")) if line else f"#{row.get('item')}"
    name = _cell(_text(row.get("name")))
    head = Text(f"{of}: ").append_text(_ledger_cell(row, "status")).append(" ").append_text(name)
    console.print(head, no_wrap=True, overflow="ellipsis")
    for part in map(_text, map(row.get, ("new_batch_id", "error", "warning"))):
        if part:
            # The terminal wraps these lines, so that copied text is whole.
            console.print(Text(f"  {visible(part)}"), soft_wrap=True)


def _ledger_cell(row: Mapping[str, object], column: str) -> Text:
    text, style = _cell_text(row, column), ""
    if column == "status":
        styles = (_STYLES.get(_text(row.get(key))) for key in ("setup_status", "status"))
        style = next(filter(None, styles), "")
    return _cell(text, style)


def _cell_text(row: Mapping[str, object], column: str) -> str:
    match column:
        case "source":
            return short_id(_text(row.get("source_batch_id")))
        case "status":
            statuses = (_text(row.get(key)) for key in ("status", "setup_status"))
            return ", ".join(filter(None, statuses))
        case _:
            return _text(row.get(column))


def _outcome(row: Mapping[str, object]) -> RenderableType:
    # An error may take many lines, because the ids in it must be whole.
    error = Text(visible(_text(row.get("error"))), overflow="fold")
    warning = Text(_text(row.get("warning")), _STYLES["unknown"])
    parts = (_cell(_text(row.get("new_batch_id"))), error, warning)
    return Group(*[part for part in parts if part])


def campaign_tables(
    campaigns: Sequence[Mapping[str, object]],
    runs: Sequence[Mapping[str, object]],
    console: Console,
) -> None:
    """Print `campaigns` and their `runs` (as `ledger.views` gives them, the latest last) to
    `console`. A wide window shows more columns."""
    if runs:  # a later run held the lock, so these have ended
        earlier = [{**run, "crashed": run["ended_at"] is None} for run in runs[:-1]]
        runs = [*earlier, runs[-1]]
    _print_table("campaigns", _CAMPAIGN, campaigns, console)
    console.print()
    _print_table("runs", _RUN, runs, console)
    if runs:
        console.print("Times are UTC.", style="dim")


def _took(run: Mapping[str, object]) -> str:
    began, ended = seconds(_text(run["started_at"])), seconds(_text(run["ended_at"]))
    return "" if began is None or ended is None else human_duration(ended - began)


def _end(run: Mapping[str, object]) -> str:
    """How a run ended, if it has."""
    if run["ended_at"] is None:
        how = "crashed" if run.get("crashed") else "running or crashed"
        return f"{how}: process {run['pid']} on {run['host']}"
    return (
        f"stopped: {run['stopped_by']}"
        if run["stopped_by"]
        else f"finished, exit {_text(run['exit_code'])}"
    )


def _when(value: object) -> str:
    return _text(value)[:16].replace("T", " ")


class _Column(NamedTuple):
    """A column of campaigns or runs: its title, its text, the minimum width of the `window` that
    shows it; `right` if it is aligned right; `whole` if it is never wrapped."""

    title: str
    text: Callable[[Mapping[str, object]], str]
    window: int = 0
    right: bool = False
    whole: bool = False


def _number(key: str, window: int = 0) -> _Column:
    return _Column(key, lambda row: f"{int(_text(row[key])):,}", window, right=True)


def _of_ended(key: str, window: int) -> _Column:
    """A number that is known once a run has ended."""
    number = _number(key, window)
    return number._replace(text=lambda row: "" if row["ended_at"] is None else number.text(row))


_CAMPAIGN = (
    _Column("campaign", lambda row: _text(row["campaign"])),
    _number("items", 70),
    _number("created"),
    _number("failed"),
    _number("unknown"),
    _number("pending"),
    _Column("since", lambda row: _when(row["created_at"]), 90),
)

_RUN = (
    _Column("run", lambda row: _text(row["run_id"]), whole=True),
    _Column("campaign", lambda row: _text(row["campaign"]), 60),
    _Column("what", lambda row: _text(row["kind"]), 80),
    _Column("started", lambda row: _when(row["started_at"]), 80),
    _Column("took", _took, 90),
    _number("created"), _of_ended("requests", 100), _of_ended("throttled", 120),
    _Column("ended", _end),
)  # fmt: skip


_BATCH = (
    _Column("batch", lambda row: _text(row["batch_id"]), whole=True),
    _Column("name", lambda row: _text(row["name"])),
    _Column("status", lambda row: _text(row["status"]), 70),
    _Column("created", lambda row: _when(row["created_at"]), 100),
)


def batch_table(
    workspace: object, batches: Sequence[Mapping[str, object]], console: Console
) -> None:
    """Print the `batches` of a workspace (as `export.batch_list` gives them) to `console`."""
    _print_table("batches", _BATCH, batches, console)
    count = f"{len(batches):,} {verb(len(batches), 'batch', 'batches')}"
    console.print(visible(f"{count} in workspace {workspace}"), style="dim")


def _print_table(
    title: str, columns: Sequence[_Column], rows: Sequence[Mapping[str, object]], console: Console
) -> None:
    if not rows:
        console.print(f"no {title}")
        return
    table = _table()
    shown = [column for column in columns if console.width >= column.window]
    for column in shown:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=column.right or column.whole,
        )
    for row in rows:
        table.add_row(*(Text(visible(column.text(row)), overflow="fold") for column in shown))
    console.print(table)


def _table(*, head: bool = True) -> Table:
    return Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        show_edge=False,
        show_header=head,
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _cell(text: str, style: str = "") -> Text:
    """A cell on one line: cut with an ellipsis if it does not fit."""
    return Text(visible(text), style, no_wrap=True, overflow="ellipsis")
