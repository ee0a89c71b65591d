"""How mistakes are planted into the real worker: what a mistake is, and the ways in. No mistake
stands here."""

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
    """What the careless worker does, how it is planted, where it shows, and within how many seeds.
    `tweak` makes of a scenario one in which it shows early; a sound worker keeps every promise
    there too. With `untrue` it breaks what rows tell of themselves."""

    does: str
    plant: Plant
    theme: Theme
    seeds: int = 60
    tweak: Callable[[Scenario], Scenario] = lambda scenario: scenario
    untrue: bool = False


def statement(patch: pytest.MonkeyPatch, **changed: str) -> None:
    """Replace statements by name, wherever they are used. Raises KeyError if there is no such
    one."""
    for name in changed:
        sql(name)
    patch.setattr(engine, "sql", lambda name: changed.get(name) or sql(name))


def classified(patch: pytest.MonkeyPatch, wrong: Callable[[Reply, Outcome], Outcome]) -> None:
    """Let `wrong` say what replies mean, who knows what they do."""
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
