"""Ctrl-C and errors of the system before and after a run: what the user reads, and what monitoring
gets."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import source_id, write_job
from worker.cli import run, run_jobs, run_session
from worker.cli.main import command_line

SENT = "interrupted; what was sent is recorded, and the same command continues"
NOTHING = "interrupted; nothing was sent"
FULL = "No space left on device"


def interrupt(*_: object) -> Any:
    raise KeyboardInterrupt


def full(*_: object) -> Any:
    raise OSError(errno.ENOSPC, FULL)


class Monitoring:
    """Stands for the heartbeat and `on_finish`; remembers the last summaries."""

    got: list[Mapping[str, Any]]
    code: int
    end: Callable[..., Any]

    def __init__(self, *_: object) -> None:
        """Nobody is notified."""

    def started(self) -> None:
        """Nothing to do."""

    def finished(self, summaries: list[Mapping[str, Any]], code: int) -> list[object]:
        Monitoring.got, Monitoring.code = summaries, code
        Monitoring.end()
        return []


@pytest.fixture(params=["one job", "two jobs"])
def jobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The jobs in the current folder, of a command that notifies `Monitoring`."""
    names = ["one.csv", "two.csv"][: 1 if request.param == "one job" else 2]
    for number, name in enumerate(names):
        write_job(tmp_path / name, [{"batch_id": source_id(number), "copies": 2}])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Monitoring, "end", staticmethod(lambda: None), raising=False)
    for command in (run, run_jobs):
        monkeypatch.setattr(command, "Notifier", Monitoring)
    return names


def called(jobs: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and standard error of a run in the sandbox."""
    code = command_line(["run", *jobs, "--sandbox", "--yes", "--rate", "unlimited"])
    return code, capsys.readouterr().err


def test_an_interrupt_before_a_run_says_that_nothing_was_sent(
    jobs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (run, run_jobs):
        monkeypatch.setattr(command, "hold", interrupt)  # as during --wait
    code, err = called(jobs, capsys)
    assert (code, Monitoring.code) == (130, 130)
    assert NOTHING in err
    assert [one["error"] for one in Monitoring.got] == [NOTHING] * len(jobs)


def test_an_interrupt_while_others_are_notified_says_that_what_was_sent_is_recorded(
    jobs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Monitoring, "end", staticmethod(interrupt))
    code, err = called(jobs, capsys)
    assert code == 130
    assert SENT in err
    assert NOTHING not in err
    assert (Monitoring.code, [one["counts"]["created"] for one in Monitoring.got]) == (
        0,
        [2] * len(jobs),
    )


@pytest.mark.parametrize("jobs", ["one job"], indirect=True)
def test_an_interrupt_while_the_result_is_printed_is_no_bug(
    jobs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With several jobs, the command handles signals itself until the table is printed."""
    monkeypatch.setattr(run_session, "present", interrupt)
    code, err = called(jobs, capsys)
    assert (code, Monitoring.code) == (130, 130)
    assert SENT in err
    assert NOTHING not in err
    (summary,) = Monitoring.got
    assert summary["error"] == SENT
    assert (summary["exit_code"], summary["counts"]["created"]) == (130, 2)


def test_a_full_disk_while_the_result_is_printed_is_no_bug(
    jobs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_session, "present", full)
    code, err = called(jobs, capsys)
    assert (code, Monitoring.code) == (1, 1)
    assert FULL in err
    assert [one["error"] for one in Monitoring.got] == [FULL] * len(jobs)
    assert [one["counts"]["created"] for one in Monitoring.got] == [2] * len(jobs)
