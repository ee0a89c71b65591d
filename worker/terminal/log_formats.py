"""Events → the text of log lines: brief, console, JSON. Where lines go to is the business of
`logs`.

The formatters are the standard library's; structlog renders inside them. It is imported only if a
format needs it, because that takes as long as a short run. Every line hides the token here."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

from worker.model.clock import iso
from worker.model.events import Event
from worker.terminal.brief import brief, cause
from worker.text import visible, visible_json, window_width

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


def event_of(record: logging.LogRecord) -> Event:
    """The event that a record is about: its `msg`, which `logging` passes on as it is."""
    return cast(Event, record.msg)


class Brief(logging.Formatter):
    """Formats for a person at the terminal `stderr`: one short line, or "" for most events.

    `scrub` hides the token."""

    def __init__(self, stderr: TextIO, scrub: Callable[[Any], Any]) -> None:
        super().__init__()
        self._stderr, self._scrub = stderr, scrub
        self._causes: set[str] = set()

    def format(self, record: logging.LogRecord) -> str:
        """The line for the event that is the record's `msg`. Most are cut to the width of the
        window; errors and notes are whole."""
        event = event_of(record)
        text = brief(event, self._causes)
        if text is None:
            return ""
        self._causes.update(filter(None, [cause(event)]))
        text = str(self._scrub(text))
        # An error may be the last place that names a batch, and a note says what to do.
        return text if event.level == "error" or event.name == "note" else self._cut(text)

    def _cut(self, text: str) -> str:
        from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - only a terminal needs it

        width = window_width(self._stderr)
        return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


class Formats:
    """The formatters of one run; each makes one line of a record whose `msg` is an event.

    `scrub` hides the token in any value. `now` gives the time, with a time zone."""

    def __init__(
        self,
        *,
        run_id: str,
        campaign: str,
        scrub: Callable[[Any], Any],
        now: Callable[[], datetime],
    ) -> None:
        self._run = {"run_id": run_id, "campaign": campaign}
        self._scrub, self._now = scrub, now

    def json(self, *, ascii_only: bool = False) -> logging.Formatter:
        """JSON lines, `ascii_only` for an encoding that does not have every character."""
        from structlog.processors import JSONRenderer  # noqa: PLC0415 - see above

        render = JSONRenderer(ensure_ascii=ascii_only, allow_nan=False)
        return self._formatter(self._hide, render, _json_visible)

    def console(self, *, colors: bool) -> logging.Formatter:
        """Lines for people, with `colors` or without."""
        from structlog.dev import ConsoleRenderer  # noqa: PLC0415 - see above

        # Positional, because versions of structlog name the width of events differently.
        render = ConsoleRenderer(16, colors=colors, repr_native_str=True, sort_keys=False)
        return self._formatter(_for_people, self._hide, render)

    def _formatter(self, *steps: Processor) -> logging.Formatter:
        from structlog.stdlib import ProcessorFormatter  # noqa: PLC0415 - see above

        return ProcessorFormatter(
            processors=[self._entry, *steps, self._hide], use_get_message=False
        )

    def _entry(self, _logger: Any, level: str, meta: EventDict) -> EventDict:
        """The event as values of JSON, so that all that can hold the token is text.

        Every line begins with the same fields; an event's own field of such a name is left out."""
        event = event_of(meta["_record"])
        first = {"timestamp": iso(self._now()), "level": level, "event": event.name, **self._run}
        return first | _without(_plain(event.fields), first)

    def _hide(self, _logger: Any, level: str, entry: EventDict | str) -> EventDict | str:
        """The entry, or the rendered line, without the token."""
        clean: EventDict | str = self._scrub(entry)
        # The renderer looks the level up, so it stays even if somebody's token is `info`.
        return clean | {"level": level} if isinstance(clean, dict) else clean


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


def _without(fields: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def _json_visible(_logger: Any, _level: str, line: Any) -> str:
    return visible_json(str(line))


def _for_people(_logger: Any, _level: str, entry: EventDict) -> EventDict:
    """The entry without what every line of a run repeats; a note as its text; nothing that moves
    the cursor. The renderer shows values by `repr`, which escapes such characters."""
    first = {name: entry.pop(name) for name in ("timestamp", "level", "event")}
    if first["event"] == "note" and "text" in entry:
        first["event"] = entry.pop("text")
    if first["event"] != "run.started":
        entry = _without(entry, {"run_id": "", "campaign": ""})
    first["event"] = visible(str(first["event"]))
    # ConsoleRenderer prints fields of these names as they are, over many lines.
    loose = ("stack", "exception", "exc_info")
    return first | {
        f"{name}_" if name in loose else visible(name): value for name, value in entry.items()
    }
