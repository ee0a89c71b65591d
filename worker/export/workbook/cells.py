"""A value as a cell of a workbook, and back again as the text that the CSV would have. Pure; no
library here."""

from __future__ import annotations

import datetime as dt
import re

from worker.export.content import SHORTENED, one_line_feed
from worker.model.clock import iso

NUMBERS = frozenset({"line", "copy", "attempts", "http_status"})
"""The columns that hold numbers."""

TIMES = frozenset({"created_at", "first_sent_at", "last_sent_at"})
"""The columns that hold times."""

MAX_TEXT = 32_767
"""How much text a cell holds, in UTF-16 units, as spreadsheets count."""

_NOT_IN_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")

Cell = str | int | dt.datetime | None
"""A cell's value; None is an empty one. Times are in UTC, without a zone, as workbooks have
them."""


def to_cell(column: str, value: object) -> Cell:
    """What a row's `value` is in this column. Text stays text, whatever it looks like."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return (
            "true" if value else "false"
        )  # programs show their own booleans as 0, or in their own language
    if column in NUMBERS and isinstance(value, int):
        return value
    text = str(value)
    return (moment(text) if column in TIMES else None) or fitting(text)


def moment(text: str) -> dt.datetime | None:
    """An ISO 8601 time as a workbook can hold it: in UTC, to the millisecond. None where it names
    no zone, is no time or is before 1900: that stays text."""
    try:
        there = dt.datetime.fromisoformat(text)
        if there.tzinfo is None:
            return None
        there = there.astimezone(dt.UTC).replace(tzinfo=None)
    except (
        ValueError,
        OverflowError,
    ):  # the latter for times that a zone moves out of the calendar
        return None
    return (
        there.replace(microsecond=there.microsecond // 1000 * 1000) if there.year > 1900 else None
    )


def fitting(text: str) -> str:
    """Text as a cell can hold it: what is longer is cut, and says so; what no workbook can hold
    shows as `�`."""
    if len(text) <= MAX_TEXT and text.isascii() and "\r" not in text:  # nearly always, and fast
        return text
    text = _NOT_IN_XML.sub("\ufffd", one_line_feed(text))
    if _units(text) <= MAX_TEXT:
        return text
    kept = text.encode("utf-16-le")[: 2 * (MAX_TEXT - _units(SHORTENED))].decode(
        "utf-16-le", "ignore"
    )
    return kept + SHORTENED


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def to_text(value: object) -> str:
    """What a cell that was read holds, as the CSV writes it. A spreadsheet program may have made a
    whole number a decimal one."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case dt.datetime():
            # Days as decimal fractions miss the millisecond by less than one.
            near = value.replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=500)
            return iso(near)
        case dt.date():
            return iso(dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC))
    return str(value)
