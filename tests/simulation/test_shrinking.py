"""A failure that is made smaller is still the same failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.campaign import Findings, sort_of
from tests.simulation.drawing import scenario
from tests.simulation.jobs import MemoryJob, Wanted
from tests.simulation.night import again, command
from tests.simulation.planting import statement
from tests.simulation.scenario import Meddling, Theme
from tests.simulation.search import keep
from tests.simulation.shrinking import shrunk, without
from tests.simulation.weather import Weather


def test_nothing_left_out_is_the_same_life() -> None:
    for seed in range(50):
        life = scenario(seed)
        assert without(life, ()) == life


def test_what_is_left_out_is_gone_and_the_rest_keeps_its_place() -> None:
    life = scenario(3, Theme.WILD)
    first, second = replace(life.runs[0], database_before=None), life.runs[0]
    life = replace(
        life,
        runs=(first, replace(first, signal_at=5.0), replace(second, database_before=1)),
        meddling=(Meddling(1, 2.0, "copy"), Meddling(2, 3.0, "edit"), Meddling(3, 4.0, "move")),
    )
    left = without(life, ("run 0", "run 1 signal_at", "run 2 weather.duplicate", "bystanders"))
    assert [run.signal_at for run in left.runs] == [None, life.runs[2].signal_at]
    assert left.runs[1].weather.duplicate == Weather().duplicate
    assert left.runs[1].weather.latency_s == life.runs[2].weather.latency_s
    assert left.runs[1].database_before == 0, "the same run, under its new number"
    assert [one.run for one in left.meddling] == [0, 1, 2]
    assert left.bystanders == 0
    assert [one.what for one in without(life, ("meddling 0", "run 1")).meddling] == ["edit", "move"]
    rows = tuple(Wanted(f"source {number}", "", False, 1) for number in range(3))
    life = replace(life, runs=tuple(replace(run, job=MemoryJob(rows)) for run in life.runs))
    fewer = without(life, ("row 0",))
    assert [run.job.wanted for run in fewer.runs] == [rows[1:]] * 3
    assert without(life, ("row 0", "row 1", "row 2")).runs[0].job.wanted == rows, "never none"


def test_a_failure_gets_smaller_and_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    statement(
        monkeypatch,
        abandon_items="UPDATE items SET status = 'pending' WHERE status = 'sent'",
        abandon_attempts=(
            "UPDATE attempts SET closed_by = 'outcome' WHERE closed_by IS NULL AND outcome IS NULL"
        ),
    )
    life = next(
        life
        for life in (scenario(seed, Theme.CRASH) for seed in range(100))
        if any(sort_of(problem) == "double" for problem in again(life).problems)
    )
    left_out = shrunk(life, "double", again, tries=40)
    assert left_out
    assert any(sort_of(one) == "double" for one in again(without(life, left_out)).problems)


def test_a_failure_is_kept_with_the_commands_that_repeat_it(tmp_path: Path) -> None:
    file = keep(Findings(3, "crash", problems=["after run 1: double: x"]), tmp_path / "kept")
    assert file.name == "3-crash.txt"
    whole, small, empty, problem = file.read_text(encoding="utf-8").splitlines()
    assert whole == ".venv/bin/python -m tests.simulation --one 3 --kind crash"
    assert small == whole, "it keeps every promise, so nothing can be left out"
    assert (empty, problem) == ("", "after run 1: double: x")


def test_what_is_left_out_is_quoted_for_a_shell() -> None:
    told = command(Findings(3, "crash"), ["run 0", "run 1 weather.look"])
    assert told.endswith("--kind crash --without 'run 0' --without 'run 1 weather.look'")
