"""Which run a command means: in a file a path decides, in a shared ledger the host too."""

from __future__ import annotations

import argparse
import datetime as dt
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.engines import engine, on_both, server
from tests.support.ledgers import opened, run_start
from worker.cli.latest_run import latest_run, ledger_file_of
from worker.ledger.store import Ledger
from worker.model.errors import UsageError
from worker.settings.load import load_settings

__all__ = ["engine", "server"]

HERE = socket.gethostname()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    on_both(metafunc)


class Ran(NamedTuple):
    """A run that the ledger has: its campaign, its host, and its job's path ({} is the folder of
    the test)."""

    campaign: str
    host: str
    job: str


WAVE = Ran("wave", HERE, "{}/wave.csv")
SPRING = Ran("spring", HERE, "{}/wave.csv")
ELSEWHERE = Ran("wave", "north", "/srv/wave.csv")
SPRING_ELSEWHERE = Ran("spring", "north", "/srv/wave.csv")
SAME_PATH_ELSEWHERE = Ran("spring", "north", "{}/wave.csv")
WINDOWS = Ran("spring", "south", r"C:\jobs\wave.csv")
LONGER_NAME = Ran("spring", "north", "/srv/new-wave.csv")
SHORT = Ran("spring", "north", "/a.csv")

CASES = [
    # runs, oldest first · options · which of them is meant in a file, and in a shared ledger
    pytest.param([WAVE], [], 0, 0, id="its only run"),
    pytest.param([WAVE, SPRING], [], 1, 1, id="the latest of this path"),
    pytest.param([SPRING, WAVE], ["--campaign", "spring"], 0, 0, id="of a named campaign"),
    pytest.param([WAVE, SPRING_ELSEWHERE], [], 0, 0, id="of this path before the name"),
    pytest.param([SAME_PATH_ELSEWHERE], [], 0, 0, id="this path on another host"),
    pytest.param([WAVE, SAME_PATH_ELSEWHERE], [], 1, 0, id="of this path on this host"),
    pytest.param([ELSEWHERE], [], 0, 0, id="the campaign of this name, elsewhere"),
    pytest.param([SPRING_ELSEWHERE], [], None, 0, id="a job of this name in another campaign"),
    pytest.param([WINDOWS], [], None, 0, id="the same on Windows"),
    pytest.param([SPRING_ELSEWHERE, WINDOWS], [], None, 1, id="the latest job of this name"),
    pytest.param([LONGER_NAME], [], None, None, id="a name that ends alike is another"),
    pytest.param([SHORT], [], None, None, id="a shorter path"),
    pytest.param([ELSEWHERE], ["--campaign", "autumn"], None, None, id="a campaign without a run"),
]


@pytest.mark.parametrize(("runs", "options", "in_file", "shared"), CASES)
def test_which_run_is_meant(
    runs: list[Ran], options: list[str], in_file: int | None, shared: int | None, engine: str,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with opened(tmp_path) as database:
        for number, ran in enumerate(runs):
            Ledger(
                database,
                run_start(
                    campaign=ran.campaign, host=ran.host, run_id=f"run {number}",
                    job=ran.job.format(tmp_path), ledger=f"/ledgers/{number}.csv",
                ),
            )  # fmt: skip
        args = argparse.Namespace(
            job=str(tmp_path / "wave.csv"), campaign=options[1] if options else None,
            database=place_text(tmp_path),
        )  # fmt: skip
        settings = load_settings(
            "ledger", vars(args), {}, job=tmp_path / "wave.csv", job_campaign=None,
            today=dt.date(2026, 3, 1), cwd=tmp_path,
        )  # fmt: skip
        meant = in_file if engine == "sqlite" else shared
        if meant is None:
            with pytest.raises(UsageError, match="contains no run of"):
                latest_run(database, settings, args)
            return
        latest = latest_run(database, settings, args)
        assert latest.run_id == f"run {meant}"
        ran = runs[meant]
        here = (ran.host, ran.job) == (HERE, "{}/wave.csv")
        said = capsys.readouterr().err
        if engine == "sqlite":
            assert not said
            assert ledger_file_of(settings, latest) == Path(f"/ledgers/{meant}.csv")
            return
        # A run elsewhere is named, and no path of another host is written to.
        assert (f"{ran.campaign}, which" in said and f" ran on {ran.host}" in said) == (not here)
        assert latest.job == tmp_path / "wave.csv"
        own = Path(f"/ledgers/{meant}.csv") if here else tmp_path / f"ledgers/{ran.campaign}.csv"
        assert ledger_file_of(settings, latest) == own


@pytest.mark.parametrize(
    ("campaign", "option"),
    [("my wave", "--campaign 'my wave'"), ("-wave", "--campaign=-wave")],
)
def test_the_message_about_a_renamed_job_names_its_campaign(
    campaign: str, option: str, tmp_path: Path, engine: str
) -> None:
    present = tmp_path / "autumn.csv"
    present.touch()
    with opened(tmp_path) as database:
        for name, job in ((campaign, tmp_path / "wave 1.csv"), ("autumn", present)):
            Ledger(database, run_start(campaign=name, run_id=name, job=str(job)))

        def hint(**given: str) -> str:
            args = argparse.Namespace(
                **{"campaign": None, "job": "new.csv", "database": place_text(tmp_path)} | given
            )
            settings = load_settings(
                "ledger", vars(args), {}, job=tmp_path / "new.csv", job_campaign=None,
                today=dt.date(2026, 3, 1), cwd=tmp_path,
            )  # fmt: skip
            with pytest.raises(UsageError) as caught:
                latest_run(database, settings, args)
            return caught.value.hint or ""

        gone = (
            f"If the job file was renamed: campaign {campaign} ran {tmp_path / 'wave 1.csv'}, which"
            f" is gone; add {option} to use it. "
        )
        # In a shared ledger, the job may exist on its own host.
        assert hint().startswith("To list" if engine == "postgresql" else gone)
        assert hint(campaign="winter").startswith("To list its campaigns: ")


def place_text(folder: Path) -> str:
    from tests.support import ledgers  # noqa: PLC0415 - `on_both` replaces it

    where = ledgers.place(folder)
    return str(where)
