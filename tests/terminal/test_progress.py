"""Progress: its words, its plain lines, and the live display on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyte
import pytest
from rich.cells import cell_len
from rich.console import Console

from worker.model.phase import Phase
from worker.terminal.live import display
from worker.terminal.progress import Progress, Style, style
from worker.terminal.snapshot import Snapshot, eta, line

SENDING = Snapshot(
    total=1000, created=120, unknown=2, pending=878, rate=5.0, phase=Phase.SENDING, elapsed_s=24
)

SETTLING = Snapshot(
    total=12,
    created=9,
    unknown=3,
    rate=5.0,
    phase=Phase.SETTLING,
    unanswered=3,
    looks_in_s=24.2,
    elapsed_s=70,
)


@pytest.mark.parametrize(
    ("snapshot", "seconds"),
    [
        (SENDING, 175.6),
        (SENDING._replace(waiting_s=10), 185.6),
        (SENDING._replace(waiting_s=-10), 175.6),
        (SENDING._replace(rate=0), None),
        (SENDING._replace(rate=float("nan")), None),
        (SENDING._replace(rate=float("inf")), None),
        (SENDING._replace(pending=0), 0.0),
        (Snapshot(), None),
    ],
)
def test_eta(snapshot: Snapshot, seconds: float | None) -> None:
    assert eta(snapshot) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (SENDING, "created 120/1000 · 5.0/s · 2 unknown · ETA 3 min"),
        (SENDING._replace(failed=1), "created 120/1000 · 5.0/s · 1 failed · 2 unknown · ETA 3 min"),
        (
            SENDING._replace(unknown=0, rate=0.0, waiting_s=12),
            "created 120/1000 · 0.0/s · paused for 12 s",
        ),
        (
            SENDING._replace(phase=Phase.FINISHING, pending=0),
            "finishing · created 120/1000 · 5.0/s · 2 unknown",
        ),
        (SENDING._replace(phase=Phase.ENDED), "ended · created 120/1000 · 5.0/s · 2 unknown"),
        (
            SETTLING,
            (
                "settling · 3 unanswered requests · looking again in 24 s · created 9/12 · 5.0/s ·"
                " 3 unknown"
            ),
        ),
        (
            SETTLING._replace(unanswered=1, looks_in_s=None),
            "settling · 1 unanswered request · looking now · created 9/12 · 5.0/s · 3 unknown",
        ),
        (Snapshot(phase=Phase.LOOKING_UP), "looking up sources …"),
        (Snapshot(), "planning"),
    ],
)
def test_line(snapshot: Snapshot, words: str) -> None:
    assert line(snapshot) == words


@pytest.mark.parametrize(
    ("is_terminal", "json_logs", "never", "quiet", "expected"),
    [
        (True, False, False, False, "live"),
        (True, True, False, False, "none"),
        (False, False, False, False, "plain"),
        (False, True, False, False, "none"),
        (True, False, True, False, "none"),
        (False, False, True, False, "none"),
        (True, False, False, True, "none"),
        (False, False, False, True, "none"),
    ],
)
def test_style(
    *, is_terminal: bool, json_logs: bool, never: bool, quiet: bool, expected: Style
) -> None:
    assert style(is_terminal=is_terminal, json_logs=json_logs, never=never, quiet=quiet) == expected


@pytest.mark.parametrize("width", [1, 8, 20, 40, 80, 200])
@pytest.mark.parametrize(
    "snapshot", [SENDING, Snapshot(), SENDING._replace(created=5000, waiting_s=1e6, ceiling=5.0)]
)
def test_the_display_fits_any_width(width: int, snapshot: Snapshot) -> None:
    stream = io.StringIO()
    Console(file=stream, width=width).print(display(snapshot))
    lines = stream.getvalue().splitlines()
    assert len(lines) in {3, 4}  # without color an empty bar is no line
    assert all(cell_len(text) <= width for text in lines)


@pytest.mark.parametrize(
    ("snapshot", "head"),
    [
        (SENDING, "sending · 120/1000 (12%) · 24 s"),
        (SENDING._replace(failed=30), "sending · 150/1000 (15%) · 24 s"),
        (SETTLING, "settling · 3 unanswered requests · looking again in 24 s · 9/12 (75%) · 1 min"),
        (SENDING._replace(created=999, unknown=1, pending=0), "sending · 999/1000 (99%) · 24 s"),
        (
            Snapshot(total=5, pending=5, phase=Phase.LOOKING_UP),
            "looking up sources … · 0/5 (0%) · 0 s",
        ),
    ],
)
def test_what_is_unknown_is_not_done(snapshot: Snapshot, head: str) -> None:
    stream = io.StringIO()
    Console(file=stream, width=100).print(display(snapshot))
    assert stream.getvalue().splitlines()[0] == head


def test_a_question_takes_the_displays_place_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()

    def screen() -> list[str]:
        shown = pyte.Screen(80, 24)
        pyte.Stream(shown).feed(stream.getvalue().replace("\n", "\r\n"))
        return [line.rstrip() for line in shown.display if line.strip()]

    with Progress(lambda: SENDING, stderr=stream, style="live", threaded=False) as progress:
        progress.tick()
        assert screen()[0].startswith("sending · 120/1000")
        progress.pause()
        progress.tick()
        stream.write("Create them? [y/N] \n")
        assert screen() == ["Create them? [y/N]"]
        progress.resume()
        progress.tick()
        assert len(screen()) == 5
    assert screen()[:2] == ["Create them? [y/N]", "sending · 120/1000 (12%) · 24 s"]
    with Progress(lambda: SENDING, stderr=stream, style="live", threaded=False) as progress:
        before = len(screen())
        progress.pause()
    assert len(screen()) == before - 4, "what was taken away is not drawn at the end"


def test_plain_lines_come_now_and_then() -> None:
    stream, now = io.StringIO(), [0.0]
    progress = Progress(
        lambda: SENDING, stderr=stream, style="plain", clock=lambda: now[0], threaded=False
    )
    with progress:
        for second in range(0, 100, 5):
            now[0] = second
            progress.tick()
    assert (
        stream.getvalue().splitlines() == ["created 120/1000 · 5.0/s · 2 unknown · ETA 3 min"] * 3
    )
    assert progress.above is None


def test_none_writes_nothing_and_its_thread_is_not_started() -> None:
    stream = io.StringIO()
    with Progress(lambda: SENDING, stderr=stream, style="none", every_s=0) as progress:
        progress.tick()
        assert progress._thread is None
    assert stream.getvalue() == ""


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = io.StringIO()
    with Progress(
        lambda: SENDING, stderr=stream, style="live", every_s=0, threaded=False
    ) as progress:
        progress.tick()
        assert progress.above is None
    assert "\x1b" not in stream.getvalue()
    assert "created 120/1000" in stream.getvalue()


@pytest.mark.parametrize("chosen", ["live", "plain"])
def test_no_failure_reaches_the_run(chosen: Style, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")

    def broken() -> Snapshot:
        raise RuntimeError

    stream = io.StringIO()
    with Progress(broken, stderr=stream, style=chosen, every_s=0, threaded=False) as progress:
        progress.tick()
    with Progress(
        lambda: SENDING, stderr=stream, style=chosen, every_s=0, threaded=False
    ) as progress:
        stream.close()
        progress.tick()
        if progress.above:
            progress.above("line")


PROGRAM = """
import sys, time
from worker.terminal.progress import Progress
from worker.terminal.snapshot import Snapshot
from worker.terminal.logs import Logs
from worker.model.phase import Phase
from worker.model.events import Event

