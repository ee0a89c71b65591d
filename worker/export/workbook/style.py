"""How cells of a workbook look, and how a value is written by its type."""

from __future__ import annotations

import datetime as dt
from unicodedata import east_asian_width

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
"""Text and background color by status."""

LINE = 15
"""Height of a line in points."""

MAX_LINES = 27
"""Maximum number of lines that a row can show: it is at most 409 points high."""

_LONGEST_LINK = 2_000
"""Characters of an address that is a link: Excel allows 2,079."""

_A4 = 9  # in the numbers of paper sizes that workbooks use


class Style:
    """The formats of one workbook."""

    def __init__(self, book: Workbook) -> None:
        def cell(**properties: object) -> Format:
            return book.add_format({"valign": "top", **properties})

        self.header = cell(bold=True, bottom=1, bg_color="#F3F3F3")
        self.title = cell(bold=True, font_size=16)
        self.section = cell(bold=True, font_size=12, bottom=1)
        self.label = cell(font_color="#555555")
        self.wrapped = cell(text_wrap=True)
        self.command = cell(text_wrap=True, font_name="Courier New", font_size=9)
        self.step = cell(bold=True)
        self.plain = cell()
        self.to_fill_in = cell(bg_color="#FFF8DC", border=1, border_color="#C9B870")
        self.number = cell(align="left")
        self.link = cell(font_color="#0B5CAD", underline=1)
        self.count = cell(num_format="#,##0", align="left")
        self.time = cell(num_format='yyyy-mm-dd hh:mm:ss" UTC"', align="left")
        self.status: dict[str, Format] = {
            status: cell(font_color=text, bg_color=background, text_wrap=True)
            for status, (text, background) in _COLORS.items()
        }


def prepare_page(sheet: Worksheet, footer: str) -> None:
    """Print `sheet` on A4, landscape, one page wide, with `footer` and page numbers below."""
    sheet.set_paper(_A4)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.7)
    sheet.set_footer(f"&L{footer.replace('&', '&&')}&RPage &P of &N")


def line_count(text: str, width: int) -> int:
    """Number of lines, at most `MAX_LINES`, that `text` needs in a cell `width` characters wide.

    Set the height of a row by it, because some programs do not adjust heights. This is an estimate:
    widths are measured in digits, which are wider than most characters, so lines have room for the
    breaks between words. East Asian characters count twice."""
    if text.isascii() and "\n" not in text:  # nearly always, and fast
        return min(max(1, -(-len(text) // width)), MAX_LINES)
    lengths = (
        sum(2 if east_asian_width(char) in "WF" else 1 for char in line)
        for line in text.split("\n", MAX_LINES)
    )
    return min(sum(max(1, -(-length // width)) for length in lengths), MAX_LINES)


def put(
    sheet: Worksheet, style: Style, row: int, column: int, value: Cell, look: Format | None = None
) -> None:
    """Write a value by its type: text stays text, whatever it begins with."""
    match value:
        case None:
            done = sheet.write_blank(row, column, None, look)
        case int():
            done = sheet.write_number(row, column, value, look)
        case dt.datetime():
            done = sheet.write_datetime(row, column, value, look or style.time)
        case str() if value.startswith("<r>") and value.endswith("</r>"):
            # The library takes such text for its own markup, unless it comes in two pieces.
            pieces = (style.plain, value[:1], style.plain, value[1:])
            done = sheet.write_rich_string(row, column, *pieces, *([look] if look else []))
        case str():
            done = sheet.write_string(row, column, value, look)
    if done != 0:
        raise AssertionError(f"value does not fit in cell {row}, {column}: {done}")


def put_link(sheet: Worksheet, style: Style, row: int, column: int, address: str) -> None:
    """Write a web address as a link. One that is too long for a link is written as text."""
    if len(address) > _LONGEST_LINK:
        put(sheet, style, row, column, address)
    elif sheet.write_url(row, column, address, style.link) != 0:
        raise AssertionError(f"address does not fit in cell {row}, {column}")
