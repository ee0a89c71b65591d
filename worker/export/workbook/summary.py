"""A workbook's first sheet: what was asked, what exists, what needs a person, and what to do about
it."""

from __future__ import annotations

from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from worker.export.content import About
from worker.export.digest import Digest
from worker.export.next_steps import CampaignState, steps
from worker.export.workbook.cells import Cell, fitting, moment
from worker.export.workbook.style import Style, put
from worker.ledger.views import Row
from worker.model.causes import Shortlist
from worker.model.records import STATUSES, Counts, Status
from worker.text import counted

_WIDTHS = (14, 24, 40, 90)
"""Characters of the columns."""

CHOICES = 5
"""So many rows that only a person can decide have their commands here."""

REHEARSAL = "A rehearsal in the sandbox: nothing of this is real."
GOING_ON = (
    "A run went on when this was written, and tries by itself: what follows holds if it died."
)
MORE_CHOICES = (
    "The others are decided likewise: a row's number is in its error, and so are its candidates."
)


def write_summary(sheet: Worksheet, style: Style, about: About, digest: Digest) -> None:
    """Fill the sheet from top to bottom."""
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width)
    sheet.hide_gridlines(2)
    page = _Page(sheet, style)
    page.line((headline(about, digest.counts), style.title))
    if about.sandbox:
        page.line((REHEARSAL, style.plain))
    _write_asked(page, about)
    _write_exists(page, digest.counts)
    _write_to_do(page, about, digest)
    page.section("About this file")
    for text in _ABOUT_THIS_FILE:
        page.line((text, style.plain))


_ABOUT_THIS_FILE = (
    (
        "The rows are in the sheet Ledger; what one sheet cannot hold goes on in Ledger 2 and so"
        " on. Times are UTC."
    ),
    (
        "The next run replaces this file whole. Keep notes in a copy, or in columns of the job that"
        " begin with x_."
    ),
    (
        "It is a picture of the database, which is what counts; a run only reads it to notice that"
        " the database was lost."
    ),
)


def headline(about: About, counts: Counts) -> str:
    """The first line: how it stands, or which rows these are."""
    if about.choice:
        return f"{about.campaign}: {counted(counts.total, 'row')}, {about.choice}"
    if counts.total == 0:
        return f"{about.campaign}: no rows"
    if counts.created == counts.total:
        return f"{about.campaign}: {counted(counts.total, 'duplicate')}, all created"
    return f"{about.campaign}: {counts.created:,} of {counted(counts.total, 'duplicate')} created"


def _write_asked(page: _Page, about: About) -> None:
    page.section("What was asked")
    for label, value in (
        ("job", str(about.job)),
        ("campaign", about.campaign),
        ("run", about.run_id),
        ("written", moment(about.written_at)),
        ("database", str(about.database)),
        ("rows", about.choice or "all that the job wants"),
    ):
        page.line((label, page.style.label), (value, None))


def _write_exists(page: _Page, counts: Counts) -> None:
    page.section("What exists")
    for status, means in STATUSES.items():
        look = page.style.status[status]
        page.line(
            (status.value, look),
            (getattr(counts, status), page.style.count),
            (means.replace("`", ""), None),
        )


def _write_to_do(page: _Page, about: About, digest: Digest) -> None:
    page.section("What needs a person")
    counts = digest.counts
    if about.going_on:
        page.line((GOING_ON, page.style.plain))
    todo = steps(CampaignState(counts, digest.undecided), about.commands)
    if not todo:
        page.line(("Nothing.", page.style.plain))
    for number, step in enumerate(todo, start=1):
        page.line((f"{number}. {step.title}", page.style.step))
        page.wrapped(f"{step.why} {step.text}".strip())
        if step.key == "decide":
            _write_choices(page, about, digest)
        else:
            for command in step.commands:
                if command.words:
                    page.line((None, None), (command.words, page.style.plain))
                page.line((None, None), (command.line, page.style.command))
        page.gap()
    if digest.reasons.shown:
        _write_why(page, digest.reasons)
    for status, rows in digest.first.items():
        if rows:
            page.section(f"The first rows that are {status}")
            page.line(
                *((title, page.style.header) for title in ("line.copy", "status", "name", "error"))
            )
        for row in rows:
            look = page.style.status[status]
            page.line(
                (_place(row), None), (status.value, look), (row["name"], None), (row["error"], None)
            )


def _write_why(page: _Page, reasons: Shortlist) -> None:
    page.section("Why")
    for reason, number in reasons.shown:
        page.line((number, page.style.count), (reason, None))
    if reasons.rest:
        page.line((None, None), (reasons.rest, page.style.plain))


def _write_choices(page: _Page, about: About, digest: Digest) -> None:
    """The commands that decide the first rows that have candidates; more rows are decided
    likewise."""
    for row in [row for row in digest.first[Status.UNKNOWN] if row["candidates"]][:CHOICES]:
        page.line((_place(row), page.style.status[Status.UNKNOWN]), (row["name"], page.style.plain))
        for number, batch_id in enumerate(row["candidates"]):
            it_is = "or it is" if number else "it is"
            page.line(
                (it_is, page.style.label),
                (about.commands.assign(row["item"], batch_id), page.style.command),
            )
        page.line(
            ("none of them", page.style.label),
            (about.commands.absent(row["item"]), page.style.command),
        )
    if digest.undecided > CHOICES:
        page.line((None, None), (MORE_CHOICES, page.style.plain))


def _place(row: Row) -> str:
    return f"{row['line']}.{row['copy']}" if row["line"] else f"#{row['item']}"


class _Page:
    """Writes lines one below the other."""

    def __init__(self, sheet: Worksheet, style: Style) -> None:
        self._sheet, self.style = sheet, style
        self._row = 0

    def section(self, title: str) -> None:
        """A heading, with space above."""
        self._row += 1
        self._sheet.set_row(self._row, 18, self.style.section)
        self.line((title, self.style.section))

    def line(self, *cells: tuple[Cell, Format | None]) -> None:
        """A line of cells, each with how it looks."""
        for column, (value, look) in enumerate(cells):
            put(
                self._sheet,
                self.style,
                self._row,
                column,
                fitting(value) if isinstance(value, str) else value,
                look,
            )
        self._row += 1

    def gap(self) -> None:
        """An empty line."""
        self._row += 1

    def wrapped(self, text: str) -> None:
        """Text in all columns but the first, and as many lines as it needs there."""
        lines = 1 + len(text) // sum(_WIDTHS[1:])
        self._sheet.set_row(self._row, 15 * lines)
        self._sheet.merge_range(self._row, 1, self._row, len(_WIDTHS) - 1, text, self.style.wrapped)
        self._row += 1
