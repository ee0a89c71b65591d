"""What a person at a terminal is told of events: one short line, or nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.terminal.test_logs import TOKEN, logs
from worker.model.events import EVENTS, Event, Level
from worker.terminal.brief import MOST_CAUSES, brief

TOO_MANY = "the API said 'too many requests'"
AGAIN = "Press Ctrl-C again to stop at once."


@pytest.mark.parametrize(
    ("name", "level", "fields", "line"),
    [
        ("run.interrupted", "warning", {"signal": "SIGINT", "in_flight": 0}, f"Stopping. {AGAIN}"),
        (
            "run.interrupted",
            "warning",
            {"in_flight": 1},
            f"Stopping: waiting for 1 request. {AGAIN}",
        ),
        (
            "run.interrupted",
            "warning",
            {"in_flight": 4},
            f"Stopping: waiting for 4 requests. {AGAIN}",
        ),
        (
            "pace.slowed",
            "warning",
            {"why": TOO_MANY, "wait_s": 2.4},
            f"Slowed down for 2 s: {TOO_MANY}",
        ),
        ("pace.slowed", "warning", {"why": "a\x1b[2J"}, r"Slowed down for 0 s: a\x1b[2J"),
        (
            "ledger.disconnected",
            "warning",
            {"why": "closed\x1b[2J"},
            r"The connection to the ledger's server broke: closed\x1b[2J",
        ),
        (
            "ledger.reconnected",
            "info",
            {"away_s": 61.2},
            "The ledger's server is reached again, after 1 min",
        ),
        ("note", "warning", {"text": "a file\n  Next: do"}, "A file Next: do"),
        ("note", "error", {"text": "made, but"}, "Made, but"),
        ("note", "warning", {}, None),
        ("note", "info", {"text": "by the way"}, None),
        ("note", "debug", {"text": "internal error", "traceback": "…"}, None),
        ("run.started", "info", {"job": "a.csv"}, None),
        ("preflight.done", "info", {}, None),
        ("batch.created", "info", {"name": "a"}, None),
        ("batch.failed", "warning", {"name": "a"}, None),
        ("batch.unknown", "warning", {"name": "a"}, None),
        ("batch.retrying", "info", {"name": "a"}, None),
        ("pace.recovered", "info", {"rate": 5.0}, None),
        ("run.finished", "info", {}, None),
    ],
)
def test_the_line_of_an_event(
    name: str, level: Level, fields: dict[str, Any], line: str | None
) -> None:
    assert name in EVENTS
    assert brief(Event(name, level, fields)) == line


def test_each_cause_of_slowing_down_is_reported_once_and_not_endlessly_many() -> None:
    stderr = io.StringIO()
    emit = logs(stderr, "auto", is_terminal=True)
    for _ in range(36):
        emit(Event("pace.slowed", "warning", {"why": TOO_MANY, "wait_s": 2.0}))
    assert stderr.getvalue() == f"Slowed down for 2 s: {TOO_MANY}\n"
    for number in range(36):
        emit(Event("pace.slowed", "warning", {"why": f"request {number}", "wait_s": 2.0}))
    assert len(stderr.getvalue().splitlines()) == MOST_CAUSES


@pytest.mark.parametrize("text", ["x" * 200, "漢字" * 100])
def test_a_line_is_cut_to_the_window_but_errors_and_notes_are_whole(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stderr = io.StringIO()
    emit = logs(stderr, "auto", is_terminal=True)
    emit(Event("pace.slowed", "warning", {"why": text, "wait_s": 2.0}))
    (line,) = stderr.getvalue().splitlines()
    assert line.endswith("…")
    assert cell_len(line) in (39, 40)
    levels: tuple[Level, ...] = ("warning", "error")
    for level in levels:
        emit(Event("note", level, {"text": text}))
        assert stderr.getvalue().splitlines()[-1].upper() == text.upper()


def test_all_stop_lines_fit_a_window_of_80() -> None:
    for number in (0, 1, 16, 999):
        assert len(brief(Event("run.interrupted", "warning", {"in_flight": number})) or "") <= 80


def test_the_log_file_has_every_event_and_a_terminal_the_few(tmp_path: Path) -> None:
    stderr, log_file = io.StringIO(), tmp_path / "run.log"
    with logs(stderr, "auto", log_file, is_terminal=True) as emit:
        for name in EVENTS:
            emit(Event(name, "info", {"text": f"the token is {TOKEN}"}))
        emit(Event("note", "warning", {"text": f"the token is {TOKEN}"}))
    assert (
        len([json.loads(line) for line in log_file.read_text("utf-8").splitlines()])
        == len(EVENTS) + 1
    )
    assert TOKEN not in stderr.getvalue()
    assert "The token is" in stderr.getvalue()


def test_quiet_says_nothing_at_a_terminal() -> None:
    stderr = io.StringIO()
    logs(stderr, "auto", is_terminal=True, quiet=True)(
        Event("note", "error", {"text": "made, but"})
    )
    assert stderr.getvalue() == ""
