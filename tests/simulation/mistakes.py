"""Bugs that a worker could have, each put into the real one. The simulation must detect every one.

A bug is one change of one decision or statement, as a careless programmer would make it. Nothing is
run or judged here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.simulation.api import CutShort
from tests.simulation.guards import doubtful, edited_often, lying, trimmed
from tests.simulation.planting import Mistake, attempts, classified, not_sent, statement
from tests.simulation.scenario import Theme
from tests.support.ledgers import connection_of
from worker.api.outcome import Outcome, OutcomeKind
from worker.export import evidence
from worker.export.evidence import Suggestion
from worker.ledger import commit_writer
from worker.ledger.proposals import Found, Undecided
from worker.ledger.queries import sql
from worker.ledger.store import Ledger
from worker.model import attempts as model_attempts
from worker.model.attempts import Attempt, CopyFidelity, Interval, UnownedBatch
from worker.model.batch import Batch
from worker.model.records import Intent, Status
from worker.model.replies import Answer, NoAnswer, Reply
from worker.settle import absence, fitting, verdicts, windows
from worker.settle import presence as presence_module
from worker.settle.completeness import Completeness
from worker.settle.presence import Presence
from worker.settle.settling import Settling
from worker.settle.windows import window

# -- sending


def send_unknown_again(patch: pytest.MonkeyPatch) -> None:
    classified(
        patch, lambda _reply, found: not_sent(found) if found.kind is OutcomeKind.UNKNOWN else found
    )


def take_a_timeout_for_nothing(patch: pytest.MonkeyPatch) -> None:
    classified(
        patch, lambda reply, found: not_sent(found) if isinstance(reply, NoAnswer) else found
    )


def take_a_5xx_for_nothing(patch: pytest.MonkeyPatch) -> None:
    def wrong(reply: Reply, found: Outcome) -> Outcome:
        return not_sent(found) if isinstance(reply, Answer) and reply.status >= 500 else found

    classified(patch, wrong)


def take_an_odd_2xx_for_nothing(patch: pytest.MonkeyPatch) -> None:
    def wrong(reply: Reply, found: Outcome) -> Outcome:
        odd = isinstance(reply, Answer) and reply.status < 300 and found.kind is OutcomeKind.UNKNOWN
        return not_sent(found) if odd else found

    classified(patch, wrong)


def record_before_the_body_is_whole(patch: pytest.MonkeyPatch) -> None:
    """Record the beginning of an id that was cut off."""

    def wrong(reply: Reply, found: Outcome) -> Outcome:
        if not isinstance(reply, CutShort):
            return found
        batch = Batch(reply.begun.rpartition('"')[2], None, None, None, None, None, (), None)
        return Outcome(OutcomeKind.CREATED, True, None, 201, batch)

    classified(patch, wrong)


def call_unknown_failed(patch: pytest.MonkeyPatch) -> None:
    real = commit_writer.status_of
    patch.setattr(
        commit_writer,
        "status_of",
        lambda found: Status.FAILED if found == "unknown" else real(found),
    )


def write_the_intent_late(patch: pytest.MonkeyPatch) -> None:
    """What a commit claims is committed by the next transaction only, after its request has
    left."""
    claimed: list[Intent] = []
    real = commit_writer.CommitWriter.claim

    def claim(
        self: commit_writer.CommitWriter, *args: Any
    ) -> tuple[list[Intent], bool, commit_writer.Cursor]:
        intents, more, place = real(self, *args)
        claimed.extend(intents)
        return intents, more, place

    @contextmanager
    def transaction(self: Ledger) -> Iterator[None]:
        if connection_of(self).in_transaction:
            connection_of(self).execute("COMMIT")
        connection_of(self).execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection_of(self).execute("ROLLBACK")
            raise
        if not claimed:
            connection_of(self).execute("COMMIT")
        claimed.clear()

    patch.setattr(commit_writer.CommitWriter, "claim", claim)
    patch.setattr(Ledger, "transaction", transaction)


def forget_what_a_dead_run_sent(patch: pytest.MonkeyPatch) -> None:
    statement(
        patch,
        abandon_items="UPDATE items SET status = 'pending' WHERE status = 'sent'",
        abandon_attempts=(
            "UPDATE attempts SET closed_by = 'outcome' WHERE closed_by IS NULL AND outcome IS NULL"
        ),
    )


# -- what rows tell of themselves


def keep_candidates_of_what_is_settled(patch: pytest.MonkeyPatch) -> None:
    statement(
        patch,
        forget_candidates="SELECT :item",
        add_candidate=sql("add_candidate").replace("INSERT", "INSERT OR IGNORE"),
    )


def keep_the_reason_of_what_is_found(patch: pytest.MonkeyPatch) -> None:
    statement(patch, settle_created=sql("settle_created").replace("reason = NULL,", ""))


def count_candidates_that_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    values = ":item, :batch_id, :place, :name, :details, :datasets, :time, :creator"
    statement(patch, add_candidate=f"INSERT INTO candidates SELECT {values} WHERE false")


# -- looking


def look_only_once(patch: pytest.MonkeyPatch) -> None:
    real = Settling._decide

    async def wrong(self: Settling, looked: Any, *, absence: bool) -> Any:
        return await real(self, looked, absence=True)

    patch.setattr(Settling, "_decide", wrong)


def forget_late_effects(patch: pytest.MonkeyPatch) -> None:
    real = Settling._look

    async def wrong(self: Settling, attempts: Any, since: float, before: Any = None) -> Any:
        return await real(self, attempts, since - self.settle_after_s, before)

    patch.setattr(Settling, "_look", wrong)


def trust_a_short_listing(patch: pytest.MonkeyPatch) -> None:
    real = Settling._list

    async def wrong(self: Settling, workspace_id: str) -> tuple[float, None]:
        left, _problem = await real(self, workspace_id)
        return left, None

    patch.setattr(Settling, "_list", wrong)
    # What it does not show would else count as moved.
    attempts(patch, lambda attempt, _ledger: attempt._replace(moved=False))


def trust_a_listing_that_lacks_what_was_there(patch: pytest.MonkeyPatch) -> None:
    async def wrong(_self: Completeness, _workspace_id: str, _look: Any) -> None:
        return None

    patch.setattr(Completeness, "check", wrong)


def forget_what_earlier_listings_showed(patch: pytest.MonkeyPatch) -> None:
    statement(
        patch,
        unowned_batches_of="""SELECT s.* FROM unowned_batches AS s
        WHERE s.workspace_id = :workspace_id AND s.listing = (
            SELECT max(number) FROM listings WHERE workspace_id = :workspace_id)
            AND NOT EXISTS (SELECT 1 FROM items AS i WHERE i.new_batch_id = s.batch_id)""",
    )


# -- presence


def guess_among_several(patch: pytest.MonkeyPatch) -> None:
    def wrong(
        attempts: Sequence[Attempt], unowned: Sequence[UnownedBatch], _fidelity: CopyFidelity
    ) -> Presence:
        claims: dict[int, str] = {}
        for attempt in attempts:
            free = [
                s for s in unowned if s.batch_id not in claims.values() and fitting.fits(attempt, s)
            ]
            if free:
                claims[attempt.id] = free[0].batch_id
        return Presence(claims, {})

    patch.setattr(verdicts, "presence", wrong)


def take_an_older_batch(patch: pytest.MonkeyPatch) -> None:
    """No baseline, and no beginning of the window: a batch that existed before the attempt may be
    its copy."""
    for module in (windows, fitting, presence_module):
        patch.setattr(module, "window", lambda attempt: window(attempt)._replace(low=-math.inf))
    statement(
        patch,
        add_unowned_batch=sql("add_unowned_batch").replace(
            "s.listing > :baseline", "s.listing > 0 AND :baseline >= 0"
        ),
    )
    attempts(patch, lambda attempt, _ledger: attempt._replace(baseline=-1))


def ignore_names(patch: pytest.MonkeyPatch) -> None:
    _looks(patch, lambda attempt, batch: batch._replace(name=attempt.expected_name))


def ignore_datasets(patch: pytest.MonkeyPatch) -> None:
    _looks(patch, lambda attempt, batch: batch._replace(datasets=attempt.expected_datasets))


def _looks(
    patch: pytest.MonkeyPatch, wrong: Callable[[Attempt, UnownedBatch], UnownedBatch]
) -> None:
    real = fitting.fits

    def presence(
        attempts: Sequence[Attempt], unowned: Sequence[UnownedBatch], _fidelity: CopyFidelity
    ) -> Presence:
        claims: dict[int, str] = {}
        for attempt in attempts:
            for batch in unowned:
                if batch.batch_id not in claims.values() and real(attempt, wrong(attempt, batch)):
                    claims[attempt.id] = batch.batch_id
                    break
        return Presence(claims, {})

    patch.setattr(verdicts, "presence", presence)


# -- absence


def take_a_near_fit_for_absence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verdicts, "candidates", lambda *_: ())


def trust_every_property(patch: pytest.MonkeyPatch) -> None:
    real = absence.candidates

    def wrong(
        attempt: Attempt, free: Sequence[UnownedBatch], _fidelity: CopyFidelity, *others: Any
    ) -> tuple[str, ...]:
        believed = CopyFidelity(True, True, True)
        return real(attempt._replace(source_changed=False), free, believed, *others)

    patch.setattr(verdicts, "candidates", wrong)


def use_the_latest_baseline(patch: pytest.MonkeyPatch) -> None:
    def wrong(attempt: Attempt, ledger: Ledger) -> Attempt:
        return attempt._replace(
            baseline=connection_of(ledger).execute(sql("last_numbers")).fetchone()["listing"]
        )

    attempts(patch, wrong)


def use_the_strict_window_of_now(patch: pytest.MonkeyPatch) -> None:
    """Compute the window of an attempt of an earlier run as if this run had made it."""

    def wrong(attempt: Attempt, ledger: Ledger) -> Attempt:
        row = connection_of(ledger).execute("SELECT max(date_after) FROM attempts").fetchone()
        late = row[0] if row[0] is not None else attempt.sent_at
        return attempt._replace(sent_at=late, given_up_at=late, date_before=late, date_after=late)

    attempts(patch, wrong)


def use_the_first_attempts_window(patch: pytest.MonkeyPatch) -> None:
    """Look for a second attempt's copy in the window of the first one."""

    def wrong(attempt: Attempt, ledger: Ledger) -> Attempt:
        first = (
            connection_of(ledger)
            .execute(
                "SELECT * FROM attempts WHERE item_id = ? ORDER BY id LIMIT 1", (attempt.item_id,)
            )
            .fetchone()
        )
        after = first["date_after"] if first["date_after"] is not None else first["ended_server"]
        return attempt._replace(
            sent_at=first["left_server"],
            given_up_at=first["ended_server"],
            date_before=first["date_before"],
            date_after=after,
        )

    attempts(patch, wrong)


