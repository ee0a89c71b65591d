"""The verdicts that one look at the listings allows: which open attempts created a batch, which
created nothing, and why the others stay unknown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from worker.model.attempts import (
    Attempt,
    Candidate,
    CopyFidelity,
    UnownedBatch,
    Unsettled,
    Verdicts,
)
from worker.model.reasons import NAMED, Reason
from worker.settle.absence import candidates
from worker.settle.fitting import evidence
from worker.settle.presence import Presence, presence

# The ledger stores these texts. Nothing parses them; equal ones are counted as one cause.
INCOMPLETE = "the workspace's listing is not complete: "
HIDDEN = (
    "the token belongs to another person, who may not see what the first person's requests created"
)
MOVED = "the source was moved to another workspace, and its copy may be there"
SEVERAL = "several batches fit, or one fits several duplicates"
ALIKE = "these may be its copy, or another duplicate's"
MAY_BE = "these may be its copy"
NAMED_BY_ANSWER = "an answer named this batch"
NOT_SHOWN_YET = "the first of two listings does not show it"

MAX_CANDIDATES = 20_000
"""How many candidates a look keeps, if ten of each attempt are fewer. There may be thousands for
each of thousands of attempts. After an ordinary bad night all are kept: people decide about them
in a spreadsheet, and need to see each."""

MIN_RANKED = 100
"""How many candidates of an attempt are compared at least, to keep the best ones."""


def verdicts_of(
    attempts: Sequence[Attempt],
    unowned: Mapping[str, Sequence[UnownedBatch]],
    problems: Mapping[str, str | None],
    fidelity_of: Mapping[str, CopyFidelity],
    *,
    absence: bool,
) -> Verdicts:
    """The verdicts that a look allows about the open attempts.

    By workspace: `unowned` has the batches that listings have shown and no row has, `problems` says
    why a listing is not complete (None: it is), `fidelity_of` says which properties copying keeps.
    Absence is decided only if `absence` is true: at the second look."""
    created: dict[int, UnownedBatch] = {}
    absent: list[int] = []
    unknown: dict[int, Unsettled] = {}
    disputed: set[str] = set()
    names = frozenset(attempt.expected_name for attempt in attempts)
    by_workspace: dict[str | None, list[Attempt]] = {}
    for attempt in attempts:
        workspace_id = attempt.source.workspace_id if attempt.source else None
        by_workspace.setdefault(workspace_id, []).append(attempt)
    for workspace_id, of_workspace in by_workspace.items():
        if (problem := _problem(workspace_id, problems)) is not None:
            why = Unsettled(Reason.LISTING_INCOMPLETE, INCOMPLETE + problem, keeps_earlier=True)
            unknown |= {attempt.id: why for attempt in of_workspace}
            continue
        batches = unowned.get(workspace_id or "", ())
        fidelity = fidelity_of.get(workspace_id or "", CopyFidelity())
        found = presence(of_workspace, batches, fidelity)
        by_id = {batch.batch_id: batch for batch in batches}
        # A hidden attempt stays unknown, so its batch may still be another one's.
        hidden = {attempt.id for attempt in of_workspace if attempt.hidden}
        taken = {
            batch_id for attempt_id, batch_id in found.matched.items() if attempt_id not in hidden
        }
        left_over = [batch for batch in batches if batch.batch_id not in taken]
        candidates_of_each = max(NAMED, MAX_CANDIDATES // len(attempts))
        look = _Look(found, by_id, left_over, fidelity, names, candidates_of_each)
        for attempt in of_workspace:
            if attempt.id in found.matched and not attempt.hidden:
                created[attempt.id] = by_id[found.matched[attempt.id]]
            elif (unsettled := _unsettled(attempt, look, absence=absence)) is not None:
                unknown[attempt.id] = unsettled
                if unsettled.reason is Reason.SEVERAL_FIT:
                    disputed.update(found.disputed[attempt.id])
            else:
                absent.append(attempt.id)
    return Verdicts(created, absent, unknown, tuple(sorted(disputed)))


@dataclass
class _Look:
    """What a complete listing of one workspace shows: which attempts created which batches, the
    batches by id, those that no attempt created, and which properties copying keeps. `names` are
    the names of all open attempts' copies. `candidates_of_each` is how many candidates are kept of
    each attempt."""

    found: Presence
    by_id: Mapping[str, UnownedBatch]
    left_over: Sequence[UnownedBatch]
    fidelity: CopyFidelity
    names: frozenset[str]
    candidates_of_each: int

    @cached_property
    def unexplained(self) -> Sequence[UnownedBatch]:
        """Those of `left_over` that fit no open attempt whose batches are disputed or have a
        rival."""
        parts = (*self.found.disputed.values(), *self.found.has_rival.values())
        fitting = frozenset(batch_id for batch_ids in set(parts) for batch_id in batch_ids)
        return [batch for batch in self.left_over if batch.batch_id not in fitting]


def _problem(workspace_id: str | None, problems: Mapping[str, str | None]) -> str | None:
    """Why a workspace's listing is not complete; None if it is."""
    if workspace_id is None:
        return "its workspace is not known"
    return problems.get(workspace_id, "its workspace was not listed")


def _unsettled(attempt: Attempt, look: _Look, *, absence: bool) -> Unsettled | None:
    """Why the attempt stays unknown; None if it is proved that it created nothing."""
    if attempt.hidden:
        return Unsettled(Reason.HIDDEN, HIDDEN, keeps_earlier=True)
    fitting = look.found.disputed.get(attempt.id) or look.found.has_rival.get(attempt.id, ())
    # A person may find that none of those that fit is its copy, but one that fits no row.
    others = look.unexplained if fitting else look.left_over
    batch_ids = (*fitting, *candidates(attempt, others, look.fidelity, look.names))
    if attempt.id in look.found.disputed:
        return _candidates(attempt, look, Reason.SEVERAL_FIT, SEVERAL, batch_ids)
    if attempt.id in look.found.has_rival:
        return _candidates(attempt, look, Reason.NAMES_ALIKE, ALIKE, batch_ids)
    if batch_ids:
        return _candidates(attempt, look, Reason.MAY_BE_ITS, MAY_BE, batch_ids)
    if attempt.answered_id is not None:
        return _candidates(attempt, look, Reason.ANSWER_NAMED, NAMED_BY_ANSWER, ())
    if attempt.moved:
        return Unsettled(Reason.LISTING_INCOMPLETE, MOVED)
    return None if absence else Unsettled(Reason.NOT_SHOWN_YET, NOT_SHOWN_YET)


def _candidates(
    attempt: Attempt, look: _Look, reason: Reason, text: str, batch_ids: Sequence[str]
) -> Unsettled:
    """Why an attempt stays unknown, with the best of these batches, and of the one that an answer
    named, as its candidates."""
    if attempt.answered_id is not None and attempt.answered_id not in batch_ids:
        batch_ids = (*batch_ids, attempt.answered_id)
    found = [
        Candidate(batch_id, evidence(attempt, look.by_id[batch_id]))
        if batch_id in look.by_id
        else Candidate(batch_id)
        for batch_id in batch_ids[: max(MIN_RANKED, look.candidates_of_each)]
    ]
    found.sort(key=lambda one: (one.evidence.count(False), -one.evidence.count(True)))
    return Unsettled(reason, text, tuple(found[: look.candidates_of_each]), len(batch_ids))
