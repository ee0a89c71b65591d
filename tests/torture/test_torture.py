"""Kills of the real command at moments never tried before, and a judge that is not blind."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.support.command import source_id
from tests.support.postgresql import needs_server
from tests.torture.night import Sum, command, many, table
from tests.torture.scenario import PHASES, scenario
from tests.torture.shared import KINDS
from tests.torture.truth import Kind, Made, Row, judge, judge_setups
from worker.sandbox.world import World

KIND: Kind = ("source", "Row 1", False)


def kept(kills: int, processes: int, kinds: tuple[str, ...] = ()) -> Sum:
    seed = random.SystemRandom().randrange(2**40)
    total = many(seed, kills=kills, processes=processes, kinds=kinds)
    problems = [f"{command(one)}: {problem}" for one in total.failed for problem in one.problems]
    assert not problems, "\n".join(problems)
    assert total.kills.total() >= kills
    return total


def test_some_kills_make_no_double_and_lose_nothing() -> None:
    kept(8, 1)


@pytest.mark.prove
def test_fifty_kills_make_no_double_and_lose_nothing() -> None:
    total = kept(50, 2)
    assert len(total.kills) >= 4, f"kills must come in many phases\n{table(total)}"
    assert total.statuses["created"] > total.made * 0.9


@needs_server
def test_two_machines_and_a_shared_ledger_make_no_double_and_lose_nothing() -> None:
    kept(4, 1, ("kill", "network", "double"))


@needs_server
@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
def test_two_machines_come_through_every_kind_of_trouble(kind: str) -> None:
    kept(10, 2, (kind,))


def test_a_seed_is_one_scenario_and_all_phases_are_aimed_at() -> None:
    assert scenario(7) == scenario(7)
    assert {aim.phase for seed in range(60) for aim in scenario(seed).aims} == set(PHASES)


def test_the_judge_sees_a_second_setup() -> None:
    world = World(processing=0.0)
    source = world.find(source_id(1))
    assert source is not None
    batch = world.duplicate(source, "Row 1", False)
    row = Row(KIND, "created", batch.id, 1, "pending")
    assert judge_setups([row], world) == []
    world.set_up(batch, None, 3)
    assert [problem.partition(":")[0] for problem in judge_setups([row], world)] == ["unready"]
    assert judge_setups([replace(row, setup="ready")], world) == []
    world.set_up(batch, None, 3)
    assert [one.partition(":")[0] for one in judge_setups([], world)] == ["twice"]


@pytest.mark.parametrize(
    ("rows", "batches", "sort"),
    [
        ([Row(KIND, "created", "a", 1)], ["a"], None),
        ([Row(KIND, "unknown", None, 1)], ["a"], None),
        ([Row(KIND, "sent", None, 0)], ["a"], None),
        ([Row(KIND, "pending", None, 1)], [], None),
        ([Row(KIND, "created", "a", 1)], ["a", "b"], "double"),
        ([Row(KIND, "pending", None, 1)], ["a"], "lost"),
        ([Row(KIND, "failed", None, 1)], ["a"], "lost"),
        ([Row(None, "pending", None, 0)], ["a"], "double"),
        ([Row(KIND, "created", "z", 1)], [], "false row"),
        ([Row(KIND, "created", "a", 1), Row(KIND, "created", "a", 1)], ["a"], "false row"),
        (
            [Row(("source", "Row 2", False), "created", "a", 1), Row(KIND, "unknown", None, 1)],
            ["a"],
            "false row",
        ),
    ],
)
def test_the_judge_sees_what_is_wrong(
    rows: list[Row], batches: list[str], sort: str | None
) -> None:
    truth = Made(
        dict.fromkeys(batches, KIND), Counter({KIND: len(batches)}) if batches else Counter()
    )
    problems = judge(rows, truth)
    assert [problem.partition(":")[0] for problem in problems[:1]] == ([sort] if sort else [])