def trust_our_clock(patch: pytest.MonkeyPatch) -> None:
    """Take `created_at` as it is, as if all clocks agreed to the second, in both windows."""
    patch.setattr(absence, "wide_window", window)
    attempts(patch, lambda attempt, _ledger: attempt._replace(offset=Interval(0.0, 0.0)))


def compare_with_the_source_as_it_is_now(patch: pytest.MonkeyPatch) -> None:
    def wrong(attempt: Attempt, ledger: Ledger) -> Attempt:
        row = (
            connection_of(ledger)
            .execute(
                "SELECT name, details, loose_details FROM source_versions WHERE source_id = ?"
                " ORDER BY id DESC LIMIT 1",
                (attempt.source_id,),
            )
            .fetchone()
        )
        if attempt.source is None or row is None:
            return attempt
        now = attempt.source._replace(
            name=row["name"], details=row["details"], loose_details=row["loose_details"]
        )
        return attempt._replace(source=now, source_changed=False)

    attempts(patch, wrong)


def spaces_side_by_side_arrive(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(model_attempts, "special", lambda name: frozenset(name) - model_attempts.PLAIN)


# -- what is suggested to a person


def suggest_the_first_that_fits(patch: pytest.MonkeyPatch) -> None:
    def wrong(
        all_found: Sequence[Found], _hidden: int, _name: str, _sent_at: str | None
    ) -> Suggestion | None:
        fitting = (Suggestion(found.batch_id, "") for found in all_found if found.evidence.fits)
        return next(fitting, None)

    patch.setattr(evidence, "suggestion", wrong)


def suggest_what_settling_itself_doubts(patch: pytest.MonkeyPatch) -> None:
    real = evidence.proposals
    patch.setattr(
        "worker.export.proposals.proposals",
        lambda some: real(
            one._replace(
                has_rival=False, found=tuple(found._replace(fits_others=0) for found in one.found)
            )
            for one in some
        ),
    )


def suggest_together_what_fits_others_too(patch: pytest.MonkeyPatch) -> None:
    real = evidence.joint_suggestions

    def wrong(copies: Sequence[Undecided]) -> Mapping[int, Suggestion]:
        alone = [
            one._replace(
                found=tuple(
                    found._replace(fits_others=min(found.fits_others, len(copies) - 1))
                    for found in one.found[: len(copies)]
                )
            )
            for one in copies
        ]
        return real(alone)

    patch.setattr(evidence, "joint_suggestions", wrong)


MISTAKES: Mapping[str, Mistake] = {
    mistake.plant.__name__: mistake
    for mistake in (
        Mistake("sends again what is unknown", send_unknown_again, Theme.ORDINARY),
        Mistake("takes a timeout for 'not sent'", take_a_timeout_for_nothing, Theme.ORDINARY),
        Mistake("takes a 5xx for 'not sent'", take_a_5xx_for_nothing, Theme.ORDINARY),
        Mistake(
            "takes a 2xx without a batch for 'not sent'",
            take_an_odd_2xx_for_nothing,
            Theme.STORM,
            200,
        ),
        Mistake(
            "records before the body is whole", record_before_the_body_is_whole, Theme.ORDINARY
        ),
        Mistake("calls unknown outcomes failed", call_unknown_failed, Theme.ORDINARY),
        Mistake("commits the intent after the request", write_the_intent_late, Theme.CRASH),
        Mistake(
            "takes what a dead run had sent for unsent", forget_what_a_dead_run_sent, Theme.CRASH
        ),
        Mistake("looks only once", look_only_once, Theme.ORDINARY, 200),
        Mistake("does not wait for late effects", forget_late_effects, Theme.ORDINARY),
        Mistake("trusts a listing that is not whole", trust_a_short_listing, Theme.LISTINGS, 200),
        Mistake(
            "trusts a listing that lacks what was there",
            trust_a_listing_that_lacks_what_was_there,
            Theme.LISTINGS,
            60,
            lying,
        ),
        Mistake(
            "forgets what earlier listings showed",
            forget_what_earlier_listings_showed,
            Theme.ORDINARY,
            200,
        ),
        Mistake("guesses among several", guess_among_several, Theme.SOURCES, 300),
        Mistake("does not compare names", ignore_names, Theme.ORDINARY, 200),
        Mistake("does not compare datasets", ignore_datasets, Theme.JOBS, 200),
        Mistake("takes a near fit for absence", take_a_near_fit_for_absence, Theme.COPYING, 200),
        Mistake(
            "believes that every property survives copying",
            trust_every_property,
            Theme.COPYING,
            200,
        ),
        Mistake(
            "applies the latest baseline to older attempts", use_the_latest_baseline, Theme.ORDINARY
        ),
        Mistake(
            "gives an older attempt this run's window",
            use_the_strict_window_of_now,
            Theme.CRASH,
            200,
        ),
        Mistake("takes an older batch", take_an_older_batch, Theme.ACCOUNT, 300),
        Mistake(
            "applies the first attempt's window to the second",
            use_the_first_attempts_window,
            Theme.TOKEN,
            60,
        ),
        Mistake("trusts our clock", trust_our_clock, Theme.CLOCKS, 200),
        Mistake(
            "compares with the source as it is now",
            compare_with_the_source_as_it_is_now,
            Theme.SOURCES,
            100,
            edited_often,
        ),
        Mistake(
            "keeps the candidates of what is settled",
            keep_candidates_of_what_is_settled,
            Theme.COPYING,
            200,
            untrue=True,
        ),
        Mistake(
            "keeps the reason of what is found",
            keep_the_reason_of_what_is_found,
            Theme.ORDINARY,
            untrue=True,
        ),
        Mistake(
            "suggests one of several batches that fit equally",
            suggest_the_first_that_fits,
            Theme.SOURCES,
            60,
            doubtful,
        ),
        Mistake(
            "suggests what a row with a similar name may have created",
            suggest_what_settling_itself_doubts,
            Theme.COPYING,
            60,
            trimmed,
        ),
        Mistake(
            "believes that spaces arrive because other names do",
            spaces_side_by_side_arrive,
            Theme.COPYING,
            60,
            trimmed,
        ),
        Mistake(
            "suggests batches for the copies of a row that fit other rows too",
            suggest_together_what_fits_others_too,
            Theme.SOURCES,
            60,
            doubtful,
        ),
        Mistake(
            "counts candidates and does not keep them",
            count_candidates_that_are_not_kept,
            Theme.COPYING,
            untrue=True,
        ),
    )
}
