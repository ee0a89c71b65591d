"""The simulation is itself tested: a worker with any of these mistakes in it does not pass."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import simulate, sort_of
from tests.simulation.drawing import scenario
from tests.simulation.guards import GUARDS
from tests.simulation.mistakes import MISTAKES
from tests.simulation.planting import Mistake
from tests.simulation.setup_mistakes import SETUP_MISTAKES
from tests.simulation.shared_mistakes import SHARED_MISTAKES


def seed_that_shows(mistake: Mistake) -> int | None:
    """The first seed whose campaign breaks a promise (an untrue row counts only if that is what the
    mistake is about); None if none of the mistake's does. An exception shows nothing: a mistake
    that is planted wrongly raises one."""
    for seed in range(mistake.seeds):
        findings = simulate(mistake.tweak(scenario(seed, mistake.theme)))
        sorts = {sort_of(problem) for problem in findings.problems}
        if "untrue" in sorts if mistake.untrue else sorts - {"untrue", "bug"}:
            return seed
    return None


PLANTED = {**MISTAKES, **GUARDS, **SETUP_MISTAKES, **SHARED_MISTAKES}


@pytest.mark.prove
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake = PLANTED[name]
    mistake.plant(monkeypatch)
    assert seed_that_shows(mistake) is not None, (
        f"a worker that {mistake.does} passes {mistake.seeds} campaigns"
    )


def test_there_are_at_least_20_of_them() -> None:
    assert len(PLANTED) >= 20
