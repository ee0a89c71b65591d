"""The simulation is itself tested: a worker with any of these mistakes in it does not pass."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import simulate
from tests.simulation.drawing import scenario
from tests.simulation.guards import GUARDS
from tests.simulation.mistakes import MISTAKES
from tests.simulation.planting import Mistake


def seed_that_shows(mistake: Mistake) -> int | None:
    """The first seed whose campaign breaks a promise; None where none of the mistake's does."""
    for seed in range(mistake.seeds):
        if simulate(mistake.tweak(scenario(seed, mistake.theme))).problems:
            return seed
    return None


PLANTED = {**MISTAKES, **GUARDS}


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
