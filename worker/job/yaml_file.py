"""YAML job files: parser events → raw rows → rows. What a cell may hold is the business of
`fields`.

Nothing is composed or constructed: the parser's events are read one by one, every scalar is the
text that was written (`007` and `no` are names like any other), and depth is counted here. So no
tag makes an object, no alias multiplies, and no nesting reaches anybody's stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from worker.job.fields import (
    COLUMNS,
    NO_EXTRA,
    CellProblem,
    cell_problem,
    column_problem,
    job_error,
    make_row,
    problems_of,
)
from worker.job.text_file import broken_text, open_text
from worker.model.errors import Problem
from worker.model.job import Row
from worker.model.names import NameProblem, fill_campaign, shown
from worker.text import closest

MAX_BYTES: Final = 64 << 20  # rows are held in memory here; CSV is for jobs of any size
MAX_DEPTH: Final = 16

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOP: Final = ("campaign", "defaults", "batches")
_DEFAULTS: Final = tuple(column for column in COLUMNS if column != "batch_id")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TAG: Final = "tag:yaml.org,2002:"
_SCALAR_TAGS: Final = frozenset(
    {None, "!", *(_TAG + kind for kind in ("str", "int", "bool", "null"))}
)
_NOT_YAML: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_SHAPE: Final = 'a job is a list of rows ("- batch_id: …"), or has them under "batches:"'
_TWO_IN_A_LINE: Final = (
    "a second row begins in this line; rows are told apart by their lines: give each its own"
)
_DROPPED: Final = re.compile(r"[ \t]+#(?=\S)")  # "# a note" is a comment as people write them
_QUOTE: Final = 'text that begins with "{" or holds ": " or " #" needs quotes'


@dataclass(frozen=True, slots=True)
class YamlJob:
    """A YAML job whose outside is good; made by `open_yaml`."""

    path: Path
    campaign: str | None
    extra_columns: tuple[str, ...]
    warnings: tuple[Problem, ...]
    _items: tuple[Row | Problem, ...] = field(repr=False)

    @property
    def comments(self) -> int:
        """Not counted: YAML's comments are not rows."""
        return 0

    def rows(self) -> Iterator[Row | Problem]:
        """The rows, or what is wrong with them, as the file was when it was opened."""
        return iter(self._items)


def open_yaml(path: Path, encoding: str) -> YamlJob:
    """The job at `path`. Raises `JobError` where it is no YAML, or anything outside its rows is
    wrong."""
    if path.stat().st_size > MAX_BYTES:
        what = f"the file is larger than {MAX_BYTES >> 20} MiB; write a job of this size as CSV"
        raise job_error(path, [Problem(0, what)])
    with open_text(path, encoding) as file:
        text = file.read()
    if problems := list(_text_problems(text, encoding)):
        raise job_error(path, problems)
    document = _Document(text)
    document.read()
    items = [item for raw in document.rows for item in _items_of(raw, document.defaults)]
    if document.problems:
        raise job_error(
            path, [*document.problems, *(item for item in items if isinstance(item, Problem))]
        )
    return YamlJob(
        path,
        document.campaign,
        tuple(document.extra_columns),
        tuple(document.warnings),
        tuple(items),
    )


def _text_problems(text: str, encoding: str) -> Iterator[Problem]:
    """What the parser would stumble over without naming the line."""
    for wrong in _NOT_YAML.finditer(text):
        start = text.rfind("\n", 0, wrong.start()) + 1
        what = broken_text(text[start : wrong.end()], encoding) or (
            f"U+{ord(wrong[0]):04X} (character {wrong.end() - start} of the line) may not stand in"
            ' YAML; in double quotes it is written with a backslash: "\\u…"'
        )
        yield Problem(text.count("\n", 0, start) + 1, what)
        return  # A file that is no text would have thousands.


# -- raw rows → rows


class _Cell(NamedTuple):
    text: str
    line: int


@dataclass(slots=True)
class _Raw:
    """A mapping of columns as it was written, and what was wrong with its keys."""

    line: int
    cells: dict[str, _Cell] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    spoilt: set[str] = field(default_factory=set)  # columns that a problem is about already


