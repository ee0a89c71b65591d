"""Many scenarios over several processes, and their sum."""

from __future__ import annotations

import math
import multiprocessing
import random
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

from tests.torture.runner import Runner
from tests.torture.scenario import scenario
from tests.torture.shared import Cluster, torture_shared
from tests.torture.torturer import Findings, torture

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event

COUNTED = ("double", "lost", "false row", "file", "twice", "unready")
"""Sorts of problems that the sum counts even where there are none."""


@dataclass(slots=True)
class Sum:
    """What came of all."""

    took_s: float = 0.0
    scenarios: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    made: int = 0
    looks: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    weather: Counter[str] = field(default_factory=Counter)
    sorts: Counter[str] = field(default_factory=Counter)
    failed: list[Findings] = field(default_factory=list)
    stuck: list[Findings] = field(default_factory=list)

    def add(self, findings: Findings) -> None:
        self.scenarios += 1
        self.kills.update(findings.kills)
        self.runs += findings.runs
        self.made += findings.made
        self.looks += findings.looks
        self.statuses.update(findings.statuses)
        self.weather[findings.weather] += 1
        self.sorts.update(problem.partition(":")[0] for problem in findings.problems)
        if findings.problems:
            self.failed.append(findings)
        elif findings.stuck:
            self.stuck.append(findings)


def one(seed: int, runner: Runner, *, verbose: bool = False, keep: Path | None = None) -> Findings:
    """One scenario; what goes wrong with the torture itself is a problem too, and ends no night."""
    life = scenario(seed)
    try:
        return torture(life, runner, verbose=verbose, keep=keep)
    except Exception:
        return Findings(seed, life.weather, problems=[f"torture: {traceback.format_exc()}"])


def one_shared(seed: int, kind: str, cluster: Cluster, *, verbose: bool = False) -> Findings:
    """The same with a shared ledger."""
    try:
        return torture_shared(seed, kind, cluster, verbose=verbose)
    except Exception:
        return Findings(seed, "", shared=kind, problems=[f"torture: {traceback.format_exc()}"])


def many(
    seed: int,
    kills: int,
    processes: int,
    kinds: tuple[str, ...] = (),
    seconds: float = math.inf,
) -> Sum:
    """Scenarios from `seed` on until there were `kills` kills, or for `seconds`; with `kinds`, on a
    shared ledger."""
    context = multiprocessing.get_context(
        "spawn"
    )  # a sandbox's thread and a fork do not go together
    results: Queue[Findings] = context.Queue()
    enough = context.Event()
    workers = [
        context.Process(
            target=_work, args=(seed + number, processes, results, enough, kinds), daemon=False
        )
        for number in range(processes)
    ]
    total, began = Sum(), time.monotonic()
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers) or not results.empty():
        with suppress(Empty):
            total.add(results.get(timeout=0.2))
        if total.kills.total() >= kills or time.monotonic() - began >= seconds:
            enough.set()
    for number, worker in enumerate(workers):
        worker.join()
        if worker.exitcode:
            total.failed.append(
                Findings(
                    seed, "", problems=[f"torture: process {number} ended with {worker.exitcode}"]
                )
            )
    total.took_s = time.monotonic() - began
    return total


def _work(
    seed: int, step: int, results: Queue[Findings], enough: Event, kinds: tuple[str, ...]
) -> None:
    if kinds:
        with Cluster() as cluster:
            while not enough.is_set():
                found = one_shared(seed, kind_of(seed, kinds), cluster)
                results.put(found)
                seed += step
        return
    with Runner() as runner:
        while not enough.is_set():
            results.put(one(seed, runner))
            seed += step


def kind_of(seed: int, kinds: tuple[str, ...]) -> str:
    """Which of these kinds the scenario of a seed is."""
    return random.Random(f"kind {seed}").choice(kinds)


def command(findings: Findings) -> str:
    """What repeats a scenario."""
    shared = f" --shared {findings.shared}" if findings.shared else ""
    return f"python -m tests.torture{shared} --one {findings.seed}"


def table(total: Sum) -> str:
    """The sum for people."""
    lines = [
        (
            f"{total.kills.total()} kills of {total.runs} runs in {total.scenarios} scenarios,"
            f" {total.took_s:.0f} s"
        ),
        f"killed while: {_counts(total.kills)}",
        f"weather: {_counts(total.weather)}",
        f"{total.made} duplicates made; rows at the end: {_counts(total.statuses)}",
        f"the ledger file was read {total.looks} times",
        ", ".join(
            f"{sort}: {total.sorts[sort]}" for sort in dict.fromkeys((*COUNTED, *total.sorts))
        ),
    ]
    lines += [
        f"stayed open, which is honest: {findings.stuck}\n  {command(findings)}"
        for findings in total.stuck
    ]
    return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counter.most_common())
