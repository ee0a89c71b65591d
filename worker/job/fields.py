"""Cells → `Row`: the columns there are and what each may hold, the same for every format. No files,
no lines.

A reader of a cell takes its text without surrounding spaces, "" where there is none, or raises
`CellProblem`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from worker.model.batch_id import BATCH_ID
from worker.model.error_values import is_error_value, why_error_value
from worker.model.errors import JobError, Problem
from worker.model.job import Row
from worker.model.names import NameProblem, NameTemplate, parse_name, shown
from worker.text import closest

Cells: TypeAlias = tuple[str, str, str, str]  # in the order of COLUMNS

COLUMNS: Final = ("batch_id", "name", "upload_new_dataset", "copies")
MAX_COPIES: Final = 10_000
SHOWN_PROBLEMS: Final = 50
NO_EXTRA: Final[Mapping[str, str]] = MappingProxyType({})

_FORM: Final = "a batch id is a UUID like 0192a3b4-5678-7abc-8def-0123456789ab"
_FLAGS: Final = {
    "": False,
    "false": False,
    "no": False,
    "0": False,
    "true": True,
    "yes": True,
    "1": True,
}
_EXTRA_NAME: Final = re.compile(r"x_[^\x00-\x1f\x7f-\x9f]+")


class CellProblem(ValueError):  # noqa: N818 - it is the problem of a cell, not an error of the program
    """A cell does not hold what its column wants; the message says what is wrong and what would be
    right."""


def make_row(line: int, cells: Cells, extra: Mapping[str, str]) -> Row:
    """The row that these cells mean. Raises `CellProblem`; `problems_of` then tells all that is
    wrong."""
    batch_id, name, upload, copies = cells
    return Row(
        line, read_id(batch_id), read_name(name), read_flag(upload), read_copies(copies), extra
    )


def problems_of(cells: Cells) -> Iterator[tuple[str, str]]:
    """Column and text of each problem in these cells."""
    for column, cell in zip(COLUMNS, cells, strict=True):
        if text := cell_problem(column, cell):
            yield column, text


def cell_problem(column: str, cell: str) -> str:
    """What is wrong with `cell` as a cell of `column`, or nothing: ""."""
    readers = {
        "batch_id": read_id,
        "name": read_name,
        "upload_new_dataset": read_flag,
        "copies": read_copies,
    }
    try:
        if column in readers:
            readers[column](cell)
    except CellProblem as problem:
        return str(problem)
    return ""


def read_id(cell: str) -> str:
    """A batch id in lower case."""
    if BATCH_ID.fullmatch(cell):
        return cell.lower()
    raise CellProblem(_why_no_id(cell))


def read_name(cell: str) -> NameTemplate:
    """A name."""
    if is_error_value(cell):
        raise CellProblem(f"{shown(cell)} {why_error_value(cell)}")
    try:
        # Plain names mostly differ from row to row, templates mostly do not.
        return _parse_template(cell) if "{" in cell else parse_name(cell)
    except NameProblem as problem:
        raise CellProblem(str(problem)) from None


def read_flag(cell: str) -> bool:
    """true or false."""
    flag = _FLAGS.get(cell.lower())
    if flag is None:
        why = (
            why_error_value(cell)
            or "is neither true nor false; write true or false, yes or no, 1 or 0"
        )
        raise CellProblem(f"{shown(cell)} {why}")
    return flag


def read_copies(cell: str) -> int:
    """How many copies; one where the cell is empty."""
    if not cell:
        return 1
    if not (cell.isascii() and cell.isdigit()):
        raise CellProblem(f"{shown(cell)} {why_error_value(cell) or _why_no_number(cell)}")
    digits = cell.lstrip("0")
    if not digits or len(digits) > 5 or int(digits) > MAX_COPIES:
        raise CellProblem(f"{shown(cell)} is out of range; 1 to {MAX_COPIES:,} copies are possible")
    return int(digits)


def column_problem(column: str, noun: str, known: tuple[str, ...] = COLUMNS) -> str:
    """What is wrong with `column` as the name of a `noun` ("column", "key"), or nothing: ""."""
    if column in known or _EXTRA_NAME.fullmatch(column):
        return ""
    this = f"{noun} {shown(column)}"
    if column == "tasks_per_group":
        return (
            f"{this} is reserved: it will ask for the new batch to be set up; leave it out for now"
        )
    if column == "x_":
        return f'{this} needs more of a name after "x_"'
    if column.startswith("x_"):
        return f"{this} holds a control character"
    own = f" and {noun}s of your own that begin with x_"
    return f"unknown {this}; {_meant(column, known)}there are {', '.join(known)}{own}"


def job_error(path: Path, problems: Iterable[Problem]) -> JobError:
    """The error for a file with these problems: in the file's order, the first `SHOWN_PROBLEMS` of
    them."""
    in_order = sorted(problems, key=lambda problem: problem.line)
    return JobError(path, in_order[:SHOWN_PROBLEMS], len(in_order))


@lru_cache(maxsize=1024)
def _parse_template(cell: str) -> NameTemplate:
    return parse_name(cell)


def _meant(column: str, known: tuple[str, ...]) -> str:
    if re.match(r"[xX][_\- ].", column):
        return f"did you mean {shown('x_' + column[2:])}? "
    close = closest(column, known)
    return f'did you mean "{close}"? ' if close else ""


def _why_no_number(cell: str) -> str:
    """What is wrong with a cell that is not a whole number. No advice may change what was meant:
    "." or "," before three digits groups thousands in one country and begins a fraction in
    another."""
    if re.fullmatch(r"[1-9][0-9]{0,2}([.,][0-9]{3})+", cell):
        whole, parts = re.sub("[.,]", "", cell), re.split("[.,]", cell)
        if len(parts) > 2:
            return f"is not written in digits alone; write {whole} if that is the number"
        fraction = f"{parts[0]}.{parts[1]}".rstrip("0").rstrip(".")
        return f"may mean {whole} or {fraction}; write the number that you mean in digits alone"
    meant = re.fullmatch(r"0*([1-9][0-9]{0,4})[.,]0+", cell)
    return f"is no whole number; write {meant[1] if meant else 'digits alone'}"


def _why_no_id(cell: str) -> str:
    """What is wrong with a cell that is no id. People paste what they see: say what to cut away."""
    if not cell:
        return f"is empty; {_FORM}"
    if why := why_error_value(cell):
        return f"{shown(cell)} {why}"
    return shown(cell) + (
        _other_form(cell) or _made_a_number(cell) or _more_than_an_id(cell) or _misspelt_id(cell)
    )


def _other_form(cell: str) -> str:
    """For a UUID in braces, as a URN or without its dashes: the form expected."""
    # (No more of a hostile cell is searched; a longer one holds more than an id.)
    digits = re.sub(r"^urn:uuid:|[{}()-]", "", cell.lower()) if len(cell) <= 100 else ""
    if not re.fullmatch("[0-9a-f]{32}", digits):
        return ""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return f' is not in the form expected; write "{"-".join(parts)}"'


def _made_a_number(cell: str) -> str:
    # (An id of 24 hexadecimal digits may look the same.)
    if len(cell) == 24 or not re.fullmatch(r"[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+", cell):
        return ""
    return (
        " is a number: a spreadsheet made it from an id, and digits are lost; "
        "format the column as text and paste the id again"
    )


def _more_than_an_id(cell: str) -> str:
    if "://" in cell or cell.lower().startswith(("www.", "app.prolific", "api.prolific")):
        inside = BATCH_ID.findall(cell[:2000])
        return " looks like a URL; give the id alone" + (
            f": {inside[0]}" if len(inside) == 1 else ""
        )
    foreign = next((character for character in "/?#&;," if character in cell), None)
    return f' holds "{foreign}"; give the id alone: {_FORM}' if foreign else ""


def _misspelt_id(cell: str) -> str:
    if re.fullmatch("[0-9a-fA-F]{24}", cell):
        return f" looks like the id of a study, project or workspace; {_FORM}"
    if len(cell) != 36:
        return f" has {len(cell)} characters, not 36; {_FORM}"
    if wrong := re.search("[^0-9a-fA-F-]", cell):
        return (
            f": {shown(wrong[0])} (character {wrong.start() + 1}) is no hexadecimal digit; {_FORM}"
        )
    return f" has its dashes in the wrong places; {_FORM}"
