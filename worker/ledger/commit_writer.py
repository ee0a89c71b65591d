"""Writes one group commit: results of attempts that have ended, and intents that may leave next.

Both are written in groups, one call for each kind of statement. Only `Ledger.record_and_claim`
calls this, within one transaction. When to commit, and how much, is decided in
`worker.run.group_commit`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import NamedTuple

from worker.ledger.engine import Row
from worker.ledger.handle import Writer
from worker.model.clock import seconds
from worker.model.copies import copy_name
from worker.model.differences import Content, Difference
from worker.model.names import render_name
from worker.model.reasons import Reason
from worker.model.records import AttemptResult, Intent, Status, Timestamp

Cursor = tuple[int, int]
"""The line and the copy of a job up to which items are claimed."""

BEGINNING: Cursor = (-1, -1)
"""The cursor before every line and copy."""


class Owner(NamedTuple):
    """The item that has a batch: its number, how its batch is known, and a description of the item
    for messages."""

    item: int
    settled_by: str
    description: str


class CommitWriter:
    """Writes the group commits of one run of a campaign: `campaign` is its number, `name` its name,
    `last_attempt` the highest number of an attempt, and `last_listing` that of the listings of
    earlier runs."""

    def __init__(
        self,
        database: Writer,
        run: int,
        campaign: int,
        name: str,
        last_attempt: int,
        last_listing: int,
    ) -> None:
        self._database = database
        self._run = run
        self._campaign = campaign
        self._name = name
        self._last_attempt = last_attempt
        self._last_listing = last_listing
        self._workspaces = ""
        """The workspaces that this run listed before its first request, as JSON; empty until they
        are needed."""

    # -- outcomes

    def record(self, results: Sequence[AttemptResult]) -> list[AttemptResult]:
        """Record how these attempts ended. Returns the results as recorded (see `_owned_once`)."""
        if not results:
            return []
        recorded = self._owned_once(results)
        self._database.execute_many("end_attempt", map(_ended_attempt, recorded))
        run = self._run
        self._database.execute_many("end_item", [_ended_item(result, run) for result in recorded])
        for result in recorded:
            if result.differences and result.outcome == "created":
                add_differences(self._database, result.intent.item_id, result.differences)
        return recorded

    def _owned_once(self, results: Sequence[AttemptResult]) -> list[AttemptResult]:
        """The results, so that no batch gets a second owner, or one that did not create it. If an
        answer names a batch that has an owner, or that existed before the request, its outcome
        becomes unknown. But an answer counts more than a listing: if the owner has the batch by a
        listing, the owner's attempt is opened again instead (rule 4 of docs/settling.md)."""
        batches = [result.batch_id for result in results if result.outcome == "created"]
        owners, shown = self._owners(batches), self._shown(batches)
        recorded: list[AttemptResult] = []
        for result in results:
            batch_id = result.batch_id
            if result.outcome != "created" or batch_id is None:
                recorded.append(result)
                continue
            owner = owners.get(batch_id)
            if owner is None or owner.settled_by == "listing":
                if shown.get(batch_id, inf) <= result.intent.listing:
                    # Of what this request did, the answer says nothing.
                    unknown = _unknown(result, "existed before the request")
                    recorded.append(unknown._replace(batch_id=None))
                    continue
                if owner is not None:
                    self._reopen(owner, batch_id)
                owners[batch_id] = Owner(
                    result.intent.item_id,
                    "response",
                    _description(result.intent.line, result.intent.item_id, self._name),
                )
                recorded.append(result)
                continue
            recorded.append(_unknown(result, f"already belongs to {owner.description}"))
        return recorded

    def _shown(self, batches: Sequence[str | None]) -> dict[str, int]:
        """The first listing, by its number, that showed each of these batches in a workspace that
        this run has listed; those that none showed are left out."""
        if not batches:
            return {}
        if not self._workspaces:
            found = self._database.execute("listed_workspaces", after=self._last_listing)
            self._workspaces = json.dumps(sorted({row["workspace_id"] for row in found}))
        shown = self._database.execute(
            "shown_first", workspaces=self._workspaces, batches=json.dumps(batches)
        )
        return {row["batch_id"]: row["listing"] for row in shown}

    def _owners(self, batches: Sequence[str | None]) -> dict[str, Owner]:
        """The owners of these batches, by batch id; batches without an owner are left out."""
        if not batches:
            return {}
        found = self._database.execute("owners", batches=json.dumps(batches))
        return {
            row["new_batch_id"]: Owner(
                row["id"], row["settled_by"], _description(row["line"], row["id"], row["campaign"])
            )
            for row in found
        }

    def _reopen(self, owner: Owner, batch_id: str) -> None:
        opened = self._database.execute("reopen_attempt", item=owner.item, batch_id=batch_id)
        if not opened.rowcount:  # a row restored from a ledger file has no attempt yet
            self._last_attempt += 1
            self._database.execute(
                "open_restored", attempt=self._last_attempt, item=owner.item, run=self._run
            )
        self._database.execute("forget_differences", item=owner.item)
        error = f"it was assigned batch {batch_id}, which turned out to belong to another row"
        self._database.execute(
            "settle_unknown",
            item=owner.item,
            run=self._run,
            error=error,
            reason=Reason.TAKEN,
            candidates=0,
        )

    # -- intents

    def claim(
        self, again: Sequence[int], limit: int, moment: Timestamp, listing: int, after: Cursor
    ) -> tuple[list[Intent], bool, Cursor]:
        """Record at most `limit` intents: first for the items of `again` (ids), then for the items
        after the cursor `after`. `listing` numbers their baseline.

        Returns the intents, whether more items can be claimed, and the new cursor."""
        intents: list[Intent] = []
        if again:
            items = json.dumps(again[:limit])
            rows = self._database.execute("claimable_again", items=items, run=self._run).fetchall()
            # Mark these first: the search below may find them too.
            intents = self._intend(rows, moment, listing)
        fresh, (line, copy) = limit - len(intents), after
        found = self._database.execute(
            "claimable",
            campaign=self._campaign,
            run=self._run,
            line=line,
            copy=copy,
            limit=fresh + 1,
        ).fetchall()
        more = len(found) > fresh
        del found[fresh:]
        if found:
            after = (found[-1]["line"], found[-1]["copy"])
        return intents + self._intend(found, moment, listing), more, after

    def _intend(self, rows: Sequence[Row], moment: Timestamp, listing: int) -> list[Intent]:
        if not rows:
            return []
        first = self._last_attempt + 1
        intents = [_intent(first + number, row, listing) for number, row in enumerate(rows)]
        self._last_attempt += len(intents)
        run, at, earliest, server = self._run, moment.at, moment.earliest, moment.server
        self._database.execute_many(
            "add_attempt",
            [
                (
                    one.attempt_id,
                    one.item_id,
                    run,
                    at,
                    earliest,
                    server,
                    listing,
                    row["version_id"],
                    one.name,
                )
                for one, row in zip(intents, rows, strict=True)
            ],
        )
        self._database.execute_many(
            "mark_sent", [(one.item_id, one.name or "", run) for one in intents]
        )
        return intents


