"""Sends what is pending: claims intents, lets each leave at its turn, records what became of it.

One exchange with the ledger at a time records all outcomes that have come and claims what may leave
next. Under load it waits a moment for company, so that commits are few; when idle it waits for
nothing. At most `20 * max_in_flight` items are claimed and not recorded, and no more than leave
within a third of a second besides those under way: that many can be unknown after a crash. Nothing
here finds out about an unknown outcome, and nothing sends one again."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from worker.api.client import Api
from worker.api.outcome import Class, Outcome, Why, classify
from worker.api.reader import TokenVerdict, token_verdict
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, ServerClock, iso
from worker.model.events import Emit, Event
from worker.model.records import Ending, Intent, Moment
from worker.model.replies import Answer
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.settle.windows import LEAVES_WITHIN_S

UNRECORDED_PER_SENDER = 20
"""So many items for each sender may be claimed and not recorded: they are unknown after a crash."""

COMPANY_S = 0.04
"""How long after an exchange the next one waits for more to come, as long as the senders have
something to send."""

COMPANY_SLOTS = 10
"""… and for so many slots at most: what an exchange is about holds the senders up, and close slots
would be missed."""

PATIENCE_S = 5.0
"""An intent that cannot leave this soon is taken back, so that a crash during a long pause leaves
nothing unknown."""

UNSETTLED_PER_SENDER = 4
"""So many unknown outcomes for each sender make sending pause (docs/settling.md, rule 8)."""

RECORD_TRIES_S = (0.1, 1.0, 3.0)
"""Pauses before outcomes that could not be written are tried again: a full disk may be a passing
thing."""


Claimed = tuple[Intent, float]
"""An intent, and when it was claimed (monotonic seconds)."""


def company(rate: float | None) -> float:
    """Seconds for which an exchange waits for more to come, where so many requests a second may
    leave (None: any)."""
    return COMPANY_S if rate is None else min(COMPANY_S, COMPANY_SLOTS / rate)


@dataclass(slots=True)
class Tally:
    """What this run's sending has come to so far."""

    created: int = 0
    refused: int = 0
    unknown: int = 0
    settled: int = 0
    absent: int = 0
    """Of the settled, those that turned out not to be created."""
    requests: int = 0
    throttled: int = 0


class Limits(NamedTuple):
    """`max_in_flight` requests at once; at most `limit` duplicates, or `max_failed` refused ones,
    in this run (None: no such limit); `give_up_after_s` seconds of an unusable API."""

    max_in_flight: int
    limit: int | None
    max_failed: int | None
    give_up_after_s: float


