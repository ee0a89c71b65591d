"""Checks before anything is sent: whether the token is valid, whether the sources exist, and what
the workspaces already contain.

One listing of each workspace finds most sources, and is the run's baseline. A source that no
listing shows is looked up by a GET, and only its own 404 fails its rows. Everything here only reads
from the API."""

from __future__ import annotations

from typing import NamedTuple

import anyio

from worker.api.reader import RetryingReader
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.batch import Workspace, listed
from worker.model.events import Emit, Event
from worker.model.replies import Page
from worker.model.stop import Stop


class PreflightResult(NamedTuple):
    """How many sources were found, are missing, or could not be looked up (`unclear`), and which
    workspaces were listed."""

    found: int
    missing: int
    unclear: int
    workspaces: tuple[str, ...]


class Preflight:
    """Looks up what a run needs, with at most `at_once` look-ups at the same time."""

    def __init__(
        self, database: Database, reader: RetryingReader, emit: Emit, stop: Stop, at_once: int = 8
    ) -> None:
        self._database = database
        self._reader = reader
        self._emit = emit
        self._stop = stop
        self._at_once = at_once
        self._listed: set[str] = set()
        self._titles: dict[str, str] = {}
        self._found = self._missing = self._unclear = 0

    async def check_token(self) -> str:
        """The id of the token's owner. Raises TokenRefusedError if the API rejects the token, and
        ApiUnusableError if it gives no usable answer."""
        me = await self._reader.owner()
        await self._database.call(Ledger.set_me, me)
        return me

    async def look_up_sources(self) -> PreflightResult:
        """Look up the source of everything that the run may send, list each workspace once, and
        record both in the ledger."""
        # The first answer names a workspace, and its listing usually has all the others.
        page = await self._database.call(_queue_sources, 1)
        while page and not self._stop.asked:
            workspaces = await self._look_up(page)
            if workspaces and not self._listed:
                await self._name_workspaces()
            for workspace in workspaces:
                await self._list(workspace)
            page = await self._database.query(Ledger.queued_sources, 100)
        if not self._stop.asked:
            await self._database.call(Ledger.end_preflight)
        return PreflightResult(
            self._found, self._missing, self._unclear, tuple(sorted(self._listed))
        )

    async def _look_up(self, sources: list[str]) -> list[str]:
        """Look up these sources by GETs. Returns the workspaces that are not listed yet."""
        new: set[str] = set()
        gate = anyio.Semaphore(self._at_once)

        async def one(source_id: str) -> None:
            async with gate:
                if self._stop.asked:
                    return
                verdict = await self._reader.source(source_id)
            if verdict.batch is not None:
                self._found += 1
                record = listed(verdict.batch)
                await self._database.call(Ledger.record_source, record)
                if record.workspace_id and record.workspace_id not in self._listed:
                    new.add(record.workspace_id)
                return
            if verdict.state == "missing":
                self._missing += 1
            else:
                self._unclear += 1
            await self._database.call(
                Ledger.record_source_failure,
                source_id,
                verdict.state,
                verdict.http_status,
                verdict.reason,
            )

        async with anyio.create_task_group() as group:
            for source_id in sources:
                group.start_soon(one, source_id)
        return sorted(new)

    async def _name_workspaces(self) -> None:
        """Record what the workspaces are called, if the API lists them."""
        if found := await self._reader.workspaces():
            self._titles = {one.id: one.title for one in found}
            await self._database.call(Ledger.name_workspaces, found)

    async def _list(self, workspace_id: str) -> None:
        """List a workspace: the run's baseline there. If the listing is incomplete, the run
        continues with the batches that it showed."""
        self._listed.add(workspace_id)

        async def take(number: int, page: Page) -> None:
            self._found += await self._database.call(Ledger.add_listed, number, workspace_id, page)

        look = await self._reader.listing(workspace_id, take)
        if look.problem is not None:
            if self._stop.asked:
                return  # the listing ended because the run is ending
            workspace = Workspace(workspace_id, self._titles.get(workspace_id, ""))
            why = f"workspace {workspace} could not be listed completely ({look.problem})"
            text = f"{why}; the run continues with the batches that were listed"
            self._emit(Event("note", "warning", {"text": text}))


def _queue_sources(ledger: Ledger, limit: int) -> list[str]:
    """Mark the sources that this run must look up. Returns the first ones."""
    ledger.queue_sources()
    return ledger.queued_sources(limit)
