"""What a workbook's cells look like, and how one is put there by its type."""

from __future__ import annotations

import datetime as dt

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from worker.export.workbook.cells import Cell
from worker.model.records import Status

_COLORS = {
    Status.CREATED: ("#1E6B34", "#DFF2E3"),
    Status.FAILED: ("#9C1C1C", "#FBE1E1"),
    Status.UNKNOWN: ("#7A5200", "#FFF0CC"),
    Status.PENDING: ("#555555", "#EDEDED"),
}
"""A status's letters and ground."""


class Style:
    """The formats of one workbook."""

    def __init__(self, book: Workbook) -> None:
        self.header: Format = book.add_format({"bold": True, "bottom": 1, "bg_color": "#F3F3F3"})
        self.title: Format = book.add_format({"bold": True, "font_size": 16})
        self.section: Format = book.add_format({"bold": True, "font_size": 12, "bottom": 1})
        self.label: Format = book.add_format({"font_color": "#555555", "valign": "top"})
        self.wrapped: Format = book.add_format({"text_wrap": True, "valign": "top"})
        self.command: Format = book.add_format({"font_name": "Courier New", "valign": "top"})
        self.step: Format = book.add_format({"bold": True})
        self.plain: Format = book.add_format({"valign": "top"})
        self.count: Format = book.add_format(
            {"num_format": "#,##0", "align": "left", "valign": "top"}
        )
        self.time: Format = book.add_format(
            {"num_format": 'yyyy-mm-dd hh:mm:ss" UTC"', "align": "left"}
        )
        self.status: dict[str, Format] = {
            status: book.add_format({"font_color": letters, "bg_color": ground, "valign": "top"})
            for status, (letters, ground) in _COLORS.items()
        }


def put(
    sheet: Worksheet, style: Style, row: int, column: int, value: Cell, look: Format | None = None
) -> None:
    """Put a value in a cell, by its type: text is never anything else, whatever it begins with."""
    match value:
        case None:
            return
        case int():
            done = sheet.write_number(row, column, value, look)
        case dt.datetime():
            done = sheet.write_datetime(row, column, value, look or style.time)
        case str() if value.startswith("<r>") and value.endswith("</r>"):
            # The library takes such text for its own markup; in two pieces it does not.
            pieces = (style.plain, value[:1], style.plain, value[1:])
            done = sheet.write_rich_string(row, column, *pieces, *([look] if look else []))
        case str():
            done = sheet.write_string(row, column, value, look)
    if done != 0:
        raise AssertionError(f"cell {row}, {column} cannot hold its value: {done}")
