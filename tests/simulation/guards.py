"""Bugs that remove one guard of settling, or one of the facts that the ledger keeps for it. Nothing
is run here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from tests.simulation.jobs import MemoryJob, Wanted
from tests.simulation.planting import Mistake, attempts, statement
from tests.simulation.scenario import Meddling, Run, Scenario, Theme, source_id
from tests.simulation.weather import Fate, Shown, Sight, Weather
from tests.simulation.world import COLLEAGUE, ME, WORKSPACES, Habits
from tests.support.ledgers import connection_of
from worker.ledger import nearby, overlap, settlement
from worker.ledger.queries import sql
from worker.ledger.store import Ledger
from worker.model.attempts import Arrived, Attempt, CopyFidelity, UnownedBatch
from worker.model.records import Listed
from worker.model.restored import FileItem
from worker.settle import absence, completeness, fitting, presence, verdicts
from worker.settle.presence import Presence
from worker.settle.settling import Settling

# -- scenarios in which they show early


def _runs(scenario: Scenario, change: Callable[[int, Run], Run]) -> Scenario:
    return replace(
        scenario, runs=tuple(change(number, run) for number, run in enumerate(scenario.runs))
    )


def hasty(scenario: Scenario) -> Scenario:
    """Runs follow each other at once. They wait long for answers, and little for late effects."""
    scenario = replace(scenario, most_late=4.0, habits=replace(scenario.habits, lag=2.0))
    runs = _runs(
        scenario, lambda _number, run: replace(run, pause_s=0.5, timeout_s=60.0, settle_after_s=5.0)
    )
    return replace(runs, calm=tuple(replace(run, settle_after_s=5.0) for run in scenario.calm))


def lying(scenario: Scenario) -> Scenario:
    """Listings show a page of the oldest batches, and a count that says that this is all."""
    lies = {Shown.LIE_OLDEST: 0.95}
    changed = _runs(
        replace(scenario, bystanders=30),
        lambda _n, run: replace(run, weather=replace(run.weather, listing=lies)),
    )
    return replace(
        changed, calm=tuple(replace(run, weather=Weather(listing=lies)) for run in scenario.calm)
    )


def among_own(scenario: Scenario) -> Scenario:
    """Every second run has a colleague's token, which sees only the colleague's batches."""
    return _runs(
        replace(scenario, bystanders=9),
        lambda number, run: (
            replace(run, me=COLLEAGUE, weather=Weather(sight=Sight.OWN))
            if number % 2
            else replace(run, me=ME)
        ),
    )


def put_out(scenario: Scenario) -> Scenario:
    """Every second run's token sees an empty workspace."""
    blind = Weather(sight=Sight.NOTHING)
    return _runs(scenario, lambda number, run: replace(run, weather=blind) if number % 2 else run)


def of_our_own(scenario: Scenario) -> Scenario:
    """The first run loses its answers and dies. The next ones want copies of what it created."""
    lost = Weather(duplicate={Fate.LOST_AFTER: 0.9})
    first = replace(scenario.runs[0], weather=lost, crash_at=20.0, crash_points=None)
    rest = (
        replace(run, copies_of_copies=2, weather=Weather())
        for run in (scenario.runs[1:] or scenario.calm[:1])
    )
    return replace(scenario, runs=(first, *rest))


def twins(scenario: Scenario) -> Scenario:
    """Two campaigns want the same duplicates. The database is lost after both ran, and so are some
    answers."""
    job, run = (
        scenario.runs[0].job,
        replace(scenario.runs[0], only_settle=False, database_before=None),
    )
    lost = Weather(duplicate={Fate.LOST_AFTER: 0.5})
    spring, autumn = (
        replace(run, campaign=name, job=job, crash_points=None) for name in ("spring", "autumn")
    )
    dies = replace(spring, weather=lost, crash_at=10.0, database_lost=False)
    calm = tuple(replace(scenario.calm[0], campaign=name, job=job) for name in ("spring", "autumn"))
    after = (
        replace(autumn, weather=Weather(), database_lost=False),
        replace(spring, database_lost=True),
    )
    return replace(scenario, runs=(dies, *after), calm=calm)


def edited_often(scenario: Scenario) -> Scenario:
    """Sources are edited and renamed while the first run sends, and before the second one."""
    at = tuple(
        (0, seconds, what) for seconds in (0.5, 2.0, 4.0, 40.0, 80.0) for what in ("edit", "rename")
    )
    more = tuple((1, -1.0, what) for what in ("edit", "rename") * 3)
    return replace(
        scenario,
        meddling=tuple(Meddling(number, seconds, what) for number, seconds, what in at + more),
    )


