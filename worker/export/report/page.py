"""Writes the page: facts and rows in, one self-contained HTML file out, written piece by piece and
replaced as a whole.

Texts from the API, jobs and people are untrusted: the template escapes them and shows hidden
characters, and the page's policy allows only its own script, which it names by hash."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined

from worker import __version__
from worker.export import proposals
from worker.export.commands import Commands
from worker.export.csv_format import write_rows
from worker.export.next_steps import steps
from worker.export.own_files import OwnFile, refuse_foreign_file
from worker.export.proposals import batch_link, rows_by_item
from worker.export.replacing import replaced
from worker.export.report import plots, sentences, svg
from worker.export.report.facts import Facts, facts
from worker.ledger import report
from worker.ledger.handle import Reader
from worker.ledger.proposals import Undecided, undecided
from worker.ledger.rows import COLUMNS, LedgerRow, ledger_rows
from worker.model.clock import iso
from worker.model.differences import differ
from worker.model.server_address import DatabaseLocation
from worker.text import counted, human_duration, shortened, visible

ROWS = 100_000
"""The most rows that a page contains; those that need a person come first."""

BYTES = 32 * 2**20
"""The most bytes of rows: names may be long."""

SHEET = 4 * 2**20
"""The most characters of the sheet of decisions that a page contains."""

TEMPLATE = ("macros.html", "report.html")
"""The parts of the page's one template, in order."""

SCRIPT = ("parts.js", "rows.js", "table.js")
"""The parts of the page's one script, in order."""

MARK = '<meta name="generator" content="duplicate-batches '
"""A text in the first lines of our reports, and of no other file."""

OF_CAMPAIGN = b'<meta name="campaign" content="'
"""The text before the campaign's name in those lines."""


class About(NamedTuple):
    """Where a page comes from: the API's address as the database knows it, the database, when the
    page was written (a date with its zone), and whether it is of a rehearsal. `batch_url` is the
    address of a batch, with {id} in place of its id (None: batches are not linked)."""

    api: str
    database: DatabaseLocation
    written_at: datetime
    sandbox: bool
    batch_url: str | None = None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1024)


def _campaign_in(path: Path) -> str | None:
    """The campaign that the first lines of a report name. (No campaign's name contains a character
    that HTML escapes.)"""
    _, _, rest = _head(path).partition(OF_CAMPAIGN)
    return rest.partition(b'"')[0].decode() or None


REPORT_FILE = OwnFile("report", "--output", lambda path: MARK.encode() in _head(path), _campaign_in)


def write_report(
    reader: Reader,
    campaign_id: int,
    campaign: str,
    path: Path,
    about: About,
    commands: Commands,
    *,
    replaces_any: bool = False,
) -> None:
    """Write the report of the campaign (its number and name) to `path`, in one replacement. It
    shows these `commands`.

    Raises UsageError if `path` is another file, or another campaign's report unless `replaces_any`;
    OSError if it cannot be written. The file that was there stays whole then."""
    refuse_foreign_file(REPORT_FILE, path, None if replaces_any else campaign)
    with reader.snapshot():
        found = facts(reader, campaign_id, campaign, about.written_at.timestamp())
        if not found.runs:
            raise AssertionError("a campaign always has a run")
        with replaced(path) as file:
            unknown = undecided(reader, campaign_id, active=found.latest.may_be_active)
            sheet = (
                NO_SHEET
                if found.latest.is_active
                else sheet_of(unknown, campaign, _batch_url(about))
            )
            rows = Rows(reader, campaign_id, campaign, found)
            pieces = page(found, rows, about, commands, sheet)
            file.writelines(piece.encode() for piece in pieces)


class Sheet(NamedTuple):
    """The sheet to decide in, as `settle --proposals` writes it: the CSV, how many unknown
    duplicates it has, and how many did not fit. `reasons` say by item why a batch is suggested or
    none is."""

    csv: str = ""
    duplicates: int = 0
    left_out: int = 0
    reasons: Mapping[int, str] = {}


NO_SHEET = Sheet()


def sheet_of(unknown: Iterable[Undecided], name: str, batch_url: str | None) -> Sheet:
    """The sheet about these duplicates of the campaign with this name, in the job's order."""
    rows: list[proposals.DecisionRow] = []
    size = duplicates = left_out = 0
    reasons: dict[int, str] = {}
    for found, about in rows_by_item(unknown, name, batch_url):
        if found.best.reason:
            reasons[found.one.item] = found.best.reason
        if size > SHEET:
            left_out += 1
            continue
        duplicates += 1
        rows += about
        size += sum(len(str(value)) for row in about for value in row.values())
    text = io.StringIO()
    write_rows(text, rows, proposals.COLUMNS)
    return Sheet(text.getvalue(), duplicates, left_out, reasons)


