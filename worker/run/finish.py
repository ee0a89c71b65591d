"""Finishes a run, however it ended: records the answers that came, writes the ledger file, and
records the run's end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from worker.ledger import setups, views
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, iso
from worker.model.errors import WorkerError
from worker.model.events import Event, StopReason
from worker.model.records import Counts, RunEnd
from worker.model.setups import SetupCounts, SetupWork
from worker.model.stop import Stop
from worker.run.ledger_file import LedgerFile
from worker.run.options import Options
from worker.run.result import Result, exit_code
from worker.run.sending import Sending
from worker.run.trouble import trouble_of
from worker.setup.requests import Requests

T = TypeVar("T")

NOT_READY = "setup: the batch was not READY when --follow ended; the next run looks at it again"
"""Why a setup that the API accepted is not done for a run that follows it."""


class Ended(NamedTuple):
    """How the phases of a run ended: whether there was nothing to do, whether a second signal cut
    them short (`aborted`), why nothing may be created (`refused`, see `Result`), and when the run
    began (`started`, monotonic seconds)."""

    nothing_to_do: bool
    aborted: bool
    refused: WorkerError | None
    started: float


class Final(NamedTuple):
    """The counts at the end of a run: of duplicates, of setups, and what is left to set up."""

    counts: Counts
    set_up: SetupCounts = SetupCounts()
    work: SetupWork = SetupWork()


class Explained(NamedTuple):
    """Why rows are not created (`reasons`) or not set up, how many are `undecided`, and how many
    batches differ from their sources (`warnings`)."""

    setup_reasons: Sequence[tuple[str, int]] = ()
    reasons: Sequence[tuple[str, int]] = ()
    undecided: int = 0
    warnings: int = 0


class Finish:
    """Finishes one run. Each step that fails is passed to `trouble`, and the next steps are still
    done."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        stop: Stop,
        options: Options,
        sending: Sending,
        ledger_file: LedgerFile,
        requests: Requests,
        trouble: Callable[[Exception], None],
    ) -> None:
        self._database, self._clock, self._stop, self._options = database, clock, stop, options
        self._sending, self._ledger_file, self._trouble = sending, ledger_file, trouble
        self._requests = requests
        self._failure: StopReason | None = None
        """Why a step of finishing failed."""

    async def run(self, ended: Ended, known: Counts, troubles: list[str]) -> Result:
        """Finish the run and return its result. `known` are the counts to use if the database
        cannot be read, `troubles` the messages so far."""
        await self._attempt(self._requests.salvage())
        await self._attempt(self._sending.salvage())
        # A disk that cannot be written can usually still be read, and the summary must not show the
        # counts from before the run.
        found = await self._attempt(self._database.query(_final)) or Final(known)
        counts, set_up, work = found
        # If this cannot be read, the counts are still true.
        why = await self._attempt(self._database.query(_explained, found)) or Explained()
        setup_reasons = why.setup_reasons
        if self._options.follow and set_up.requested:
            setup_reasons = [*setup_reasons, (NOT_READY, set_up.requested)]
        written = None
        # After a second signal the run must stop at once, and a long file takes long to write.
        if not ended.aborted and ended.refused is None:
            written = await self._attempt(self._ledger_file.write_last())
        stopped_by, code = self._outcome(ended, found)
        tally = self._sending.tally
        end = RunEnd(
            iso(self._clock.wall()),
            stopped_by and stopped_by.value,
            code,
            tally.created,
            tally.requests,
            tally.throttled,
            written,
        )
        changes = tuple(self._ledger_file.changes)
        await self._attempt(self._database.call(Ledger.end_run, end, changes))
        stopped_by, code = self._outcome(ended, found)  # that step may have failed too
        return Result(
            counts=counts,
            tally=tally,
            reasons=tuple(why.reasons),
            nothing_to_do=ended.nothing_to_do,
            stopped_by=stopped_by and stopped_by.value,
            exit_code=code,
            duration_s=self._clock.monotonic() - ended.started,
            troubles=tuple(troubles),
            undecided=why.undecided,
            setups=set_up,
            setup_work=work,
            setup_reasons=tuple(setup_reasons),
            refused=ended.refused,
            warnings=why.warnings,
        )

    def _outcome(self, ended: Ended, final: Final) -> tuple[StopReason | None, int]:
        """Why the run stopped early (None: it did not), and its exit code. A run of which a step of
        finishing failed never ends with 0."""
        stopped_by = self._stop.reason or (
            self._sending.gate.closed
            if final.counts.pending or self._setups_barred(final.set_up)
            else None
        )
        if ended.refused is not None:
            return stopped_by, ended.refused.exit_code
        code = exit_code(
            final.counts,
            stopped_by,
            self._stop.signal,
            only_settle=self._options.only_settle,
            setups=final.set_up,
            follows=self._options.follow > 0,
        )
        # An earlier reason, such as --limit, may have stayed the reason.
        return (self._failure, 1) if code == 0 and self._failure else (stopped_by, code)

    def _setups_barred(self, set_up: SetupCounts) -> bool:
        return bool(set_up.pending) and self._sending.gate.closed == StopReason.MAX_FAILED

    async def _attempt(self, work: Awaitable[T]) -> T | None:
        """Do one step of finishing. Returns None if it failed."""
        try:
            return await work
        except (OSError, *DATABASE_ERRORS) as error:
            self._failure = self._failure or trouble_of(error).reason
            self._trouble(error)
            return None


def finished_event(result: Result) -> Event:
    """The log line about the end of a run."""
    tally = result.tally
    fields = {
        "counts": result.counts._asdict(),
        "created_this_run": tally.created,
        "settled_this_run": tally.settled,
        "requests": tally.requests,
        "throttled": tally.throttled,
        "warnings": result.warnings,
        "duration_s": round(result.duration_s, 3),
        "exit_code": result.exit_code,
        "stopped_by": result.stopped_by,
    }
    return Event("run.finished", "info", fields)


def counts_of(ledger: Ledger) -> Counts:
    """How many of the job's duplicates have which status now."""
    return views.counts(ledger, ledger.campaign)


def _final(ledger: Ledger) -> Final:
    set_up = setups.counts(ledger, ledger.campaign)
    work = setups.work(ledger, ledger.campaign) if set_up.total else SetupWork()
    return Final(counts_of(ledger), set_up, work)


def _explained(ledger: Ledger, final: Final) -> Explained:
    campaign = ledger.campaign
    incomplete = final.counts.created < final.counts.total
    return Explained(
        setups.reasons(ledger, campaign) if final.set_up.undone else (),
        views.causes(ledger, campaign) if incomplete else (),
        views.undecided(ledger, campaign) if incomplete else 0,
        views.differing(ledger, campaign),
    )