@dataclass(slots=True)
class Sending:
    """Sends for one run. `run` returns when nothing is left, or when the run was asked to stop and
    every request that was under way has ended and is recorded."""

    database: Database
    api: Api
    clock: Clock
    server: ServerClock
    pacer: Pacer
    emit: Emit
    stop: Stop
    limits: Limits
    tally: Tally = field(default_factory=Tally)
    closed: str | None = None
    """Why nothing new is sent in this run, though it goes on: `limit` or `max_failed`."""
    last_unknown_at: float = -math.inf
    """When a request was last given up without an outcome (monotonic seconds)."""
    _endings: list[Ending] = field(default_factory=list)
    _again: deque[int] = field(default_factory=deque)
    _unauthorised: Counter[int] = field(default_factory=Counter)
    _waiting: int = 0
    """Claimed, and not yet at their turn."""
    _outstanding: int = 0
    """Claimed, and not yet recorded."""
    _claimed: int = 0
    """Items claimed for the first time in this run: what `limit` counts."""
    _refused: int = 0
    _more: bool = True
    """Whether the ledger had more to claim when it was asked last."""
    _unsettled: int = 0
    """Outcomes that are unknown and that settling could still find out."""
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _in_company: bool = False
    """Whether the next exchange waits for more to come."""
    _low: int = -1
    """When so few wait for their turn, the senders will soon have nothing to send; -1 where there
    is no more."""
    _exchanged_at: float = -math.inf
    """When the last exchange ended (monotonic seconds)."""
    _token_door: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def paused(self) -> bool:
        """Whether so much is unknown that finding out comes before sending more (rule 8)."""
        return self._unsettled >= UNSETTLED_PER_SENDER * self.limits.max_in_flight

    @property
    def over(self) -> bool:
        """Whether nothing new may be sent in this run."""
        return self.stop.asked or self.closed is not None

    async def resume(self) -> None:
        """Let `run` be called once more: settling has decided what it could, and made some items
        pending again."""
        self._unsettled = 0
        self._more = True
        # What was to be tried again is pending, so it is claimed again from the job's beginning on.
        self._claimed -= len(self._again)
        self._again.clear()
        await self.database.call(Ledger.rewind)

    async def run(self) -> None:
        """Send what is pending. Raises sqlite3.Error where the ledger cannot be written; nothing
        new is sent then."""
        self.stop.on_ask(self._wake_up)
        give, take = anyio.create_memory_object_stream[Claimed](
            UNRECORDED_PER_SENDER * self.limits.max_in_flight
        )
        async with anyio.create_task_group() as group:
            for _ in range(self.limits.max_in_flight):
                group.start_soon(self._sender, take.clone())
            take.close()
            async with give:
                await self._exchange_until_done(give)

    async def salvage(self) -> None:
        """After a cancelled `run`: record the answers that had come, and call unknown what had not
        been answered."""
        endings, self._endings = self._endings, []
        moment = self._moment()
        await self.database.call(Ledger.exchange, endings, (), 0, moment)
        await self.database.call(Ledger.abandon, moment.at)

    # -- claiming and recording

    async def _exchange_until_done(self, give: MemoryObjectSendStream[Claimed]) -> None:
        while True:
            self._wake = anyio.Event()
            endings, self._endings = self._endings, []
            room = self._room()
            again = [self._again.popleft() for _ in range(min(room, len(self._again)))]
            if endings or room:
                at = self.clock.monotonic()
                intents = await self._exchange(endings, again, room)
                # The exchange is whole even where the run was cancelled meanwhile; then nobody
                # takes its intents.
                await anyio.lowlevel.checkpoint_if_cancelled()
                self._exchanged_at = self.clock.monotonic()
                self._outstanding += len(intents) - len(endings)
                self._claimed += max(0, len(intents) - len(again))
                self._waiting += len(intents)
                for intent in intents:
                    give.send_nowait((intent, at))  # there is room for all that may be outstanding
            if not (self._outstanding or self._endings) and self._nothing_more():
                return
            await self._until_worthwhile()

    def _room(self) -> int:
        """How many items may be claimed now."""
        if self.over or self.paused:
            return 0
        most = UNRECORDED_PER_SENDER * self.limits.max_in_flight
        room = min(self.pacer.ahead() - self._waiting, most - self._outstanding)
        if not self._more:
            room = min(room, len(self._again))
        if (limit := self.limits.limit) is not None:
            room = min(room, limit - self._claimed + len(self._again))
        return max(0, room)

    async def _until_worthwhile(self) -> None:
        """Wait until an exchange is worth its commit: until something has come or may be claimed
        and, as long as the senders have something to send, a moment longer."""
        if not (self._endings or self._room()):
            await self._until_woken()
        # Half of what leaves soon may leave before the next exchange.
        self._low = (
            self.pacer.ahead() // 2 if (self._more or self._again) and not self.paused else -1
        )
        pause = self._exchanged_at + company(self.pacer.rate()) - self.clock.monotonic()
        if pause > 0 and not self._hungry():
            self._in_company = True
            self._wake = anyio.Event()
            with anyio.move_on_after(pause):
                await self._wake.wait()
            self._in_company = False

    def _hungry(self) -> bool:
        """Whether the senders will soon have nothing to send though there is more, or nobody is
        under way any more, so that nothing else will come."""
        return self._waiting <= self._low or not (self.pacer.in_flight or self._waiting)

    def _nothing_more(self) -> bool:
        """Whether nothing is left that this run may send."""
        if self.over or self.paused:
            return True
        if self._again:
            return False
        limit = self.limits.limit
        if self._more and limit is not None and self._claimed >= limit:
            self.closed = "limit"
            return True
        return not self._more

    async def _until_woken(self) -> None:
        """Wait for an outcome, for room, for the end of a pause, or for the wish to stop."""
        opens_in = self.pacer.opens_in()
        with anyio.move_on_after(opens_in if opens_in > 0 and not self.over else None):
            await self._wake.wait()

    def _wake_up(self) -> None:
        self._wake.set()

    def _came(self) -> None:
        """Something has left or ended: wake the exchange if that is worth it."""
        if not self._in_company or self.over or self._hungry():
            self._wake.set()

    def _moment(self) -> Moment:
        return Moment(
            iso(self.clock.wall()), self.server.now(self.clock.monotonic()), self.server.earliest
        )

    async def _exchange(self, endings: list[Ending], again: list[int], room: int) -> list[Intent]:
        """One exchange with the ledger; a disk that is full for a moment is waited for, but nothing
        new leaves."""
        for pause in (*RECORD_TRIES_S, None):
            limit = 0 if self.over else room
            moment = self._moment()
            try:
                # A second signal must not come between an answer and its record.
                with anyio.CancelScope(shield=True):
                    told = await self.database.transact(
                        Ledger.exchange, endings, again, limit, moment
                    )
                recorded, intents, more = told
            except sqlite3.Error as error:
                self.stop.ask("disk")
                if pause is None:
                    self._tell_unrecorded(endings, error)
                    raise
                try:
                    await anyio.sleep(pause)
                except BaseException:
                    self._endings = endings + self._endings  # for `salvage`
                    raise
                continue
            if limit:
                self._more = more
            for ending in recorded:
                self._recorded(ending)
            return intents
        raise AssertionError("unreachable: the last try returns or raises")

    def _tell_unrecorded(self, endings: list[Ending], error: sqlite3.Error) -> None:
        """What the API made and the ledger cannot take must not be lost: the log is the last place
        for it."""
        for ending in endings:
            if ending.outcome == "created":
                text = (
                    f"made, but the ledger cannot be written ({error}): line {ending.intent.line},"
                    f" copy {ending.intent.copy}, source {ending.intent.source_id}, new batch"
                    f" {ending.batch_id}"
                )
                self.emit(Event("note", "error", {"text": text}))

    def _recorded(self, ending: Ending) -> None:
        """Count, tell, and take up again what became of one attempt."""
        intent = ending.intent
        if ending.outcome == "not_left":
            self._take_up_again(ending)
            return
        fields: dict[str, object] = {
            "line": intent.line, "source_batch_id": intent.source_id, "name": intent.label,
            "attempt": intent.attempt, "copy": intent.copy, "http_status": ending.http_status,
            "latency_s": round(ending.latency_s, 3),
        }  # fmt: skip
        fields |= (
            {"new_batch_id": ending.batch_id}
            if ending.outcome == "created"
            else {"error": ending.error}
        )
        match ending.outcome:
            case "created":
                self.tally.created += 1
                self.emit(Event("batch.created", "info", fields))
            case "refused":
                self.tally.refused += 1
                self.emit(Event("batch.failed", "warning", fields))
            case "unknown":
                self.tally.unknown += 1
                self._unsettled += 1
                self.emit(Event("batch.unknown", "warning", fields))
            case _:
                self.emit(Event("batch.retrying", "info", fields))
                self._take_up_again(ending)

    def _take_up_again(self, ending: Ending) -> None:
        if ending.retry and not self.over:
            self._again.append(ending.intent.item_id)

    # -- sending

    async def _sender(self, claims: MemoryObjectReceiveStream[Claimed]) -> None:
        with claims:
            while (claim := await self._next(claims)) is not None:
                intent, claimed_at = claim
                # Settling relies on it that what a crash leaves behind left soon after its intent,
                # or never.
                patience = min(PATIENCE_S, claimed_at + LEAVES_WITHIN_S - self.clock.monotonic())
                leaves = patience > 0 and await self.pacer.turn(patience)
                self._waiting -= 1
                if leaves:
                    self._came()
                    try:
                        ending = await self._send(intent)
                    finally:
                        self.pacer.landed()
                else:
                    ending = self._taken_back(intent)
                self._endings.append(ending)
                self._came()

    @staticmethod
    async def _next(claims: MemoryObjectReceiveStream[Claimed]) -> Claimed | None:
        """The next intent; None where there will be no more. One that waits already is taken
        without a detour through the event loop."""
        try:
            return claims.receive_nowait()
        except anyio.WouldBlock:
            pass
        except anyio.EndOfStream:
            return None
        try:
            return await claims.receive()
        except anyio.EndOfStream:
            return None

    async def _send(self, intent: Intent) -> Ending:
        """Send one request and decide what became of it and what it says about the pace."""
        left = self.clock.monotonic()
        sent_at, left_server = iso(self.clock.wall()), self.server.now(left)
        self.tally.requests += 1
        reply = await self.api.duplicate(intent.source_id, intent.name, intent.upload_new_dataset)
        now = self.clock.monotonic()
        date = reply.date if isinstance(reply, Answer) else None
        self.server.tell(date, now)
        outcome = classify(reply, intent.source_id)
        retry = False
        match outcome.kind:
            case Class.NOT_SENT:
                outcome, retry = await self._after_not_sent(intent, outcome, left)
            case Class.UNKNOWN:
                self.last_unknown_at = now
                self.pacer.unusable(left, outcome.retry_after_s, outcome.error or "", patient=True)
            case _:
                self.pacer.good(left)
        if isinstance(reply, Answer) and reply.quota is not None:
            self.pacer.told(reply.quota)
        self._stop_where_told(outcome)
        batch = outcome.batch
        return Ending(
            intent=intent,
            outcome=outcome.kind.value,
            left=outcome.left,
            sent_at=sent_at,
            ended_at=iso(self.clock.wall()),
            left_server=left_server,
            ended_server=self.server.now(now),
            answer_date=date,
            latency_s=now - left,
            http_status=outcome.http_status,
            error=outcome.error,
            batch_id=batch.id if batch else None,
            batch_name=batch.name if batch else None,
            batch_status=batch.status if batch else None,
            created_at=batch.created_at if batch else None,
            created_by=batch.created_by if batch else None,
            retry=retry,
        )

    def _stop_where_told(self, outcome: Outcome) -> None:
        """Ask to stop as soon as an answer crosses a limit: once it is recorded, more would have
        left."""
        self._refused += outcome.kind is Class.REFUSED
        if self.limits.max_failed is not None and self._refused >= self.limits.max_failed:
            self.closed = self.closed or "max_failed"
        if self.pacer.unusable_for() >= self.limits.give_up_after_s:
            self.stop.ask("api")

    async def _after_not_sent(
        self, intent: Intent, outcome: Outcome, left: float
    ) -> tuple[Outcome, bool]:
        """What is to be done after an answer that says that nothing was made: the outcome as it
        counts, and whether to try again."""
        match outcome.why:
            case Why.THROTTLED:
                self.tally.throttled += 1
                self.pacer.pushed_back(left, outcome.retry_after_s)
            case Why.UNAUTHORISED:
                return await self._after_unauthorised(intent, outcome, left)
            case _:
                self.pacer.unusable(left, outcome.retry_after_s, outcome.error or "", patient=False)
        return outcome, True

    async def _after_unauthorised(
        self, intent: Intent, outcome: Outcome, left: float
    ) -> tuple[Outcome, bool]:
        """A 401 may mean a bad token, a source that this token may not duplicate, or a blip: `me`
        tells."""
        match await self._token():
            case TokenVerdict.REFUSED:
                self.stop.ask("token")
                return outcome, False
            case TokenVerdict.UNCLEAR:
                self.pacer.unusable(left, None, outcome.error or "", patient=False)
                return outcome, True
        self.pacer.good(left)
        self._unauthorised[intent.item_id] += 1
        if self._unauthorised[intent.item_id] < 2:
            return outcome, True
        # Refused twice with a good token: it is the source that this token may not duplicate.
        return Outcome(Class.REFUSED, True, outcome.error, outcome.http_status), False

    async def _token(self) -> TokenVerdict:
        """What the API says of the token now; senders that ask at once wait for one another, not
        all ask at a time."""
        async with self._token_door:
            if self.stop.reason == "token":
                return TokenVerdict.REFUSED
            return token_verdict(await self.api.me())

    def _taken_back(self, intent: Intent) -> Ending:
        """The ending of an intent whose request never left."""
        now, server = iso(self.clock.wall()), self.server.now(self.clock.monotonic())
        return Ending(intent, "not_left", False, now, now, None, server, None, 0.0, retry=True)
