"""Group commit: one transaction at a time records all results that have come, and claims the items
that may be sent next. This decides when to commit, by the rules in `worker.run.claims`;
`worker.ledger.commit_writer` writes.

Under load a commit waits a moment for more results, so that there are few commits; otherwise it
does not wait. At most `20 * max_in_flight` items are claimed but not recorded. Those
that are not under way are only as many as can leave within a third of a second. All claimed items
may be unknown after a crash."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectSendStream

from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, ServerClock, iso
from worker.model.differences import message
from worker.model.events import Emit, Event, StopReason
from worker.model.records import AttemptResult, Intent, Timestamp
from worker.rate.pacer import Pacer
from worker.run import claims
from worker.run.claims import Load
from worker.run.limits import Gate, Limits, Tally
from worker.run.trouble import trouble_of

RECORD_TRIES_S = (0.1, 1.0, 3.0)
"""Seconds to wait before each new try to write results that could not be written: the disk may be
full only for a moment."""

Claimed = tuple[Intent, float]
"""An intent, and when it was claimed (monotonic seconds)."""


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
    _load: Load = field(default_factory=Load)
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _lingers: bool = False
    """Whether the next commit is waiting for more results."""
    _low_water: int = -1
    """See `claims.low_water`."""
    _committed_at: float = -math.inf
    """When the last commit ended (monotonic seconds)."""

    # -- for senders and for the run

    @property
    def paused(self) -> bool:
        """Whether so many outcomes are unknown that settling comes before more sending (rule 8)."""
        return claims.paused(self._load, self.limits)

    def start(self) -> None:
        """A sender calls this when an intent has reached its slot: it leaves now or is taken
        back."""
        self._load.waiting -= 1

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
        load = self._load
        load.unsettled = 0
        load.more = True
        # Items to send again are pending, so the claims from the job's beginning include them.
        load.claimed -= len(load.again)
        load.again.clear()
        await self.database.call(Ledger.rewind)

    async def salvage(self) -> None:
        """After a `run` that was cancelled or could not write: record the answers that had come,
        and mark the others as unknown. Raises one of DATABASE_ERRORS if the ledger cannot be
        written still."""
        ended, self._ended = self._ended, []
        moment = self._timestamp()
        if ended:
            try:
                done = await self.database.call(Ledger.record_and_claim, ended, (), 0, moment)
            except DATABASE_ERRORS as error:
                self._emit_unrecorded(ended, error)
                raise
            for one in done[0]:
                self._recorded(one)
        await self.database.call(Ledger.abandon, moment.at)

    # -- committing

    async def run(self, give: MemoryObjectSendStream[Claimed]) -> None:
        """Commit until everything that this run may send has ended and is recorded. `give` passes
        intents to the senders. Raises one of DATABASE_ERRORS if the ledger cannot be written."""
        load = self._load
        while True:
            self._wake = anyio.Event()
            ended, self._ended = self._ended, []
            room = self._room()
            again = claims.take_again(load, room)
            if ended or room:
                at = self.clock.monotonic()
                intents = await self._commit(ended, again, room)
                # The commit is complete even if the run was cancelled meanwhile; in this case
                # nobody takes its intents.
                await anyio.lowlevel.checkpoint_if_cancelled()
                self._committed_at = self.clock.monotonic()
                load.outstanding -= len(ended)
                claims.claim(load, again, [intent.item_id for intent in intents])
                for intent in intents:
                    give.send_nowait((intent, at))  # there is room for all outstanding ones
            if not (load.outstanding or self._ended) and self._nothing_left():
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
                        Ledger.record_and_claim, ended, again, limit, moment
                    )
                recorded, intents, more = done
            except DATABASE_ERRORS as error:
                self.gate.stop.ask(trouble_of(error).reason)
                try:
                    if pause is None:
                        raise
                    await anyio.sleep(pause)
                except BaseException:
                    self._ended = ended + self._ended  # for `salvage`
                    raise
                continue
            if limit:
                self._load.more = more
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
        prefetch = self.pacer.prefetch()
        return claims.room(self._load, self.limits, prefetch, closed=self.gate.is_closed)

    async def _until_worthwhile(self) -> None:
        """Wait until a commit is worth its fsync: until there are results or room for claims, and a
        moment longer as long as the senders have something to send."""
        if not (self._ended or self._room()):
            await self._until_woken()
        self._low_water = claims.low_water(self._load, self.limits, self.pacer.prefetch())
        pause = self._committed_at + claims.linger(self.pacer.rate()) - self.clock.monotonic()
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
        return claims.needs_refill(self._load, self._low_water, self.pacer.in_flight)

    def _nothing_left(self) -> bool:
        """Whether this run has nothing left that it may send. If only the limit on created
        duplicates forbids more, nothing new is sent from now on."""
        closed = self.gate.is_closed
        if not closed and not self.paused and claims.reached_limit(self._load, self.limits):
            self.gate.closed = StopReason.LIMIT
        return claims.nothing_left(self._load, self.limits, closed=closed)

    # -- what was recorded

    def _recorded(self, ended: AttemptResult) -> None:
        """Count and emit the result of one attempt. Send its item again if the sender asked for
        it."""
        if ended.outcome in ("not_left", "not_sent") and ended.retry and not self.gate.is_closed:
            self._load.again[ended.intent.item_id] = None
        match ended.outcome:
            case "created":
                self.tally.created += 1
                self.emit(Event("batch.created", "info", _fields(ended)))
            case "refused":
                self.tally.refused += 1
                self.emit(Event("batch.failed", "warning", _fields(ended)))
            case "unknown":
                self.tally.unknown += 1
                self._load.unsettled += 1
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
