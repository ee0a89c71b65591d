"""A terminal that is closed: SIGHUP asks a run to stop gracefully, unless it is ignored, as under
`nohup`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.support.command import PROGRAM, Ended, finish, source_id
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

if sys.platform == "win32":
    pytest.skip("Windows has no SIGHUP", allow_module_level=True)

from tests.whole.test_terminal import Terminal, open_terminal

WithOptions = Callable[[SandboxOptions], Place]

NOHUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


def place_for(place_with: WithOptions, latency: float = 0.4) -> Place:
    place = place_with(SandboxOptions(latency=latency))
    place.job(*({"batch_id": source_id(1), "name": f"Row {n}"} for n in range(20)))
    return place


def until(done: Callable[[], bool], terminal: Terminal | None = None) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        if terminal is not None:
            terminal._read(0.02)
        time.sleep(0.01)


def recorded(place: Place) -> None:
    """Everything that was made is recorded, and nothing is unclear."""
    statuses = [row["status"] for row in place.ledger()]
    assert (
        0 < statuses.count("created") == place.world.made == place.world.requests["duplicate"] < 20
    )
    assert statuses.count("created") + statuses.count("pending") == 20


def test_hangups_of_a_closed_terminal_are_one_graceful_stop(place_with: WithOptions) -> None:
    place = place_for(place_with)
    process = place.start("--max-in-flight", 2)
    until(lambda: place.world.requests["duplicate"] >= 4)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    process.send_signal(signal.SIGHUP)  # the shell sends one, and so does the system
    ended = finish(process)
    assert (ended.code, ended.summary["stopped_by"]) == (129, "signal")
    assert ended.events("run.interrupted")[0]["signal"] == "SIGHUP"
    recorded(place)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_after_a_hangup_stops_at_once(
    place_with: WithOptions, second: signal.Signals
) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"hang": 1}))
    place.job({"batch_id": source_id(1), "name": "Row"})
    process = place.start("--timeout", 60)
    until(lambda: place.world.requests["duplicate"] == 1)
    process.send_signal(signal.SIGHUP)
    time.sleep(2.3 if second is signal.SIGHUP else 0.3)
    assert process.poll() is None, "the first one awaits what is under way"
    process.send_signal(second)
    ended = finish(process, 10)
    assert (ended.code, ended.summary["counts"]["unknown"]) == (129, 1)


def test_a_run_whose_terminal_is_closed_ends_gracefully(place_with: WithOptions) -> None:
    place = place_for(place_with)
    terminal = open_terminal(place, "run", "job.csv", "--yes", "--max-in-flight", "2")
    until(lambda: place.world.requests["duplicate"] >= 4, terminal)
    os.close(terminal.master)  # from now on every output is an error
    assert terminal.process.wait(timeout=30) == 129
    recorded(place)


def test_a_terminal_that_is_closed_at_the_question_creates_nothing(place_with: WithOptions) -> None:
    place = place_for(place_with, 0)
    terminal = open_terminal(place, "run", "job.csv")
    terminal.expect("[y/N]")
    os.close(terminal.master)
    assert terminal.process.wait(timeout=30) in (1, 129)
    assert place.world.requests["duplicate"] == 0
    assert [row["status"] for row in place.ledger()] == ["pending"] * 20


def test_a_terminal_that_goes_away_during_the_look_ups_is_no_consent(
    place_with: WithOptions,
) -> None:
    place = place_for(place_with, 0.5)
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", NOHUP, *PROGRAM, "run", "job.csv"],
        cwd=place.folder,
        env=place.environ | {"TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    until(lambda: place.world.requests.total() >= 1)
    os.close(master)
    assert process.wait(timeout=30) == 1
    assert place.world.requests["duplicate"] == 0


def ignoring_hangups(place: Place, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", NOHUP, *PROGRAM, *arguments],
        cwd=place.folder,
        env=place.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_under_nohup_continues_after_a_hangup(place_with: WithOptions) -> None:
    place = place_for(place_with, 0.1)
    process = ignoring_hangups(
        place, "run", "job.csv", "--yes", "--json", "--rate", "unlimited", "--max-in-flight", "4"
    )
    until(lambda: place.world.requests["duplicate"] >= 4)
    process.send_signal(signal.SIGHUP)
    ended = finish(process)
    assert (ended.code, ended.summary["counts"]["created"]) == (0, 20)
    assert not ended.events("run.interrupted")


def test_a_run_that_was_disowned_ends_well_when_its_terminal_is_closed(
    place_with: WithOptions,
) -> None:
    place = place_for(place_with, 0.1)
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", NOHUP, *PROGRAM, "run", "job.csv", "--yes", "--max-in-flight", "4"],
        cwd=place.folder,
        env=place.environ | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    until(lambda: place.world.requests["duplicate"] >= 4)
    os.close(master)
    assert process.wait(timeout=30) == 0
    assert [row["status"] for row in place.ledger()] == ["created"] * 20


def test_a_settle_that_is_hung_up_on_stops_gracefully(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"drop-answer": 1}))
    place.job({"batch_id": source_id(1), "name": "Row"})
    process = place.start("--settle-after", 30)
    until(lambda: place.world.made == 1)
    time.sleep(0.5)
    process.kill()
    process.communicate()
    settle = subprocess.Popen(
        [*PROGRAM, "settle", "job.csv", "--json", "--settle-after", "30"],
        cwd=place.folder,
        env=place.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: place.world.requests["me"] >= 2)
    settle.send_signal(signal.SIGHUP)
    ended = finish(settle)
    assert (ended.code, ended.summary["stopped_by"]) == (129, "signal"), ended


def test_the_sandbox_ends_cleanly_with_its_terminal(place: Place) -> None:
    terminal = open_terminal(place, "sandbox", "--port", "0")
    terminal.expect("Ctrl-C")
    os.close(terminal.master)
    assert terminal.process.wait(timeout=20) == 0


def test_the_sandbox_under_nohup_stays(place: Place) -> None:
    process = ignoring_hangups(place, "sandbox", "--port", "0")
    assert process.stdout is not None
    while "Ctrl-C" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert finish(process) == Ended(0, "Created 0 duplicates. Nothing was saved.\n", "")
