"""Converts values to cells of a workbook, and cells back to the text of the CSV. Pure; uses no
library."""

from __future__ import annotations

import datetime as dt
import re

from worker.export.content import SHORTENED, one_line_feed
from worker.model.clock import iso

NUMBER_COLUMNS = frozenset({"line", "copy", "attempts", "http_status", "tasks_per_group"})
"""Columns that contain numbers."""

TIME_COLUMNS = frozenset({"created_at", "first_sent_at", "last_sent_at"})
"""Columns that contain times."""

MAX_TEXT = 32_767
"""Maximum length of a cell's text in UTF-16 units, as spreadsheets count."""

_NOT_IN_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")

Cell = str | int | dt.datetime | None
"""A cell's value; None if the cell is empty. Times are in UTC, without a zone, as in workbooks."""


def to_cell(column: str, value: object) -> Cell:
    """The cell for a row's `value` in `column`. Text stays text, whatever it looks like."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        # Programs show their own booleans as 0, or in their own language.
        return "true" if value else "false"
    if column in NUMBER_COLUMNS and isinstance(value, int):
        return value
    text = str(value)
    return (to_datetime(text) if column in TIME_COLUMNS else None) or cell_text(text)


def to_datetime(text: str) -> dt.datetime | None:
    """An ISO 8601 time as a workbook stores it: in UTC, to the millisecond. None if it has no zone,
    is before 1900 or is not a time; write such a value as text."""
    try:
        time = dt.datetime.fromisoformat(text)
        if time.tzinfo is None:
            return None
        time = time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # OverflowError: its zone moves it out of the calendar
        return None
    return time.replace(microsecond=time.microsecond // 1000 * 1000) if time.year > 1900 else None


def cell_text(text: str) -> str:
    """`text` as a cell can store it: longer text is cut and ends with `SHORTENED`; characters that
    no workbook can contain become `�`."""
    if len(text) <= MAX_TEXT and text.isascii() and "\r" not in text:  # nearly always, and fast
        return text
    text = _NOT_IN_XML.sub("\ufffd", one_line_feed(text))
    if _units(text) <= MAX_TEXT:
        return text
    limit = 2 * (MAX_TEXT - _units(SHORTENED))
    return text.encode("utf-16-le")[:limit].decode("utf-16-le", "ignore") + SHORTENED


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def to_text(value: object) -> str:
    """The value of a cell as the CSV writes it. A spreadsheet program may have saved a whole number
    as a decimal one."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case dt.datetime():
            # Workbooks store times as fractions of a day, which are off by less than 1 ms.
            near = value.replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=500)
            return iso(near)
        case dt.date():
            return iso(dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC))
    return str(value)
