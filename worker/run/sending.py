"""Sends what is pending: senders wait for their slots and send; one group commit at a time records
results and claims items.

Nothing here settles an unknown outcome or sends its request again."""

from __future__ import annotations

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from worker.api.client import Api
from worker.ledger.threads import Database
from worker.model.clock import Clock, ServerClock
from worker.model.events import Emit
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S, LONGEST_SLOT_WAIT_S
from worker.model.setups import SetupIntent, SetupResult
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.claims import most_unrecorded
from worker.run.group_commit import Claimed, GroupCommit
from worker.run.limits import Gate, Limits, Tally
from worker.run.sender import Sender


class Sending:
    """Sends for one run. `run` returns when nothing is left to send. If the run was asked to stop,
    `run` returns when every request under way has ended and is recorded."""

    def __init__(
        self,
        database: Database,
        api: Api,
        clock: Clock,
        server: ServerClock,
        pacer: Pacer,
        emit: Emit,
        stop: Stop,
        limits: Limits,
    ) -> None:
        self.tally = Tally()
        self.gate = Gate(stop)
        self._clock, self._pacer, self._limits, self._stop = clock, pacer, limits, stop
        self._sender = Sender(api, clock, server, pacer, self.gate, limits, self.tally)
        self._commits = GroupCommit(
            database, clock, server, pacer, emit, self.gate, limits, self.tally
        )

    async def set_up(self, intent: SetupIntent) -> SetupResult:
        """Send one setup request, with the same pace and limits. The caller has its slot."""
        return await self._sender.set_up(intent)

    @property
    def paused(self) -> bool:
        """Whether so many outcomes are unknown that settling comes before more sending (rule 8)."""
        return self._commits.paused

    @property
    def last_unknown_at(self) -> float:
        """When a request last ended with an unknown outcome (monotonic seconds)."""
        return self._sender.last_unknown_at

    async def run(self) -> None:
        """Send what is pending. Raises one of DATABASE_ERRORS if the ledger cannot be written;
        then nothing new is sent."""
        self._stop.on_ask(self._commits.wake)
        give, take = anyio.create_memory_object_stream[Claimed](most_unrecorded(self._limits))
        async with anyio.create_task_group() as group:
            for _ in range(self._limits.max_in_flight):
                group.start_soon(self._send_all, take.clone())
            take.close()
            async with give:
                await self._commits.run(give)

    async def resume(self) -> None:
        """Prepare for another call of `run`, after settling."""
        await self._commits.resume()

    async def salvage(self) -> None:
        """After a cancelled `run`: record the answers that had come, and mark the others as
        unknown."""
        await self._commits.salvage()

    async def _send_all(self, claims: MemoryObjectReceiveStream[Claimed]) -> None:
        """One sender: send intents one after another, each in its slot."""
        with claims:
            while (claim := await _next(claims)) is not None:
                intent, claimed_at = claim
                # Settling relies on this: a request that a crash interrupted left soon after its
                # intent was written, or never.
                expires_at = claimed_at + INTENT_EXPIRES_AFTER_S
                patience = min(LONGEST_SLOT_WAIT_S, expires_at - self._clock.monotonic())
                leaves = patience > 0 and await self._pacer.acquire(patience)
                if leaves and self._clock.monotonic() > expires_at:
                    # This process, or its machine, was asleep meanwhile.
                    self._pacer.release()
                    leaves = False
                self._commits.start()
                if leaves:
                    self._commits.notice()
                    try:
                        ended = await self._sender.send(intent)
                    finally:
                        self._pacer.release()
                else:
                    ended = self._sender.take_back(intent)
                self._commits.end(ended)


async def _next(claims: MemoryObjectReceiveStream[Claimed]) -> Claimed | None:
    """The next intent; None if there will be no more. An intent that is already waiting is taken
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
