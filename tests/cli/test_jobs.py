"""Which jobs a command line names, and what a signal between two of them does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from worker.cli.jobs import job_files, severest
from worker.cli.signals import Interrupts, watch_signals
from worker.model.stop import Stop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder `waves` and an empty one."""
    waves = tmp_path / "waves"
    for name in ("b.yaml", "a.tsv", "C.CSV", "d.yml", ".hidden.csv", "notes.txt", "old.csv.bak"):
        (waves / name).parent.mkdir(exist_ok=True)
        (waves / name).touch()
    (waves / "sub.csv").mkdir()
    (waves / "gone.csv").symlink_to("nowhere")
    (tmp_path / "other").symlink_to(waves)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


IN_WAVES = [f"waves/{name}" for name in ("C.CSV", "a.tsv", "b.yaml", "d.yml", "gone.csv")]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["x.csv", "waves/d.yml"], ["x.csv", "waves/d.yml"]),
        (["waves"], IN_WAVES),
        (["waves/"], IN_WAVES),
        (["waves/b.yaml", "waves"], ["waves/b.yaml", *(n for n in IN_WAVES if "b.yaml" not in n)]),
        (["x.csv", "./x.csv", "waves/../x.csv"], ["x.csv"]),
        (["waves", "other"], IN_WAVES),
        (["waves/notes.txt"], ["waves/notes.txt"]),
    ],
)
def test_files_and_folders_name_each_job_once_in_order(
    folder: Path, arguments: list[str], names: list[str]
) -> None:
    found = job_files(arguments)
    assert [one.name for one in found] == names
    assert all(one.error is None for one in found)


def test_a_link_to_a_job_is_a_job_of_its_own(folder: Path) -> None:
    (folder / "waves" / "e.csv").symlink_to("a.tsv")
    assert len(job_files(["waves/a.tsv", "waves/e.csv"])) == 2


@pytest.mark.parametrize(
    ("argument", "says"),
    [("", "JOB: is empty"), ("empty", "empty: there is no job file"), ("waves/sub.csv", "no job")],
)
def test_an_argument_without_jobs_says_so_beside_the_others(
    folder: Path, argument: str, says: str
) -> None:
    first, second = job_files([argument, "x.csv"])
    assert first.error is not None
    assert says in str(first.error)
    assert second.error is None


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((), 0),
        ((0, 0), 0),
        ((0, 1), 1),
        ((1, 2, 0), 2),
        ((75, 2), 75),
        ((75, 3, 2), 3),
        ((3, 130, 75), 130),
        ((129, 3), 129),
    ],
)
def test_the_exit_code_is_the_most_severe_one(codes: tuple[int, ...], code: int) -> None:
    assert severest(codes) == code


def test_a_signal_between_two_runs_asks_the_next_one_to_stop() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        assert not interrupts.renew().asked
        os.kill(os.getpid(), signal.SIGTERM)
        stop = interrupts.renew()
        assert (stop.asked, stop.reason, stop.signal) == (True, "signal", signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.renew().signal == signal.SIGTERM, "the first one counts"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_leaves_signals_to_what_comes_after_it() -> None:
    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(
                watch_signals, Stop(), lambda _: None, lambda: 0, lambda: None, interrupts
            )
            await anyio.sleep(0.05)
            group.cancel_scope.cancel()

    with Interrupts() as interrupts:
        handler = signal.getsignal(signal.SIGTERM)
        anyio.run(run)
        assert signal.getsignal(signal.SIGTERM) == handler
