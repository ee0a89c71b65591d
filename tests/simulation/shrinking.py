"""Makes a failing campaign smaller: leaves out, one after the other, what its failure does not
need.

A text names what is left out, such as `run 2`, `meddling 0` or `run 1 weather.listing`. `python -m
tests.simulation --one SEED --without TEXT` leaves it out again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

from tests.simulation.campaign import Findings, sort_of
from tests.simulation.scenario import Meddling, Run, Scenario

Try = Callable[[Scenario], Findings]
"""Lets a scenario happen."""


def without(life: Scenario, left_out: Collection[str]) -> Scenario:
    """The scenario without what these texts name. In the texts, runs and people keep the numbers of
    the whole scenario."""
    kept = [number for number in range(len(life.runs)) if f"run {number}" not in left_out]
    place = {number: at for at, number in enumerate(kept)}
    gone = len(life.runs) - len(kept)

    def run(number: int) -> Run:
        one: Run = _plainer(life.runs[number], f"run {number} ", left_out)
        weather = _plainer(one.weather, f"run {number} weather.", left_out)
        before = None if one.database_before is None else place.get(one.database_before)
        return replace(one, weather=weather, database_before=before)

    def moved(one: Meddling) -> Meddling | None:
        if one.run >= len(life.runs):
            return replace(one, run=one.run - gone)
        return replace(one, run=place[one.run]) if one.run in place else None

    people = (
        moved(one) for at, one in enumerate(life.meddling) if f"meddling {at}" not in left_out
    )
    rows = {int(text.removeprefix("row ")) for text in left_out if text.startswith("row ")}
    return replace(
        life,
        runs=tuple(_with_fewer_rows(run(number), rows) for number in kept),
        calm=tuple(_with_fewer_rows(one, rows) for one in life.calm),
        meddling=tuple(one for one in people if one is not None),
        bystanders=0 if "bystanders" in left_out else life.bystanders,
    )


def shrunk(life: Scenario, sort: str, attempt: Try, tries: int) -> list[str]:
    """What can be left out of a scenario that has a problem of this `sort`, so that it still has
    one. Tries at most `tries` scenarios."""
    left_out: list[str] = []
    progress = True
    while progress:
        progress = False
        for text in _candidates(life, left_out):
            if tries == 0:
                return left_out
            tries -= 1
            found = attempt(without(life, [*left_out, text]))
            if any(sort_of(problem) == sort for problem in found.problems):
                left_out.append(text)
                progress = True
    return left_out


def _candidates(life: Scenario, left_out: Collection[str]) -> Iterator[str]:
    """What may be left out next, the largest first."""
    whole_runs = [f"run {number}" for number in range(len(life.runs))]
    texts = [*whole_runs]
    texts += [f"meddling {number}" for number in range(len(life.meddling))]
    texts += [f"row {number}" for number in range(max(len(one.job.wanted) for one in life.runs))]
    texts += ["bystanders"] if life.bystanders else []
    for number, run in enumerate(life.runs):
        if f"run {number}" not in left_out:
            texts += [f"run {number} {name}" for name in _changed(run)]
            texts += [f"run {number} weather.{name}" for name in _changed(run.weather)]
    for text in texts:
        only = text in whole_runs and len(set(whole_runs) - set(left_out)) == 1
        if text not in left_out and not only:
            yield text


def _with_fewer_rows(run: Run, rows: Collection[int]) -> Run:
    kept = [row for at, row in enumerate(run.job.wanted) if at not in rows]
    return replace(run, job=replace(run.job, wanted=tuple(kept))) if kept else run


def _changed(plain: Any) -> list[str]:
    """The fields of a dataclass that differ from their defaults."""
    return [
        one.name
        for one in fields(plain)
        if (default := _default(one)) is not MISSING and getattr(plain, one.name) != default
    ]


def _plainer(plain: Any, prefix: str, left_out: Collection[str]) -> Any:
    """The dataclass with the default for each field that is left out."""
    defaults = {one.name: _default(one) for one in fields(plain)}
    names = [name for name in _changed(plain) if f"{prefix}{name}" in left_out]
    return replace(plain, **{name: defaults[name] for name in names})


def _default(one: Any) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default
