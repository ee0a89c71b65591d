"""The result of a run, and its exit code. Pure."""

from __future__ import annotations

from typing import NamedTuple

from worker.model.errors import TokenRefusedError, WorkerError
from worker.model.events import StopReason
from worker.model.records import Counts
from worker.model.setups import SetupCounts, SetupWork
from worker.run.limits import Tally

NO_SETUPS, NO_WORK = SetupCounts(), SetupWork()


class Result(NamedTuple):
    """The result of a run. `troubles` are messages for users, each with what to do next.
    `undecided` is how many of the unknown duplicates a person must decide. `refused` says why
    nothing was created, if it looked like an accident and nobody agreed to it. `warnings` is how
    many of the job's copies differ from their source. `setups` are the counts of setups,
    `setup_work` is what is left to do for them, and `setup_reasons` says why some are not done."""

    counts: Counts
    tally: Tally
    reasons: tuple[tuple[str, int], ...]
    nothing_to_do: bool
    stopped_by: str | None
    exit_code: int
    duration_s: float
    troubles: tuple[str, ...]
    undecided: int
    setups: SetupCounts = NO_SETUPS
    setup_work: SetupWork = NO_WORK
    setup_reasons: tuple[tuple[str, int], ...] = ()
    refused: WorkerError | None = None
    warnings: int = 0


def exit_code(
    counts: Counts,
    stopped_by: str | None,
    signal: int | None,
    *,
    only_settle: bool = False,
    setups: SetupCounts = NO_SETUPS,
    follows: bool = False,
) -> int:
    """The exit code of a run that could begin, or with `only_settle` of `settle`. `signal` is the
    number of the signal that stopped it (None: none). A setup that the API accepted counts as done,
    unless the run `follows` it until it is ready."""
    if signal is not None:
        return 128 + signal
    if stopped_by == StopReason.TOKEN:
        return TokenRefusedError.exit_code
    if stopped_by in (
        StopReason.API,
        StopReason.DISK,
        StopReason.DATABASE,
        StopReason.INTERNAL,
        StopReason.DECLINED,
    ):
        return 1
    if only_settle:
        return 1 if counts.unknown else 0
    if setups.undone or (follows and setups.requested):
        return 1
    return 0 if counts.created == counts.total else 1


def counts_since(known: Counts, then: Tally, now: Tally) -> Counts:
    """The counts of the ledger now, from the counts `known` when the tally was `then` and the tally
    `now`."""
    created, refused = now.created - then.created, now.refused - then.refused
    unknown = now.unknown - then.unknown
    return Counts(
        known.created + created,
        known.failed + refused,
        known.unknown + unknown,
        max(0, known.pending - created - refused - unknown),
    )
