"""Reads YAML job files: nodes → rows. `yaml_nodes` knows the syntax, `cells` what a cell may
contain."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from worker.job.cells import NO_EXTRA, CellsError, cell_problem, make_row
from worker.job.columns import COLUMNS, column_problem
from worker.job.explain import ID_IS_MISSING
from worker.job.problems import Problems
from worker.job.text_file import open_text
from worker.job.yaml_nodes import QUOTES, Node, NotReadableError, read_nodes
from worker.model.errors import Problem
from worker.model.job import Row
from worker.model.names import NameProblem, fill_campaign
from worker.text import closest, quoted

MAX_BYTES: Final = 64 << 20  # these rows are kept in memory; CSV jobs may be of any size

_TOP: Final = ("campaign", "defaults", "batches")
_DEFAULTS: Final = COLUMNS[1:]
_ROWS: Final = 'a list of rows ("- batch_id: …")'
_SHAPE: Final = f'a job is {_ROWS}, or contains one under "batches:"'
_TWO_IN_A_LINE: Final = "a second row begins in this line; begin each row in its own line"


def open_yaml(path: Path, encoding: str) -> YamlJob:
    """The job at `path`. Raises `JobError` if it is not YAML, or if anything outside its rows is
    invalid."""
    if path.stat().st_size > MAX_BYTES:
        what = f"the file is larger than {MAX_BYTES >> 20} MiB; write a job of this size as CSV"
        raise Problems([Problem(0, what)]).error(path)
    with open_text(path, encoding) as file:
        text = file.read()
    job = YamlJob(path)
    if problems := job.read(text, encoding):
        in_rows = (item for item in job.rows() if isinstance(item, Problem))
        every = sorted([*problems, *in_rows], key=lambda problem: problem.line)
        raise Problems(every).error(path)
    return job


class YamlJob:
    """A YAML job; `open_yaml` creates it."""

    campaign: str | None = None
    extra_columns: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    comments = 0  # not counted: YAML's comments are not rows

    def __init__(self, path: Path) -> None:
        self.path = path
        self._defaults: dict[str, str] = {}
        self._rows: list[tuple[int, dict[str, str]] | Problem] = []  # line and cells of each
        self._problems: list[Problem] = []  # outside the rows
        self._warnings: list[Problem] = []
        self._extra_columns: dict[str, None] = {}  # as an ordered set

    def rows(self) -> Iterator[Row | Problem]:
        """The rows, or what is wrong with them, as the file was when it was opened."""
        for row in self._rows:
            if isinstance(row, Problem):
                yield row
                continue
            line, cells = row
            texts = {**self._defaults, **cells}  # the defaults may follow the rows
            batch_id, name, upload, copies, tasks = (texts.pop(column, "") for column in COLUMNS)
            extra = {key: text for key, text in texts.items() if text}
            try:
                yield make_row(line, (batch_id, name, upload, copies, tasks), extra or NO_EXTRA)
            except CellsError as error:  # each cell is valid, but not together with another
                yield from (Problem(line, f'key "{key}": {text}') for key, text in error.problems)

    def read(self, text: str, encoding: str) -> list[Problem]:
        """Read the job's `text`, once. Returns the problems outside its rows."""
        try:
            for root in read_nodes(text, encoding):
                self._read_root(root)
        except NotReadableError as error:
            self._problems.append(Problem(*error.args))
        self.extra_columns = tuple(self._extra_columns)
        self.warnings = tuple(self._warnings)
        return self._problems

    def _read_root(self, root: Node) -> None:
        if root.kind == "a list":
            self._read_rows(root)
        elif root.kind == "a mapping":
            self._read_top(root)
        elif root.kind == "nothing":
            raise NotReadableError(0, f"the file contains no rows; {_SHAPE}")
        else:
            raise NotReadableError(root.line, f"{_SHAPE}, not {root}")

    def _read_top(self, root: Node) -> None:
        seen = set()
        for key, line, value in self._entries(root, self._problems):
            seen.add(key)
            if key == "campaign":
                self._read_campaign(value)
            elif key not in _TOP:
                self._problems.append(Problem(line, _unknown_top(key)))
            elif key == "defaults" and value.kind == "a mapping":
                self._defaults = self._cells(value, _DEFAULTS, self._problems)
            elif key == "batches" and value.kind == "a list":
                self._read_rows(value)
            elif value.kind != "nothing":
                wanted = _ROWS if key == "batches" else 'a mapping ("name: …")'
                self._problems.append(_misplaced(value, f'key "{key}" contains', wanted))
        if "batches" not in seen:
            self._problems.append(Problem(root.line, f'there is no key "batches"; {_SHAPE}'))

    def _read_campaign(self, value: Node) -> None:
        if (text := self._text("campaign", value, self._problems)) is None:
            return
        try:
            fill_campaign(text, date(2000, 1, 1))  # the date does not matter for what is allowed
            self.campaign = text
        except NameProblem as problem:
            self._problems.append(Problem(value.line, f'key "campaign": {problem}'))

    def _read_rows(self, rows: Node) -> None:
        if rows.wrong_tag:
            self._problems.append(Problem(rows.line, rows.wrong_tag))
        previous = 0
        for row in rows.items:
            problems: list[Problem] = []
            cells: dict[str, str] = {}
            if row.kind == "a mapping":
                cells = self._cells(row, COLUMNS, problems)
                if row.line == previous:
                    problems.append(Problem(row.line, _TWO_IN_A_LINE))
            elif row.kind != "nothing":
                deque(row.items, 0)  # read it first: too deep nesting is the only problem then
                problems.append(_misplaced(row, "this is", 'a row ("batch_id: …")'))
            if problems:
                problems.sort(key=lambda problem: problem.line)
                self._rows += problems
            elif any(cells.values()):
                self._rows.append((row.line, cells))
            previous = row.line

    def _cells(
        self, node: Node, columns: tuple[str, ...], problems: list[Problem]
    ) -> dict[str, str]:
        """The valid cells of a row or of the defaults."""
        cells: dict[str, str] = {}
        no_id = node.line if "batch_id" in columns else 0  # the line to report if there is no id
        given = False
        for key, line, value in self._entries(node, problems):
            if key == "batch_id" and key not in columns:
                what = 'key "batch_id" cannot be a default; give it in each row'
            else:
                what = column_problem(key, "key", columns)
            if what:
                problems.append(Problem(line, what))
                no_id = 0 if closest(key, columns) == "batch_id" else no_id
                continue
            if key.startswith("x_"):
                self._extra_columns[key] = None
            text = self._text(key, value, problems)
            if key == "batch_id":
                given, no_id = True, value.line if text == "" else 0
            if text and (what := cell_problem(key, text)):
                problems.append(Problem(value.line, f'key "{key}": {what}'))
            elif text is not None:
                cells[key] = text
        if no_id and (problems or any(cells.values())):
            what = cell_problem("batch_id", "") if given else ID_IS_MISSING
            problems.append(Problem(no_id, f'key "batch_id": {what}'))
        return cells

    def _entries(self, mapping: Node, problems: list[Problem]) -> Iterator[tuple[str, int, Node]]:
        """Each key with its line and its value. A repeated key is a problem."""
        if mapping.wrong_tag:
            problems.append(Problem(mapping.line, mapping.wrong_tag))
        lines: dict[str, int] = {}
        nodes = iter(mapping.items)
        for key in nodes:
            text = self._text(None, key, problems)
            if text == "<<":
                what = 'merge keys ("<<") are not supported; put shared values under "defaults:"'
                problems.append(Problem(key.line, what))
            elif text in lines:
                what = f"key {quoted(text)} appears twice; the first is in line {lines[text]}"
                problems.append(Problem(key.line, what))
            elif text is not None:
                lines[text] = key.line
                yield text, key.line, next(nodes)
                continue
            next(nodes)  # its value

    def _text(self, key: str | None, node: Node, problems: list[Problem]) -> str | None:
        """The text of the value of `key`, or of a key itself (`None`). None if it is not text."""
        what = f'key "{key}"' if key else "a key"
        if node.kind not in ("text", "nothing"):
            problems.append(_misplaced(node, f"{what} contains", f"text; {QUOTES}"))
            return None
        if node.wrong_tag:
            problems.append(Problem(node.line, f"{what}: {node.wrong_tag}"))
            return None
        of_own = key and key.startswith("x_")
        if node.comment and (of_own or key in ("name", "campaign")):
            what = (
                f'{key}: YAML ignores what follows " #"; the {"value" if of_own else key} is'
                f" {quoted(node.text) if node.text else 'empty'}. If the rest belongs to it, put"
                " quotes around it"
            )
            self._warnings.append(Problem(node.comment, what))
        return node.text


def _misplaced(node: Node, found: str, wanted: str) -> Problem:
    """The problem that `node` is not what was `wanted`."""
    return Problem(node.line, node.alias or f"{found} {node}; it must be {wanted}")


def _unknown_top(key: str) -> str:
    if key in COLUMNS:
        return f'key "{key}" belongs in a row; {_SHAPE}'
    close = closest(key, _TOP)
    meant = f'did you mean "{close}"? ' if close else ""
    return f"unknown key {quoted(key)}; {meant}use {', '.join(_TOP)}"
