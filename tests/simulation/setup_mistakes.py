"""Bugs in setups, each put into the real worker. Nothing is run here."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.jobs import with_setups
from tests.simulation.planting import Mistake, not_sent, statement
from tests.simulation.scenario import Scenario, Theme
from worker.api.outcome import Outcome, OutcomeKind, classify_setup
from worker.ledger import setups
from worker.ledger.queries import sql
from worker.ledger.store import Ledger
from worker.model.replies import Reply
from worker.model.setups import Copy, SetupIntent
from worker.setup import decisions, setting_up
from worker.setup.decisions import Do, Step
from worker.setup.setting_up import SettingUp

# -- scenarios in which they show early


def slow_batches(scenario: Scenario) -> Scenario:
    """Batches are processed for a long time, and only the calm runs set up."""
    return replace(
        scenario,
        runs=tuple(replace(run, job=with_setups(run.job, 0, 0.0)) for run in scenario.runs),
        meddling=(),
        habits=replace(scenario.habits, processing=1500.0, errors=0.0),
    )


# -- mistakes


def send_again_without_looking(patch: pytest.MonkeyPatch) -> None:
    def wrong(reply: Reply) -> Outcome:
        found = classify_setup(reply)
        return not_sent(found) if found.kind is OutcomeKind.UNKNOWN else found

    patch.setattr("worker.run.sender.classify_setup", wrong)


def trust_one_look(patch: pytest.MonkeyPatch) -> None:
    def wrong(looks: Sequence[float], first: float, settle_after: float, now: float) -> Step:
        return Step(Do.SEND_AGAIN if any(at >= first - settle_after for at in looks) else Do.LOOK)

    patch.setattr(decisions, "_after_unknown", wrong)


def record_before_the_answer(patch: pytest.MonkeyPatch) -> None:
    added = sql("add_setup").replace("started_at)", "started_at, outcome)")
    statement(patch, add_setup=added.replace(":now\n", ":now, 'accepted'\n"))


def call_unknown_accepted(patch: pytest.MonkeyPatch) -> None:
    def wrong(reply: Reply) -> Outcome:
        found = classify_setup(reply)
        return Outcome(OutcomeKind.ACCEPTED, True) if found.kind is OutcomeKind.UNKNOWN else found

    patch.setattr("worker.run.sender.classify_setup", wrong)


def follow_without_end(patch: pytest.MonkeyPatch) -> None:
    real = SettingUp.follow

    async def wrong(self: SettingUp, seconds: float) -> None:
        await real(self, math.inf)

    patch.setattr(SettingUp, "follow", wrong)


def set_up_what_is_not_ours(patch: pytest.MonkeyPatch) -> None:
    """Set up the source instead of its copy."""
    real = setups._intend

    def wrong(ledger: Ledger, item: int, batch_id: str, now: str) -> SetupIntent | None:
        intent = real(ledger, item, batch_id, now)
        return intent and intent._replace(batch_id=setups.label(ledger, item).source_id)

    patch.setattr(setups, "_intend", wrong)


def set_up_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """Set up what an earlier run created, without looking first."""
    real = decisions.next_step

    def wrong(copy: Copy, *more: Any) -> Step:
        return real(copy._replace(fresh=copy.sent is None), *more)

    patch.setattr(setting_up, "next_step", wrong)


def forget_what_a_dead_run_sent(patch: pytest.MonkeyPatch) -> None:
    statement(
        patch,
        abandon_setups=(
            "UPDATE setups SET outcome = 'not_sent', void = 'no_effect', ended_at = :now"
            " WHERE outcome IS NULL"
        ),
    )


def forget_late_effects_of_a_dead_run(patch: pytest.MonkeyPatch) -> None:
    """The requests of a dead run count as ended long ago, and one look is enough."""
    trust_one_look(patch)
    statement(
        patch,
        batches_to_set_up=re.sub(
            r"max\(r\.timeout_s.*? AS timeout_s",
            "-1e9 AS timeout_s",
            sql("batches_to_set_up"),
            flags=re.DOTALL,
        ),
    )


SETUP_MISTAKES = {
    "setup: send again without looking": Mistake(
        "sends a setup without an answer again", send_again_without_looking, Theme.SETUPS
    ),
    "setup: trust one look": Mistake(
        "sends a setup again after one look", trust_one_look, Theme.SETUPS
    ),
    "setup: record before the answer": Mistake(
        "records a setup as accepted before its answer", record_before_the_answer, Theme.SETUPS
    ),
    "setup: call unknown accepted": Mistake(
        "takes a lost answer for an accepted setup", call_unknown_accepted, Theme.SETUPS
    ),
    "setup: follow without end": Mistake(
        "follows a batch without end", follow_without_end, Theme.SETUPS, tweak=slow_batches
    ),
    "setup: set up what is not ours": Mistake(
        "sets a batch up that it did not create", set_up_what_is_not_ours, Theme.SETUPS
    ),
    "setup: set up without a look": Mistake(
        "sets up what somebody set up meanwhile", set_up_without_a_look, Theme.SETUPS
    ),
    "setup: forget what a dead run sent": Mistake(
        "forgets the setups of a run that died", forget_what_a_dead_run_sent, Theme.SETUPS, 120
    ),
    "setup: forget late effects of a dead run": Mistake(
        "does not wait for the setups of a run that died",
        forget_late_effects_of_a_dead_run,
        Theme.SETUPS,
        120,
    ),
}
