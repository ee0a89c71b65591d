"""What a planted bug is, and the ways to put it into the real worker. The bugs themselves are in
other modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.simulation.scenario import Scenario, Theme
from worker.api.outcome import Outcome, OutcomeKind, classify
from worker.ledger import settlement
from worker.ledger.queries import sql
from worker.ledger.sqlite import engine
from worker.ledger.store import Ledger
from worker.model.attempts import Attempt
from worker.model.replies import Reply

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mistake:
    """What the bug does, how it is planted, in which themes it shows, and within how many seeds.
    `tweak` changes a scenario so that the bug shows early; a correct worker keeps every promise
    there too. `untrue`: the bug makes rows say something untrue about themselves."""

    does: str
    plant: Plant
    theme: Theme
    seeds: int = 60
    tweak: Callable[[Scenario], Scenario] = lambda scenario: scenario
    untrue: bool = False


def statement(patch: pytest.MonkeyPatch, **changed: str) -> None:
    """Replace statements by name, wherever they are used. Raises KeyError if there is none of this
    name."""
    for name in changed:
        sql(name)
    patch.setattr(engine, "sql", lambda name: changed.get(name) or sql(name))


def classified(patch: pytest.MonkeyPatch, wrong: Callable[[Reply, Outcome], Outcome]) -> None:
    """Let `wrong`, which knows the right classification, say what replies mean."""
    patch.setattr(
        "worker.run.sender.classify", lambda reply, source: wrong(reply, classify(reply, source))
    )


def not_sent(outcome: Outcome) -> Outcome:
    """The outcome, as if nothing had been sent."""
    return Outcome(OutcomeKind.NOT_SENT, True, outcome.error, outcome.http_status)


def attempts(patch: pytest.MonkeyPatch, wrong: Callable[[Attempt, Ledger], Attempt]) -> None:
    """Let `wrong` change every open attempt before anything is decided about it."""
    real = settlement.open_attempts
    patch.setattr(
        settlement,
        "open_attempts",
        lambda ledger: [wrong(attempt, ledger) for attempt in real(ledger)],
    )
