"""One run of one job, from what the ledger says is missing to what it says at the end.

The order is the promise: look before sending, write the ledger file before the first request, write
intents before requests, and whatever ends the run, record what came and say what is known.
Everything that differs between a night and a test (clock, chance, API, database, question) is
handed in."""

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
    """One run. `run` is called once; `progress` may be asked for at any time."""

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
    ) -> None:
        self._database = database
        self._clock = clock
        self._tell = emit
        self._stop = stop
        self._options = options
        self._confirm = confirm
        self._started = clock.monotonic()
        self._troubles: list[str] = []
        self._refused: WorkerError | None = None
        self._scope = anyio.CancelScope()
        server = ServerClock()
        emit = self._emit  # whoever slows down tells it through here
        self._ledger_file = LedgerFile(database, clock, emit, options)
        self.phase = "starting"
        self._known = (Counts(), Tally())  # replaced whole: the display's thread reads it
        self._sent_s = 0.0
        self._sending_since: float | None = None
        most = options.limits.max_in_flight
        self.pacer = Pacer(options.rate, most, clock, rng, emit, stop.wait, self._sending_is_over)
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
        self._settling = Settling(database, reader, clock, server, emit, stop, options.settle_after)
        self._finish = Finish(
            database, clock, stop, options, self._sending, self._ledger_file, self._trouble
        )

    def _sending_is_over(self) -> bool:
        return self._sending.gate.is_closed

    @property
    def tally(self) -> Tally:
        """What sending has come to so far."""
        return self._sending.tally

    @property
    def counts(self) -> Counts:
        """How the job's duplicates stand now: as read from the ledger last, and as sent since."""
        known, then = self._known
        return counts_since(known, then, self.tally)

    @property
    def waiting(self) -> Waiting | None:
        """What settling waits for; None while it does not."""
        return self._settling.waiting

    def looks_in_s(self) -> float | None:
        """Seconds until settling looks again; None if it looks now, or is not under way."""
        looks_at = waiting.looks_at if (waiting := self.waiting) else None
        return None if looks_at is None else max(0.0, looks_at - self._clock.monotonic())

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock.monotonic() - self._started

    def created_per_s(self) -> float:
        """Duplicates created in a second of sending, without look-ups, question and settling; no
        more than the ceiling, which the first one alone would seem to pass."""
        since = self._sending_since
        sent_s = self._sent_s + (0.0 if since is None else self._clock.monotonic() - since)
        rate = self.tally.created / sent_s if sent_s > 0 else 0.0
        return rate if self._options.rate is None else min(rate, self._options.rate)

    def abort(self) -> None:
        """Stop at once: requests under way are not awaited."""
        self._scope.cancel()

    def _emit(self, event: Event) -> None:
        """Hand an event on; the ledger file's report keeps what it says of the rate."""
        self._ledger_file.observe(event)
        self._tell(event)

    async def run(self) -> Result:
        """Make what is missing. Never raises for what a night can bring: the result says what
        happened."""
        nothing_to_do = False
        await self._recount()
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._end_in_time)
                    group.start_soon(self._ledger_file.keep_fresh)
                    nothing_to_do = not await self._work()
                    group.cancel_scope.cancel()
        except* Exception as errors:  # a run tells how it ended, whatever happened
            for error in leaves(errors):
                self._trouble(error)
        return await self._end(nothing_to_do)

    async def _work(self) -> bool:
        """The phases of a run; whether there was anything to do."""
        sends = not self._options.only_settle
        if sends and not (self.counts.pending or self.counts.unknown):
            return False
        if not sends and not await self._database.call(settlement.any_open):
            return False
        self.phase = "looking up sources"
        await self._preflight.check_token()
        if sends:
            findings = await self._preflight.look_up_sources()
            question = await self._question()
            self._counted(question.counts)  # what is not there has failed meanwhile
            self._emit(preflight_event(findings, question))
            if question.names_taken and not self._stop.asked:
                self._emit(names_taken_note(question))
            if self._stop.asked or not (question.create or question.counts.unknown):
                return True
            # What is unknown was agreed to by the run that sent it.
            if question.create and not await self._confirm(question):
                self._stop.ask("declined")
                return True
            await self._database.call(Ledger.mark_started)
            await self._ledger_file.write_first()
        await self._send_and_settle(send=sends)
        return True

    async def _send_and_settle(self, *, send: bool) -> None:
        """Send until nothing is left or too much is unknown, find out, and send what surely was not
        made."""
        while True:
            if send:
                self.phase = "sending"
                await self._send()
            if self._stop.asked or (send and not await self._database.call(settlement.own_unknown)):
                return
            self.phase = "settling"
            # What an earlier run gave up counts as given up when this one began.
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
        """Read the counts again, while nothing is under way."""
        self._counted(await self._database.call(counts_of))

    def _counted(self, counts: Counts) -> None:
        self._known = (counts, replace(self.tally))

    async def _question(self) -> Question:
        return await self._database.call(
            question_of, self._options.limits.limit, self._options.situation
        )

    async def _end_in_time(self) -> None:
        if self._options.max_duration is not None:
            await anyio.sleep(
                max(0.0, self._options.max_duration - (self._clock.monotonic() - self._started))
            )
            self._stop.ask("max_duration")

    def _trouble(self, error: Exception) -> None:
        """Note why a run ends early, in words and as its reason to stop."""
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
