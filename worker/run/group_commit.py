"""Group commit: one transaction at a time records all outcomes that have come, and claims the
intents that may leave next.

Under load a commit lingers a moment for more to come, so that commits are few; when idle it waits
for nothing. At most `20 * max_in_flight` items are claimed and not recorded, and besides those
under way no more than leave within a third of a second: that many can be unknown after a crash."""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectSendStream

from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, ServerClock, iso
from worker.model.events import Emit, Event
from worker.model.records import AttemptResult, Intent, Timestamp
from worker.rate.pacer import Pacer
from worker.run.limits import Gate, Limits, Tally

UNRECORDED_PER_SENDER = 20
"""So many items for each sender may be claimed and not recorded: they are unknown after a crash."""

LINGER_S = 0.04
"""How long after a commit the next one waits for more to come, as long as the senders have
something to send."""

LINGER_SLOTS = 10
"""… and for so many slots at most: what a commit holds back keeps senders waiting, and close slots
would be missed."""

UNSETTLED_PER_SENDER = 4
"""So many unknown outcomes for each sender make sending pause (docs/settling.md, rule 8)."""

RECORD_TRIES_S = (0.1, 1.0, 3.0)
"""Pauses before outcomes that could not be written are tried again: a full disk may be a passing
thing."""

Claimed = tuple[Intent, float]
"""An intent, and when it was claimed (monotonic seconds)."""


def linger(rate: float | None) -> float:
    """Seconds for which a commit waits for more to come, if `rate` requests a second may leave
    (None: any)."""
    return LINGER_S if rate is None else min(LINGER_S, LINGER_SLOTS / rate)


@dataclass(slots=True)
class GroupCommit:
    """The commits of one run's sending. Senders hand in what has ended (`end`); `run` commits, and
    gives them the intents."""

    database: Database
    clock: Clock
    server: ServerClock
    pacer: Pacer
    emit: Emit
    gate: Gate
    limits: Limits
    tally: Tally
    _ended: list[AttemptResult] = field(default_factory=list)
    """Ended, and not yet recorded."""
    _again: deque[int] = field(default_factory=deque)
    """Items to send again in this run."""
    _waiting: int = 0
    """Claimed, and not yet at their slot."""
    _outstanding: int = 0
    """Claimed, and not yet recorded."""
    _claimed: int = 0
    """Items claimed for the first time in this run: what `limit` counts."""
    _more: bool = True
    """Whether the ledger had more to claim when it was asked last."""
    _unsettled: int = 0
    """Outcomes that are unknown and that settling could still find out."""
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _lingers: bool = False
    """Whether the next commit waits for more to come."""
    _low_water: int = -1
    """If so few wait for their slot, the senders will soon have nothing to send; -1: there is no
    more."""
    _committed_at: float = -math.inf
    """When the last commit ended (monotonic seconds)."""

    # -- for senders and for the run

    @property
    def paused(self) -> bool:
        """Whether so much is unknown that finding out comes before sending more (rule 8)."""
        return self._unsettled >= UNSETTLED_PER_SENDER * self.limits.max_in_flight

    def start(self) -> None:
        """An intent has reached its slot: it leaves now, or is taken back."""
        self._waiting -= 1

    def end(self, ended: AttemptResult) -> None:
        """An attempt has ended."""
        self._ended.append(ended)
        self.notice()

    def notice(self) -> None:
        """Something has left or ended: wake the next commit if that is worth it."""
        if not self._lingers or self.gate.is_closed or self._needs_refill():
            self._wake.set()

    def wake(self) -> None:
        """The run was asked to stop."""
        self._wake.set()

    async def resume(self) -> None:
        """Let `run` be called once more: settling has decided what it could, and made some items
        pending again."""
        self._unsettled = 0
        self._more = True
        # What was to be tried again is pending, so it is claimed again from the job's beginning on.
        self._claimed -= len(self._again)
        self._again.clear()
        await self.database.call(Ledger.rewind)

    async def salvage(self) -> None:
        """After a cancelled `run`: record the answers that had come, and call unknown what had not
        been answered."""
        ended, self._ended = self._ended, []
        moment = self._moment()
        await self.database.call(Ledger.group_commit, ended, (), 0, moment)
        await self.database.call(Ledger.abandon, moment.at)

    # -- committing

    async def run(self, give: MemoryObjectSendStream[Claimed]) -> None:
        """Commit until everything that this run may send has ended and is recorded. Raises
        sqlite3.Error if the ledger cannot be written."""
        while True:
            self._wake = anyio.Event()
            ended, self._ended = self._ended, []
            room = self._room()
            again = [self._again.popleft() for _ in range(min(room, len(self._again)))]
            if ended or room:
                at = self.clock.monotonic()
                intents = await self._commit(ended, again, room)
                # The commit is whole even if the run was cancelled meanwhile; then nobody takes
                # its intents.
                await anyio.lowlevel.checkpoint_if_cancelled()
                self._committed_at = self.clock.monotonic()
                self._outstanding += len(intents) - len(ended)
                self._claimed += max(0, len(intents) - len(again))
                self._waiting += len(intents)
                for intent in intents:
                    give.send_nowait((intent, at))  # there is room for all that may be outstanding
            if not (self._outstanding or self._ended) and self._nothing_more():
                return
            await self._until_worthwhile()

    async def _commit(
        self, ended: list[AttemptResult], again: list[int], room: int
    ) -> list[Intent]:
        """One commit; a disk that is full for a moment is waited for, but nothing new leaves."""
        for pause in (*RECORD_TRIES_S, None):
            limit = 0 if self.gate.is_closed else room
            moment = self._moment()
            try:
                # A second signal must not come between an answer and its record.
                with anyio.CancelScope(shield=True):
                    done = await self.database.transact(
                        Ledger.group_commit, ended, again, limit, moment
                    )
                recorded, intents, more = done
            except sqlite3.Error as error:
                self.gate.stop.ask("disk")
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

    def _moment(self) -> Timestamp:
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
        """Wait until a commit is worth its fsync: until something has come or may be claimed and,
        as long as the senders have something to send, a moment longer."""
        if not (self._ended or self._room()):
            await self._until_woken()
        # Half of what leaves soon may leave before the next commit.
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
        """Wait for an outcome, for room, for the end of a pause, or for the wish to stop."""
        opens_in = self.pacer.opens_in()
        with anyio.move_on_after(opens_in if opens_in > 0 and not self.gate.is_closed else None):
            await self._wake.wait()

    def _needs_refill(self) -> bool:
        """Whether the senders will soon have nothing to send though there is more, or nobody is
        under way any more, so that nothing else will come."""
        return self._waiting <= self._low_water or not (self.pacer.in_flight or self._waiting)

    def _nothing_more(self) -> bool:
        """Whether nothing is left that this run may send."""
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
        """Count and emit what became of one attempt; send its item again if that is due."""
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

    def _emit_unrecorded(self, ended: list[AttemptResult], error: sqlite3.Error) -> None:
        """What the API created and the ledger cannot take must not be lost: the log is the last
        place for it."""
        for one in ended:
            if one.outcome == "created":
                text = (
                    f"made, but the ledger cannot be written ({error}): line {one.intent.line},"
                    f" copy {one.intent.copy}, source {one.intent.source_id}, new batch"
                    f" {one.batch_id}"
                )
                self.emit(Event("note", "error", {"text": text}))


def _fields(ended: AttemptResult) -> dict[str, object]:
    """What a log line about one attempt has."""
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
    }
