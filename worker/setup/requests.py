"""Sends setup requests: each in its slot, and each intent durable before its request leaves.

One transaction at a time records the results that have come and the intents that may leave next.
Nothing here decides whether a batch may be set up."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import anyio

from worker.ledger import setups
from worker.ledger.threads import Database
from worker.model.clock import Clock, iso
from worker.model.sending_bounds import (
    INTENT_EXPIRES_AFTER_S,
    LONGEST_SLOT_WAIT_S,
    UNRECORDED_PER_SENDER,
    UNSETTLED_PER_SENDER,
)
from worker.model.setups import Copy, SetupIntent, SetupLabel, SetupResult
from worker.rate.pacer import Pacer

Send = Callable[[SetupIntent], Awaitable[SetupResult]]
"""Sends one request, adjusts the pace and reports how it ended."""

Recorded = Callable[[SetupResult, SetupLabel], None]
"""Hears of each result that is recorded."""


@dataclass(slots=True)
class Requests:
    """Sends for one run, at most `most` requests at the same time. `closed` says whether nothing
    new may leave."""

    database: Database
    clock: Clock
    pacer: Pacer
    most: int
    send: Send
    recorded: Recorded
    closed: Callable[[], bool]
    _ended: list[SetupResult] = field(default_factory=list)
    """Results that are not recorded yet."""
    _waiting: int = 0
    """How many intents have not reached their slot yet."""
    _outstanding: int = 0
    """How many intents are not recorded as ended."""
    _unknown: int = 0
    """How many outcomes are unknown and were not looked at yet."""
    _wake: anyio.Event = field(default_factory=anyio.Event)

    @property
    def paused(self) -> bool:
        """Whether so many outcomes are unknown that looking comes before more sending."""
        return self._unknown >= UNSETTLED_PER_SENDER * self.most

    @property
    def _held(self) -> bool:
        return self.closed() or self.paused

    def resume(self) -> None:
        """End the pause: what was unknown has been looked at."""
        self._unknown = 0

    def wake(self) -> None:
        """Look again whether to continue: the run was asked to stop."""
        self._wake.set()

    async def run(self, copies: Iterable[Copy]) -> None:
        """Set these batches up. Returns when every request has ended and is recorded; an item that
        may no longer be set up is left out. Raises one of DATABASE_ERRORS if the ledger cannot be
        written."""
        queue = deque((copy.item_id, copy.batch_id) for copy in copies)
        batches = dict(queue)
        self._unknown = 0
        async with anyio.create_task_group() as group:
            while True:
                self._wake = anyio.Event()
                room = 0 if self._held else self._room()
                claimed_at = self.clock.monotonic()
                chosen = dict(queue.popleft() for _ in range(min(room, len(queue))))
                if self._ended or chosen:
                    ended, self._ended = self._ended, []
                    try:
                        intents = await self._commit(ended, chosen)
                    except BaseException:
                        self._ended = ended + self._ended  # for `salvage`
                        raise
                    self._outstanding += len(intents) - len(ended)
                    self._waiting += len(intents)
                    for result in ended:
                        self._unknown += result.outcome == "unknown"
                        if result.retry and not self.closed():
                            item = result.intent.item_id
                            queue.append((item, batches[item]))
                    await anyio.lowlevel.checkpoint_if_cancelled()
                    for intent in intents:
                        group.start_soon(self._one, intent, claimed_at)
                    continue
                if not self._outstanding and (not queue or self._held):
                    return
                opens_in = self.pacer.opens_in()
                with anyio.move_on_after(opens_in if opens_in > 0 and not self._held else None):
                    await self._wake.wait()

    async def salvage(self) -> None:
        """After a cancelled `run`: record the answers that had come."""
        ended, self._ended = self._ended, []
        if ended:
            await self.database.call(setups.commit, ended, {}, iso(self.clock.wall()))

    def _room(self) -> int:
        """How many intents may be recorded now."""
        most = UNRECORDED_PER_SENDER * self.most
        return max(0, min(self.pacer.prefetch() - self._waiting, most - self._outstanding))

    async def _commit(self, ended: list[SetupResult], chosen: dict[int, str]) -> list[SetupIntent]:
        # A second signal must not come between an answer and its record.
        with anyio.CancelScope(shield=True):
            recorded, intents = await self.database.call(
                setups.commit, ended, chosen, iso(self.clock.wall())
            )
        for result, label in recorded:
            self.recorded(result, label)
        return intents

    async def _one(self, intent: SetupIntent, claimed_at: float) -> None:
        """Send one intent in its slot, or take it back."""
        leave_by = claimed_at + INTENT_EXPIRES_AFTER_S
        patience = min(LONGEST_SLOT_WAIT_S, leave_by - self.clock.monotonic())
        leaves = not self.closed() and patience > 0 and await self.pacer.acquire(patience)
        if leaves and self.clock.monotonic() > leave_by:
            # This process, or its machine, was asleep meanwhile: another one may have taken over.
            self.pacer.release()
            leaves = False
        self._waiting -= 1
        if leaves:
            try:
                result = await self.send(intent)
            finally:
                self.pacer.release()
        else:
            at, now = iso(self.clock.wall()), self.clock.monotonic()
            result = SetupResult(intent, "not_left", at, now, retry=True)
        self._ended.append(result)
        self._wake.set()
