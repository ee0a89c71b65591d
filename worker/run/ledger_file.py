"""The ledger file of one run: written before the first request, refreshed while the run sends, and
written again at its end."""

from __future__ import annotations

from contextlib import suppress

import anyio

from worker.export import ledger_file as export
from worker.ledger import views
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Reader
from worker.ledger.stamp import stamp
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, iso
from worker.model.errors import WorkerError
from worker.model.events import Emit, Event
from worker.model.records import RateChange
from worker.run.options import Options

REFRESH_S = 30.0
"""Seconds between two refreshes of the ledger file during a run."""

REFRESH_SHARE = 20
"""A refresh of a large file takes processor time from the senders: the next one waits this many
times as long as it took."""


class LedgerFile:
    """Writes one run's ledger file. `changes` are the rate changes that are not in the database
    yet."""

    def __init__(self, database: Database, clock: Clock, emit: Emit, options: Options) -> None:
        self._database, self._clock, self._emit, self._options = database, clock, emit, options
        self._one = anyio.Lock()  # only one task writes the file at a time
        self.changes: list[RateChange] = []

    def observe(self, event: Event) -> None:
        """Keep when and why all senders wait, for the report."""
        if event.name in ("pace.slowed", "pace.recovered"):
            of = event.fields
            at = iso(self._clock.wall())
            self.changes.append(RateChange(at, of.get("wait_s"), of.get("rate"), of.get("why")))

    async def write_first(self) -> None:
        """Write the file before the first request. Nothing is sent meanwhile."""
        async with self._one:
            written = await self._database.call(_write, self._options, active=True)
            self._say(written.messages)

    async def keep_fresh(self) -> None:
        """Refresh the file every `REFRESH_S` seconds until cancelled. A failure is only logged; the
        end of the run writes the file again and reports what fails then."""
        pause = REFRESH_S
        while True:
            await anyio.sleep(pause)
            began = self._clock.monotonic()
            try:
                async with self._one:
                    written = await self._database.read(_write, self._options, active=True)
                    self._say(written.messages)
            except (OSError, WorkerError, *DATABASE_ERRORS) as error:
                text = f"the ledger file could not be refreshed: {error}"
                self._emit(Event("note", "warning", {"text": text}))
            await self._keep_changes()
            pause = max(REFRESH_S, REFRESH_SHARE * (self._clock.monotonic() - began))

    async def write_last(self) -> str | None:
        """Write the file at the end of the run, unless it is already true. Returns the file's
        stamp."""
        async with self._one:
            written = await self._database.call(_write_last, self._options)
            self._say(written.messages)
            return written.stamp

    def _say(self, messages: list[str]) -> None:
        for text in messages:
            self._emit(Event("note", "warning", {"text": text}))

    async def _keep_changes(self) -> None:
        """Record the rate changes in the database. If that fails, the end of the run tries
        again."""
        unrecorded = tuple(self.changes)
        with suppress(*DATABASE_ERRORS):  # sending fails with the same error, and reports it
            if unrecorded:
                await self._database.call(Ledger.add_rate_changes, unrecorded)
            del self.changes[: len(unrecorded)]


def _write(reader: Reader, options: Options, *, active: bool) -> export.Written:
    campaign_id = views.campaign_id(reader, options.campaign)
    if campaign_id is None:
        raise AssertionError("a run always has a campaign")
    return export.write_ledger_file(
        reader, campaign_id, options.campaign, options.ledger, options.invocation, active=active
    )


def _write_last(ledger: Ledger, options: Options) -> export.Written:
    before = stamp(options.ledger)  # another command may replace the file at any time
    if ledger.finished():
        return export.Written(before, [])
    return _write(ledger, options, active=False)
