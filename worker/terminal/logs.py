"""Where log lines go to: standard error and a log file, through handlers of the standard library.
How lines look is the business of `log_formats`.

Each `Logs` has a logger and handlers of its own: nothing is set in the tree of `logging` or in
structlog's configuration, which all runs of a process share. Nothing here may end a run: a line
that cannot be written is lost."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, Self, TextIO

from worker.model.events import Event, Level
from worker.terminal.log_formats import Brief, Formats, event_of
from worker.terminal.output import speaks_unicode
from worker.text import Unbreakable

LogFormat = Literal["auto", "console", "json"]
"""How lines look on standard error; `auto`: short messages on a terminal, JSON otherwise."""

_BUFFER = 1 << 20
"""Bytes of log lines that wait for room on a full disk; a line is at most some thousand bytes."""


def resolved(log_format: LogFormat, is_terminal: bool) -> Literal["brief", "console", "json"]:
    """What `log_format` means on a standard error that is or is not a terminal."""
    if log_format == "auto":
        return "brief" if is_terminal else "json"
    return log_format


class Logs:
    """Writes events as log lines; an `Emit`. A context manager that closes the log file.

    `scrub` hides the token in any value. `level` is the least that standard error shows; `quiet`
    keeps it silent; the log file gets everything. `above` prints a line above the live display
    (None: there is none). `now` gives the time, with a time zone. Raises nothing."""

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
        """What is wrong with the log file, for the summary: a quiet run shows no note of it."""
        self._logger = logging.Logger("duplicate-batches")
        self._logger.addHandler(logging.NullHandler())  # without any, `logging` prints warnings
        formats = Formats(run_id=run_id, campaign=campaign, scrub=scrub, now=now)
        if not quiet:
            handler = _StderrHandler(above or Unbreakable(stderr).line)
            look = resolved(log_format, is_terminal)
            if look == "brief":
                handler.setFormatter(Brief(stderr, scrub))
            else:
                handler.setFormatter(
                    formats.console(colors=is_terminal and _allows_colors())
                    if look == "console"
                    else formats.json(ascii_only=not speaks_unicode(stderr))
                )
                handler.setLevel(level.upper())
                if above is not None:
                    handler.addFilter(_matters)
            self._logger.addHandler(handler)
        self._log_file = log_file
        self._file: _FileHandler | None = None
        if log_file is not None:
            self._open(log_file, formats)
        self._logger.disabled = quiet and self._file is None  # a record for nobody takes 10 µs

    def _open(self, log_file: Path, formats: Formats) -> None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            self._file = _FileHandler(log_file, self._failed)
        except OSError as error:
            self._failed(error)
        else:
            self._file.setFormatter(formats.json())
            self._logger.addHandler(self._file)

    def __call__(self, event: Event) -> None:
        """Write the line of `event` to standard error and the log file, or lose it."""
        getattr(self._logger, event.level)(event)

    def _failed(self, error: BaseException | None) -> None:
        if self.trouble is None:
            self.trouble = (
                f"The log file {self._log_file} cannot be written"
                f" ({getattr(error, 'strerror', None) or error}). The run continues without it."
            )
            self(Event("note", "warning", {"text": self.trouble}))

    def close(self) -> None:
        """Close the log file; lines after that go to standard error only."""
        if self._file is not None:
            self._logger.removeHandler(self._file)
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _StderrHandler(logging.Handler):
    """Hands each line to `write`; an empty line means that a person need not see the event."""

    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if line := self.format(record):
                self._write(line)
        except Exception:  # noqa: S110 - `Handler.handleError` would print a traceback
            pass


class _FileHandler(logging.FileHandler):
    """Appends to the file at `path` and calls `failed` with each error. Raises OSError if the file
    cannot be opened.

    A full disk may have room again later, so each line is tried. Lines wait in the buffer
    meanwhile; once it is full they are lost, but never in part."""

    def __init__(self, path: Path, failed: Callable[[BaseException | None], None]) -> None:
        super().__init__(path, encoding="utf-8")
        self._failed = failed

    def _open(self) -> TextIOWrapper:
        return Path(self.baseFilename).open("a", buffering=_BUFFER, encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Called by `emit` instead of raising."""
        self._failed(sys.exception())

    def close(self) -> None:
        """Close the file."""
        try:
            super().close()
        except OSError as error:
            self._failed(error)


def _matters(record: logging.LogRecord) -> bool:
    """Whether a line may stand above the live display: one for each duplicate would flood it."""
    return record.levelno >= logging.WARNING or event_of(record).name == "note"


def _allows_colors() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
