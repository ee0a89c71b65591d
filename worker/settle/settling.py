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

from worker.api.reader import RetryingReader
from worker.ledger import settlement
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.attempts import Attempt, CopyFidelity, Label, UnownedBatch
from worker.model.batch import listed
from worker.model.clock import Clock, ServerClock
from worker.model.events import Emit, Event
from worker.model.replies import Page
from worker.model.stop import Stop
from worker.settle.completeness import Completeness
from worker.settle.verdicts import verdicts_of
from worker.settle.windows import WIDE_S, over_at_server

MAX_ABSENCE_PROOFS = 3
"""After this many proofs of absence an item is not sent again in the same run (rule 6). Otherwise a
source that always gets a 500 would keep the run busy all night."""


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
    _absence_proofs: Counter[int] = field(default_factory=Counter)
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
        first = await self._look(attempts, max(given_up_at, self._over_at_monotonic(attempts)))
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

    def _over_at_monotonic(self, attempts: Sequence[Attempt]) -> float:
        """When the last request that no process awaited to its end was over at the latest, in
        monotonic seconds of this machine (`over_at_server` is one request's, by the API's
        clock)."""
        now, server = self.clock.monotonic(), self.server.now(self.clock.monotonic())
        self._began = now if self._began is None else self._began
        times = [-math.inf]
        for attempt in attempts:
            if attempt.given_up_at is not None:
                continue
            # The request left before its process died, so before the first round began: it is over
            # one time limit later. By the API's clock it may be over earlier. That clock may be
            # unknown or set back, and up to WIDE_S ahead of the one that the lost run saw.
            latest = self._began + attempt.timeout_s
            over = over_at_server(attempt)
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
        completeness = Completeness(self.database, self.reader, self.server, self.settle_after_s)
        problem = listing.problem or await completeness.check(workspace_id, listing)
        return listing.sent_at, problem

    # -- deciding

    async def _decide(self, looked: _Looked, *, absence: bool) -> Settled:
        """Decide what the look allows, record the verdicts and emit them."""
        attempts = await self.database.call(settlement.open_attempts)
        free: dict[str, list[UnownedBatch]] = {}
        for workspace_id in looked.problems:
            free[workspace_id] = await self.database.call(settlement.unowned_batches, workspace_id)
        verdicts = verdicts_of(attempts, free, looked.problems, self._fidelity, absence=absence)
        labels = await self.database.call(settlement.record, attempts, verdicts)
        for attempt_id, label in labels.items():
            created = verdicts.created.get(attempt_id)
            self._emit_settled(label, created.batch_id if created else None)
        item_ids = {attempt.id: attempt.item_id for attempt in attempts}
        await self._count_absence_proofs([item_ids[attempt_id] for attempt_id in verdicts.absent])
        return Settled(len(verdicts.created), len(verdicts.absent), len(verdicts.unknown))

    async def _count_absence_proofs(self, item_ids: Sequence[int]) -> None:
        """Count a proof of absence for each item. An item with too many is skipped in this run."""
        for item_id in item_ids:
            self._absence_proofs[item_id] += 1
            if self._absence_proofs[item_id] >= MAX_ABSENCE_PROOFS:
                await self.database.call(Ledger.skip, item_id)

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
