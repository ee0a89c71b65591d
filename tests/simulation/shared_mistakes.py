"""Bugs in the seat of a shared ledger, each put into the real worker. Nothing is run here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.simulation.campaign import ProcessClock
from tests.simulation.jobs import with_setups
from tests.simulation.planting import Mistake
from tests.simulation.scenario import Run, Scenario, Sharing, Theme
from tests.simulation.server import STATEMENTS
from tests.simulation.shared import SharedClock
from tests.simulation.weather import Fate, Weather
from worker.ledger import seat, seat_taking
from worker.ledger.commit_log import CommitLog
from worker.run.limits import Limits

# -- scenarios in which they show early


def _pair(scenario: Scenario, first: Sharing, starts: float = 1.0) -> Scenario:
    """A run, and another one on the other machine that waits for the seat. They wait little for
    answers and late effects."""
    late = Weather(duplicate={Fate.SILENT_LATE: 0.4}, latency_s=(0.02, 0.3))
    plain = Run(
        scenario.runs[0].campaign, scenario.runs[0].job, Limits(4, None, None, 900.0),
        pause_s=0.0, timeout_s=10.0, settle_after_s=5.0, rate=2.0,
    )  # fmt: skip
    waits = replace(plain, sharing=Sharing(machine=1, starts=starts, wait_s=600.0))
    runs = (replace(plain, weather=late, sharing=first), waits)
    return replace(
        scenario,
        habits=replace(scenario.habits, lag=2.0),
        most_late=4.8,
        runs=runs,
        calm=tuple(replace(run, settle_after_s=5.0) for run in scenario.calm),
    )


def asleep(scenario: Scenario) -> Scenario:
    """The first machine sleeps for minutes while it sends, also while it connects."""
    sleeps = tuple((2.0 + 1.7 * (scenario.seed % 5) + 30.0 * n, 200.0, True) for n in range(2))
    return _pair(scenario, Sharing(pauses=sleeps, connects_s=8.0))


def cut_off(scenario: Scenario) -> Scenario:
    """The first machine is cut off while it sends, connects slowly, and halts for seconds."""
    at = 2.0 + scenario.seed % 7
    halts = tuple((at + n / 10, 1.0, False) for n in range(8))
    return _pair(scenario, Sharing(cuts=((at, 40.0, True),), pauses=halts, connects_s=11.0))


def pooled(scenario: Scenario) -> Scenario:
    """The first machine's pooler gives it another session while it sends, and nobody notices."""
    drops = tuple((float(at), 0.0, True) for at in range(2, 40, 3))
    stops = ((5.0 + scenario.seed % 5, 100.0, False),)
    return _pair(scenario, Sharing(cuts=drops, pauses=stops, pooled=True))


def torn(scenario: Scenario) -> Scenario:
    """Connections often break in a COMMIT."""
    return _pair(scenario, Sharing(in_commit=0.3, longest_s=1.0))


def stopped_with_setups(scenario: Scenario) -> Scenario:
    """The first process is stopped for minutes while it sets batches up."""
    job = with_setups(scenario.runs[0].job, scenario.seed, 1.0)
    at = 2.0 + scenario.seed % 4 + sum(row.copies for row in job.wanted) / 2
    pair = _pair(scenario, Sharing(pauses=((at, 400.0, False),)))
    runs = (replace(run, job=job, weather=Weather()) for run in pair.runs)
    return replace(
        pair, runs=tuple(runs), calm=tuple(replace(c, job=job, follow=300.0) for c in pair.calm)
    )


def well(scenario: Scenario) -> Scenario:
    """The first machine has no problem."""
    return _pair(scenario, Sharing(), starts=22.0)


# -- the mistakes


def no_epoch_is_read(patch: pytest.MonkeyPatch) -> None:
    fenced = STATEMENTS["enter"]
    condition = "WHERE epoch = :epoch AND since = :since"
    assert condition in fenced
    patch.setitem(STATEMENTS, "enter", fenced.replace(condition, ""))


def what_was_cut_is_not_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CommitLog, "took_place", property(lambda _self: False))


def what_was_cut_is_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CommitLog, "took_place", property(lambda _self: True))


def nothing_is_silent_for_long(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seat, "SILENT_S", 2.0)


def a_free_lock_is_taken_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seat_taking, "leaves_for", lambda _holder, _now, *, certainly_dead: 0.0)


def no_clock_counts_sleep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SharedClock, "monotonic", ProcessClock.monotonic)


def a_setup_leaves_at_any_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("worker.setup.requests.INTENT_EXPIRES_AFTER_S", math.inf)


def _mistake(
    does: str, plant: Callable[[pytest.MonkeyPatch], None], tweak: Callable[[Scenario], Scenario]
) -> Mistake:
    return Mistake(does, plant, Theme.SHARED, 40, tweak)


SHARED_MISTAKES: Mapping[str, Mistake] = {
    mistake.plant.__name__: mistake
    for mistake in (
        _mistake("records intents without reading the epoch", no_epoch_is_read, pooled),
        _mistake("takes a COMMIT without an answer for undone", what_was_cut_is_not_done, torn),
        _mistake("takes a COMMIT without an answer for done", what_was_cut_is_done, torn),
        _mistake("takes over from a run that is well", nothing_is_silent_for_long, well),
        _mistake("takes a free lock at once", a_free_lock_is_taken_at_once, cut_off),
        _mistake("sends what it recorded before it slept", no_clock_counts_sleep, asleep),
        _mistake(
            "sets up long after it recorded it", a_setup_leaves_at_any_age, stopped_with_setups
        ),
    )
}
