"""The ledger's operations that change something: plan, look-ups, claim, record. One run holds the
database and calls them.

Every verb is one transaction, so a crash leaves either all of it or nothing. Invariants:
  must   an attempt is durably written before its request leaves (`group_commit`), else a double
  could
  be made;
  must   a batch has one owner, whatever an answer says, else a row would be false;
  should outcomes are written as soon as they come, else the next run has to find them out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from worker.ledger.database import refuse_damaged
from worker.ledger.group_commit import BEGINNING, GroupCommit
from worker.ledger.handle import Writer
from worker.ledger.stamp import stamp
from worker.model.clock import seconds
from worker.model.records import (
    AttemptResult,
    Intent,
    Listed,
    RateChange,
    RunEnd,
    RunStart,
    Timestamp,
)


class Ledger(Writer):
    """One run's hold on a `database` that is open for writing, its lock held."""

    def __init__(self, database: Writer, run: RunStart) -> None:
        super().__init__(database._connection)
        self._file = Path(run.ledger)
        self._replanned = False
        self._place = BEGINNING
        """The line and copy that were claimed last; what comes after them is claimed next."""
        self.ask("make_listed_names")
        self.ask("make_resting")
        self.ask("make_denied")
        with self.transaction():
            self.ask("add_campaign", name=run.campaign, now=run.now)
            self.campaign = int(self._one("campaign_id", name=run.campaign)["id"])
            self.ask(
                "add_run",
                run_id=run.run_id,
                campaign=self.campaign,
                job=run.job,
                ledger=run.ledger,
                host=run.host,
                pid=run.pid,
                now=run.now,
                timeout_s=run.timeout_s,
                settle_after_s=run.settle_after_s,
                ceiling=run.ceiling,
                date=run.date,
                kind=run.kind,
            )
            self.run = int(self.ask("last_id").fetchone()[0])
            # A crashed run's intents: whoever holds the lock now is the first to know that it is
            # dead.
            self.ask("abandon_items", run=self.run)
            self.ask("abandon_attempts", now=run.now)
        self._commits = GroupCommit(self, self.run, self.campaign, run.campaign)
        self._listing = self._inherited = int(self.ask("last_listing").fetchone()[0])

    # -- planning

    def plan(self, staged: Path, extra_columns: Sequence[str], *, retry_failed: bool) -> None:
        """Take over what the job wants from the plan file `staged` (see `worker.job.plan`).

        Raises sqlite3.DatabaseError where the database is damaged. A finished job does without that
        check, which takes longest of all: nothing will be sent and nothing written for it. For a
        new job it comes before what is added."""
        with self.attached(staged), self.transaction():
            new = self.ask("any_item", campaign=self.campaign).fetchone() is None
            if new:
                refuse_damaged(self._connection)
            before = self.changes
            self.ask("add_to_job", campaign=self.campaign)
            if self._one("wants_less", campaign=self.campaign)[0]:
                self.ask("drop_from_job", campaign=self.campaign)
            for statement in ("drop_extras", "add_extras"):
                self.ask(statement, campaign=self.campaign)
            self.ask(
                "set_extra_columns",
                campaign=self.campaign,
                columns=json.dumps(list(extra_columns)),
            )
            if retry_failed:
                self.ask("retry_failed", campaign=self.campaign, run=self.run)
            self._replanned = self.changes > before
            if not new and not self.finished():
                refuse_damaged(self._connection)

    def finished(self) -> bool:
        """Whether everything is created, and the ledger file is as the run before this one left it
        and still true."""
        asked = {
            "campaign": self.campaign,
            "run": self.run,
            "path": str(self._file),
            "stamp": stamp(self._file),
        }
        return not self._replanned and self.ask("finished", **asked).fetchone() is not None

    # -- preflight

    def set_me(self, me: str) -> None:
        """Note whose token this run uses."""
        self.ask("set_me", run=self.run, me=me)

    def want_sources(self) -> int:
        """Note every source of what this run may send as not yet looked up; how many there are."""
        with self.transaction():
            self.ask("want_sources", run=self.run, campaign=self.campaign)
        return int(self.ask("count_wanted_sources", run=self.run).fetchone()[0])

    def wanted_sources(self, limit: int) -> list[str]:
        """Up to `limit` sources that are not looked up yet."""
        return [row[0] for row in self.ask("wanted_sources", run=self.run, limit=limit)]

    def begin_listing(self, workspace_id: str, moment: Timestamp) -> int:
        """Note that a listing is about to be asked for; its number."""
        self.ask(
            "begin_listing",
            run=self.run,
            workspace_id=workspace_id,
            now=moment.at,
            left_server=moment.server,
        )
        self._listing = int(self.ask("last_id").fetchone()[0])
        return self._listing

    def add_listed(self, number: int, workspace_id: str, batches: Sequence[Listed]) -> int:
        """Take a page of the batches that listing `number` shows: the baseline, sources, and names
        that exist.

        Returns how many wanted sources it shows."""
        found = 0
        with self.transaction():
            self.many(
                "add_seen",
                [
                    {"workspace_id": workspace_id, "batch_id": batch.id, "listing": number}
                    for batch in batches
                ],
            )
            self.many(
                "add_listed_name",
                [
                    {
                        "batch_id": batch.id,
                        "name": batch.name,
                        "workspace_id": workspace_id,
                        "listing": number,
                    }
                    for batch in batches
                ],
            )
            self._add_unowned_batches(workspace_id, batches)
            for batch in batches:
                if self.ask("is_wanted_source", source_id=batch.id, run=self.run).fetchone():
                    self._found(batch)
                    found += 1
        return found

    def add_foreign_batches(self, batches: Sequence[str]) -> None:
        """Note that these batches are known to be somebody's, though no item here has them."""
        with self.transaction():
            self.many("add_foreign_batch", [{"batch_id": batch} for batch in batches])

    def end_listing(
        self, number: int, meta_count: int | None, shown: int, error: str | None
    ) -> None:
        """Note how listing `number` ended; `error` says why it is not whole."""
        self.ask("end_listing", number=number, meta_count=meta_count, shown=shown, error=error)

    def found_source(self, batch: Listed) -> None:
        """A GET showed this source."""
        shown = {
            "batch_id": batch.id,
            "name": batch.name,
            "workspace_id": batch.workspace_id,
            "listing": 0,
        }
        with self.transaction():
            self.ask("add_listed_name", **shown)
            # It was there before anything that is sent from now on, whatever listings fail to show.
            # Not before what earlier runs sent: it may be the lost copy of one of them.
            number = max(self._listing, self._inherited + 1)
            self.ask("add_seen", workspace_id=batch.workspace_id, batch_id=batch.id, listing=number)
            self._found(batch)

    def lost_source(self, source_id: str, state: str, http_status: int | None, reason: str) -> None:
        """A source is `missing` (its own 404) or `unclear` (it could not be looked up), and why."""
        self.ask(
            "lost_source",
            source_id=source_id,
            run=self.run,
            state=state,
            http_status=http_status,
            reason=reason,
        )

    def end_preflight(self) -> None:
        """Fail the rows of missing sources, and say at the rows of unclear ones why they stay
        pending."""
        with self.transaction():
            self.ask("fail_missing", campaign=self.campaign, run=self.run)
            self.ask("explain_unclear", campaign=self.campaign, run=self.run)
            self.ask("index_listed_names")

    def _found(self, batch: Listed) -> None:
        version = {
            "source_id": batch.id, "name": batch.name, "workspace_id": batch.workspace_id,
            "details": batch.details, "datasets": json.dumps(batch.datasets),
        }  # fmt: skip
        self.ask("add_source_version", **version, loose_details=batch.loose_details)
        self.ask("found_source", **version, run=self.run)

    # -- sending

    def mark_started(self) -> None:
        """Let a row say that this run may send it, so that a ledger file that is written now tells
        of this run."""
        self.ask("mark_started", campaign=self.campaign, run=self.run)

    def group_commit(
        self, results: Sequence[AttemptResult], again: Sequence[int], limit: int, moment: Timestamp
    ) -> tuple[list[AttemptResult], list[Intent], bool]:
        """Record `results` and claim up to `limit` items, first those of `again` (item ids), in one
        transaction.

        Returns the results as they were recorded (a batch that has an owner already makes an
        outcome unknown), the intents, which are durable when this returns, and whether there is
        more to claim (told only for a `limit` above 0)."""
        with self.transaction():
            recorded = self._commits.record(results)
            intents: list[Intent] = []
            more = False
            if limit > 0:
                intents, more, self._place = self._commits.claim(
                    again, limit, moment, self._listing, self._place
                )
        return recorded, intents, more

    def abandon(self, now: str) -> None:
        """Call unknown what this run has sent and will not wait for."""
        with self.transaction():
            self.ask("abandon_items", run=self.run)
            self.ask("abandon_attempts", now=now)

    def add_rate_changes(self, changes: Sequence[RateChange]) -> None:
        """Keep when this run waited and why."""
        with self.transaction():
            self._add_rate_changes(changes)

    def end_run(self, end: RunEnd, changes: Sequence[RateChange] = ()) -> None:
        """Note how this run ended, and what is not kept yet of when it waited."""
        with self.transaction():
            self._add_rate_changes(changes)
            self.ask(
                "end_run",
                run=self.run,
                now=end.now,
                stopped_by=end.stopped_by,
                exit_code=end.exit_code,
                created=end.created,
                requests=end.requests,
                throttled=end.throttled,
                ledger_stamp=end.ledger_stamp,
            )

    def _add_rate_changes(self, changes: Sequence[RateChange]) -> None:
        for one in changes:
            self.ask(
                "add_rate_change",
                run=self.run,
                at=one.at,
                wait_s=one.wait_s,
                rate=one.rate,
                why=one.why,
            )

    def _add_unowned_batches(self, workspace_id: str, batches: Sequence[Listed]) -> None:
        """Keep what is shown and could be an open attempt's copy; without open attempts nothing is
        kept."""
        baseline = self.ask("oldest_open_baseline").fetchone()[0]
        if baseline is None:
            return
        for batch in batches:
            self.ask(
                "add_unowned_batch",
                batch_id=batch.id,
                workspace_id=workspace_id,
                baseline=baseline,
                name=batch.name,
                created_at=batch.created_at,
                created_s=seconds(batch.created_at),
                created_by=batch.created_by,
                status=batch.status,
                details=batch.details,
                loose_details=batch.loose_details,
                datasets=json.dumps(batch.datasets),
            )

    def skip(self, item: int) -> None:
        """Do not send this item again in this run."""
        self.ask("skip", item=item)

    def rewind(self) -> None:
        """Claim from the job's beginning again: settling has made items pending behind the last
        place."""
        self._place = BEGINNING

    # -- plumbing

    def roll_back(self) -> None:
        """Undo what was written since `begin`; what was claimed is pending again."""
        self._place = BEGINNING
        super().roll_back()

    def _one(self, query: str, /, **named: object) -> sqlite3.Row:
        row: sqlite3.Row = self.ask(query, **named).fetchone()
        return row
