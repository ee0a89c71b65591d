"""Reads CSV job files as a stream: lines → records → rows. `cells` decides what a cell may contain.

A million rows are read in constant memory, because the length of a line and of a cell (csv's limit)
is limited."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from worker.job.cells import NO_EXTRA, CellsError, make_row
from worker.job.columns import COLUMNS, column_problem
from worker.job.problems import Problems
from worker.job.text_file import broken_text, open_text
from worker.model.error_values import begins_with_error_value, why_error_value
from worker.model.errors import Problem, UsageError
from worker.model.job import Row
from worker.text import quoted

MAX_LINE: Final = 1 << 20

_LOOKS_LIKE_ID: Final = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}")
_SEP_LINE: Final = re.compile(r"sep\s*=.?", re.IGNORECASE)
_ANY_COLUMN: Final = f"(?:{'|'.join(COLUMNS)})"
# Two columns with something between them that is not a delimiter.
_OTHER_DELIMITER: Final = re.compile(rf"\W*{_ANY_COLUMN}(\s*[^\w\s]\s*|\s+)(?:{_ANY_COLUMN}|x_)")
_NO_HEADER: Final = (
    "there is no header; the first line must name the columns, such as batch_id,name,copies"
)


@dataclass(slots=True)
class CsvJob:
    """A CSV job with a valid header, created by `open_csv`. `comments` is known after all rows were
    read."""

    path: Path
    extra_columns: tuple[str, ...]
    _encoding: str
    _delimiter: str
    _header: tuple[str, ...]
    comments: int = 0

    @property
    def campaign(self) -> None:
        """None: a CSV file does not name a campaign."""
        return

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Empty: nothing in a CSV file is ignored without an error."""
        return ()

    def rows(self) -> Iterator[Row | Problem]:
        """The rows, or what is wrong with them. Raises `UsageError` if the file is gone or was
        changed."""
        with open_text(self.path, self._encoding) as file:
            lines = _Lines(file, self._encoding)
            records = _records(lines, self._delimiter)
            if _header(records) != self._header:
                raise UsageError(
                    f"{self.path}: the file was changed while it was read; run the command again"
                )
            rows_of = _RowMaker(self._header, self.extra_columns)
            for record in records:
                if isinstance(record, Problem):
                    yield record
                elif lines.error_value and self._header[0] != "batch_id":
                    # The reader of a name or an own column might accept it as text.
                    text = f"{quoted(record[0].strip())} {why_error_value(record[0].strip())}"
                    yield Problem(lines.start, f'column "{self._header[0]}": {text}')
                else:
                    yield from rows_of(lines.start, record)
            self.comments = lines.comments


def open_csv(path: Path, encoding: str) -> CsvJob:
    """The job at `path`. Raises `JobError` if its header is missing or invalid."""
    with open_text(path, encoding) as file:
        delimiter = _delimiter(_Lines(file, encoding))
    with open_text(path, encoding) as file:
        lines = _Lines(file, encoding)
        header = _header(_records(lines, delimiter))
    if isinstance(header, Problem):
        raise Problems([header]).error(path)
    own = tuple(name for name in header if name.startswith("x_"))
    job = CsvJob(path, own, encoding, delimiter, header)
    problems = Problems(Problem(lines.start, text) for text in _header_problems(header))
    if problems.total:
        if "batch_id" in header:  # otherwise the rows mean nothing
            for one in job.rows():
                if isinstance(one, Problem):
                    problems.add(one)
        raise problems.error(path)
    return job


def _delimiter(lines: _Lines) -> str:
    """The delimiter of the first line that is not blank: names of columns contain none of the
    three."""
    header = ""
    for header in lines:
        if header.strip(" ,;\t\r\n"):
            break
        lines.fresh = True  # a comment may follow a blank line
    delimiters = re.findall(r"[,;\t]", re.sub('"[^"]*"', "", header.strip()))
    return delimiters[0] if delimiters else ","


def _header(records: Iterator[list[str] | Problem]) -> tuple[str, ...] | Problem:
    """The names of the columns: the first record that is not empty."""
    for record in records:
        if isinstance(record, Problem):
            return record
        if any(names := tuple(cell.strip() for cell in record)):
            return names
    return Problem(0, _NO_HEADER)


def _header_problems(names: tuple[str, ...]) -> Iterator[str]:
    if any(map(_LOOKS_LIKE_ID.fullmatch, names)):
        yield _NO_HEADER
        return
    if _SEP_LINE.fullmatch(names[0]):
        yield (
            'this line begins with "sep=", which is an instruction to Excel, not a header; '
            "delete this line: the delimiter is recognized without it"
        )
        return
    if {"source_batch_id", "new_batch_id"} <= {*names}:
        yield (
            "this is a ledger file, not a job file; move it out of the jobs' folder, or to create a"
            " job file of its rows, run ledger JOB --format job"
        )
        return
    if {"item", "decision"} <= {*names}:
        yield "this is a sheet of decisions, not a job file; move it out of the jobs' folder"
        return
    if len(names) == 1 and (found := _OTHER_DELIMITER.match(names[0])):
        between = found[1].strip()
        what = quoted(between) if between else "spaces"
        yield (
            f"the columns are separated by {what}; use commas, semicolons or tabs in the whole file"
        )
        return
    wrong = False
    for position, name in enumerate(names):
        if name in names[:position]:
            if name:
                yield f"column {quoted(name)} appears twice; remove or rename one"
        elif name and (text := column_problem(name, "column")):
            wrong = wrong or '"batch_id"' in text
            yield text
    if "batch_id" not in names and not wrong:
        yield 'there is no column "batch_id"; add it: it names the batch to duplicate'


