"""One run of one job, from the duplicates that are missing to the result.

The promise depends on the order: look up the sources before sending, write the ledger file before
the first request, write intents before their requests, and however the run ends, record the answers
that came and report what is known. Everything that differs between a real run and a test (clock,
chance, API, database, question) is passed in."""

from __future__ import annotations

import random
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio

from worker.api.client import Api
from worker.api.reader import ListingLog, RetryingReader, UnrecordedListings
from worker.ledger import settlement, setups
from worker.ledger.store import Ledger
from worker.ledger.threads import Database, ListingNotes
from worker.model.clock import Clock, ServerClock
from worker.model.errors import AccidentError, DeclinedError, WorkerError
from worker.model.events import Emit, Event, StopReason
from worker.model.phase import Phase
from worker.model.records import Counts
from worker.model.setups import SetupLabel, SetupResult, SetupWork
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.finish import Ended, Finish, counts_of, finished_event
from worker.run.ledger_file import LedgerFile
from worker.run.limits import Tally
from worker.run.options import Options
from worker.run.preflight import Preflight
from worker.run.question import (
    Question,
    names_taken_note,
    preflight_event,
    question_of,
    setup_question,
)
from worker.run.result import Result, counts_since
from worker.run.sending import Sending
from worker.run.trouble import leaves, trouble_of
from worker.settle.settling import Settled, Settling, Waiting
from worker.setup.looking import Looking
from worker.setup.requests import Requests
from worker.setup.setting_up import SettingUp