def alike(scenario: Scenario) -> Scenario:
    """The API turns two names of the job into one, and the first run gets no answer."""
    rows = tuple(Wanted(source_id(0), name, False, 2) for name in ("Wave 1", "Wave  1"))
    lost = Weather(duplicate={Fate.LOST_AFTER: 0.5, Fate.LOST_BEFORE: 0.5})
    first = replace(
        scenario.runs[0], job=MemoryJob(rows), campaign="spring", weather=lost, only_settle=False
    )
    calm = (replace(scenario.calm[0], job=MemoryJob(rows), campaign="spring"),)
    return replace(scenario, habits=Habits(trims=True), runs=(first,), calm=calm, meddling=())


def trimmed(scenario: Scenario) -> Scenario:
    """The API trims spaces, which turns two names of the job into one. Some answers of each run are
    lost, and others show that names arrive."""
    names = (("Wave 1", 1), ("Wave  1", 1), ("Set {n}", 4))
    job = MemoryJob(tuple(Wanted(source_id(0), name, False, copies) for name, copies in names))
    lost = Weather(duplicate={Fate.LOST_AFTER: 0.25, Fate.LOST_BEFORE: 0.25})
    changed = _runs(
        alike(scenario), lambda _n, run: replace(run, job=job, weather=lost, crash_points=None)
    )
    return replace(changed, calm=tuple(replace(run, job=job) for run in changed.calm))


def lost_twins(scenario: Scenario) -> Scenario:
    """Two sources look alike, and rows of both send the same names. The first run gets no answer
    and dies, and its database is lost."""
    job = MemoryJob(tuple(Wanted(source_id(number), "Wave {n}", False, 3) for number in (0, 1)))
    lost = Weather(duplicate={Fate.LOST_AFTER: 0.5, Fate.LOST_BEFORE: 0.5})
    run = replace(
        scenario.runs[0], job=job, campaign="spring", only_settle=False, database_before=None,
        crash_points=None, signal_at=None, abort_at=None, max_duration=None, decides=0.0,
    )  # fmt: skip
    source = replace(scenario.sources[0], workspace=WORKSPACES[0])
    return replace(
        scenario,
        sources=(source, source),
        missing_sources=0,
        meddling=(),
        runs=(
            replace(run, weather=lost, crash_at=20.0, database_lost=False),
            replace(run, weather=Weather(), crash_at=None, database_lost=True),
        ),
        calm=(replace(scenario.calm[0], job=job, campaign="spring"),),
    )


def doubtful(scenario: Scenario) -> Scenario:
    """Two sources look alike, and rows of both send the same names. Half of the answers of the
    first run are lost, and a person decides some of the unknown rows."""
    job = MemoryJob(
        tuple(
            Wanted(source_id(number), name, False, copies)
            for number in (0, 1)
            for name, copies in (("Wave", 3), ("Row", 2), ("Set {n}", 3))
        )
    )
    lost = Weather(duplicate={Fate.LOST_AFTER: 0.4, Fate.LOST_BEFORE: 0.1})
    source = replace(scenario.sources[0], workspace=WORKSPACES[0])
    plain = replace(scenario.calm[0], job=job, campaign="spring", me=ME)
    runs = tuple(
        replace(plain, weather=weather, only_settle=settles, decides=0.5)
        for weather, settles in ((lost, False), (Weather(), True), (Weather(), True))
    )
    return replace(
        scenario, sources=(source, source), missing_sources=0, habits=Habits(), meddling=(),
        runs=runs, calm=(plain,), bystanders=3,
    )  # fmt: skip


def moving(scenario: Scenario) -> Scenario:
    """Sources are moved to another workspace while the first run sends and gets few answers."""
    first = replace(
        scenario.runs[0], weather=Weather(duplicate={Fate.LOST_AFTER: 0.5}), only_settle=False
    )
    moves = tuple(Meddling(0, seconds, "move") for seconds in (0.5, 1.0, 2.0, 3.0, 4.0, 6.0))
    return replace(scenario, runs=(first, *scenario.runs[1:]), meddling=moves)


