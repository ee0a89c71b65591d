"""Events → log lines: on standard error for people or as JSON, and as JSON to a file.

structlog does the work, without its global configuration; it is imported for the first line, since
a quiet run has none and the import takes as long as a short run. Nothing here may end a run: a line
that cannot be written is lost. The token is hidden here, in one step, whoever let it into an
event."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from worker.model.clock import iso
from worker.model.events import Event, Level
from worker.terminal.brief import brief, cause
from worker.terminal.output import speaks_unicode
from worker.text import Unbreakable, visible, visible_json, window_width

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

LogFormat = Literal["auto", "console", "json"]
"""How lines look on standard error; `auto`: short messages on a terminal, JSON otherwise."""

_LEVELS: Mapping[Level, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}


def resolved(log_format: LogFormat, is_terminal: bool) -> Literal["brief", "console", "json"]:
    """What `log_format` means on a standard error that is a terminal or is none."""
    if log_format == "auto":
        return "brief" if is_terminal else "json"
    return log_format


def shows(event: Event, *, level: Level, quiet: bool, live: bool) -> bool:
    """Whether standard error shows `event`: nothing where `quiet`, else what is at least `level`;
    with a `live` display warnings and notes only, since a line for each duplicate would flood
    it."""
    if quiet or _LEVELS[event.level] < _LEVELS[level]:
        return False
    return not live or event.name == "note" or _LEVELS[event.level] >= _LEVELS["warning"]


class Logs:
    """Where events become log lines; an `Emit`. A context manager that closes the log file.

    `scrub` hides the token in any value. `level` is the least that standard error shows; `quiet`
    keeps it silent; the log file gets everything. `above` is there where a live display owns the
    terminal: it prints a line above it. `now` gives the time, with a time zone."""

    def __init__(
        self,
        *,
        run_id: str,
        campaign: str,
        log_format: LogFormat,
        log_file: Path | None,
        stderr: TextIO,
        is_terminal: bool,
        scrub: Callable[[Any], Any],
        level: Level = "info",
        quiet: bool = False,
        above: Callable[[str], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.trouble: str | None = None
        """What is wrong with the log file, in words; for a summary, since `quiet` says nothing of
        it."""
        self._level, self._quiet, self._live = level, quiet, above is not None
        write = above or Unbreakable(stderr).line
        self._brief = (
            _Brief(write, stderr, scrub) if resolved(log_format, is_terminal) == "brief" else None
        )
        head = _head(run_id, campaign, now)

        def to_stderr() -> Sequence[Processor]:
            if resolved(log_format, is_terminal) == "console":
                colors = (
                    is_terminal
                    and not os.environ.get("NO_COLOR")
                    and os.environ.get("TERM") != "dumb"
                )
                steps = [_for_people, _hiding(scrub), _console(colors)]
            else:
                steps = [
                    _hiding(scrub),
                    _json(ascii_only=not speaks_unicode(stderr)),
                    _json_visible,
                ]
            return [head, _plain_values, *steps, _hiding(scrub)]

        def to_file() -> Sequence[Processor]:
            return [head, _plain_values, _hiding(scrub), _json(), _json_visible, _hiding(scrub)]

        self._stderr = _Lines(write, to_stderr)
        self._file = _LogFile(log_file, self._report) if log_file else None
        self._lines = _Lines(self._file.line, to_file) if self._file else None

    def __call__(self, event: Event) -> None:
        """Write the line of `event` to the places that want it."""
        if self._lines:
            self._lines.log(event)
        self._show(event)

    def _show(self, event: Event) -> None:
        if self._brief is not None:
            if not self._quiet:
                self._brief.log(event)
        elif shows(event, level=self._level, quiet=self._quiet, live=self._live):
            self._stderr.log(event)

    def _report(self, trouble: str) -> None:
        if self.trouble is None:
            self.trouble = trouble
            self._show(Event("note", "warning", {"text": trouble}))

    def close(self) -> None:
        """Close the log file; lines after that go to standard error only."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Brief:
    """The lines for a person at the terminal `stderr`, each as long as its window is wide."""

    def __init__(
        self, write: Callable[[str], object], stderr: TextIO, scrub: Callable[[Any], Any]
    ) -> None:
        self._write, self._stderr, self._scrub = write, stderr, scrub
        self._causes: set[str] = set()

    def log(self, event: Event) -> None:
        text = brief(event, self._causes)
        if text is None:
            return
        self._causes.update(filter(None, [cause(event)]))
        text = str(self._scrub(text))
        # An error may be the last place that names a batch: it is told whole.
        self._write(text if event.level == "error" else self._cut(text))

    def _cut(self, text: str) -> str:
        from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - only a terminal needs it

        width = window_width(self._stderr)
        return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