class _RowMaker:
    """Turns the cells of a record into a row, or into all that is wrong with them."""

    def __init__(self, header: tuple[str, ...], extra_columns: tuple[str, ...]) -> None:
        width = len(header)
        self._header = header
        # A missing column is read from an extra empty cell after the record's own.
        self._id, self._name, self._upload, self._copies, self._tasks = (
            header.index(column) if column in header else width for column in COLUMNS
        )
        self._extra = [(column, header.index(column)) for column in extra_columns]
        self._nameless = [position for position, name in enumerate(header) if not name]

    def __call__(self, line: int, cells: list[str]) -> Iterator[Row | Problem]:
        stray = self._fit(cells)
        batch_id = cells[self._id].strip()
        if not batch_id and not stray and not any(map(str.strip, cells)):
            return
        if stray:
            yield Problem(line, stray)
        known = (
            batch_id,
            cells[self._name].strip(),
            cells[self._upload].strip(),
            cells[self._copies].strip(),
            cells[self._tasks].strip(),
        )
        try:
            row = make_row(line, known, self._extras(cells) if self._extra else NO_EXTRA)
        except CellsError as error:
            for column, text in error.problems:
                yield Problem(line, f'column "{column}": {text}')
        else:
            if not stray:
                yield row

    def _fit(self, cells: list[str]) -> str:
        """Brings `cells` to the header's width plus one. Returns a message if a cell has no
        column."""
        width = len(self._header)
        nameless = self._nameless
        surplus = cells[width:]
        if surplus:
            nameless = [*nameless, *range(width, len(cells))]
        stray = (
            next((i for i in nameless if i < len(cells) and cells[i].strip()), None)
            if nameless
            else None
        )
        text = ""
        if stray is not None:
            text = (
                f"cell {stray + 1}, {quoted(cells[stray].strip())}, has no column: the header names"
                f" {sum(map(bool, self._header))}; a cell that contains the delimiter needs quotes"
            )
        # Spreadsheets leave out empty cells at the end of a row.
        cells[width:] = [""]
        cells.extend([""] * (width + 1 - len(cells)))
        return text

    def _extras(self, cells: list[str]) -> Mapping[str, str]:
        extra = {column: cell for column, i in self._extra if (cell := cells[i].strip())}
        return extra or NO_EXTRA


class _Lines:
    """The physical lines of a file for the csv module, without comments; keeps track of the
    position.

    The reader of the records sets `fresh` if the next line begins a record: only there can a line
    be a comment."""

    def __init__(self, file: TextIO, encoding: str) -> None:
        self.fresh = True
        self.number = 0  # of the latest line
        self.comments = 0  # lines skipped as comments
        self.error_value = False  # whether the record begins with # but is not a comment
        self.start = 0  # the line that began the record
        self.opened = 0  # the line with the quote that is still open at the latest line's end
        self.broken = ""  # why a line of the record is not text
        self.ended = False  # whether nothing more can be read
        self._file = file
        self._encoding = encoding

    def __iter__(self) -> Iterator[str]:
        for line in iter(partial(self._file.readline, MAX_LINE), ""):
            self.number += 1
            if self.fresh:
                self.error_value = line[0] == "#" and begins_with_error_value(line)
                if line[0] == "#" and not self.error_value and len(line) < MAX_LINE:
                    self.comments += 1
                    continue
                self.fresh = False
                self.start = self.opened = self.number
                self.broken = ""
            elif '"' in line.replace('""', ""):
                self.opened = self.number
            if len(line) >= MAX_LINE:
                self.broken = (
                    f"the line is longer than {MAX_LINE:,} characters; this is not a job file"
                )
                self.ended = True
                return
            if not line.isascii() or "\0" in line:
                self.broken = self.broken or broken_text(line, self._encoding)
            yield line


def _records(lines: _Lines, delimiter: str) -> Iterator[list[str] | Problem]:
    """The records that are not blank, or what is wrong with them. `lines.start` is the first line
    of the latest record."""
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True, skipinitialspace=True)
    while not lines.ended:
        lines.fresh = True
        lines.broken = ""
        cells: list[str] = []
        problem: Problem | None = None
        try:
            cells = next(reader)
        except StopIteration:
            lines.ended = True
        except csv.Error as error:
            problem = _explain(lines, str(error), delimiter)
        if lines.broken:
            yield Problem(lines.number, lines.broken)
        elif problem:
            yield problem
        elif cells:
            yield cells


def _explain(lines: _Lines, error: str, delimiter: str) -> Problem:
    """What the csv module's `error` means. After a quote that is never closed, nothing more can be
    read."""
    continues = lines.number > lines.start
    if "expected after" in error:
        where = f" in line {lines.number}" if continues else ""
        may = "a tab" if delimiter == "\t" else f'"{delimiter}"'
        text = (
            f'text follows a closing quote ("){where}; only {may} may follow; write a quote inside'
            ' a quoted cell as ""'
        )
        return Problem(lines.start, text)
    limit = f"{csv.field_size_limit():,} characters"
    if "field larger" in error and not continues:
        return Problem(lines.start, f"a cell is longer than {limit}")
    lines.ended = True
    within = f" within {limit}" if "field larger" in error else ""
    return Problem(
        lines.opened,
        f'a quote (") is opened here and not closed{within}; close it: the rest was not read',
    )
