"""Checks the decisions in a sheet before `settle` records them: against the database, and whether
the batches that they name exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from worker.cli.common import Target
from worker.cli.look_up_batches import NOTHING_RECORDED, look_up_batches
from worker.export.filled_sheet import Filled, SheetRow, ShownCandidates, filled_in, problem_in
from worker.export.kept_decisions import recorded_in
from worker.export.proposals import REST_ABSENT
from worker.ledger import decisions
from worker.ledger.decisions import Known
from worker.ledger.handle import Reader
from worker.ledger.proposals import candidates
from worker.model.errors import SHOWN_PROBLEMS, FileError, Problem, WorkerError
from worker.model.records import Listed
from worker.settings.settings import Settings


class CheckedSheet(NamedTuple):
    """The decisions of a sheet that are left to record, what is wrong with others, and how many
    were recorded before."""

    to_record: list[Filled]
    problems: list[Problem]
    recorded_before: int

    @property
    def batch_ids(self) -> list[str]:
        """The batches that are named."""
        return [
            one.decision.batch_id for one in self.to_record if one.decision.batch_id is not None
        ]


def check_sheet(
    reader: Reader, sheet: Sequence[SheetRow], campaign: str, *, accept: bool
) -> CheckedSheet:
    """The decisions of a sheet, each compared with the database. With `accept`, the sheet's
    suggestions are decisions too."""
    filled, problems = filled_in(sheet, accept=accept, recorded=recorded_in(reader))
    shown = ShownCandidates(sheet)
    to_record: list[Filled] = []
    rows_of: dict[str, Filled] = {}
    recorded_before = 0
    for one in filled:
        decision = one.decision
        item = decisions.known(reader, decision.item)
        if decisions.is_recorded(decision, item, campaign):
            recorded_before += 1
            continue
        problem = _why_refused(reader, one, item, campaign, shown)
        batch_id = decision.batch_id
        if (
            not problem
            and batch_id is not None
            and (other := rows_of.setdefault(batch_id, one)) is not one
        ):
            problem = (
                f"{batch_id} is also the decision for #{other.decision.item} in line"
                f" {other.row.line}; a batch belongs to one item only: leave it in one of the two"
            )
        if problem:
            problems.append(problem_in(one.row, problem))
        else:
            to_record.append(one)
    return CheckedSheet(to_record, problems, recorded_before)


def _why_refused(
    reader: Reader, one: Filled, item: Known | None, campaign: str, shown: ShownCandidates
) -> str:
    """Why a decision about an item of this campaign cannot be recorded: the item has changed since,
    the batch cannot be its copy, or nobody knows all of its candidates, or the person did not see
    them: those that the sheet has `shown`. Empty if it can."""
    decision = one.decision
    if stale := decisions.why_stale(decision, item, campaign):
        return stale
    if decision.batch_id is not None:
        error = decisions.refusal(reader, decision.item, decision.batch_id)
        return "" if error is None else error.message
    found = candidates(reader, decision.item)
    why = decisions.why_not_absent(
        decision.item, found, shown.of(decision.item, for_group=one.for_group)
    )
    if why and not decisions.why_not_absent(
        decision.item, found, shown.of(decision.item, for_group=True)
    ):
        return (
            f"#{decision.item} may exist as a batch that only the rows of another copy of its group"
            f" show; write {REST_ABSENT} there if what gets no batch was not created"
        )
    return why


def look_up_sheet(
    checked: CheckedSheet, path: Path, settings: Settings, api: Target | None
) -> dict[str, Listed]:
    """The batches that the sheet at `path` names, as the API shows them. Raises FileError with
    everything that is wrong in the sheet; TokenRefusedError or WorkerError if the API cannot be
    asked."""
    problems = list(checked.problems)
    try:
        found, missing = look_up_batches(checked.batch_ids, settings, api)
    except WorkerError:
        if not problems:
            raise
        found, missing = {}, {}
    for one in checked.to_record:
        if one.decision.batch_id in missing:
            reason = missing[one.decision.batch_id]
            problems.append(problem_in(one.row, f"{one.decision.batch_id}: {reason}"))
    if problems:
        in_order = sorted(problems, key=lambda problem: problem.line)
        hint = f"{NOTHING_RECORDED} Correct the sheet, and run the command again."
        raise FileError(path, in_order[:SHOWN_PROBLEMS], len(in_order), hint=hint)
    return found
