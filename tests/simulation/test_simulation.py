"""Whole campaigns with faults and crashes, in simulated time: no double, nothing lost, no false
row, whatever happens.

A failure names the command that repeats it. Half of the campaigns are the same each time, half were
never run before."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import anyio
import pytest

from tests.simulation.campaign import simulate, sort_of
from tests.simulation.drawing import scenario
from tests.simulation.guards import doubtful, trimmed
from tests.simulation.loop import Crash, SimulatedLoop, StuckError
from tests.simulation.night import Sum, alone, command, many, table
from tests.simulation.scenario import Scenario, Theme
from tests.simulation.shared_mistakes import (
    asleep,
    cut_off,
    pooled,
    stopped_with_setups,
    torn,
    well,
)
from worker.api import outcome
from worker.api.outcome import Outcome, OutcomeKind
from worker.ledger import commit_writer
from worker.ledger.queries import sql
from worker.ledger.sqlite import engine
from worker.ledger.store import Ledger
from worker.model.records import AttemptResult, Intent, Status, Timestamp
from worker.model.replies import Reply

CAMPAIGNS = 500
"""Of each half."""

FEW = 80
"""So many of each half in `make test`; all are in `make prove`."""

PROCESSES = 2

ORDINARY_CREATED = 0.999
"""The least share of what ordinary campaigns want that exists at the end: honesty is no excuse."""


def test_fixed_campaigns_keep_every_promise() -> None:
    _kept(many(range(FEW), None, 1))


@pytest.mark.prove
def test_many_fixed_campaigns_keep_every_promise() -> None:
    _kept(many(range(FEW, CAMPAIGNS), None, PROCESSES))


@pytest.mark.parametrize(
    "number", [FEW, pytest.param(CAMPAIGNS, marks=pytest.mark.prove)], ids=["few", "many"]
)
def test_campaigns_never_run_before_keep_every_promise(number: int) -> None:
    """What fails is named by its seed, and `python -m tests.simulation` runs it again."""
    seed = random.SystemRandom().randrange(2**40)
    _kept(many(range(seed, seed + number), None, PROCESSES if number > FEW else 1))


def _kept(total: Sum) -> None:
    failed = "\n".join(
        f"{command(findings)}\n  {findings.problems[0]}" for findings in total.failed
    )
    assert not failed, f"{failed}\n{table(total)}"
    assert total.counts["crashes"] > FEW / 20, "a simulation without crashes shows little"


@pytest.mark.prove
def test_without_other_people_nearly_all_is_created_without_a_person() -> None:
    total = many(range(10_000, 10_200), Theme.ORDINARY, PROCESSES)
    assert total.share(Theme.ORDINARY, "created") >= ORDINARY_CREATED, table(total)


def test_a_seed_repeats_its_campaign() -> None:
    for seed in (3, 4, 5):
        first, second = alone(seed, Theme.WILD), alone(seed, Theme.WILD)
        assert first == second


def test_a_clock_that_is_set_while_nothing_is_answered_is_beyond_what_is_assumed() -> None:
    """Here the API's clock was set back by an hour while only unanswered requests were under
    way."""
    assert not alone(770002001, Theme.WILD).problems


def test_a_source_that_looks_as_it_did_before_its_attempt_counts_as_changed() -> None:
    """Here the source of a lost request was edited before it and put back after it. So it looked
    like its twin again, whose request was lost too."""
    assert not alone(910000277, Theme.SOURCES).problems


def test_copies_of_a_source_that_was_edited_when_it_was_looked_up_show_nothing_of_copying() -> None:
    """Here the API seemed to turn the details of one source into those of its twin."""
    assert not alone(930001134, Theme.SOURCES).problems


def test_a_longer_listing_before_does_not_show_that_a_length_is_not_a_pages() -> None:
    """Here pages of 10 and 20 batches followed whole listings of 25 and 40."""
    assert not alone(241686444895, Theme.LISTINGS).problems


def test_a_person_knows_which_copies_nobody_can_tell_apart() -> None:
    """Here one of two rows whose copies are alike (their source has no data, which only one row
    asks for) had the other's copy. So the other row's own copy was not "not made"."""
    assert not alone(866755907284, Theme.PEOPLE).problems


def test_a_time_tells_attempts_apart_only_if_the_offset_is_known() -> None:
    """Here `created_at` was 15 minutes ahead of `Date`, and no answer of these runs showed it. So a
    row's copy seemed to be from the window of another row, whose source looked alike."""
    assert not alone(468465291093, Theme.WILD).problems