class JobRun:
    """One run of one job. Call `run` once; the properties may be read at any time."""

    def __init__(
        self,
        *,
        database: Database,
        api: Api,
        clock: Clock,
        rng: random.Random,
        emit: Emit,
        stop: Stop,
        options: Options,
        confirm: Callable[[Question], Awaitable[bool]],
        pacer: Pacer | None = None,
    ) -> None:
        """`pacer` is the one of the process's last run; None creates one."""
        self._database = database
        self._clock = clock
        self._forward = emit
        self._stop = stop
        self._options = options
        self._confirm = confirm
        self._started = clock.monotonic()
        self._troubles: list[str] = []
        self._refusal: WorkerError | None = None
        self._scope = anyio.CancelScope()
        server = ServerClock()
        emit = self._emit  # events of all parts pass through here
        self._ledger_file = LedgerFile(database, clock, emit, options)
        self.phase = Phase.STARTING
        # The counts when they were last read, and the tally then. Replaced as one value, because
        # the display's thread reads it.
        self._counts_read = (Counts(), Tally())
        self._sent_s = 0.0
        self._sending_since: float | None = None
        most = options.limits.max_in_flight
        self.pacer = pacer or Pacer(
            options.rate, most, clock, rng, emit, stop.wait, self._sending_is_over
        )
        self.pacer.serve(emit, stop.wait, self._sending_is_over)

        def reader_with(log: ListingLog) -> RetryingReader:
            give_up_after_s = options.limits.give_up_after_s
            return RetryingReader(
                log, api, clock, server, emit, stop, give_up_after_s, options.rate
            )

        reader = reader_with(ListingNotes(database))
        self._preflight = Preflight(
            database, reader, emit, stop, at_once=options.limits.max_in_flight
        )
        self._sending = Sending(
            database, api, clock, server, self.pacer, emit, stop, options.limits
        )
        self._sending.gate.closed = options.closed
        self._settling = Settling(database, reader, clock, server, emit, stop, options.settle_after)
        self._setups = SetupWork()
        self._requests = Requests(
            database,
            clock,
            self.pacer,
            most,
            self._sending.set_up,
            self._note_setup,
            lambda: self._sending.gate.bars_setups,
        )
        stop.on_ask(self._requests.wake)
        self._setting_up = SettingUp(
            database,
            Looking(reader_with(UnrecordedListings()), clock, stop, self.pacer),
            self._requests,
            clock,
            emit,
            stop,
            options.settle_after,
            options.retry_failed,
            self._started,
        )
        self._finish = Finish(
            database,
            clock,
            stop,
            options,
            self._sending,
            self._ledger_file,
            self._requests,
            self._note_trouble,
        )

    def _sending_is_over(self) -> bool:
        """Whether nothing of the present phase may leave any more."""
        if self.phase is Phase.FOLLOWING:
            return self._stop.asked
        gate = self._sending.gate
        # A limit of sending duplicates does not bar setups.
        return gate.bars_setups if self.phase is Phase.SETTING_UP else gate.is_closed

    @property
    def tally(self) -> Tally:
        """The results of sending so far."""
        return self._sending.tally

    @property
    def counts(self) -> Counts:
        """How many of the job's duplicates have which status now: the counts last read from the
        ledger, with the results since."""
        known, then = self._counts_read
        return counts_since(known, then, self.tally)

    @property
    def waiting(self) -> Waiting | None:
        """What settling waits for; None if it is not waiting."""
        return self._settling.waiting

    def looks_in_s(self) -> float | None:
        """Seconds until settling, or setting up, looks again; None if it looks now or is not
        running."""
        looks_at = waiting.looks_at if (waiting := self.waiting) else self._setting_up.waits_until
        return None if looks_at is None else max(0.0, looks_at - self._clock.monotonic())

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock.monotonic() - self._started

    def created_per_s(self) -> float:
        """Duplicates created per second of sending, without look-ups, question and settling. At
        most the maximum rate: the first duplicate alone would seem to exceed it."""
        since = self._sending_since
        sent_s = self._sent_s + (0.0 if since is None else self._clock.monotonic() - since)
        rate = self.tally.created / sent_s if sent_s > 0 else 0.0
        return rate if self._options.rate is None else min(rate, self._options.rate)

    def abort(self) -> None:
        """Stop at once, without awaiting the requests under way."""
        self._scope.cancel()

    def _emit(self, event: Event) -> None:
        """Forward an event. The ledger file keeps changes of the rate for the report."""
        self._ledger_file.observe(event)
        self._forward(event)

    async def run(self) -> Result:
        """Create the duplicates that are missing. Does not raise for errors during the run: the
        result says what happened."""
        nothing_to_do = False
        try:
            with self._scope:
                await self._read_counts()
                async with anyio.create_task_group() as group:
                    group.start_soon(self._end_in_time)
                    group.start_soon(self._ledger_file.keep_fresh)
                    nothing_to_do = await self._go_through_phases()
                    group.cancel_scope.cancel()
        except* Exception as errors:  # a run always reports how it ended
            for error in leaves(errors):
                self._note_trouble(error)
        return await self._end(nothing_to_do)

    async def _go_through_phases(self) -> bool:
        """Go through the phases of the run. Returns whether there was nothing to do."""
        sends = not self._options.only_settle
        creates = bool(self.counts.pending or self.counts.unknown)
        if sends and not (creates or self._sets_up):
            return True
        if not sends and not await self._database.query(settlement.any_open):
            return True
        closed = self._options.closed
        if closed == StopReason.MAX_DURATION or (closed and not self.counts.unknown):
            return False  # neither sending nor settling
        self.phase = Phase.LOOKING_UP
        await self._preflight.check_token()
        if sends and not creates:
            question = await self._database.query(setup_question)
            if question.set_up and not await self._agreed(question):
                return False
        elif sends:
            found = await self._preflight.look_up_sources()
            question = await self._question()
            self._keep_counts(question.counts)  # rows of missing sources have failed meanwhile
            self._emit(preflight_event(found, question))
            # An accident has its own message, whether the run is refused or a person is asked.
            if question.names_taken and not question.accidents and not self._stop.asked:
                self._emit(names_taken_note(question))
            creates = bool(question.create or question.counts.unknown)
            if self._stop.asked or not (creates or self._sets_up):
                return False
            # For unknown duplicates, a person agreed when they were sent.
            if (question.create or question.set_up) and not await self._agreed(question):
                return False
        if sends and creates:
            await self._database.call(Ledger.mark_started)
            await self._ledger_file.write_first()
        if creates or not sends:
            await self._send_and_settle(send=sends)
        if sends and not self._stop.asked:
            await self._set_up()
        return False

    async def _agreed(self, question: Question) -> bool:
        """Whether somebody agrees to what the run would do, if somebody must."""
        if not await self._confirm(question):
            self._stop.ask(StopReason.DECLINED)
        return not self._stop.asked

    def _note_setup(self, result: SetupResult, label: SetupLabel) -> None:
        self._setting_up.note(result, label)

    @property
    def _sets_up(self) -> bool:
        """Whether batches exist that the run sets up, or looks at."""
        work, options = self._setups, self._options
        return bool(
            work.open
            or (options.follow and work.requested)
            or (options.retry_failed and work.errors)
        )

    async def _set_up(self) -> None:
        """Set up the batches that exist, and follow them if the run is asked to."""
        await self._read_counts()
        if self._sets_up:
            self.phase = Phase.SETTING_UP
            if self._setups.open:
                # As before the first duplicate: the ledger file mentions this run.
                await self._database.call(setups.mark_started)
                await self._ledger_file.write_first()
            await self._setting_up.run()
        if self._options.follow and not self._stop.asked:
            self.phase = Phase.FOLLOWING
            await self._setting_up.follow(self._options.follow)

    async def _send_and_settle(self, *, send: bool) -> None:
        """Send until nothing is left or too much is unknown, then settle, then send again what was
        proved absent."""
        while True:
            if send:
                self.phase = Phase.SENDING
                await self._send()
            if self._stop.asked:
                return
            if send and not await self._database.query(settlement.own_unknown):
                return
            self.phase = Phase.SETTLING
            # Requests of an earlier run count as given up when this run began.
            settled = await self._settling.round(max(self._started, self._sending.last_unknown_at))
            self._add_settled(settled)
            await self._read_counts()
            if (
                not (settled.absent or self._sending.paused)
                or self._sending.gate.is_closed
                or not send
            ):
                return
            await self._sending.resume()

    async def _send(self) -> None:
        self._sending_since = self._clock.monotonic()
        try:
            await self._sending.run()
        finally:
            self._sent_s += self._clock.monotonic() - self._sending_since
            self._sending_since = None

    def _add_settled(self, settled: Settled) -> None:
        self.tally.settled += settled.created + settled.absent
        self.tally.absent += settled.absent

    async def _read_counts(self) -> None:
        """Read the counts again. Call it while no request is under way."""
        counts, self._setups = await self._database.query(_counts_and_setups)
        self._keep_counts(counts)

    def _keep_counts(self, counts: Counts) -> None:
        self._counts_read = (counts, replace(self.tally))

    async def _question(self) -> Question:
        limit = 0 if self._options.closed else self._options.limits.limit
        return await self._database.query(question_of, limit, self._options.situation)

    async def _end_in_time(self) -> None:
        if self._options.max_duration is not None:
            await anyio.sleep(
                max(0.0, self._options.max_duration - (self._clock.monotonic() - self._started))
            )
            self._stop.ask(StopReason.MAX_DURATION)

    def _note_trouble(self, error: Exception) -> None:
        """Keep the message about what ends the run early, and stop for that reason."""
        trouble = trouble_of(error)
        self._stop.ask(trouble.reason)
        if isinstance(error, (AccidentError, DeclinedError)):
            self._refusal = error
        if trouble.is_bug:
            text = "".join(traceback.format_exception(error))
            self._emit(Event("note", "debug", {"text": "internal error", "traceback": text}))
        if str(trouble.error) not in self._troubles:
            self._troubles.append(str(trouble.error))

    async def _end(self, nothing_to_do: bool) -> Result:
        self.phase = Phase.FINISHING
        aborted = self._scope.cancelled_caught
        ended = Ended(nothing_to_do, aborted, self._refusal, self._started)
        result = await self._finish.run(ended, self.counts, self._troubles)
        self._keep_counts(result.counts)
        self._emit(finished_event(result))
        self.phase = Phase.ENDED
        return result


def _counts_and_setups(ledger: Ledger) -> tuple[Counts, SetupWork]:
    """How many duplicates of the job have which status now, and what is left to set up."""
    return counts_of(ledger), setups.work(ledger, ledger.campaign)
