"""The first sheet of a workbook: what was requested, what exists, what to do next and why."""

from __future__ import annotations

from xlsxwriter.worksheet import Worksheet

from worker.export.content import About
from worker.export.digest import Digest
from worker.export.next_steps import CampaignState, steps
from worker.export.workbook.cells import to_datetime
from worker.export.workbook.page import Page
from worker.export.workbook.style import Style
from worker.ledger.rows import LedgerRow
from worker.model.causes import Shortlist
from worker.model.differences import differ
from worker.model.records import STATUSES, Counts, Status
from worker.model.row_position import row_position
from worker.text import counted, shell_command

REHEARSAL = "Rehearsal in the sandbox: none of these batches is real."
ACTIVE = (
    "A run was active when this file was written. It continues by itself: follow these steps only"
    " if it crashed."
)
CHOSEN = (
    "This file has chosen rows only. The report says what to do next for the whole campaign; this"
    " command writes it:"
)
SHEET = (
    "Decide in the sheet Decisions: fill in its column decision with the id of the batch that is"
    " the copy, or absent. Leave it empty if you do not know. Save this file, and run this command"
    " before the next run, which replaces the file:"
)
OPTIONS = "Or run this command with one option for each duplicate that you have decided on:"
MORE_OPTIONS = (
    "Decide on the others in the same way: in the sheet Ledger, the error of each names its number"
    " (#N) and its candidates."
)
_ABOUT_THIS_FILE = (
    "The rows are in the sheet Ledger; if they do not fit, they continue in Ledger 2 and so on."
    " Times are in UTC.",
    "Some columns are folded. To show and print them, click the + above the columns.",
    "The next run replaces this file. Keep notes in a copy, or in columns of the job file that"
    " begin with x_.",
    "This file is generated from the database, which is the source of truth. It is only read to"
    " detect or restore a lost database.",
)


def write_summary(sheet: Worksheet, style: Style, about: About, digest: Digest) -> None:
    """Fill the sheet from top to bottom."""
    page = Page(sheet, style)
    page.title(f"Ledger of campaign {about.campaign}")
    page.text(headline(about, digest.counts), style.step, column=0)
    if about.sandbox:
        page.text(REHEARSAL, column=0)
    _write_job(page, about)
    _write_counts(page, digest.counts)
    if digest.warnings:
        created = digest.counts.created
        page.text(f"{differ(digest.warnings, created)}: see column warning.", column=0)
    _write_steps(page, about, digest)
    _write_reasons(page, digest.reasons)
    for status, rows in digest.first.items():
        _write_rows(page, status, rows, getattr(digest.counts, status))
    page.section("About this file")
    for text in _ABOUT_THIS_FILE:
        page.text(text, column=0)
    page.end()


def headline(about: About, counts: Counts) -> str:
    """How many duplicates are created, or which rows were chosen; and when that was."""
    if about.choice:
        state = f"{counted(counts.total, 'row')}: {about.choice}"
    elif counts.total:
        state = f"{counts.created:,} of {counted(counts.total, 'duplicate')} created"
    else:
        state = "No rows"
    return f"{state} ({about.written_at[:16].replace('T', ' ')} UTC)"


def _write_job(page: Page, about: About) -> None:
    page.section("Job")
    for label, value in (
        ("job file", str(about.job)),
        ("campaign", about.campaign),
        ("latest run", about.run_id),
    ):
        page.text(value, label=label)
    page.line(("written", page.style.label), (to_datetime(about.written_at), None))
    page.text(str(about.database), label="database")
    page.text(about.choice or "every duplicate in the job", label="rows")


def _write_counts(page: Page, counts: Counts) -> None:
    page.section("Duplicates by status")
    for status, meaning in STATUSES.items():
        page.line(
            (status.value, page.style.status[status]),
            (getattr(counts, status), page.style.count),
            (meaning.replace("`", ""), page.style.wrapped),
        )


def _write_steps(page: Page, about: About, digest: Digest) -> None:
    page.section("What to do next")
    if about.choice:  # the rows are counted, and these are not the duplicates in the job
        page.text(CHOSEN, column=0)
        page.text(about.commands.report(), page.style.command)
        return
    if about.active:
        page.text(ACTIVE, column=0)
    setups = digest.setups
    state = CampaignState(digest.counts, digest.undecided, setups=setups, to_set_up=setups.open)
    todo = steps(state, about.commands)
    if not todo:
        page.text("Nothing.", column=0)
    for number, step in enumerate(todo, start=1):
        page.text(f"{number}. {step.title}", page.style.step, column=0)
        page.text(f"{step.why} {step.text}".strip())
        if step.key == "decide":
            _write_options(page, about, digest)
        else:
            for command in step.commands:
                if command.purpose:
                    page.text(command.purpose)
                page.text(command.line, page.style.command)
        page.gap()


def _write_options(page: Page, about: About, digest: Digest) -> None:
    """The command that records decisions, and its options for the first undecided duplicates."""
    rows, style = digest.first_undecided, page.style
    if about.file is not None and not about.active:
        page.text(SHEET)
        page.text(about.commands.settle("--decisions", str(about.file)), style.command)
    page.text(OPTIONS)
    page.text(about.commands.settle(), style.command)
    page.line(*((title, style.header) for title in ("duplicate", "name", "option")))
    for row in rows:
        options = [
            shell_command(["--assign", f"#{row['item']}={one}"]) for one in row["candidates"]
        ]
        options.append(shell_command(["--absent", f"#{row['item']}"]))
        labels = [row["name"], *("or" for _ in options[2:]), "or, if none is the copy"]
        for number, (label, option) in enumerate(zip(labels, options, strict=True)):
            duplicate = None if number else _place(row)
            looks = style.status[Status.UNKNOWN], style.wrapped if number == 0 else style.label
            page.line((duplicate, looks[0]), (label, looks[1]), (option, style.command))
    if digest.undecided > len(rows):
        page.text(f"{_shown(len(rows), digest.undecided)}. {MORE_OPTIONS}", column=0)


def _write_reasons(page: Page, reasons: Shortlist) -> None:
    if not reasons.shown:
        return
    shown = len(reasons.shown)
    cut = f": {_shown(shown, shown + reasons.more)}" if reasons.more else ""
    page.section(f"Why duplicates are not created{cut}")
    for reason, number in reasons.shown:
        page.text(reason, label=number)
    if reasons.rest:
        page.text(reasons.rest)


def _write_rows(page: Page, status: Status, rows: list[LedgerRow], total: int) -> None:
    if not rows:
        return
    cut = _shown(len(rows), total) if total > len(rows) else f"{total:,}"
    page.section(f"{status.capitalize()} duplicates: {cut}")
    page.line(*((title, page.style.header) for title in ("duplicate", "name", "why")))
    for row in rows:
        page.line(
            (_place(row), page.style.status[status]),
            (row["name"], page.style.wrapped),
            (row["cause"], page.style.wrapped),
        )


def _shown(number: int, total: int) -> str:
    return f"{number:,} of {total:,} shown"


def _place(row: LedgerRow) -> str:
    """Which duplicate it is; by its number if it is no longer in the job."""
    return (
        row_position(row["line"], row["copy"], row["copies"]) if row["line"] else f"#{row['item']}"
    )