def test_an_odd_batch_leaves_alike_attempts_undecided_while_the_offset_is_not_known() -> None:
    """Here somebody renamed a copy before any answer told the offset. Its row got another row's
    copy, and when the offset was known, the other row was proved absent."""
    assert not alone(1099206592365, Theme.PEOPLE).problems


def test_two_lost_campaigns_that_want_the_same_copies_may_swap_them() -> None:
    """Here nobody could tell which of the two had created three copies before the database was
    lost."""
    assert not alone(202011747178, Theme.LOST).problems


def test_alike_rows_may_be_swapped_while_the_offset_is_not_known() -> None:
    """Here no answer of the first run told the offset, and one of eight batches was not listed at
    first. It was taken for the youngest, although it was minutes older than that row's request."""
    assert not alone(674940573032, Theme.STORM).problems


def test_a_row_may_have_had_another_rows_copy_before_the_database_was_lost() -> None:
    """Here a campaign's row had the copy of an alike row of another campaign, which was then sent
    again. The campaign's own ledger file was older, so after the loss no row had that copy."""
    assert not alone(146513098833, Theme.LOST).problems


def test_a_source_may_have_been_edited_and_its_copys_name_trimmed() -> None:
    """Here the copy looked like one of another lost request, whose source is itself a copy."""
    assert not alone(333642489384, Theme.WILD).problems


def test_an_unclear_answer_shows_that_the_apis_clock_went_back() -> None:
    """Here the run ended with that answer, and the next one came hours later."""
    assert not alone(636159133529, Theme.WILD).problems


def test_a_copy_that_says_processing_is_looked_at_later_also_if_its_row_was_restored() -> None:
    assert not alone(636159137164, Theme.LOST).problems


def test_a_lost_run_had_a_longer_time_limit_than_the_one_that_restores_it() -> None:
    assert not alone(360453319570, Theme.LOST).problems


def test_copies_of_a_source_that_was_moved_are_followed() -> None:
    assert not alone(910000053, Theme.SOURCES).problems


def test_a_run_that_is_stopped_after_its_last_commit_is_over_before_it_is_taken_over() -> None:
    """Here the other machine had created more when the stopped process was continued."""
    assert not alone(508065103165, Theme.SHARED).problems


def test_a_request_takes_no_effect_when_its_process_continues_minutes_later() -> None:
    """Here the request had left before the machine slept, and the run was cancelled after that."""
    assert not alone(776737801465, Theme.SHARED).problems


@pytest.mark.parametrize("number", [10, pytest.param(200, marks=pytest.mark.prove)])
def test_machines_that_share_a_ledger_keep_every_promise(number: int) -> None:
    _kept(many(range(number), Theme.SHARED, PROCESSES if number > FEW else 1))


@pytest.mark.parametrize("tweak", [asleep, cut_off, pooled, stopped_with_setups, torn, well])
def test_what_shows_a_mistake_about_the_seat_is_nothing_to_a_sound_worker(
    tweak: Callable[[Scenario], Scenario],
) -> None:
    for seed in range(6):
        assert not simulate(tweak(scenario(seed, Theme.SHARED))).problems


@pytest.mark.parametrize("theme", Theme)
def test_every_theme_has_campaigns(theme: Theme) -> None:
    assert scenario(1, theme).theme is theme


# -- the judge sees what is wrong: a worker with a fault in it does not pass


def _sees(sort: str, theme: Theme) -> bool:
    for seed in range(60):
        findings = simulate(scenario(seed, theme))
        if any(sort_of(problem) == sort for problem in findings.problems):
            return True
    return False