def edited_when_lost(scenario: Scenario) -> Scenario:
    """Like `lost_twins`, but the sources look different, and are edited before the database is
    restored."""
    lost = lost_twins(scenario)
    source = lost.sources[0]
    sources = tuple(replace(source, details={"task_name": name}) for name in ("Signs", "Streets"))
    edits = tuple(Meddling(1, -1.0 - number, "edit") for number in range(4))
    return replace(lost, sources=sources, meddling=edits)


def lost_late(scenario: Scenario) -> Scenario:
    """The first run loses its answers, and the second one creates the rest hours later. No listing
    shows anything until the database is lost and restored."""
    job = MemoryJob((Wanted(source_id(0), "Wave {n}", False, 6),))
    run = replace(
        scenario.runs[0], job=job, campaign="spring", only_settle=False, database_before=None,
        database_lost=False, crash_points=None, crash_at=None, signal_at=None, abort_at=None,
        max_duration=None, decides=0.0, me=ME, pause_s=4 * 3600.0,
    )  # fmt: skip
    blind = Weather(no_listing=True)
    lossy = replace(blind, duplicate={Fate.LOST_AFTER: 0.9})
    return replace(
        scenario,
        sources=(replace(scenario.sources[0], workspace=WORKSPACES[0]),),
        missing_sources=0,
        bystanders=1,
        habits=Habits(),
        meddling=(),
        runs=(
            replace(run, weather=lossy, limits=run.limits._replace(limit=3, max_failed=None)),
            replace(run, weather=blind, limits=run.limits._replace(limit=None, max_failed=None)),
            replace(run, weather=Weather(), database_lost=True, limits=scenario.calm[0].limits),
        ),
        calm=(replace(scenario.calm[0], job=job, campaign="spring"),),
    )


# -- the guards


def details_alone_tell_restored_copies_apart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        absence,
        "is_clearly_different",
        lambda attempt, batch: not fitting.looks_like_its_source(attempt, batch),
    )


def every_row_of_a_file_was_unsent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FileItem, "is_unsent", property(lambda _self: True))


def no_name_is_cut(patch: pytest.MonkeyPatch) -> None:
    """A cut name is also one that a person may have changed, so either rule alone keeps the
    promise."""
    patch.setattr(Arrived, "show_whole", lambda _self, _name: True)
    nobody_renames_a_copy(patch)


def no_wait_for_a_dead_runs_requests(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Settling, "_over_at_monotonic", lambda _self, _attempts: -math.inf)


def a_source_is_older_than_every_attempt(patch: pytest.MonkeyPatch) -> None:
    real = Ledger.record_source

    def wrong(self: Ledger, batch: Listed) -> None:
        self._inherited = (
            -1
        )  # what a GET shows counts as shown by the last listing of an earlier run
        real(self, batch)

    patch.setattr(Ledger, "record_source", wrong)


def created_by_is_always_the_account(patch: pytest.MonkeyPatch) -> None:
    attempts(patch, lambda attempt, _ledger: attempt._replace(tells_people_apart=True))


def no_rivals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(presence, "_has_rival", lambda _one, _rivals, _batches: False)


def restored_sources_never_look_alike(patch: pytest.MonkeyPatch) -> None:
    """Accept what fits a restored row, whatever the other rows' sources look like."""
    real = presence.presence

    def wrong(
        attempts: Sequence[Attempt], unowned: Sequence[UnownedBatch], fidelity: CopyFidelity
    ) -> Presence:
        found = real(attempts, unowned, fidelity)
        if not all(attempt.restored for attempt in attempts):
            return found
        claims = dict(found.matched)
        for source in sorted({attempt.source_id for attempt in attempts}):
            some = [one for one in attempts if one.source_id == source]
            free = [batch for batch in unowned if batch.batch_id not in claims.values()]
            claims |= real(some, free, fidelity).matched
        return Presence(claims, {})

    patch.setattr(verdicts, "presence", wrong)


def no_source_is_moved(patch: pytest.MonkeyPatch) -> None:
    attempts(patch, lambda attempt, _ledger: attempt._replace(moved=False))


def no_length_is_a_pages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(completeness, "may_be_page", lambda _length: False)


def pages_are_tens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(completeness, "may_be_page", lambda length: length > 0 and length % 10 == 0)


def nobody_renames_a_copy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(absence, "may_be_renamed_copy", lambda _attempt, _batch: False)


def other_ledger_files_own_nothing(patch: pytest.MonkeyPatch) -> None:
    statement(
        patch,
        unowned_batches_of=sql("unowned_batches_of").replace(
            "AND s.batch_id NOT IN (SELECT batch_id FROM foreign_batches)", ""
        ),
    )