REASONS = {"refused": Reason.REFUSED, "unknown": Reason.UNANSWERED, "not_sent": Reason.NOT_SENT}
"""The reason why an item is not created, by the outcome of its last attempt."""


def add_differences(database: Writer, item: int, found: Sequence[Difference]) -> None:
    """Record where the item's copy differs from its source."""
    database.execute_many("add_difference", [(item, *one) for one in found])


def content_of(row: Row) -> Content:
    """What the latest look-up of a source showed, to compare copies with."""
    auto_sync, datasets = row["auto_sync"], _ids(row["datasets"])
    return Content(row["instructions"], None if auto_sync is None else bool(auto_sync), datasets)


@lru_cache
def _ids(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def status_of(outcome: str) -> Status:
    """The item's status after an attempt with this outcome."""
    match outcome:
        case "created":
            return Status.CREATED
        case "refused":
            return Status.FAILED
        case "unknown":
            return Status.UNKNOWN
    return Status.PENDING


def _unknown(result: AttemptResult, why: str) -> AttemptResult:
    """The result of an answer that names a batch which cannot be its copy."""
    error = f"the answer names batch {result.batch_id}, which {why}"
    return result._replace(outcome="unknown", error=error, reason=Reason.OWNED)


def _intent(attempt: int, row: Row, listing: int) -> Intent:
    # The first name that was sent stays, even if the source is renamed or `copies` is raised.
    name: str | None = row["name"]
    if name is None:
        name = render_name(row["template"], row["source_name"], row["copies"])
    return Intent(
        attempt_id=attempt,
        item_id=row["id"],
        line=row["line"],
        copy=row["copy"],
        source_id=row["source_id"],
        name=name or None,
        label=copy_name(name or None, row["source_name"]),
        upload_new_dataset=bool(row["upload_new_dataset"]),
        attempt=row["attempts"] + 1,
        source=content_of(row),
        listing=listing,
    )


def _ended_attempt(result: AttemptResult) -> tuple[object, ...]:
    """The parameters of the statement `end_attempt`, in its order."""
    return (
        result.intent.attempt_id,
        result.ended_at,
        result.left_server,
        result.ended_server,
        result.answer_date,
        result.outcome,
        result.http_status,
        result.latency_s,
        result.error,
        result.batch_id,
        None if result.outcome == "unknown" else "outcome",
        seconds(result.created_at),
        result.created_by,
    )


def _ended_item(result: AttemptResult, run: int) -> tuple[object, ...]:
    """The parameters of the statement `end_item`, in its order."""
    known = (
        result.intent.item_id,
        int(result.left),
        result.sent_at,
        # Not the member: for it, the sqlite3 module would look for an adapter, which takes 3 µs.
        status_of(result.outcome).value,
        run,
        result.http_status,
        result.error,
    )
    if result.outcome != "created":
        return (*known, None, None, None, None, None, result.reason or REASONS.get(result.outcome))
    return (
        *known,
        result.batch_id,
        result.batch_name,
        result.batch_status,
        result.created_at,
        "response",
        None,
    )


def _description(line: int | None, item: int, campaign: str) -> str:
    """The owner of a batch, for a message: "line 2 of campaign spring"."""
    return f"{f'line {line}' if line else f'#{item}'} of campaign {campaign}"
