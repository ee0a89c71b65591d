"""Many scenarios in several processes, and their sum."""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.simulation.campaign import Findings, simulate, sort_of
from tests.simulation.drawing import scenario
from tests.simulation.scenario import Scenario, Theme
from tests.simulation.shrinking import shrunk, without

SORTS = (
    "double",
    "lost",
    "false row",
    "misled",
    "denied",
    "left",
    "unnoticed",
    "uncounted",
    "unclosed",
    "unwritten",
    "untrue",
    "twice",
    "alien",
    "unready",
    "undone",
    "overridden",
    "robbed",
    "blocked",
    "busy",
    "slow",
    "stuck",
    "bug",
    "simulation",
)
"""Every sort of problem: the oracle's, those of a run, and those of the simulation itself."""

TRIES = 300
"""Scenarios that may be tried to make one failure smaller."""

CHUNK = 20
"""Scenarios that a process gets together."""

BEFORE_FRESH_PROCESSES = 2_000
"""Scenarios after which the processes are replaced. What a crash interrupts stays suspended in its
process for ever, and asyncio looks through all of it again and again: after 20,000 scenarios each
one took four times as long."""


@dataclass(slots=True)
class Sum:
    """The results of all scenarios: counts, and those that failed."""

    campaigns: int = 0
    took_s: float = 0.0
    simulated_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why wanted rows are `unknown` at the end."""
    problems: Counter[str] = field(default_factory=Counter)
    """The number of scenarios that have each sort of problem."""
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    """The statuses of the wanted rows at the end, by theme."""
    failed: list[Findings] = field(default_factory=list)

    def add(self, findings: Findings) -> None:
        self.campaigns += 1
        self.simulated_s += findings.simulated_s
        self.counts.update(runs=findings.runs, crashes=findings.crashes, made=findings.made)
        self.counts.update(suggested=findings.suggested)
        self.faults.update(findings.faults)
        self.stopped.update(findings.stopped)
        self.reasons.update(findings.reasons)
        self.statuses.setdefault(findings.theme, Counter()).update(findings.statuses)
        if findings.problems:
            self.failed.append(findings)
            self.problems.update({sort_of(problem) for problem in findings.problems})

    def share(self, theme: Theme, status: str) -> float:
        """The share of the wanted rows of a theme that have this status at the end."""
        statuses = self.statuses.get(theme.value, Counter())
        return statuses[status] / max(1, statuses.total())


def one(
    seed: int, theme: Theme | None, left_out: Sequence[str] = (), *, verbose: bool = False
) -> Findings:
    """One scenario, without what is left out of it."""
    return again(without(scenario(seed, theme), left_out), verbose=verbose)


def again(life: Scenario, *, verbose: bool = False) -> Findings:
    """Run this scenario. An error in the simulation itself is a problem too, and ends nothing
    else."""
    try:
        return simulate(life, verbose=verbose)
    except Exception:
        problem = f"simulation: {traceback.format_exc()}"
        return Findings(life.seed, life.theme.value, problems=[problem])


def many(
    seeds: Iterable[int],
    theme: Theme | None,
    processes: int,
    progress: Callable[[Sum], None] | None = None,
) -> Sum:
    """Run the scenarios of all these seeds. `progress` is called with the sum so far after each
    chunk."""
    total, began = Sum(), time.monotonic()
    for some in _slices(list(seeds), BEFORE_FRESH_PROCESSES):
        chunks = _slices(some, CHUNK)
        with _pool(processes) as pool:
            for part in pool.map(_chunk, chunks, [theme] * len(chunks)):
                for findings in part:
                    total.add(findings)
                total.took_s = time.monotonic() - began
                if progress is not None:
                    progress(total)
    return total


def _slices(seeds: Sequence[int], most: int) -> list[Sequence[int]]:
    """The seeds in slices of at most so many."""
    return [seeds[at : at + most] for at in range(0, len(seeds), most)]


def alone(seed: int, theme: Theme | None, left_out: Sequence[str] = ()) -> Findings:
    """Run one scenario, and keep every event, in a process like those of `many`."""
    with _pool(1) as pool:
        return pool.submit(one, seed, theme, left_out, verbose=True).result()


def smaller(findings: Findings) -> list[str]:
    """What can be left out of a scenario that failed, so that it still fails in the same way."""
    with _pool(1) as pool:
        return pool.submit(_smaller, findings).result()


def _smaller(findings: Findings) -> list[str]:
    life = scenario(findings.seed, Theme(findings.theme))
    return shrunk(life, sort_of(findings.problems[0]), again, TRIES)


def _chunk(seeds: Sequence[int], theme: Theme | None) -> list[Findings]:
    return [one(seed, theme) for seed in seeds]


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes with the same hashes each time, because the order of a set of texts has
    effects."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            yield pool
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def command(findings: Findings, left_out: Iterable[str] = ()) -> str:
    """The command that repeats a scenario and prints all of its events."""
    without = "".join(f" --without '{text}'" for text in left_out)
    return f"{PYTHON} -m tests.simulation --one {findings.seed} --kind {findings.theme}{without}"


PYTHON = ".venv/bin/python"


def table(total: Sum) -> str:
    """The sum as text."""
    counts = total.counts
    rate = 1000 * total.took_s / max(1, total.campaigns)
    lines = [
        (
            f"{total.campaigns:,} campaigns, {counts['runs']:,} runs, {counts['made']:,} duplicates"
            f" made, {counts['crashes']:,} crashes, {total.simulated_s / 86_400:,.0f} simulated"
            f" days in {total.took_s:.1f} s ({rate:.0f} ms each)"
        ),
        (
            f"{'wanted, at the end':<20}{'rows':>8}{'created':>10}{'unknown':>10}"
            f"{'pending':>10}{'failed':>10}"
        ),
    ]
    for theme, statuses in sorted(total.statuses.items()):
        cells = "".join(
            f"{statuses[status] / max(1, statuses.total()):>10.2%}"
            for status in ("created", "unknown", "pending", "failed")
        )
        lines.append(f"  {theme:<18}{statuses.total():>8,}{cells}")
    lines.append("runs ended: " + _list(total.stopped))
    lines += [f"unknown, {number} x: {why}" for why, number in total.reasons.most_common(8)]
    lines.append(f"suggestions for people: {counts['suggested']:,}")
    lines.append("faults: " + _list(total.faults))
    lines.append(
        "campaigns with a … " + ", ".join(f"{sort}: {total.problems[sort]}" for sort in SORTS)
    )
    return "\n".join(lines)


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.most_common()) or "none"
