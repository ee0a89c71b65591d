"""Log lines: what is in them, where they go, and that nothing about them ends a run."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TextIO, get_args

import pytest
import structlog

from worker.model.clock import iso
from worker.model.events import EVENTS, Event, Level
from worker.terminal.logs import LogFormat, Logs, resolved
from worker.terminal.secrets import Scrubber

TOKEN = "s3cr3t-t0ken+/=value"
NOW = datetime(2026, 5, 1, 4, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
SPECIAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def logs(
    stderr: TextIO,
    log_format: LogFormat = "json",
    log_file: Path | None = None,
    *,
    is_terminal: bool = False,
    level: Level = "info",
    quiet: bool = False,
    above: Callable[[str], None] | None = None,
) -> Logs:
    return Logs(
        run_id="run-1",
        campaign="spring",
        log_format=log_format,
        log_file=log_file,
        stderr=stderr,
        is_terminal=is_terminal,
        scrub=Scrubber(TOKEN),
        level=level,
        quiet=quiet,
        above=above,
        now=lambda: NOW,
    )


def parsed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_json_line_begins_with_what_is_promised() -> None:
    stderr = io.StringIO()
    logs(stderr)(Event("batch.created", "info", {"line": 3, "name": "Größe", "attempt": 1}))
    (line,) = parsed(stderr.getvalue())
    assert line == {
        "timestamp": "2026-05-01T02:00:00.123Z",
        "level": "info",
        "event": "batch.created",
        "run_id": "run-1",
        "campaign": "spring",
        "line": 3,
        "name": "Größe",
        "attempt": 1,
    }
    assert list(line)[:5] == ["timestamp", "level", "event", "run_id", "campaign"]
    assert "Größe" in stderr.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("name", EVENTS)
def test_every_event_can_be_reported(name: str, log_format: LogFormat) -> None:
    stderr = io.StringIO()
    logs(stderr, log_format)(Event(name, "warning", {"text": "words"}))
    assert (name if name != "note" or log_format == "json" else "words") in stderr.getvalue()


def test_fields_with_names_of_their_own() -> None:
    stderr, console = io.StringIO(), io.StringIO()
    fields = {
        "event": "x",
        "level": "y",
        "self": 1,
        "method_name": 2,
        "exc_info": True,
        "stack": "a\nb",
        "fields": 3,
    }
    logs(stderr)(Event("note", "info", fields))
    logs(console, "console")(Event("note", "info", fields))
    (line,) = parsed(stderr.getvalue())
    assert (line["event"], line["level"], line["self"], line["fields"]) == ("note", "info", 1, 3)
    assert len(console.getvalue().splitlines()) == 1


def test_any_value_becomes_json() -> None:
    stderr = io.StringIO()
    values = {
        "nan": float("nan"),
        "path": Path("a/b"),
        "when": NOW,
        "naive": datetime(2026, 1, 1),
        "set": {1},
        "bytes": b"\xff",
        "error": ValueError("no"),
        "deep": {1: (None, True)},
        "lone": "\udcff",
    }
    logs(stderr)(Event("note", "info", values))
    (line,) = parsed(stderr.getvalue())
    assert line["nan"] == "nan"
    assert line["path"] == "a/b"
    assert line["when"] == "2026-05-01T02:00:00.123Z"
    assert line["set"] == [1]
    assert line["bytes"] == "\\xff"
    assert line["error"] == "no"
    assert line["deep"] == {"1": [None, True]}
    assert line["lone"] == "\udcff"
    stderr.getvalue().encode()


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize(
    ("log_format", "is_terminal"), [("json", False), ("console", False), ("console", True)]
)
def test_the_token_is_nowhere(
    tmp_path: Path, log_format: LogFormat, is_terminal: bool, level: Level
) -> None:
    stderr, log_file = io.StringIO(), tmp_path / "log.jsonl"
    hidden = [
        TOKEN,
        f"Token {TOKEN}",
        repr(TOKEN),
        TOKEN.encode().hex(),
        base64.b64encode(TOKEN.encode()).decode(),
        base64.urlsafe_b64encode(f"Token {TOKEN}".encode()).decode().rstrip("="),
    ]
    with logs(stderr, log_format, log_file, is_terminal=is_terminal, level="debug") as emit:
        for text in hidden:
            fields = {
                "text": text,
                text: 1,
                "nested": [{"a": (text, text.encode())}],
                "error": ValueError(text),
                "path": Path(f"/x/{text}"),
            }
            emit(Event("note", level, fields))
            emit(Event(text, level, fields))
    for output in (stderr.getvalue(), log_file.read_text()):
        assert "[token]" in output
        assert not [form for form in hidden if form in output]
        assert "s3cr3t" not in output
    assert len(parsed(log_file.read_text())) == 2 * len(hidden)


@pytest.mark.parametrize("token", ["info", "1", "event", "123456"])
def test_an_absurd_token_does_not_break_the_lines(token: str) -> None:
    for log_format in get_args(LogFormat):
        stderr = io.StringIO()
        emit = Logs(
            run_id="r",
            campaign="c",
            log_format=log_format,
            log_file=None,
            stderr=stderr,
            is_terminal=False,
            scrub=Scrubber(token),
        )
        emit(Event("note", "info", {"line": 1, "n": 123456}))
        if log_format != "console":
            assert len(parsed(stderr.getvalue())) == 1


@pytest.mark.parametrize(
    "name", ["\x1b[31m\x1b]0;title\x07", "\u202egnp.exe\u200f", "a\r\nb\x9b2J", "\u2028\u2066"]
)
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_hostile_name_does_not_reach_the_terminal(name: str, log_format: LogFormat) -> None:
    stderr = io.StringIO()
    emit = logs(stderr, log_format)
    emit(Event("note", "warning", {"text": f"see {name}", "name": name, name: {"deep": [name]}}))
    assert not SPECIAL.search(stderr.getvalue())
    assert stderr.getvalue().count("\n") == 1
    if log_format == "json":
        assert parsed(stderr.getvalue())[0]["name"] == name


def test_the_console_tells_the_run_once_and_is_colored_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for is_terminal in (True, False):
        stderr = io.StringIO()
        emit = logs(stderr, "console", is_terminal=is_terminal)
        emit(Event("run.started"))
        emit(Event("batch.created", "info", {"line": 3}))
        first, second = stderr.getvalue().splitlines()
        assert "spring" in first
        assert "spring" not in second
        assert ("\x1b[" in second) is is_terminal
    monkeypatch.setenv("NO_COLOR", "1")
    stderr = io.StringIO()
    logs(stderr, "console", is_terminal=True)(Event("run.started"))
    assert "\x1b" not in stderr.getvalue()


@pytest.mark.parametrize(
    ("log_format", "is_terminal", "outcome"),
    [
        ("auto", True, "brief"),
        ("auto", False, "json"),
        ("console", False, "console"),
        ("json", True, "json"),
    ],
)
def test_the_format(log_format: LogFormat, is_terminal: bool, outcome: str) -> None:
    assert resolved(log_format, is_terminal) == outcome


@pytest.mark.parametrize(
    ("name", "level", "least", "quiet", "live", "shown"),
    [
        ("batch.created", "info", "info", False, False, True),
        ("batch.created", "debug", "info", False, False, False),
        ("batch.created", "debug", "debug", False, False, True),
        ("batch.failed", "error", "info", True, False, False),
        ("batch.created", "info", "info", False, True, False),
        ("batch.failed", "warning", "info", False, True, True),
        ("note", "info", "info", False, True, True),
        ("note", "info", "info", True, True, False),
        ("note", "info", "warning", False, True, False),
    ],
)
def test_what_standard_error_shows(
    name: str, level: Level, least: Level, *, quiet: bool, live: bool, shown: bool
) -> None:
    stderr, lines = io.StringIO(), list[str]()
    emit = logs(stderr, level=least, quiet=quiet, above=lines.append if live else None)
    emit(Event(name, level))
    assert bool(lines) is (shown and live)
    assert bool(stderr.getvalue()) is (shown and not live)


def test_quiet_is_silent_and_the_file_gets_everything(tmp_path: Path) -> None:
    stderr, log_file = io.StringIO(), tmp_path / "new" / "log.jsonl"
    with logs(stderr, quiet=True, log_file=log_file) as emit:
        for level in get_args(Level):
            emit(Event("note", level))
    assert stderr.getvalue() == ""
    assert [line["level"] for line in parsed(log_file.read_text())] == list(get_args(Level))


def test_the_file_is_appended_to(tmp_path: Path) -> None:
    log_file = tmp_path / "log.jsonl"
    for _ in range(2):
        with logs(io.StringIO(), log_file=log_file) as emit:
            emit(Event("run.started"))
    assert len(parsed(log_file.read_text())) == 2
    emit(Event("run.finished"))  # closed: lost, without an error
    assert len(parsed(log_file.read_text())) == 2


def test_above_a_live_display() -> None:
    stderr, lines = io.StringIO(), list[str]()
    emit = logs(stderr, "console", is_terminal=True, above=lines.append)
    emit(Event("batch.created"))
    emit(Event("batch.failed", "warning"))
    assert stderr.getvalue() == ""
    (line,) = lines
    assert "batch.failed" in line


def test_a_full_disk_is_reported_once() -> None:
    stderr = io.StringIO()
    with logs(stderr, log_file=Path("/dev/full")) as emit:
        for _ in range(3):
            emit(Event("batch.created"))
        notes = [line for line in parsed(stderr.getvalue()) if line["event"] == "note"]
        assert len(notes) == 1
        assert "No space left" in notes[0]["text"]
        assert emit.trouble == notes[0]["text"]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_file_that_cannot_be_opened(tmp_path: Path, quiet: bool) -> None:
    stderr = io.StringIO()
    with logs(stderr, log_file=tmp_path, quiet=quiet) as emit:
        emit(Event("batch.created"))
    assert emit.trouble is not None
    assert len(stderr.getvalue().splitlines()) == (0 if quiet else 2)


def test_a_torn_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    log_file = tmp_path / "log.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with logs(io.StringIO(), log_file=log_file) as emit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))  # as if there was room for 50 bytes
        try:
            emit(Event("batch.created"))
            torn = log_file.stat().st_size
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        emit(Event("batch.failed"))
    assert torn == 50
    assert emit.trouble is not None
    lines = parsed(log_file.read_text())
    assert [line["event"] for line in lines] == ["batch.created", "note", "batch.failed"]


def test_a_file_whose_folder_is_gone_ends_nothing(tmp_path: Path) -> None:
    log_file = tmp_path / "gone" / "log.jsonl"
    with logs(io.StringIO(), log_file=log_file) as emit:
        emit(Event("batch.created"))
        log_file.unlink()
        log_file.parent.rmdir()
        emit(Event("batch.created"))


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_an_event_is_one_line_however_long(tmp_path: Path, log_format: LogFormat) -> None:
    stderr, log_file, text = io.StringIO(), tmp_path / "log.jsonl", "long\n" * 500_000
    with logs(stderr, log_format, log_file) as emit:
        emit(Event("batch.failed", "error", {"error": text}))
    assert stderr.getvalue().count("\n") == 1
    (line,) = parsed(log_file.read_text())
    assert line["error"] == text


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_value_without_a_text_ends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    stderr, log_file = io.StringIO(), tmp_path / "log.jsonl"
    with logs(stderr, log_format, log_file) as emit:
        emit(Event("batch.created", "info", {"name": Broken()}))
        emit(Event("batch.failed"))
    assert "batch.failed" in stderr.getvalue()
    assert [line["event"] for line in parsed(log_file.read_text())] == ["note", "batch.failed"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_broken_standard_error_ends_nothing(tmp_path: Path, log_format: LogFormat) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    raw = io.FileIO(writer, "w")
    stderr = io.TextIOWrapper(raw, write_through=True)
    log_file = tmp_path / "log.jsonl"
    with logs(stderr, log_format, log_file) as emit:
        emit(Event("batch.created"))
        raw.close()
        emit(Event("batch.created"))
    assert len(parsed(log_file.read_text())) == 2


def test_json_stays_json_where_standard_error_knows_no_unicode() -> None:
    raw = io.BytesIO()
    stderr = io.TextIOWrapper(raw, encoding="latin-1", errors="backslashreplace")
    logs(stderr)(Event("note", "info", {"name": "漢ö"}))
    assert json.loads(raw.getvalue())["name"] == "漢ö"


def test_nothing_global_is_configured(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = list(logging.root.handlers), set(logging.root.manager.loggerDict)
    for quiet in (True, False):
        with logs(io.StringIO(), log_file=tmp_path / "log.jsonl", quiet=quiet) as emit:
            emit(Event("note", "error"))
        emit(Event("note", "error"))
    assert (list(logging.root.handlers), set(logging.root.manager.loggerDict)) == before
    assert not structlog.is_configured()
    assert capfd.readouterr() == ("", "")


def test_timestamps_are_utc() -> None:
    assert iso(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