class _LogFile:
    """The file at `path`, made with its folders and appended to, a whole line in each write;
    `report` hears what went wrong. The disk may have room again later, so each line is tried."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._path, self._report = path, report
        self._torn = False  # the last line came out in part
        self._file: FileIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            self._failed(error)

    def line(self, text: str) -> None:
        if self._file is None:
            return
        data = b"\n" * self._torn + text.encode() + b"\n"
        try:
            self._torn = self._file.write(data) != len(data)
        except OSError as error:
            self._failed(error)
        else:
            if self._torn:
                self._failed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def close(self) -> None:
        if self._file:
            try:
                self._file.close()
            except OSError as error:
                self._failed(error)
            self._file = None

    def _failed(self, error: OSError) -> None:
        self._report(
            f"The log file {self._path} cannot be written ({error.strerror}). The run goes on"
            " without it."
        )


class _Lines:
    """Where rendered lines go to, and structlog's logger that renders them by `steps`, made with
    the first event."""

    def __init__(
        self, write: Callable[[str], object], steps: Callable[[], Sequence[Processor]]
    ) -> None:
        self._write, self._steps = write, steps
        self._logger: Any = None

    def log(self, event: Event) -> None:
        if self._logger is None:
            self._logger = self._made()
        # One argument for all fields: as keywords, a field named `event` would clash with
        # structlog's own.
        getattr(self._logger, event.level)(event.name, fields=event.fields)

    def _made(self) -> Any:
        import structlog  # noqa: PLC0415 - see above

        # Every setting is given, so that nothing comes from (or goes to) structlog's global
        # configuration.
        return structlog.wrap_logger(
            self,
            processors=self._steps(),
            wrapper_class=structlog.BoundLogger,
            context_class=dict,
            cache_logger_on_first_use=True,
        )

    def line(self, text: str) -> None:
        """What structlog calls with a rendered line."""
        self._write(text)

    debug = info = warning = error = line


def _head(run_id: str, campaign: str, now: Callable[[], datetime]) -> Processor:
    def head(_logger: Any, level: str, record: EventDict) -> EventDict:
        """What every line begins with; a field of the same name does not replace it."""
        first = {"timestamp": iso(now()), "level": level, "event": record["event"]}
        first |= {"run_id": run_id, "campaign": campaign}
        return first | _without(record["fields"], first)

    return head


def _without(fields: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def _plain_values(_logger: Any, _level: str, record: EventDict) -> EventDict:
    """Values as JSON has them, so that everything that can hold the token is text when the token is
    hidden."""
    return {str(name): _plain(value) for name, value in record.items()}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)  # JSON has no NaN
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case datetime():
            return iso(value) if value.tzinfo else value.isoformat()
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return str(value)


def _for_people(_logger: Any, _level: str, record: EventDict) -> EventDict:
    """What a person reads: without what every line of this run says, a note as its words, nothing
    that moves the cursor. The renderer shows values by `repr`, which hides no character."""
    first = {name: record.pop(name) for name in ("timestamp", "level", "event")}
    if first["event"] == "note" and "text" in record:
        first["event"] = record.pop("text")
    if first["event"] != "run.started":
        record = _without(record, {"run_id": "", "campaign": ""})
    first["event"] = visible(str(first["event"]))
    # ConsoleRenderer prints fields of these names as they are, over many lines.
    loose = ("stack", "exception", "exc_info")
    return first | {
        f"{name}_" if name in loose else visible(name): value for name, value in record.items()
    }


def _hiding(scrub: Callable[[Any], Any]) -> Processor:
    def hide(_logger: Any, level: str, record: EventDict | str) -> EventDict | str:
        """The record, or the rendered line, without the token."""
        clean: EventDict | str = scrub(record)
        # The renderer looks the level up, so it stays even where somebody's token is `info`.
        return clean | {"level": level} if isinstance(clean, dict) else clean

    return hide


def _console(colors: bool) -> Processor:
    import structlog  # noqa: PLC0415 - see above

    return structlog.dev.ConsoleRenderer(
        colors=colors, repr_native_str=True, sort_keys=False, pad_event_to=16, pad_level=True
    )


def _json(*, ascii_only: bool = False) -> Processor:
    import structlog  # noqa: PLC0415 - see above

    return structlog.processors.JSONRenderer(ensure_ascii=ascii_only, allow_nan=False)


def _json_visible(_logger: Any, _level: str, line: Any) -> str:
    return visible_json(str(line))
