"""Validates the cells of a row: what each column may contain, the same for every format. No files,
no lines.

A cell is text without surrounding spaces; it is "" if the row has no such cell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias

from pydantic import PlainValidator, TypeAdapter, ValidationError

from worker.job.columns import COLUMNS
from worker.job.explain import why_not_a_number, why_not_an_id
from worker.model.batch_id import BATCH_ID
from worker.model.error_values import is_error_value, why_error_value
from worker.model.job import Row
from worker.model.names import NameProblem, NameTemplate, parse_name
from worker.text import quoted

Cells: TypeAlias = tuple[str, str, str, str, str]  # in the order of COLUMNS

MAX_COPIES: Final = 10_000
MAX_TASKS_PER_GROUP: Final = 1_000_000
NO_EXTRA: Final[Mapping[str, str]] = MappingProxyType({})

_NO_DATASET: Final = (
    "a batch without a dataset cannot be set up, and upload_new_dataset is true; leave"
    " tasks_per_group empty, or write false for upload_new_dataset"
)

_FLAGS: Final = {
    "": False,
    "false": False,
    "no": False,
    "0": False,
    "true": True,
    "yes": True,
    "1": True,
}


class CellsError(ValueError):
    """Invalid cells: `problems` has each `column` with what is wrong and what would be right."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("invalid cells")
        self.problems = problems


def make_row(line: int, cells: Cells, extra: Mapping[str, str]) -> Row:
    """The row with these cells. Raises `CellsError`."""
    try:
        source_id, name, new_dataset, copies, tasks = _ROW.validate_python(cells)
    except ValidationError as error:
        found = error.errors()
        problems = [(COLUMNS[int(one["loc"][0])], str(one["ctx"]["error"])) for one in found]
        raise CellsError(problems) from None
    if new_dataset and tasks is not None:
        raise CellsError([("tasks_per_group", _NO_DATASET)])
    return Row(line, source_id, name, new_dataset, copies, extra, tasks)


def cell_problem(column: str, cell: str) -> str:
    """What is wrong with `cell` as a cell of `column`; "" if it is valid."""
    if column in _CELL:
        try:
            _CELL[column].validate_python(cell)
        except ValidationError as error:
            return str(error.errors()[0]["ctx"]["error"])
    return ""


def read_id(cell: str) -> str:
    """A batch id in lower case. Raises ValueError."""
    if BATCH_ID.fullmatch(cell):
        return cell.lower()
    raise ValueError(why_not_an_id(cell))


def _read_name(cell: str) -> NameTemplate:
    if is_error_value(cell):
        raise ValueError(f"{quoted(cell)} {why_error_value(cell)}")
    try:
        # Plain names usually differ from row to row; templates usually do not.
        return _parse_template(cell) if "{" in cell else parse_name(cell)
    except NameProblem as problem:
        raise ValueError(str(problem)) from None


def _read_flag(cell: str) -> bool:
    flag = _FLAGS.get(cell.lower())
    if flag is None:
        why = (
            why_error_value(cell) or "is not true or false; write true or false, yes or no, 1 or 0"
        )
        raise ValueError(f"{quoted(cell)} {why}")
    return flag


def _read_copies(cell: str) -> int:
    return _number(cell, MAX_COPIES) if cell else 1


def _read_tasks(cell: str) -> int | None:
    return _number(cell, MAX_TASKS_PER_GROUP) if cell else None


def _number(cell: str, most: int) -> int:
    if not (cell.isascii() and cell.isdigit()):
        raise ValueError(f"{quoted(cell)} {why_error_value(cell) or why_not_a_number(cell)}")
    digits = cell.lstrip("0")
    if not digits or len(digits) > len(str(most)) or int(digits) > most:
        raise ValueError(f"{quoted(cell)} is out of range; write a number from 1 to {most:,}")
    return int(digits)


@lru_cache(maxsize=1024)
def _parse_template(cell: str) -> NameTemplate:
    return parse_name(cell)


BatchIdCell = Annotated[str, PlainValidator(read_id)]
NameCell = Annotated[NameTemplate, PlainValidator(_read_name)]
FlagCell = Annotated[bool, PlainValidator(_read_flag)]
CopiesCell = Annotated[int, PlainValidator(_read_copies)]
TasksCell = Annotated[int | None, PlainValidator(_read_tasks)]

_ROW: Final = TypeAdapter(tuple[BatchIdCell, NameCell, FlagCell, CopiesCell, TasksCell])
"""In the order of COLUMNS."""

_CELL: Final[Mapping[str, TypeAdapter[Any]]] = {
    "batch_id": TypeAdapter(BatchIdCell),
    "name": TypeAdapter(NameCell),
    "upload_new_dataset": TypeAdapter(FlagCell),
    "copies": TypeAdapter(CopiesCell),
    "tasks_per_group": TypeAdapter(TasksCell),
}