def one_name_that_arrived_vouches_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CopyFidelity, "surely_keeps", lambda self, _name: self.name is True)


def what_the_token_does_not_see_is_not_there(patch: pytest.MonkeyPatch) -> None:
    attempts(patch, lambda attempt, _ledger: attempt._replace(hidden=False))


def an_empty_workspace_is_empty(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settlement, "shows_nothing_known", lambda _ledger, _number, _workspace: False)


def no_row_is_signed(patch: pytest.MonkeyPatch) -> None:
    statement(patch, mark_started=sql("mark_started").replace("status = 'pending'", "status = ''"))


# -- the guards against people's accidents


def no_campaign_is_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(overlap, "shared_with", lambda _connection, _campaign: overlap.Shared())


def no_ledger_lies_nearby(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nearby, "shared_nearby", lambda *_all: [])


def no_name_is_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("worker.run.question.with_names", lambda situation, _names: situation)


def a_run_that_sent_nothing_has_sent(patch: pytest.MonkeyPatch) -> None:
    known = "SELECT 1 FROM campaigns WHERE name = :campaign"
    patch.setattr(
        overlap,
        "sent_before",
        lambda db, name: (
            connection_of(db).execute(known, {"campaign": name}).fetchone() is not None
        ),
    )


GUARDS: Mapping[str, Mistake] = {
    mistake.plant.__name__: mistake
    for mistake in (
        Mistake(
            "does not wait for a dead run's requests",
            no_wait_for_a_dead_runs_requests,
            Theme.CRASH,
            120,
            hasty,
        ),
        Mistake(
            "takes a GET for older",
            a_source_is_older_than_every_attempt,
            Theme.JOBS,
            100,
            of_our_own,
        ),
        Mistake(
            "believes created_by to be the account",
            created_by_is_always_the_account,
            Theme.COPYING,
            200,
        ),
        Mistake("sees no rivals", no_rivals, Theme.COPYING, 20, alike),
        Mistake(
            "accepts a restored fit where two sources look alike",
            restored_sources_never_look_alike,
            Theme.LOST,
            20,
            lost_twins,
        ),
        Mistake(
            "takes a restored row's copy for another's because its source was edited",
            details_alone_tell_restored_copies_apart,
            Theme.LOST,
            60,
            edited_when_lost,
        ),
        Mistake(
            "takes every row of a ledger file for unsent",
            every_row_of_a_file_was_unsent,
            Theme.LOST,
            60,
            lost_late,
        ),
        Mistake(
            "believes that no name is cut, and that nobody renames a copy",
            no_name_is_cut,
            Theme.COPYING,
            400,
        ),
        Mistake(
            "proves absence of what a source was asked for that was moved",
            no_source_is_moved,
            Theme.SOURCES,
            60,
            moving,
        ),
        Mistake("takes no listing for a page", no_length_is_a_pages, Theme.LISTINGS, 60, lying),
        Mistake("knows pages of tens alone", pages_are_tens, Theme.LISTINGS, 60, lying),
        Mistake("believes that nobody renames a copy", nobody_renames_a_copy, Theme.PEOPLE, 200),
        Mistake(
            "ignores what other ledger files own",
            other_ledger_files_own_nothing,
            Theme.LOST,
            60,
            twins,
        ),
        Mistake(
            "lets one name vouch for all", one_name_that_arrived_vouches_for_all, Theme.COPYING, 200
        ),
        Mistake(
            "takes what its token does not see for absent",
            what_the_token_does_not_see_is_not_there,
            Theme.CRASH,
            120,
            among_own,
        ),
        Mistake(
            "takes an empty listing for an empty workspace",
            an_empty_workspace_is_empty,
            Theme.CRASH,
            120,
            put_out,
        ),
        Mistake("does not sign a row", no_row_is_signed, Theme.LOST, 200),
        Mistake("does not see that a job was renamed", no_campaign_is_compared, Theme.ACCIDENTS),
        Mistake("does not look for other ledgers", no_ledger_lies_nearby, Theme.ACCIDENTS, 400),
        Mistake(
            "does not compare names with those that exist", no_name_is_compared, Theme.ACCIDENTS
        ),
        Mistake(
            "lets a run begin that was stopped before",
            a_run_that_sent_nothing_has_sent,
            Theme.ACCIDENTS,
        ),
    )
}
