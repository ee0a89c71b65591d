"""Many scenarios over several processes, and their sum."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

from tests.torture.runner import Runner
from tests.torture.scenario import scenario
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


def many(seed: int, kills: int, processes: int) -> Sum:
    """Scenarios from `seed` on until there were `kills` kills."""
    context = multiprocessing.get_context(
        "spawn"
    )  # a sandbox's thread and a fork do not go together
    results: Queue[Findings] = context.Queue()
    enough = context.Event()
    workers = [
        context.Process(
            target=_work, args=(seed + number, processes, results, enough), daemon=False
        )
        for number in range(processes)
    ]
    total, began = Sum(), time.monotonic()
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers) or not results.empty():
        try:
            total.add(results.get(timeout=0.2))
        except Empty:
            continue
        if total.kills.total() >= kills:
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


def _work(seed: int, step: int, results: Queue[Findings], enough: Event) -> None:
    with Runner() as runner:
        while not enough.is_set():
            results.put(one(seed, runner))
            seed += step


def command(findings: Findings) -> str:
    """What repeats a scenario."""
    return f"python -m tests.torture --one {findings.seed}"


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