how = sys.argv[1]
snapshot = Snapshot(
    total=1000, created=120, unknown=2, pending=878, rate=5.0, phase=Phase.SENDING, elapsed_s=24
)
with Progress(lambda: snapshot, stderr=sys.stderr, style="live") as progress:
    logs = Logs(
        run_id="r", campaign="c", log_format="auto", log_file=None, stderr=sys.stderr,
        is_terminal=True, scrub=lambda value: value, above=progress.above,
    )
    logs(Event("batch.created", "info", {"name": "not shown"}))
    logs(Event("note", "warning", {"text": "[red]shown\\x1b[2J above"}))
    logs(Event("batch.failed", "warning", {"name": "x" * 100}))
    time.sleep(0.6)
    if how == "error":
        raise RuntimeError("boom")
    if how == "wait":
        print("ready", flush=True)
        time.sleep(60)
"""


def on_a_terminal(how: str, width: int, kill: signal.Signals | None = None) -> tuple[str, int]:
    """What the program writes to a terminal `width` characters wide, and its exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    keep = {
        name: value
        for name, value in os.environ.items()
        if name not in {"COLUMNS", "LINES", "NO_COLOR"}
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
        cwd=Path(__file__).parents[2],
        env={**keep, "TERM": "xterm"},
        # In the background of a script it would inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    os.close(slave)
    assert process.stdout is not None
    if kill is not None:
        process.stdout.readline()
        process.send_signal(kill)
    output = bytearray()
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux: nobody has the other end open any more
            break
        if not data:
            break
        output += data
    os.close(master)
    process.stdout.close()
    return output.decode(), process.wait(20)


@pytest.mark.parametrize("width", [20, 80])
def test_the_live_display_on_a_real_terminal(width: int) -> None:
    text, code = on_a_terminal("end", width)
    assert code == 0
    assert text.count("created") > 1  # drawn again and again
    assert "batch.failed" not in text
    assert r"[red]shown\x1b[2J"[: width - 1] in text
    assert "\x1b[2J" not in text
    assert "not shown" not in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.endswith("\n") or text.endswith("\x1b[?25h")


def test_an_error_leaves_the_terminal_whole() -> None:
    text, code = on_a_terminal("error", 80)
    assert code == 1
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.index("RuntimeError: boom") > text.rindex("\x1b[?25l")


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_killed_the_cursor_is_there(kill: signal.Signals) -> None:
    text, code = on_a_terminal("wait", 80, kill)
    assert code == -kill
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
