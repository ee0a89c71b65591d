"""What a run writes from its plan to its end: what it planned, what it looked up, its intents and
their results. The run that holds the database calls this. `settlement`, `decisions`, `setups` and
`restoration` write the rest, through the same `Ledger`.

An operation whose statements belong together is one transaction, so after a crash either all of it
is written or nothing.

Invariants:
- An attempt must be durable before its request leaves (`record_and_claim`). Otherwise a duplicate
  could be created twice.
- A batch must have only one owner, whatever an answer says. Otherwise a row would be false.
- Outcomes should be written as soon as they come. Otherwise the next run has to settle them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from worker.ledger.commit_writer import BEGINNING, CommitWriter
from worker.ledger.engine import Row
from worker.ledger.handle import Writer
from worker.ledger.stamp import stamp
from worker.model.batch import Workspace
from worker.model.clock import seconds
from worker.model.records import (
    AttemptResult,
    Intent,
    Leaving,
    Listed,
    RateChange,
    RunEnd,
    RunStart,
    Timestamp,
)


class Ledger(Writer):
    """The ledger as one run uses it: begins `run` in a `database` that is open for writing and
    whose lock is held."""

    def __init__(self, database: Writer, run: RunStart) -> None:
        super().__init__(database._engine)
        self._file = Path(run.ledger)
        self._replanned = False
        self._cursor = BEGINNING
        """The line and copy that were claimed last. The next claim begins after them."""
        with self.transaction():
            # Fails if the table is lost, before anything is written.
            self.execute("last_item").fetchone()
            for statement in ("make_listed_names", "make_skipped", "make_denied"):
                self.execute_later(statement)
            self.execute_later("add_campaign", name=run.campaign, now=run.now)
            self.campaign = int(self._one("campaign_id", name=run.campaign)["id"])
            added = self.execute(
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
            self.run = int(added.fetchone()["id"])
            # Intents of a crashed run: that this run holds the lock shows that the other has ended.
            self._abandon(run.now)
        last = self._one("last_numbers")
        self._writer = CommitWriter(
            self,
            self.run,
            self.campaign,
            run.campaign,
            last_attempt=int(last["attempt"]),
            last_listing=int(last["listing"]),
        )
        self._listing = self._inherited = int(last["listing"])

    # -- planning

    def plan(self, staged: Path, extra_columns: Sequence[str], *, retry_failed: bool) -> Leaving:
        """Take over the job's duplicates from the plan file `staged` (see `worker.job.plan`).
        Returns what left the job unfinished.

        Raises one of DATABASE_ERRORS if the database is damaged. That check takes longer than all
        the rest, so it is left out for a finished job, for which nothing is sent or written. For a
        new job it comes first, before rows are added."""
        with self.attached(staged), self.transaction():
            new = self.execute("any_item", campaign=self.campaign).fetchone() is None
            if new:
                self._engine.refuse_damaged()
            before = self.changes
            leaving = Leaving()
            if new:
                self._engine.add_first(self.campaign)
            else:
                leaving = self._replan()
            self.execute_later(
                "set_extra_columns",
                campaign=self.campaign,
                columns=json.dumps(list(extra_columns)),
            )
            if retry_failed:
                self.execute_later("retry_failed", campaign=self.campaign, run=self.run)
                self.execute_later("retry_setups", campaign=self.campaign)
            self._replanned = new or self.changes > before
            if not new and not self.finished():
                self._engine.refuse_damaged()
        return leaving

    def _replan(self) -> Leaving:
        """Take the attached plan over into a campaign that has items. Returns what left the job
        unfinished."""
        leaving = Leaving()
        self.execute("add_to_job", campaign=self.campaign)
        if self._one("wants_less", campaign=self.campaign)[0]:
            leaving = Leaving(*self._one("leaving_unfinished", campaign=self.campaign))
            self.execute("drop_from_job", campaign=self.campaign)
        for statement in ("drop_extras", "add_extras"):
            self.execute_later(statement, campaign=self.campaign)
        return leaving

    def finished(self) -> bool:
        """Whether every duplicate of the job is created, nothing is left to set up, and the ledger
        file is unchanged since the previous run wrote it and still true."""
        asked = {
            "campaign": self.campaign,
            "run": self.run,
            "path": str(self._file),
            "stamp": stamp(self._file),
        }
        return not self._replanned and self.execute("finished", **asked).fetchone() is not None

    # -- preflight

    def set_me(self, me: str) -> None:
        """Record whose token this run uses: the id of its owner."""
        with self.transaction():
            self.execute_later("set_me", run=self.run, me=me)

    def queue_sources(self) -> None:
        """Mark the source of everything that this run may send as one to look up."""
        with self.transaction():
            self.execute_later("queue_sources", run=self.run, campaign=self.campaign)

    def queued_sources(self, limit: int) -> list[str]:
        """At most `limit` sources that this run has still to look up."""
        return [row[0] for row in self.execute("queued_sources", run=self.run, limit=limit)]

    def begin_listing(self, workspace_id: str, moment: Timestamp) -> int:
        """Record that a listing is about to be requested. Returns its number."""
        begun = self.execute(
            "begin_listing",
            run=self.run,
            workspace_id=workspace_id,
            now=moment.at,
            left_server=moment.server,
        )
        self._listing = int(begun.fetchone()["number"])
        return self._listing

    def add_listed(self, number: int, workspace_id: str, batches: Sequence[Listed]) -> int:
        """Record a page of listing `number`: the baseline, sources, and names that exist.

        Returns how many of the sources to look up it shows."""
        shown = [
            {
                "batch_id": batch.id,
                "name": batch.name,
                "workspace_id": workspace_id,
                "listing": number,
            }
            for batch in {one.id: one for one in batches}.values()
        ]
        with self.transaction():
            self.execute_many("add_seen", shown)
            self.execute_many("add_listed_name", shown)
            self._add_unowned_batches(workspace_id, batches)
            ids = json.dumps([batch.id for batch in batches])
            queued = {row[0] for row in self.execute("queued_of_listed", run=self.run, batches=ids)}
            # If a page shows a batch twice, the first look counts.
            found = {batch.id: batch for batch in reversed(batches) if batch.id in queued}
            self._record_sources(list(found.values()))
        return len(found)

    def add_foreign_batches(self, batches: Iterable[str]) -> None:
        """Record that these batches belong to known duplicates, though no item of this database has
        them."""
        with self.transaction():
            self.execute_many("add_foreign_batch", ({"batch_id": batch} for batch in batches))

    def add_seen_before(
        self, workspaces: Iterable[str], batches: Iterable[tuple[str, str]]
    ) -> None:
        """Record that these workspaces were listed before any listing of this database, and showed
        these batches, each with its workspace."""
        with self.transaction():
            for number, workspace_id in enumerate(workspaces):
                self.execute(
                    "add_listing_before", number=-number, run=self.run, workspace_id=workspace_id
                )
            self.execute_many(
                "add_seen",
                (
                    {"workspace_id": workspace_id, "batch_id": batch_id, "listing": 0}
                    for workspace_id, batch_id in batches
                ),
            )

    def leave_out(self, duplicates: Iterable[tuple[int, int]]) -> None:
        """Send none of these duplicates, each a line and a copy of the job."""
        with self.transaction():
            self.execute_many(
                "leave_out",
                (
                    {"campaign": self.campaign, "line": line, "copy": copy}
                    for line, copy in duplicates
                ),
            )

    def end_listing(
        self, number: int, meta_count: int | None, shown: int, error: str | None
    ) -> None:
        """Record how listing `number` ended: the count that the API gave (`meta_count`), how many
        batches it showed, and why it is not whole (`error`; None: it is)."""
        ended = {"number": number, "meta_count": meta_count, "shown": shown, "error": error}
        with self.transaction():
            self.execute_later("end_listing", **ended)

    def record_source(self, batch: Listed) -> None:
        """Record a source that a GET showed."""
        shown = {
            "batch_id": batch.id,
            "name": batch.name,
            "workspace_id": batch.workspace_id,
            "listing": 0,
        }
        with self.transaction():
            self.execute_later("add_listed_name", **shown)
            # It existed before anything that is sent from now on, even if no listing shows it. But
            # earlier runs may have created it: it may be the lost copy of one of their requests.
            number = max(self._listing, self._inherited + 1)
            self.execute_later("add_seen", **{**shown, "listing": number})
            self._record_sources([batch])

    def name_workspaces(self, workspaces: Sequence[Workspace]) -> None:
        """Remember what workspaces are called."""
        with self.transaction():
            self.execute_many("name_workspace", [one._asdict() for one in workspaces])

    def record_source_failure(
        self, source_id: str, state: str, http_status: int | None, reason: str
    ) -> None:
        """Record that a source is `missing` (its own GET answered 404) or `unclear` (it could not
        be looked up), and why (`reason`)."""
        with self.transaction():
            self.execute_later(
                "record_source_failure",
                source_id=source_id,
                run=self.run,
                state=state,
                http_status=http_status,
                reason=reason,
            )

    def end_preflight(self) -> None:
        """Mark the rows of missing sources as failed, and record at the rows of unclear ones why
        they stay pending."""
        with self.transaction():
            self.execute_later("fail_missing", campaign=self.campaign, run=self.run)
            self.execute_later("explain_unclear", campaign=self.campaign, run=self.run)
            self.execute_later("index_listed_names")

    def add_source_version(self, batch: Listed) -> dict[str, str]:
        """Record how a source looks now, and which open attempts that differs from. Returns what
        distinguishes this version.

        Needs no transaction: only one statement changes something. If the version is new, it is
        newer than that of every open attempt; otherwise it is stored already."""
        version = _version(batch)
        added = self.execute("add_source_version", **version, loose_details=batch.loose_details)
        if not added.rowcount:
            for row in self.execute("older_than_newest_version", **version).fetchall():
                self.execute("note_source_changed", source_id=batch.id, version=row[0])
        return version

    def _record_sources(self, batches: Sequence[Listed]) -> None:
        """Record these sources, each once, and which open attempts they differ from."""
        if not batches:
            return
        looks = [
            {
                **_version(batch),
                "loose_details": batch.loose_details,
                "run": self.run,
                "instructions": batch.instructions,
                "auto_sync": None if batch.auto_sync is None else int(batch.auto_sync),
            }
            for batch in batches
        ]
        self.execute_many("add_source_version", looks)
        self.execute_many("record_source", looks)
        ids = json.dumps([batch.id for batch in batches])
        for row in self.execute("found_as_before", run=self.run, batches=ids).fetchall():
            self.execute_later("note_source_changed", source_id=row[0], version=row[1])

    # -- sending

    def mark_started(self) -> None:
        """Record this run at a row that it may send, so that a ledger file written now mentions
        this run."""
        with self.transaction():
            self.execute_later("mark_started", campaign=self.campaign, run=self.run)

    def record_and_claim(
        self, results: Sequence[AttemptResult], again: Sequence[int], limit: int, moment: Timestamp
    ) -> tuple[list[AttemptResult], list[Intent], bool]:
        """Record `results` and claim at most `limit` items, first those of `again` (item ids), in
        one transaction.

        Returns the results as recorded (if the batch already has an owner, the outcome is unknown),
        the intents, which are durable when this returns, and whether more items can be claimed
        (only for a `limit` above 0)."""
        with self.transaction():
            recorded = self._writer.record(results)
            intents: list[Intent] = []
            more = False
            if limit > 0:
                intents, more, self._cursor = self._writer.claim(
                    again, limit, moment, self._listing, self._cursor
                )
        return recorded, intents, more

    def abandon(self, now: str) -> None:
        """Mark as unknown what this run has sent and will no longer await."""
        with self.transaction():
            self._abandon(now)

    def _abandon(self, now: str) -> None:
        self.execute_later("abandon_items", run=self.run)
        self.execute_later("abandon_attempts", now=now)
        self.execute_later("abandon_setups", now=now)

    def add_rate_changes(self, changes: Sequence[RateChange]) -> None:
        """Record when and why this run waited."""
        with self.transaction():
            self._add_rate_changes(changes)

    def end_run(self, end: RunEnd, changes: Sequence[RateChange] = ()) -> None:
        """Record how this run ended, and the rate changes that are not recorded yet."""
        with self.transaction():
            self._add_rate_changes(changes)
            self.execute_later(
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
            self.execute_later(
                "add_rate_change",
                run=self.run,
                at=one.at,
                wait_s=one.wait_s,
                rate=one.rate,
                why=one.why,
            )

    def _add_unowned_batches(self, workspace_id: str, batches: Sequence[Listed]) -> None:
        """Record the listed batches that could be an open attempt's copy. Without open attempts
        nothing is recorded."""
        baseline = self.execute("oldest_open_baseline").fetchone()[0]
        if baseline is None:
            return
        self.execute_many(
            "add_unowned_batch",
            [
                {
                    "batch_id": batch.id,
                    "workspace_id": workspace_id,
                    "baseline": baseline,
                    "name": batch.name,
                    "created_at": batch.created_at,
                    "created_s": seconds(batch.created_at),
                    "created_by": batch.created_by,
                    "status": batch.status,
                    "details": batch.details,
                    "loose_details": batch.loose_details,
                    "datasets": json.dumps(batch.datasets),
                    "instructions": batch.instructions,
                    "auto_sync": batch.auto_sync,
                }
                for batch in batches
            ],
        )

    def skip(self, item: int) -> None:
        """Do not send this item again in this run."""
        self.execute("skip", item=item)

    def rewind(self) -> None:
        """Claim from the job's beginning again: settling has made items before the cursor
        pending."""
        self._cursor = BEGINNING

    # -- plumbing

    def roll_back(self) -> None:
        """Undo what was written since `begin`. What was claimed is pending again."""
        self._cursor = BEGINNING
        super().roll_back()

    def _one(self, query: str, /, **named: object) -> Row:
        row: Row = self.execute(query, **named).fetchone()
        return row


def _version(batch: Listed) -> dict[str, str]:
    """What distinguishes how a source looks from how it looked before."""
    return {
        "source_id": batch.id,
        "name": batch.name,
        "workspace_id": batch.workspace_id,
        "details": batch.details,
        "datasets": json.dumps(batch.datasets),
    }