def page(
    found: Facts, rows: Rows, about: About, commands: Commands, sheet: Sheet = NO_SHEET
) -> Iterator[str]:
    """The page in pieces."""
    script = "\n".join(('"use strict";\n{', *map(_asset, SCRIPT), "}\n"))
    style = _asset("report.css")
    template = _environment().from_string("".join(map(_asset, TEMPLATE)))
    yield from template.generate(
        about=about,
        commands=commands,
        facts=found,
        batch_link=lambda batch_id: batch_link(_batch_url(about), batch_id),
        steps=steps(sentences.campaign_state(found), commands),
        headline=sentences.headline(found),
        policy=(
            f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        plots=plots,
        clock=svg.clock_text,
        differ=differ,
        rows=rows,
        script=script,
        sentences=sentences,
        sheet=sheet,
        sheet_json=_json(sheet.csv),
        style=style,
        version=__version__,
        about_json=_json(
            {
                "batch_url": _batch_url(about),
                "campaign": found.campaign,
                "columns": [*COLUMNS, *found.extra_columns],
                "settle": commands.settle(),
                "run": commands.run(),
                "retry": commands.retry(),
            }
        ),
    )


def _batch_url(about: About) -> str | None:
    return None if about.sandbox else about.batch_url  # the sandbox's batches are nowhere else


class Rows:
    """The rows that the page embeds, as pieces of a JSON array; iterate once. Afterwards `lists`
    has the texts that rows refer to by number, and the candidates of rows; `left_out` is the number
    of rows that did not fit."""

    def __init__(self, reader: Reader, campaign_id: int, campaign: str, found: Facts) -> None:
        self._reader = reader
        self._campaign_id = campaign_id
        self._campaign = campaign
        self._total = found.counts.total
        self._own = found.extra_columns
        self._sources: dict[str, int] = {}
        self._texts: dict[str, int] = {}
        self._candidates: dict[int, list[str]] = {}
        self._bytes = 0
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        separator = "["
        for created in (False, True):
            for row in ledger_rows(
                self._reader, self._campaign_id, self._campaign, created=created
            ):
                if self.count == ROWS or self._bytes > BYTES:
                    break
                piece = _json(self._row(row))
                if row["candidates"]:
                    self._candidates[row["item"]] = row["candidates"]
                self.count += 1
                self._bytes += len(piece.encode())
                yield separator + piece
                separator = ",\n"
        yield "[]" if separator == "[" else "]"

    @property
    def left_out(self) -> int:
        """How many rows the page does not contain."""
        return self._total - self.count

    @property
    def lists(self) -> str:
        """Sources with their names, and texts, in the order of their numbers; and by item the
        batches that could be its copy."""
        sources = [[source, report.source_name(self._reader, source)] for source in self._sources]
        return _json(
            {"sources": sources, "texts": list(self._texts), "candidates": self._candidates}
        )

    def _row(self, row: LedgerRow) -> Sequence[object]:
        return (
            row["item"],
            row["line"],
            row["copy"],
            _number(self._sources, row["source_batch_id"]),
            row["name"],
            int(row["upload_new_dataset"]),
            self._text(row["status"]),
            row["new_batch_id"],
            self._text(row["new_batch_status"]),
            row["created_at"],
            self._text(row["settled_by"]),
            row["attempts"],
            row["http_status"],
            self._text(row["error"]),
            row["first_sent_at"],
            row["last_sent_at"],
            self._text(row["run_id"]),
            row["tasks_per_group"],
            self._text(row["setup_status"]),
            self._text(row["warning"]),
            row["copies"],
            *(row[column] for column in self._own),
        )

    def _text(self, text: str | None) -> int | None:
        return None if text is None else _number(self._texts, text)


def _number(known: dict[str, int], text: str) -> int:
    return known.setdefault(text, len(known))


def _json(value: object) -> str:
    """JSON that is safe inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _hash(text: str) -> str:
    """A script or a style sheet, as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (resources.files("worker.export.report") / "assets" / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "counted": counted,
        "duration": human_duration,
        "iso": iso,
        "lasted": svg.length_text,
        "moment": sentences.moment,
        "number": lambda number: f"{number:,}",
        "short": lambda text: shortened(visible(text or ""), sentences.NAME_SHOWN),
        "visible": lambda text: visible(text or ""),
    }
    return environment
