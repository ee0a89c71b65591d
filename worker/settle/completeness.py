"""Whether a listing shows every batch of its workspace ("When a listing is complete" in
docs/settling.md). What it lacks is looked up, and recorded if it was removed or moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.api.reader import ListingResult, RetryingReader
from worker.ledger import settlement
from worker.ledger.threads import Database
from worker.model.batch import listed
from worker.model.clock import ServerClock
from worker.settle.absence import may_be_page

MAX_LACKING = 100
"""If a listing lacks more batches than this, they are not looked up one by one: the listing is not
complete."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """Checks listings of one run. Each method returns why a listing is not complete (None: nothing
    shows that it is not). `settle_after_s`: how many seconds a new batch may be missing from
    listings."""

    database: Database
    reader: RetryingReader
    server: ServerClock
    settle_after_s: float

    async def check(self, workspace_id: str, listing: ListingResult) -> str | None:
        """Check a listing whose count agrees with what it shows."""
        return (
            await self._check_required(workspace_id, listing)
            or await self._check_access(workspace_id, listing)
            or await self._check_length(workspace_id, listing)
        )

    async def _check_required(self, workspace_id: str, listing: ListingResult) -> str | None:
        """It must show what this run saw or created in the workspace, and the sources of open
        attempts."""
        now = self.server.now(listing.sent_at)
        created_before = None if now is None else now - self.settle_after_s
        lacking = await self.database.call(
            settlement.not_shown, listing.number, workspace_id, created_before, MAX_LACKING + 1
        )
        return await self._look_up(workspace_id, lacking)

    async def _check_access(self, workspace_id: str, listing: ListingResult) -> str | None:
        """It must show a batch that was ever seen in the workspace, if there is one."""
        if await self.database.call(settlement.shows_nothing_known, listing.number, workspace_id):
            return (
                "it shows none of the batches that it showed before; the token may have lost access"
            )
        return None

    async def _check_length(self, workspace_id: str, listing: ListingResult) -> str | None:
        """If its length may be that of a page, it must show our newest batch, the sources of open
        attempts, and every batch that any run knew in the workspace."""
        if not may_be_page(listing.shown):
            return None
        problem = f"its length, {listing.shown}, may be that of a page"
        number = listing.number
        if not await self.database.call(settlement.shows_our_newest, number, workspace_id):
            return problem
        lacking = await self.database.call(
            settlement.known_and_not_shown, number, workspace_id, MAX_LACKING + 1
        )
        return problem if await self._look_up(workspace_id, lacking) is not None else None

    async def _look_up(self, workspace_id: str, lacking: Sequence[str]) -> str | None:
        """Look up the batches that a listing lacks, and record those that do not exist any more or
        are in another workspace now. The first one that is neither is the problem."""
        if len(lacking) > MAX_LACKING:
            return f"it lacks more than {MAX_LACKING} batches that should be there"
        for batch_id in lacking:
            verdict = await self.reader.source(batch_id)
            batch = verdict.batch
            if batch is not None and (batch.workspace_id or workspace_id) != workspace_id:
                await self.database.call(settlement.note_moved, listed(batch), workspace_id)
            elif verdict.state == "missing":
                await self.database.call(settlement.forget_listed, batch_id)
            else:
                return f"it lacks batch {batch_id}"
        return None