def test_a_worker_that_sends_again_what_is_unknown_makes_doubles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = outcome.classify

    def rash(reply: Reply, source_id: str) -> Outcome:
        found = real(reply, source_id)
        return (
            found
            if found.kind is not OutcomeKind.UNKNOWN
            else Outcome(OutcomeKind.NOT_SENT, True, "lost")
        )

    monkeypatch.setattr("worker.run.sender.classify", rash)
    assert _sees("double", Theme.ORDINARY)


def test_a_worker_that_gives_up_what_is_unknown_loses_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = commit_writer.status_of
    monkeypatch.setattr(
        commit_writer,
        "status_of",
        lambda found: Status.FAILED if found == "unknown" else real(found),
    )
    assert _sees("lost", Theme.ORDINARY)


def test_a_worker_that_mixes_up_answers_writes_false_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Ledger.record_and_claim

    def careless(
        ledger: Ledger,
        endings: Sequence[AttemptResult],
        again: Sequence[int],
        limit: int,
        moment: Timestamp,
    ) -> tuple[list[AttemptResult], list[Intent], bool]:
        ids = [ending.batch_id for ending in endings if ending.outcome == "created"]
        mixed = [e._replace(batch_id=ids.pop()) if e.outcome == "created" else e for e in endings]
        return real(ledger, mixed, again, limit, moment)

    monkeypatch.setattr(Ledger, "record_and_claim", careless)
    assert _sees("false row", Theme.ORDINARY)


def test_a_worker_that_takes_what_a_dead_run_had_sent_for_unsent_makes_doubles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgetting = {
        "abandon_items": "UPDATE items SET status = 'pending' WHERE status = 'sent'",
        "abandon_attempts": (
            "UPDATE attempts SET closed_by = 'outcome' WHERE closed_by IS NULL AND outcome IS NULL"
        ),
    }
    monkeypatch.setattr(engine, "sql", lambda name: forgetting.get(name) or sql(name))
    assert _sees("double", Theme.CRASH)


# -- the loop


def _drive(loop: SimulatedLoop, seconds: float) -> float:
    async def main() -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, seconds)
            with anyio.move_on_after(seconds / 2):
                await anyio.sleep(seconds)
        return loop.time()

    try:
        return loop.drive(main())
    finally:
        loop.bury()


def test_time_jumps_to_the_next_timer() -> None:
    assert _drive(SimulatedLoop(start=7.0), 3600.0) == pytest.approx(3607.0)


def test_a_run_of_days_is_a_failure() -> None:
    with pytest.raises(StuckError, match="days"):
        _drive(SimulatedLoop(start=7.0), 1e6)


def test_waiting_for_nothing_is_a_failure() -> None:
    async def main() -> None:
        await anyio.Event().wait()

    loop = SimulatedLoop(start=0.0)
    with pytest.raises(StuckError, match="never"):
        loop.drive(main())
    loop.bury()


def test_a_dead_process_does_nothing_more() -> None:
    done: list[str] = []
    loop = SimulatedLoop(start=0.0)

    async def bystander() -> None:
        await anyio.sleep(1.0)
        done.append("bystander")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(bystander)
            await anyio.sleep(1.0 - 1e-9)
            await loop.die()

    with pytest.raises(Crash):
        loop.drive(main())
    loop.bury()
    assert done == []


def test_what_is_suggested_is_true_where_sources_look_alike() -> None:
    suggestions = 0
    for seed in range(20):
        findings = simulate(doubtful(scenario(seed, Theme.SOURCES)))
        assert findings.problems == []
        suggestions += findings.suggested
    assert suggestions > 20, "a simulation without suggestions shows little"


def test_a_name_with_spaces_side_by_side_may_arrive_trimmed_though_others_arrive_as_sent() -> None:
    """Here the batch of `Wave  1` was taken for that of `Wave 1`, and both were created again."""
    for seed in (22, 30, 32):
        assert simulate(trimmed(scenario(seed, Theme.COPYING))).problems == []
