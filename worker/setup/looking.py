"""Looks at what the API shows of some batches, with as few requests as possible: one listing of a
workspace for many, one request each for few. It only reads, and decides nothing.

Such a listing gets no number: settling and its baselines do not use it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from worker.api.reader import RetryingReader
from worker.model.clock import Clock
from worker.model.replies import Page
from worker.model.setups import ERROR, Copy, Seen
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.setup.decisions import is_set_up

ERRORS = 10
"""For at most this many batches of a listing, the API is asked what it says about their ERROR."""

UNCLEAR_S = 60.0
"""Seconds without a clear answer about any batch after which a look gives up, at least."""

LONGEST_LOOK_WAIT_S = 3600.0
"""Seconds that a look waits for its slot at most. Pauses of the pace hold it back too."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks for one run. `pacer` is the run's own, so that looks are under its maximum rate too
    (None: look-ups have their own)."""

    reader: RetryingReader
    clock: Clock
    stop: Stop
    pacer: Pacer | None = None

    async def look(
        self, copies: Iterable[Copy], *, most_single: int | None = None
    ) -> dict[str, Seen]:
        """What the API shows of these batches, by id. At most `most_single` batches that a listing
        does not show are asked for one by one (None: all); the status of the others, and of those
        that the API does not show, is None. If the run is asked to stop, batches may be missing. If
        the API gives no clear answer about any batch for `UNCLEAR_S`, or longer if the reader
        retries longer, the rest are not asked for."""
        by_workspace: dict[str, set[str]] = defaultdict(set)
        for copy in copies:
            by_workspace[copy.workspace_id].add(copy.batch_id)
        seen: dict[str, Seen] = {}
        patience = max(UNCLEAR_S, self.reader.give_up_after_s)
        for workspace_id, ids in by_workspace.items():
            shown = await self._listing(workspace_id, ids) if len(ids) > 1 and workspace_id else {}
            answered = self.clock.monotonic()
            lacking = sorted(ids - set(shown))
            listed = len(ids) > 1 and workspace_id
            single = lacking[:most_single] if listed else lacking
            errors = [one for one, what in shown.items() if what.status == ERROR]
            for batch_id in [*single, *errors[:ERRORS]]:
                if self.stop.asked:
                    return seen | _clear(shown)
                if self.clock.monotonic() - answered > patience:
                    break
                shown[batch_id], is_clear = await self._status(batch_id, shown.get(batch_id))
                answered = self.clock.monotonic() if is_clear else answered
            now = self.clock.monotonic()
            seen |= {one: Seen(None, now) for one in ids} | shown
        return seen

    async def _listing(self, workspace_id: str, ids: set[str]) -> dict[str, Seen]:
        """What one listing shows of these batches; it may be incomplete."""
        found: dict[str, str] = {}

        async def take(_number: int, page: Page) -> None:
            found.update((one.id, one.status) for one in page if one.id in ids and one.status)

        if not await self._may_ask():
            return {}
        try:
            look = await self.reader.listing(workspace_id, take)
        finally:
            self._asked()
        return {batch_id: Seen(status, look.sent_at) for batch_id, status in found.items()}

    async def _status(self, batch_id: str, before: Seen | None) -> tuple[Seen, bool]:
        """The status of one batch, and whether the API gave a clear answer; `before` is what a
        listing showed. A batch that was seen set up stays so: another host may answer late."""
        left = self.clock.monotonic()
        if not await self._may_ask():
            return before or Seen(None, left), False
        try:
            left = self.clock.monotonic()
            verdict = await self.reader.status(batch_id)
        finally:
            self._asked()
        found = Seen(verdict.status, left, verdict.message or None)
        if before is not None and (is_set_up(before.status) and not is_set_up(found.status)):
            found = before
        return found, not verdict.again

    async def _may_ask(self) -> bool:
        return self.pacer is None or await self.pacer.acquire(LONGEST_LOOK_WAIT_S)

    def _asked(self) -> None:
        if self.pacer is not None:
            self.pacer.release()


def _clear(shown: Mapping[str, Seen]) -> dict[str, Seen]:
    return {batch_id: one for batch_id, one in shown.items() if one.status is not None}
