"""Lays out a sheet of text from top to bottom. Nothing here knows what the text means."""

from __future__ import annotations

from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from worker.export.workbook.cells import Cell, cell_text
from worker.export.workbook.style import LINE, Style, line_count, put

_WIDTHS = (28, 36, 84)
"""Width of each column in characters; together as wide as A4 at full size."""


class Page:
    """Writes lines, one below the other."""

    def __init__(self, sheet: Worksheet, style: Style) -> None:
        self._sheet, self.style = sheet, style
        self._row = 0
        for column, width in enumerate(_WIDTHS):
            sheet.set_column(column, column, width)
        sheet.hide_gridlines(2)

    def title(self, text: str) -> None:
        """The title of the sheet."""
        self._sheet.set_row(self._row, 1.5 * LINE)
        self._put(0, text, self.style.title)
        self._row += 1

    def section(self, title: str) -> None:
        """A heading, with space above."""
        self._row += 1
        self._sheet.set_row(self._row, 1.2 * LINE)
        for column, text in enumerate((title, None, None)):
            self._put(column, text, self.style.section)
        self._row += 1

    def line(self, *cells: tuple[Cell, Format | None]) -> None:
        """A line of cells, each with its format."""
        texts = zip(cells, _WIDTHS, strict=False)
        self._set_height(max(line_count(str(value), width) for (value, _), width in texts))
        for column, (value, look) in enumerate(cells):
            self._put(column, value, look)
        self._row += 1

    def text(
        self, text: str, look: Format | None = None, *, column: int = 1, label: Cell = None
    ) -> None:
        """Text from `column` to the last one, in as many lines as it needs, after a `label`."""
        look, last = look or self.style.wrapped, len(_WIDTHS) - 1
        self._set_height(line_count(text, sum(_WIDTHS[column:])))
        self._put(0, label, self.style.count if isinstance(label, int) else self.style.label)
        self._sheet.merge_range(self._row, column, self._row, last, "", look)
        self._put(column, text, look)
        self._row += 1

    def gap(self) -> None:
        """An empty line."""
        self._row += 1

    def end(self) -> None:
        """Call this last: only the lines that were written are printed."""
        self._sheet.print_area(0, 0, self._row - 1, len(_WIDTHS) - 1)

    def _set_height(self, lines: int) -> None:
        if lines > 1:
            self._sheet.set_row(self._row, LINE * lines)

    def _put(self, column: int, value: Cell, look: Format | None) -> None:
        value = cell_text(value) if isinstance(value, str) else value
        put(self._sheet, self.style, self._row, column, value, look)