def _items_of(raw: _Raw, defaults: Mapping[str, str]) -> list[Row | Problem]:
    """The row that `raw` means, all that is wrong with it, or nothing for a row without a cell."""
    if not raw.problems and not any(cell.text for cell in raw.cells.values()):
        return []
    texts = {**defaults, **{key: cell.text for key, cell in raw.cells.items()}}
    known = (
        texts.get("batch_id", ""),
        texts.get("name", ""),
        texts.get("upload_new_dataset", ""),
        texts.get("copies", ""),
    )
    extra = {key: text for key, text in texts.items() if key.startswith("x_") and text}
    if not raw.problems:
        try:
            return [make_row(raw.line, known, extra or NO_EXTRA)]
        except CellProblem:
            pass
    found = [
        Problem(
            raw.cells[column].line if column in raw.cells else raw.line, f'key "{column}": {text}'
        )
        for column, text in problems_of(known)
        if column not in raw.spoilt
    ]
    return sorted([*raw.problems, *found], key=lambda problem: problem.line)


# -- events → raw rows


class _Stop(Exception):  # noqa: N818 - the way out of the parser, not an error for anybody else
    """Nothing more can be read; the problem is recorded."""


class _Document:
    """A job's YAML document as it is written. `read` it once; `problems` are those outside
    the rows, `warnings` are about the whole document."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.campaign: str | None = None
        self.defaults: dict[str, str] = {}
        self.rows: list[_Raw] = []
        self.extra_columns: dict[str, None] = {}  # as an ordered set
        self._text = text
        self._events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, Event] = {}
        self._depth = 0

    def read(self) -> None:
        """Reads the text to its end, or to where it cannot be read on."""
        with suppress(_Stop):
            self._read_stream()

    def _read_stream(self) -> None:
        self._next()  # the stream's start
        if isinstance(self._next(), StreamEndEvent):
            self._stop(0, f"the file holds no rows; {_SHAPE}")
        self._read_root(self._next())
        self._next()  # the document's end
        if isinstance(event := self._next(), DocumentStartEvent):
            self._stop(_line(event), 'a second document ("---") begins here; a job is one document')

    def _read_root(self, root: Event) -> None:
        if isinstance(root, SequenceStartEvent):
            self._check_collection(root, self.problems)
            self._read_rows()
        elif isinstance(root, MappingStartEvent):
            self._check_collection(root, self.problems)
            self._read_top(root)
        elif isinstance(root, ScalarEvent) and _is_null(root):
            self._stop(0, f"the file holds no rows; {_SHAPE}")
        else:
            self._stop(_line(root), f"{_SHAPE}, not {_kind(root)}")

    def _read_top(self, root: Event) -> None:
        seen = set()
        for key, line, value in self._entries(self.problems):
            seen.add(key)
            if key == "campaign":
                self._read_campaign(value)
            elif key == "defaults":
                self._read_defaults(value)
            elif key == "batches":
                self._read_batches(value)
            else:
                self.problems.append(Problem(line, _unknown_top(key)))
                self._skip(value)
        if "batches" not in seen:
            self.problems.append(Problem(_line(root), f'there is no key "batches"; {_SHAPE}'))

    def _read_campaign(self, value: Event) -> None:
        if (text := self._scalar("campaign", value, self.problems)) is None:
            return
        try:
            fill_campaign(text, date(2000, 1, 1))  # what is allowed does not depend on the date
            self.campaign = text
        except NameProblem as problem:
            self.problems.append(Problem(_line(value), f'key "campaign": {problem}'))

    def _read_defaults(self, value: Event) -> None:
        if isinstance(value, ScalarEvent) and _is_null(value):
            return
        if not isinstance(value, MappingStartEvent):
            self._refuse(value, 'key "defaults" holds', 'a mapping ("name: …")', self.problems)
            return
        raw = self._read_cells(value, _DEFAULTS)
        self.problems += raw.problems
        for key, cell in raw.cells.items():
            # Reported once, here, and not for each row that would have it.
            if text := cell_problem(key, cell.text):
                self.problems.append(Problem(cell.line, f'key "{key}": {text}'))
            else:
                self.defaults[key] = cell.text

    def _read_batches(self, value: Event) -> None:
        if isinstance(value, SequenceStartEvent):
            self._check_collection(value, self.problems)
            self._read_rows()
        elif not (isinstance(value, ScalarEvent) and _is_null(value)):
            self._refuse(
                value, 'key "batches" holds', 'a list of rows ("- batch_id: …")', self.problems
            )

    def _read_rows(self) -> None:
        latest = 0
        while not isinstance(event := self._next(), SequenceEndEvent):
            line = _line(event)
            if isinstance(event, MappingStartEvent):
                raw = self._read_cells(event, COLUMNS)
                if line == latest:
                    raw.problems.append(Problem(line, _TWO_IN_A_LINE))
                self.rows.append(raw)
            elif not (isinstance(event, ScalarEvent) and _is_null(event)):
                raw = _Raw(line, spoilt={*COLUMNS})
                self._refuse(event, "here is", 'a row ("batch_id: …")', raw.problems)
                self.rows.append(raw)
            latest = line

    def _read_cells(self, start: CollectionStartEvent, columns: tuple[str, ...]) -> _Raw:
        """The mapping that begins with `start`: a row, or the defaults."""
        raw = _Raw(_line(start))
        self._check_collection(start, raw.problems)
        for key, line, value in self._entries(raw.problems):
            if key == "batch_id" and key not in columns:
                what = 'key "batch_id" cannot be a default: each row names its own batch'
            else:
                what = column_problem(key, "key", columns)
            if what:
                raw.problems.append(Problem(line, what))
                raw.spoilt.update(
                    column for column in COLUMNS if f'did you mean "{column}"' in what
                )
                self._skip(value)
                continue
            if key.startswith("x_"):
                self.extra_columns[key] = None
            if (text := self._scalar(key, value, raw.problems)) is None:
                raw.spoilt.add(key)
            else:
                raw.cells[key] = _Cell(text, _line(value))
        return raw

    # -- what mappings are made of

    def _entries(self, problems: list[Problem]) -> Iterator[tuple[str, int, Event]]:
        """Key, its line and its value's first event, up to the mapping's end; the caller reads the
        value."""
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            line = _line(event)
            if isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]:
                problems.append(
                    Problem(
                        line,
                        'merge keys ("<<") are not supported; what rows share goes under'
                        ' "defaults:"',
                    )
                )
                self._skip(self._next())
                continue
            key = self._scalar(None, event, problems)
            value = self._next()
            if key is None:
                self._skip(value)
            elif key in lines:
                problems.append(
                    Problem(
                        line,
                        f"key {shown(key)} is here a second time; the first is in line"
                        f" {lines[key]}",
                    )
                )
                self._skip(value)
            else:
                lines[key] = line
                yield key, line, value

    def _scalar(self, key: str | None, event: Event, problems: list[Problem]) -> str | None:
        """The text of a key's value, or of a key (`None`); where it is none, says why and passes
        over it."""
        what = f'key "{key}"' if key else "a key"
        meant = self._anchors.get(event.anchor or "") if isinstance(event, AliasEvent) else event
        if not isinstance(meant, ScalarEvent):
            self._refuse(event, f"{what} holds", f"text; {_QUOTE}", problems)
        elif meant.tag not in _SCALAR_TAGS:
            problems.append(Problem(_line(event), f"{what}: {_no_tag(meant.tag)}"))
        else:
            text = "" if _is_null(meant) else str(meant.value).strip()
            if key and meant is event:
                self._warn_of_comment(key, text, meant)
            return text
        return None

    def _warn_of_comment(self, key: str, text: str, event: ScalarEvent) -> None:
        """Warns if a comment after a value may be a part of it: `name: Wave #1` is "Wave" to
        YAML."""
        if event.style or not (
            key in ("name", "campaign") or key.startswith("x_")
        ):  # quoted, or no text
            return
        mark: Any = event.end_mark  # only events made by hand have none
        if _DROPPED.match(self._text, mark.index):
            what = "value" if key.startswith("x_") else key
            left = shown(text) if text else "empty"
            self.warnings.append(
                Problem(
                    int(mark.line) + 1,
                    f'{key}: YAML ignores what follows " #"; the {what} is {left}. '
                    "Put quotes around it if the rest belongs to it",
                )
            )

    def _check_collection(self, event: CollectionStartEvent, problems: list[Problem]) -> None:
        if event.tag not in (None, "!"):
            problems.append(Problem(_line(event), _no_tag(event.tag)))

    def _refuse(self, event: Event, found: str, wanted: str, problems: list[Problem]) -> None:
        """Records that `event` is something else than what was `wanted`, and passes over it."""
        if not isinstance(event, AliasEvent):
            text = f"{found} {_kind(event)}; it has to be {wanted}"
        elif event.anchor in self._anchors:
            text = (
                f'the alias "*{event.anchor}" is not possible here; what rows share goes under'
                ' "defaults:"'
            )
        else:
            text = f'there is no "&{event.anchor}" above; text that begins with "*" needs quotes'
        problems.append(Problem(_line(event), text))
        self._skip(event)

    # -- events

    def _next(self) -> Event:
        """The next event. Stops at a syntax error and at nesting that no job has."""
        try:
            event = next(self._events)
        except yaml.YAMLError as error:
            self._stop(*_explain(error, self._text))
        if isinstance(event, CollectionStartEvent):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                self._stop(_line(event), f"nested deeper than {MAX_DEPTH} levels; {_SHAPE}")
        elif isinstance(event, CollectionEndEvent):
            self._depth -= 1
        if isinstance(event, (ScalarEvent, CollectionStartEvent)) and event.anchor:
            self._anchors[event.anchor] = event
        return event

    def _skip(self, event: Event) -> None:
        """Passes over the rest of the node that begins with `event`."""
        if isinstance(event, CollectionStartEvent):
            outside = self._depth - 1
            while self._depth > outside:
                self._next()

    def _stop(self, line: int, text: str) -> NoReturn:
        self.problems.append(Problem(line, text))
        raise _Stop


def _line(event: Event) -> int:
    mark: Any = event.start_mark  # only events made by hand have none
    return int(mark.line) + 1


def _is_null(event: ScalarEvent) -> bool:
    """Whether a scalar means nothing: plain and empty, `~` or `null`; what is quoted is text."""
    plain = event.tag is None and event.implicit[0]
    return event.value in _NULLS and (plain or event.tag == _TAG + "null")


def _kind(event: Event) -> str:
    if isinstance(event, SequenceStartEvent):
        return "a list"
    if isinstance(event, MappingStartEvent):
        return "a mapping"
    return f"text, {shown(event.value)}" if isinstance(event, ScalarEvent) else "an alias"


def _no_tag(tag: str | None) -> str:
    written = re.sub(f"^{_TAG}", "!!", tag or "")
    return f"the tag {shown(written)} is not supported; leave it out"


def _unknown_top(key: str) -> str:
    if key in COLUMNS:
        return f'key "{key}" belongs into a row; {_SHAPE}'
    close = closest(key, _TOP)
    meant = f'did you mean "{close}"? ' if close else ""
    return f"unknown key {shown(key)}; {meant}there are {', '.join(_TOP)}"


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line and text of a syntax error."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 0, f"this is not YAML: {shown(str(error), 200)}"
    at_end = "end of stream" in (error.problem or "")
    # A quote is missing where it was opened, not where the file ends.
    mark: Any = (error.context_mark if at_end else None) or error.problem_mark
    line = int(mark.line) + 1
    said = ", ".join(part for part in (error.context, error.problem) if part)
    lines = text.split("\n", line)
    written = lines[line - 1] if len(lines) >= line else ""
    indentation = written[: len(written) - len(written.lstrip())]
    hint = "YAML is indented with spaces, not tabs" if "\t" in indentation else _QUOTE
    return line, f"this is not YAML: {said}; {hint}"
