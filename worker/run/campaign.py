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
from worker.api.reader import RetryingReader
from worker.ledger import settlement
from worker.ledger.store import Ledger
from worker.ledger.threads import Database, ListingNotes
from worker.model.clock import Clock, ServerClock
from worker.model.errors import AccidentError, DeclinedError, WorkerError
from worker.model.events import Emit, Event
from worker.model.records import Counts
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.finish import Ended, Finish, counts_of, finished_event
from worker.run.ledger_file import LedgerFile
from worker.run.limits import Tally
from worker.run.options import Options
from worker.run.preflight import Preflight
from worker.run.question import Question, names_taken_note, preflight_event, question_of
from worker.run.result import Result, counts_since
from worker.run.sending import Sending
from worker.run.trouble import leaves, trouble_of
from worker.settle.settling import Settled, Settling, Waiting


class Campaign:
    """One run. Call `run` once; the properties may be read at any time."""

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
        self._refused: WorkerError | None = None
        self._scope = anyio.CancelScope()
        server = ServerClock()
        emit = self._emit  # events of all parts pass through here
        self._ledger_file = LedgerFile(database, clock, emit, options)
        self.phase = "starting"
        # The counts when they were last read, and the tally then. Replaced as one value, because
        # the display's thread reads it.
        self._known = (Counts(), Tally())
        self._sent_s = 0.0
        self._sending_since: float | None = None
        most = options.limits.max_in_flight
        self.pacer = pacer or Pacer(
            options.rate, most, clock, rng, emit, stop.wait, self._sending_is_over
        )
        self.pacer.serve(emit, stop.wait, self._sending_is_over)
        reader = RetryingReader(
            ListingNotes(database),
            api,
            clock,
            server,
            emit,
            stop,
            options.limits.give_up_after_s,
            options.rate,
        )
        self._preflight = Preflight(
            database, reader, emit, stop, at_once=options.limits.max_in_flight
        )
        self._sending = Sending(
            database, api, clock, server, self.pacer, emit, stop, options.limits
        )
        self._sending.gate.closed = options.closed
        self._settling = Settling(database, reader, clock, server, emit, stop, options.settle_after)
        self._finish = Finish(
            database, clock, stop, options, self._sending, self._ledger_file, self._trouble
        )

    def _sending_is_over(self) -> bool:
        return self._sending.gate.is_closed

    @property
    def tally(self) -> Tally:
        """The results of sending so far."""
        return self._sending.tally

    @property
    def counts(self) -> Counts:
        """How many of the job's duplicates have which status now: the counts last read from the
        ledger, with the results since."""
        known, then = self._known
        return counts_since(known, then, self.tally)

    @property
    def waiting(self) -> Waiting | None:
        """What settling waits for; None if it is not waiting."""
        return self._settling.waiting

    def looks_in_s(self) -> float | None:
        """Seconds until settling looks again; None if it looks now or is not running."""
        looks_at = waiting.looks_at if (waiting := self.waiting) else None
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
        await self._recount()
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._end_in_time)
                    group.start_soon(self._ledger_file.keep_fresh)
                    nothing_to_do = not await self._work()
                    group.cancel_scope.cancel()
        except* Exception as errors:  # a run always reports how it ended
            for error in leaves(errors):
                self._trouble(error)
        return await self._end(nothing_to_do)

    async def _work(self) -> bool:
        """Go through the phases of the run. Returns whether there was anything to do."""
        sends = not self._options.only_settle
        if sends and not (self.counts.pending or self.counts.unknown):
            return False
        if not sends and not await self._database.call(settlement.any_open):
            return False
        closed = self._options.closed
        if closed == "max_duration" or (closed and not self.counts.unknown):
            return True  # neither sending nor settling
        self.phase = "looking up sources"
        await self._preflight.check_token()
        if sends:
            findings = await self._preflight.look_up_sources()
            question = await self._question()
            self._counted(question.counts)  # rows of missing sources have failed meanwhile
            self._emit(preflight_event(findings, question))
            if question.names_taken and not self._stop.asked:
                self._emit(names_taken_note(question))
            if self._stop.asked or not (question.create or question.counts.unknown):
                return True
            # For unknown duplicates, a person agreed when they were sent.
            if question.create and not await self._confirm(question):
                self._stop.ask("declined")
                return True
            await self._database.call(Ledger.mark_started)
            await self._ledger_file.write_first()
        await self._send_and_settle(send=sends)
        return True

    async def _send_and_settle(self, *, send: bool) -> None:
        """Send until nothing is left or too much is unknown, then settle, then send again what was
        proved absent."""
        while True:
            if send:
                self.phase = "sending"
                await self._send()
            if self._stop.asked or (send and not await self._database.call(settlement.own_unknown)):
                return
            self.phase = "settling"
            # Requests of an earlier run count as given up when this run began.
            settled = await self._settling.round(max(self._started, self._sending.last_unknown_at))
            self._count(settled)
            await self._recount()
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

    def _count(self, settled: Settled) -> None:
        self.tally.settled += settled.created + settled.absent
        self.tally.absent += settled.absent

    async def _recount(self) -> None:
        """Read the counts again. Call it while no request is under way."""
        self._counted(await self._database.call(counts_of))

    def _counted(self, counts: Counts) -> None:
        self._known = (counts, replace(self.tally))

    async def _question(self) -> Question:
        limit = 0 if self._options.closed else self._options.limits.limit
        return await self._database.call(question_of, limit, self._options.situation)

    async def _end_in_time(self) -> None:
        if self._options.max_duration is not None:
            await anyio.sleep(
                max(0.0, self._options.max_duration - (self._clock.monotonic() - self._started))
            )
            self._stop.ask("max_duration")

    def _trouble(self, error: Exception) -> None:
        """Keep the message about what ends the run early, and stop for that reason."""
        trouble = trouble_of(error)
        self._stop.ask(trouble.reason)
        if isinstance(error, (AccidentError, DeclinedError)):
            self._refused = error
        if trouble.is_bug:
            text = "".join(traceback.format_exception(error))
            self._emit(Event("note", "debug", {"text": "internal error", "traceback": text}))
        if str(trouble.error) not in self._troubles:
            self._troubles.append(str(trouble.error))

    async def _end(self, nothing_to_do: bool) -> Result:
        self.phase = "finishing"
        aborted = self._scope.cancelled_caught
        ended = Ended(nothing_to_do, aborted, self._refused, self._started)
        result = await self._finish.run(ended, self.counts, self._troubles)
        self._counted(result.counts)
        self._emit(finished_event(result))
        self.phase = "ended"
        return result
