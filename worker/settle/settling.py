"""One round of settling: wait, look twice, decide, record. Called while no request is under way.

A look is one listing of each workspace in which an open attempt may have created a batch. Presence
is decided after each look, absence only after the second. So a round takes two listings and
`2 x settle_after`. What it cannot decide stays unknown, with the reason in its row."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.api.reader import ListingResult, RetryingReader
from worker.ledger import settlement
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.attempts import Attempt, CopyFidelity, Label, UnownedBatch
from worker.model.batch import listed
from worker.model.clock import Clock, ServerClock
from worker.model.events import Emit, Event
from worker.model.replies import Page
from worker.model.stop import Stop
from worker.settle.absence import may_be_page
from worker.settle.verdicts import verdicts_of
from worker.settle.windows import WIDE_S, over_at

PROOFS = 3
"""After this many proofs of absence an item is not sent again in the same run (rule 6). Otherwise a
source that always gets a 500 would keep the run busy all night."""

NOT_SHOWN = 100
"""If a listing lacks more batches than this, they are not looked up one by one: the listing is not
complete."""


class Waiting(NamedTuple):
    """What settling waits for: how many requests have no answer (`requests`), and when it looks
    (`looks_at`, monotonic seconds; None: it looks now)."""

    requests: int
    looks_at: float | None


@dataclass(slots=True)
class Settled:
    """The result of a round: how many attempts were found `created`, were proved `absent`, and are
    still `unknown`."""

    created: int = 0
    absent: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Settling:
    """Settles for one run. `settle_after_s` is how many seconds a request may still take effect
    after it was given up, and how long a new batch may be missing from listings."""

    database: Database
    reader: RetryingReader
    clock: Clock
    server: ServerClock
    emit: Emit
    stop: Stop
    settle_after_s: float
    waiting: Waiting | None = None
    """What the round waits for, to be shown to people; None between rounds."""
    _proofs: Counter[int] = field(default_factory=Counter)
    """How many times each item was proved absent in this run."""
    _fidelity: defaultdict[str, CopyFidelity] = field(
        default_factory=lambda: defaultdict(CopyFidelity)
    )
    """Which properties copying keeps, by workspace: what this run's listings show of our 201s."""
    _began: float | None = None
    """When the first round began (monotonic seconds)."""

    async def round(self, given_up_at: float) -> Settled:
        """Settle every open attempt. The last one was given up at `given_up_at` (monotonic
        seconds)."""
        try:
            return await self._round(given_up_at)
        finally:
            self.waiting = None

    async def _round(self, given_up_at: float) -> Settled:
        for source_id in await self.database.call(settlement.sources_to_look_up):
            if (batch := (await self.reader.source(source_id)).batch) is not None:
                await self.database.call(settlement.set_version, listed(batch))
        attempts = await self.database.call(settlement.open_attempts)
        if not attempts:
            return Settled()
        first = await self._look(attempts, max(given_up_at, self._over_at(attempts)))
        if first is None:
            return Settled(unknown=len(attempts))
        settled = await self._decide(first, absence=False)
        if not settled.unknown:
            return settled
        second = await self._look(
            await self.database.call(settlement.open_attempts), first.sent_at, before=first
        )
        if second is not None:
            last = await self._decide(second, absence=True)
            settled = Settled(settled.created + last.created, last.absent, last.unknown)
        return settled

    def _over_at(self, attempts: Sequence[Attempt]) -> float:
        """When the last request that no process awaited to its end was over at the latest
        (monotonic seconds)."""
        now, server = self.clock.monotonic(), self.server.now(self.clock.monotonic())
        self._began = now if self._began is None else self._began
        times = [-math.inf]
        for attempt in attempts:
            if attempt.given_up_at is not None:
                continue
            # It left before its process died, so before this began. The API's clock alone is not
            # enough: it may be unknown, set back, or ahead of the one that the lost run saw.
            latest = self._began + attempt.timeout_s
            over = over_at(attempt)
            times.append(
                latest
                if over is None or server is None
                else min(now + over + WIDE_S - server, latest)
            )
        return max(times)

    # -- looking

    async def _look(
        self, attempts: Sequence[Attempt], since: float, before: _Looked | None = None
    ) -> _Looked | None:
        """Wait until `settle_after` has passed since `since` (monotonic seconds), then list every
        workspace that was complete in the look `before`. None if the run was asked to stop."""
        while (wait := since + self.settle_after_s - self.clock.monotonic()) > 0:
            self.waiting = Waiting(len(attempts), since + self.settle_after_s)
            await self.stop.wait(wait)
            if self.stop.asked:
                return None
        self.waiting = Waiting(len(attempts), None)
        sent_at = self.clock.monotonic()
        problems = dict(before.problems) if before else {}
        for workspace_id in sorted(
            {a.source.workspace_id for a in attempts if a.source is not None} - {""}
        ):
            if problems.get(workspace_id) is None:
                sent_at, problems[workspace_id] = await self._list(workspace_id)
            if self.stop.asked:
                return None
        # Not the last Date itself: it may have come before the last request was given up.
        if (date := self.server.earliest_now(self.clock.monotonic())) is not None:
            await self.database.call(settlement.note_date, date)
        return _Looked(sent_at, problems)

    async def _list(self, workspace_id: str) -> tuple[float, str | None]:
        """List a workspace. Returns when the listing's request left (monotonic seconds), and why
        the listing is not complete (None: it is)."""

        async def take(number: int, page: Page) -> None:
            await self.database.call(Ledger.add_listed, number, workspace_id, page)
            await self.database.call(settlement.note_sources, page)
            for seen in await self.database.call(settlement.copy_fidelity, page):
                self._fidelity[workspace_id] = self._fidelity[workspace_id].joined(seen)

        listing = await self.reader.listing(workspace_id, take)
        changed = await self.database.call(settlement.changed_details)
        self._fidelity[workspace_id] = self._fidelity[workspace_id].without(changed)
        return listing.sent_at, listing.problem or await self._incomplete(workspace_id, listing)

    async def _incomplete(self, workspace_id: str, listing: ListingResult) -> str | None:
        """Why a listing is not complete although its count and its length agree; None if it is
        complete."""
        now = self.server.now(listing.sent_at)
        made_before = None if now is None else now - self.settle_after_s
        lacking = await self.database.call(
            settlement.not_shown, listing.number, workspace_id, made_before, NOT_SHOWN + 1
        )
        if (problem := await self._unexplained(workspace_id, lacking)) is not None:
            return problem
        if await self.database.call(settlement.shows_nothing_known, listing.number, workspace_id):
            return (
                "it shows none of the batches that it showed before; the token may have lost access"
            )
        if may_be_page(listing.shown) and not await self._shows_all_known(workspace_id, listing):
            return f"its length, {listing.shown}, may be that of a page"
        return None

    async def _shows_all_known(self, workspace_id: str, listing: ListingResult) -> bool:
        """Whether a listing shows our newest batch, and every batch that any run knew in the
        workspace."""
        number = listing.number
        if not await self.database.call(settlement.shows_our_newest, number, workspace_id):
            return False
        lacking = await self.database.call(
            settlement.known_and_not_shown, number, workspace_id, NOT_SHOWN + 1
        )
        return await self._unexplained(workspace_id, lacking) is None

    async def _unexplained(self, workspace_id: str, lacking: Sequence[str]) -> str | None:
        """What a listing lacks although GETs do not say that it was removed or moved to another
        workspace; None if that explains all."""
        if len(lacking) > NOT_SHOWN:
            return f"it lacks more than {NOT_SHOWN} batches that should be there"
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

    # -- deciding

    async def _decide(self, looked: _Looked, *, absence: bool) -> Settled:
        """Decide what the look allows, record the verdicts and emit them."""
        attempts = await self.database.call(settlement.open_attempts)
        free: dict[str, list[UnownedBatch]] = {}
        for workspace_id in looked.problems:
            free[workspace_id] = await self.database.call(settlement.unowned_batches, workspace_id)
        verdicts = verdicts_of(attempts, free, looked.problems, self._fidelity, absence=absence)
        labels = await self.database.call(settlement.record, attempts, verdicts)
        item_ids = {attempt.id: attempt.item_id for attempt in attempts}
        for attempt_id, label in labels.items():
            created = verdicts.created.get(attempt_id)
            self._emit_settled(label, created.batch_id if created else None)
            if created is None:
                self._proofs[item_ids[attempt_id]] += 1
                if self._proofs[item_ids[attempt_id]] >= PROOFS:
                    await self.database.call(Ledger.skip, item_ids[attempt_id])
        return Settled(len(verdicts.created), len(verdicts.absent), len(verdicts.unknown))

    def _emit_settled(self, label: Label, batch_id: str | None) -> None:
        """Log that an item was created as this batch (None: nothing was created for it)."""
        fields = {
            "line": label.line,
            "source_batch_id": label.source_id,
            "name": label.name,
            "attempt": label.attempt,
            "copy": label.copy,
            "status": "created" if batch_id else "pending",
            "new_batch_id": batch_id,
        }
        self.emit(Event("batch.settled", "info", fields))


class _Looked(NamedTuple):
    """One look: when its last listing's request left (monotonic seconds), and for each workspace
    why its listing is not complete (None: it is)."""

    sent_at: float
    problems: Mapping[str, str | None]
