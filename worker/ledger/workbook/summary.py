"""A workbook's first sheet: what was asked, what exists, what needs a person, and what to do about it."""

from __future__ import annotations

from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from worker.ledger.content import About
from worker.ledger.digest import Digest
from worker.ledger.records import STATUSES, Counts, Status
from worker.ledger.workbook.cells import Cell, fitting, moment
from worker.ledger.workbook.style import Style, put
from worker.observe.summary import NEXT
from worker.observe.text import counted, shell_command, shell_word

_WIDTHS = (14, 24, 40, 90)
"""Characters of the columns."""


def write_summary(sheet: Worksheet, style: Style, about: About, digest: Digest) -> None:
    """Fill the sheet from top to bottom."""
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width)
    sheet.hide_gridlines(2)
    page = _Page(sheet, style)
    page.line((headline(about, digest.counts), style.title))
    _write_asked(page, about)
    _write_exists(page, digest.counts)
    _write_to_do(page, about, digest)
    page.section("About this file")
    for text in _ABOUT_THIS_FILE:
        page.line((text, style.plain))


_ABOUT_THIS_FILE = (
    "The rows are in the sheet Ledger; what one sheet cannot hold goes on in Ledger 2 and so on. Times are UTC.",
    "The next run replaces this file whole. Keep notes in a copy, or in columns of the job that begin with x_.",
    "It is a picture of the database, which is what counts; a run only reads it to notice that the database was lost.",
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


def advice(about: About, counts: Counts) -> list[tuple[Status, str]]:
    """What needs a person, by status, and what to do about it, in the order in which to act."""
    run = f"duplicate-batches run {shell_word(about.job)}"
    # Without the run's own options and date a command could want other duplicates than these, and make them.
    options = "with the options of that run (on another day also its --date, where names or campaign hold {date})"
    words = {"command": f"{run}, {options}.", "retry": f"{run} --retry-failed, {options},"}
    situations = ((Status.UNKNOWN, "unknown"), (Status.FAILED, "failed"), (Status.PENDING, "goes_on"))
    return [
        (status, NEXT[key].format(**words).replace("`", "")) for status, key in situations if getattr(counts, status)
    ]


def commands(about: About, status: Status) -> list[str]:
    """What to type about the rows of this status. They name the campaign and the database, so that they mean the same
    in any folder. A run is not among them: only with all its options would it want the same duplicates."""
    which = [about.job, "--campaign", about.campaign, "--database", about.database]
    if about.sandbox:
        which.append("--sandbox")
    look = ["duplicate-batches", "ledger", *which, "--status", status]
    settle = ["duplicate-batches", "settle", *which]
    match status:
        case Status.UNKNOWN:
            decide = ([*settle, "--assign", "LINE.COPY=BATCH_ID"], [*settle, "--absent", "LINE.COPY"])
            return [shell_command(one) for one in (settle, *decide)]
        case Status.FAILED:
            return [shell_command(look)]
    return []


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
        page.line((status.value, look), (getattr(counts, status), page.style.count), (means.replace("`", ""), None))


def _write_to_do(page: _Page, about: About, digest: Digest) -> None:
    page.section("What needs a person")
    todo = advice(about, digest.counts)
    if not todo:
        page.line(("Nothing.", page.style.plain))
    for status, text in todo:
        page.wrapped((status.value, page.style.status[status]), text)
        for command in commands(about, status):
            page.line((None, None), (command, page.style.command))
    if digest.reasons:
        page.section("Why")
        for reason, number in digest.reasons:
            page.line((number, page.style.count), (reason, None))
    for status, rows in digest.first.items():
        if rows:
            page.section(f"The first rows that are {status}")
            page.line(*((title, page.style.header) for title in ("line.copy", "status", "name", "error")))
        for row in rows:
            place = f"{row['line']}.{row['copy']}" if row["line"] else f"#{row['item']}"
            look = page.style.status[status]
            page.line((place, None), (status.value, look), (row["name"], None), (row["error"], None))


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
            put(self._sheet, self.style, self._row, column, fitting(value) if isinstance(value, str) else value, look)
        self._row += 1

    def wrapped(self, head: tuple[Cell, Format], text: str) -> None:
        """A line whose text takes the other columns, and as many lines as it needs there."""
        put(self._sheet, self.style, self._row, 0, *head)
        lines = 1 + len(text) // sum(_WIDTHS[1:])
        self._sheet.set_row(self._row, 15 * lines)
        self._sheet.merge_range(self._row, 1, self._row, len(_WIDTHS) - 1, text, self.style.wrapped)
        self._row += 1
