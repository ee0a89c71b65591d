"""Group commit: one transaction at a time records all results that have come, and claims the items
that may be sent next.

Under load a commit waits a moment for more results, so that there are few commits; otherwise it
does not wait. At most `20 * max_in_flight` items are claimed but not recorded. Those
that are not under way are only as many as can leave within a third of a second. All claimed items
may be unknown after a crash."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectSendStream

from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, ServerClock, iso
from worker.model.differences import message
from worker.model.events import Emit, Event
from worker.model.records import AttemptResult, Intent, Timestamp
from worker.rate.pacer import Pacer
from worker.run.limits import Gate, Limits, Tally
from worker.run.trouble import trouble_of

UNRECORDED_PER_SENDER = 20
"""For each sender, at most this many items are claimed but not recorded. They may be unknown after
a crash."""

LINGER_S = 0.04
"""Seconds after a commit that the next one waits for more results, as long as the senders have
something to send."""

LINGER_SLOTS = 10
"""A commit waits for at most this many slots: senders wait for it, and at a high rate they would
miss their slots."""

UNSETTLED_PER_SENDER = 4
"""Sending pauses at this many unknown outcomes for each sender (docs/settling.md, rule 8)."""

RECORD_TRIES_S = (0.1, 1.0, 3.0)
"""Seconds to wait before each new try to write results that could not be written: the disk may be
full only for a moment."""

Claimed = tuple[Intent, float]
"""An intent, and when it was claimed (monotonic seconds)."""


def linger(rate: float | None) -> float:
    """Seconds that a commit waits for more results, if `rate` requests a second may leave (None:
    any number)."""
    return LINGER_S if rate is None else min(LINGER_S, LINGER_SLOTS / rate)


@dataclass(slots=True)
class GroupCommit:
    """The commits of one run. Senders pass in the results of attempts (`end`). `run` commits them,
    and gives the senders new intents."""

    database: Database
    clock: Clock
    server: ServerClock
    pacer: Pacer
    emit: Emit
    gate: Gate
    limits: Limits
    tally: Tally
    _ended: list[AttemptResult] = field(default_factory=list)
    """Results that are not recorded yet."""
    _again: deque[int] = field(default_factory=deque)
    """Items to send again in this run."""
    _waiting: int = 0
    """How many claimed items have not reached their slot yet."""
    _outstanding: int = 0
    """How many claimed items are not recorded yet."""
    _claimed: int = 0
    """How many items were claimed for the first time in this run; `limit` limits them."""
    _more: bool = True
    """Whether the ledger had more items to claim at the last claim."""
    _unsettled: int = 0
    """How many outcomes are unknown and not settled yet."""
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _lingers: bool = False
    """Whether the next commit is waiting for more results."""
    _low_water: int = -1
    """If no more than this many items wait for their slot, the senders will soon have nothing to
    send. -1: there is nothing more to claim."""
    _committed_at: float = -math.inf
    """When the last commit ended (monotonic seconds)."""

    # -- for senders and for the run

    @property
    def paused(self) -> bool:
        """Whether so many outcomes are unknown that settling comes before more sending (rule 8)."""
        return self._unsettled >= UNSETTLED_PER_SENDER * self.limits.max_in_flight

    def start(self) -> None:
        """A sender calls this when an intent has reached its slot: it leaves now or is taken
        back."""
        self._waiting -= 1

    def end(self, ended: AttemptResult) -> None:
        """A sender calls this with the result when an attempt has ended."""
        self._ended.append(ended)
        self.notice()

    def notice(self) -> None:
        """An intent has left or an attempt has ended: wake the next commit if it is worthwhile."""
        if not self._lingers or self.gate.is_closed or self._needs_refill():
            self._wake.set()

    def wake(self) -> None:
        """Wake the next commit, because the run was asked to stop."""
        self._wake.set()

    async def resume(self) -> None:
        """Prepare for another call of `run`: settling has decided what it could, and some items are
        pending again."""
        self._unsettled = 0
        self._more = True
        # Items to send again are pending, so the claims from the job's beginning include them.
        self._claimed -= len(self._again)
        self._again.clear()
        await self.database.call(Ledger.rewind)

    async def salvage(self) -> None:
        """After a cancelled `run`: record the answers that had come, and mark the others as
        unknown."""
        ended, self._ended = self._ended, []
        moment = self._timestamp()
        if ended:
            await self.database.call(Ledger.group_commit, ended, (), 0, moment)
        await self.database.call(Ledger.abandon, moment.at)

    # -- committing

    async def run(self, give: MemoryObjectSendStream[Claimed]) -> None:
        """Commit until everything that this run may send has ended and is recorded. `give` passes
        intents to the senders. Raises one of DATABASE_ERRORS if the ledger cannot be written."""
        while True:
            self._wake = anyio.Event()
            ended, self._ended = self._ended, []
            room = self._room()
            again = [self._again.popleft() for _ in range(min(room, len(self._again)))]
            if ended or room:
                at = self.clock.monotonic()
                intents = await self._commit(ended, again, room)
                # The commit is complete even if the run was cancelled meanwhile; in this case
                # nobody takes its intents.
                await anyio.lowlevel.checkpoint_if_cancelled()
                self._committed_at = self.clock.monotonic()
                self._outstanding += len(intents) - len(ended)
                self._claimed += max(0, len(intents) - len(again))
                self._waiting += len(intents)
                for intent in intents:
                    give.send_nowait((intent, at))  # there is room for all outstanding ones
            if not (self._outstanding or self._ended) and self._nothing_more():
                return
            await self._until_worthwhile()

    async def _commit(
        self, ended: list[AttemptResult], again: list[int], room: int
    ) -> list[Intent]:
        """Do one commit and return its intents. If the disk is full, try again for some seconds,
        but claim nothing new."""
        for pause in (*RECORD_TRIES_S, None):
            limit = 0 if self.gate.is_closed else room
            moment = self._timestamp()
            try:
                # A second signal must not come between an answer and its record.
                with anyio.CancelScope(shield=True):
                    done = await self.database.transact(
                        Ledger.group_commit, ended, again, limit, moment
                    )
                recorded, intents, more = done
            except DATABASE_ERRORS as error:
                self.gate.stop.ask(trouble_of(error).reason)
                if pause is None:
                    self._emit_unrecorded(ended, error)
                    raise
                try:
                    await anyio.sleep(pause)
                except BaseException:
                    self._ended = ended + self._ended  # for `salvage`
                    raise
                continue
            if limit:
                self._more = more
            for one in recorded:
                self._recorded(one)
            return intents
        raise AssertionError("unreachable: the last try returns or raises")

    def _timestamp(self) -> Timestamp:
        now = self.clock.monotonic()
        return Timestamp(iso(self.clock.wall()), self.server.now(now), self.server.earliest)

    # -- when, and how many

    def _room(self) -> int:
        """How many items may be claimed now."""
        if self.gate.is_closed or self.paused:
            return 0
        most = UNRECORDED_PER_SENDER * self.limits.max_in_flight
        room = min(self.pacer.prefetch() - self._waiting, most - self._outstanding)
        if not self._more:
            room = min(room, len(self._again))
        if (limit := self.limits.limit) is not None:
            room = min(room, limit - self._claimed + len(self._again))
        return max(0, room)

    async def _until_worthwhile(self) -> None:
        """Wait until a commit is worth its fsync: until there are results or room for claims, and a
        moment longer as long as the senders have something to send."""
        if not (self._ended or self._room()):
            await self._until_woken()
        # Half of the intents that leave soon may leave before the next commit.
        more = (self._more or self._again) and not self.paused
        self._low_water = self.pacer.prefetch() // 2 if more else -1
        pause = self._committed_at + linger(self.pacer.rate()) - self.clock.monotonic()
        if pause > 0 and not self._needs_refill():
            self._lingers = True
            self._wake = anyio.Event()
            with anyio.move_on_after(pause):
                await self._wake.wait()
            self._lingers = False

    async def _until_woken(self) -> None:
        """Wait for a result, for room, for the end of a pause, or for a request to stop."""
        opens_in = self.pacer.opens_in()
        with anyio.move_on_after(opens_in if opens_in > 0 and not self.gate.is_closed else None):
            await self._wake.wait()

    def _needs_refill(self) -> bool:
        """Whether the senders will soon have nothing to send although there is more, or no request
        is under way, so that no result will come."""
        return self._waiting <= self._low_water or not (self.pacer.in_flight or self._waiting)

    def _nothing_more(self) -> bool:
        """Whether this run has nothing left that it may send."""
        if self.gate.is_closed or self.paused:
            return True
        if self._again:
            return False
        limit = self.limits.limit
        if self._more and limit is not None and self._claimed >= limit:
            self.gate.closed = "limit"
            return True
        return not self._more

    # -- what was recorded

    def _recorded(self, ended: AttemptResult) -> None:
        """Count and emit the result of one attempt. Send its item again if the sender asked for
        it."""
        if ended.outcome in ("not_left", "not_sent") and ended.retry and not self.gate.is_closed:
            self._again.append(ended.intent.item_id)
        match ended.outcome:
            case "created":
                self.tally.created += 1
                self.emit(Event("batch.created", "info", _fields(ended)))
            case "refused":
                self.tally.refused += 1
                self.emit(Event("batch.failed", "warning", _fields(ended)))
            case "unknown":
                self.tally.unknown += 1
                self._unsettled += 1
                self.emit(Event("batch.unknown", "warning", _fields(ended)))
            case "not_sent":
                self.emit(Event("batch.retrying", "info", _fields(ended)))

    def _emit_unrecorded(self, ended: list[AttemptResult], error: Exception) -> None:
        """Log the batches that the API created and the ledger cannot record, so that they are not
        lost."""
        for one in ended:
            if one.outcome == "created":
                text = (
                    f"created, but the ledger cannot be written ({error}): line {one.intent.line},"
                    f" copy {one.intent.copy}, source {one.intent.source_id}, new batch"
                    f" {one.batch_id}"
                )
                self.emit(Event("note", "error", {"text": text}))


def _fields(ended: AttemptResult) -> dict[str, object]:
    """The fields of a log line about one attempt."""
    intent = ended.intent
    created = ended.outcome == "created"
    return {
        "line": intent.line,
        "source_batch_id": intent.source_id,
        "name": intent.label,
        "attempt": intent.attempt,
        "copy": intent.copy,
        "http_status": ended.http_status,
        "latency_s": round(ended.latency_s, 3),
        **({"new_batch_id": ended.batch_id} if created else {"error": ended.error}),
        **({"warning": message(ended.differences)} if ended.differences else {}),
    }
