"""Compares a ledger with what really exists. It reads the database like any other program and
shares nothing with the worker. The sorts of problems:

double      more than one batch was created for an item, and no other row has them; or more batches
            of a kind were created than items of this kind exist
lost        a batch that we created is in no row, and no row of its kind is `unknown`
false row   a `created` row names a batch that does not exist, is not ours, is of another kind, is
            another row's too, or existed long before the first request for a row of its kind in
            its campaign; or a row that its answer settled names another request's batch
unwritten   the ledger file of a run that ended by itself differs from the database
uncounted   a row has fewer attempts than requests for it arrived
denied      a `failed` row's own batch exists, and no row has it
left        a wanted row is pending after the calm runs, without a reason of its own
untrue      a row's reason or candidates do not go with its status
twice       two setup requests of ours took effect on one batch
alien       a setup request of ours reached a batch that no request of ours created, or none that a
            job wants set up
unready     a row says `ready`, and its batch is not; or a row says that no setup took effect, and
            one did
misled      a batch is suggested to a person for an unknown row, and is not its copy; or one batch
            is suggested for two rows
undone      a wanted setup is neither READY nor ERROR after the calm runs
"""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.world import Batch, ItemKey, Kind, World

_ROWS = """
SELECT i.id, c.name AS campaign, i.source_id, i.template, i.upload_new_dataset, i.copy, i.status,
       i.name, i.new_batch_id,
       i.settled_by, i.attempts, i.line IS NOT NULL AS wanted, i.error, i.reason, i.candidates,
       (SELECT count(*) FROM candidates AS c WHERE c.item_id = i.id) AS named,
       EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.restored = 1) AS restored
FROM items AS i JOIN campaigns AS c ON c.id = i.campaign_id
"""


KEPT = 10
"""This many candidates of a row are kept at least. The others may be only counted."""

REASONS: dict[str, set[str | None]] = {
    "created": {None},
    "failed": {"refused", "source_missing"},
    "pending": {None, "not_sent", "source_unclear", "absent", "declared_absent"},
    "unknown": {
        "unanswered", "interrupted", "restored", "owned", "taken", "listing_incomplete", "hidden",
        "several_fit", "names_alike", "may_be_its", "answer_named", "not_shown_yet",
    },
}  # fmt: skip
"""The reasons that a row of each status may have. Those from before a request under way do not
count."""

WITH_CANDIDATES = {"several_fit", "names_alike", "may_be_its", "answer_named"}


LONG_BEFORE_S = 300.0
"""A batch that is older than a campaign's first request for a row of this kind by this many seconds
is not such a row's copy."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger says about an item. `kind` is None if nothing was ever sent for it."""

    number: int
    item: ItemKey
    kind: Kind | None
    status: str
    batch_id: str | None
    settled_by: str | None
    attempts: int
    wanted: bool
    error: str | None
    reason: str | None
    candidates: int
    named: int
    restored: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The problems, each in a line that begins with its sort; how many wanted rows have which
    status; and the reasons of those that are `unknown`."""

    problems: list[str]
    statuses: dict[str, int]
    reasons: dict[str, int]


def judge(
    connection: sqlite3.Connection,
    world: World,
    *,
    lenient: bool,
    counted: bool,
    forgiven: Counter[ItemKey],
    final: bool,
) -> Verdict:
    """Judge the ledger as it is now. `lenient`: other people created similar batches with our
    account, so rows may be swapped with theirs. `counted`: the end of every request was recorded,
    so the numbers of attempts are exact. `forgiven`: requests that a lost database contained.
    `final`: nothing else will happen, and the last runs met a healthy API."""
    world.now()
    rows = _rows(connection)
    owner = {row.batch_id: row for row in rows if row.batch_id is not None}
    made = [batch for batch in world.batches.values() if batch.request is not None]
    problems = _doubles(rows, owner, made, world)
    problems += _false_rows(rows, world, lenient=lenient)
    problems += [] if lenient else _lost(rows, owner, made, world)
    problems += [] if lenient else _denied(rows, owner, made)
    problems += _uncounted(rows, world, forgiven, exact=counted)
    problems += _untrue(rows)
    problems += _setups(connection, world, lenient=lenient, final=final)
    if final:
        problems += [
            f"unclosed: {row.item} is still `sent`" for row in rows if row.status == "sent"
        ]
        problems += [
            f"left: {row.item} is pending: {row.error}"
            for row in rows
            if row.wanted and _is_left(row)
        ]
    world.held |= {batch_id: row.item for batch_id, row in owner.items()}
    return Verdict(
        problems, dict(Counter(row.status for row in rows if row.wanted)), _reasons(rows)
    )


def _reasons(rows: list[Row]) -> dict[str, int]:
    """Why wanted rows are `unknown`."""
    return dict(Counter(row.reason or "" for row in rows if row.wanted and row.status == "unknown"))


def unwritten(connection: sqlite3.Connection, campaign: str, ledger_file: Path) -> list[str]:
    """How the ledger file of a campaign, whose run has just ended, differs from the database."""
    rows = [row for row in _rows(connection) if row.wanted and row.item.campaign == campaign]
    known = Counter((row.item.source_id, row.status, row.batch_id or "") for row in rows)
    return written_otherwise(ledger_file, known)


def written_otherwise(ledger_file: Path, known: Counter[tuple[str, str, str]]) -> list[str]:
    """How a ledger file differs from what is known: the number of rows for each source, status and
    batch."""
    with ledger_file.open(encoding="utf-8", newline="") as file:
        in_file = Counter(
            (row["source_batch_id"], row["status"], row["new_batch_id"])
            for row in csv.DictReader(file)
        )
    return (
        []
        if in_file == known
        else [f"unwritten: {ledger_file.name} has {in_file - known} and lacks {known - in_file}"]
    )


def _rows(connection: sqlite3.Connection) -> list[Row]:
    connection.row_factory = sqlite3.Row
    try:
        found = connection.execute(_ROWS).fetchall()
    except sqlite3.OperationalError:  # the first run died before it had made the tables
        return []
    return [
        Row(
            r["id"],
            ItemKey(
                r["campaign"],
                r["source_id"],
                r["template"],
                bool(r["upload_new_dataset"]),
                r["copy"],
            ),
            None
            if r["name"] is None
            else Kind(r["source_id"], r["name"] or None, bool(r["upload_new_dataset"])),
            r["status"],
            r["new_batch_id"],
            r["settled_by"],
            r["attempts"],
            bool(r["wanted"]),
            r["error"],
            r["reason"],
            r["candidates"],
            r["named"],
            bool(r["restored"]),
        )
        for r in found
    ]


def _doubles(rows: list[Row], owner: dict[str, Row], made: list[Batch], world: World) -> list[str]:
    """What was created for an item belongs to it unless another row has it, or had it in a database
    that was lost. One batch is enough."""
    own: dict[ItemKey, list[str]] = defaultdict(list)
    by_kind: Counter[Kind] = Counter()
    # A row that was restored from a file does not tell what was sent; its own batches are counted
    # all the same.
    nameless = {row.item for row in rows if row.kind is None}
    for batch in made:
        assert batch.request is not None
        holder = owner.get(batch.id)
        known = batch.request.item not in nameless and (
            holder is None or holder.item not in nameless
        )
        by_kind[world.in_effect(batch.request.kind)] += known
        item = holder.item if holder else world.held.get(batch.id, batch.request.item)
        if holder is None or item == batch.request.item:
            own[item].append(batch.id)
    items = Counter(world.in_effect(row.kind) for row in rows if row.kind is not None)
    problems = [
        f"double: {item} has {batches}" for item, batches in own.items() if len(batches) > 1
    ]
    return problems + [
        f"double: {number} batches of {kind} for {items[kind]} items"
        for kind, number in by_kind.items()
        if number > items[kind]
    ]


def _lost(rows: list[Row], owner: dict[str, Row], made: list[Batch], world: World) -> list[str]:
    """A batch that no row has must be one that an unknown row may have."""
    unclear = Counter(
        row.kind and world.in_effect(row.kind) for row in rows if row.status in ("unknown", "sent")
    )
    nameless = {row.item for row in rows if row.status in ("unknown", "sent") and row.kind is None}
    orphans: dict[Kind, list[Batch]] = defaultdict(list)
    for batch in made:
        if (
            batch.id not in owner
            and batch.request is not None
            and batch.request.item not in nameless
        ):
            orphans[world.in_effect(batch.request.kind)].append(batch)
    return [
        f"lost: {[batch.id for batch in batches]} of {kind}, and {unclear[kind]} rows say unknown"
        for kind, batches in orphans.items()
        if len(batches) > unclear[kind]
    ]


def _denied(rows: list[Row], owner: dict[str, Row], made: list[Batch]) -> list[str]:
    """A batch that no row has must not have been created for a row that says that nothing was
    created."""
    failed = {row.item for row in rows if row.status == "failed"}
    return [
        f"denied: {batch.request.item} is failed, and {batch.id} was made for it"
        for batch in made
        if batch.request is not None and batch.request.item in failed and batch.id not in owner
    ]


_SETUPS = """
SELECT i.new_batch_id, i.new_batch_status, i.tasks_per_group, i.line IS NOT NULL AS wanted,
       i.status = 'created' AS created,
       (SELECT s.status FROM setup_statuses AS s WHERE s.item_id = i.id) AS setup_status
FROM items AS i
"""


def _setups(
    connection: sqlite3.Connection, world: World, *, lenient: bool, final: bool
) -> list[str]:
    problems = [
        f"twice: {batch.id} was set up by {batch.ours} requests"
        for batch in world.batches.values()
        if batch.ours > 1
    ]
    if not lenient:
        problems += [
            f"alien: {one.batch_id} was set up for {one.item}, and is not ours"
            for one in world.setups
            if (batch := world.batches.get(one.batch_id)) is None or batch.request is None
        ]
    try:
        rows = connection.execute(_SETUPS).fetchall()
    except sqlite3.OperationalError:
        return problems
    ever = {row["new_batch_id"] for row in rows if row["tasks_per_group"] is not None}
    for row in rows:
        batch = world.batches.get(row["new_batch_id"])
        if batch is None or not row["created"]:
            continue
        status = row["setup_status"]
        if batch.ours and row["tasks_per_group"] is None and batch.id not in ever:
            continue  # a job that asked for it once may ask no more
        if status == "ready" and batch.status != "READY":
            problems.append(f"unready: {batch.id} is {batch.status}, and its row says ready")
        if status == "pending" and batch.ours:
            problems.append(f"unready: {batch.id} was set up by us, and its row says pending")
        if status == "failed" and row["new_batch_status"] != "ERROR" and batch.ours:
            problems.append(f"unready: {batch.id} was set up by us, and its row says failed")
        if final and row["wanted"] and status not in ("", "ready", "failed"):
            problems.append(f"undone: {batch.id} is {batch.status}, and its row says {status}")
        if final and row["wanted"] and status == "failed" and batch.status != "ERROR":
            problems.append(f"undone: {batch.id} is {batch.status}, and its row says failed")
    return problems


def _is_left(row: Row) -> bool:
    """Whether the row is pending after the calm runs, which had no reason to leave it."""
    return row.status == "pending" and row.reason not in ("source_unclear", "absent")


def _untrue(rows: list[Row]) -> list[str]:
    return [
        f"untrue: {row.item} is {row.status}, {row.reason}, {row.candidates} candidates,"
        f" {row.named} named: {row.error}"
        for row in rows
        if row.reason not in REASONS.get(row.status, {row.reason})
        or (row.reason is None) != (row.error is None)
        or not min(row.candidates, KEPT) <= row.named <= row.candidates
        or (row.candidates > 0) != (row.status == "unknown" and row.reason in WITH_CANDIDATES)
    ]


def _false_rows(rows: list[Row], world: World, *, lenient: bool) -> list[str]:
    problems: list[str] = []
    owners = Counter(row.batch_id for row in rows if row.batch_id is not None)
    problems += [
        f"false row: {number} rows name {batch_id}"
        for batch_id, number in owners.items()
        if number > 1
    ]
    # Nobody can tell the copies of one kind apart, so those of one campaign may be swapped.
    first: dict[tuple[str, Kind | None], float] = {}
    effects = {kind: world.in_effect(kind) for kind in {one.kind for one in world.requests}}
    for request in world.requests:
        first.setdefault((request.item.campaign, effects[request.kind]), request.at)
    for row in rows:
        if row.batch_id is None:
            continue
        batch = world.batches.get(row.batch_id)
        # Nobody knows when a restored row was first sent. So it may be swapped with one of its kind
        # in another campaign whose database was lost too, as any two of one kind may.
        may_be_old = row.restored and batch is not None and batch.request is not None
        kind = row.kind and world.in_effect(row.kind)
        if (
            batch is not None
            and not may_be_old
            and batch.made_at < first.get((row.item.campaign, kind), 0.0) - LONG_BEFORE_S
        ):
            problems.append(
                f"false row: {row.item} names {row.batch_id}, which was there before it was"
                " asked for"
            )
            continue
        if batch is None:
            problems.append(f"false row: {row.item} names {row.batch_id}, which does not exist")
        elif (
            lenient
            and batch.request is None
            and row.settled_by == "listing"
            and batch.kind is not None
        ):
            # Somebody made it with our account and it looks the same; more than its source nobody
            # could check.
            if batch.kind.source_id != row.item.source_id:
                problems.append(
                    f"false row: {row.item} names {row.batch_id}, a copy of {batch.kind.source_id}"
                )
        elif batch.request is None:
            problems.append(f"false row: {row.item} names {row.batch_id}, which somebody else made")
        elif row.kind is None:
            wanted = Kind(row.item.source_id, None, row.item.upload_new_dataset)
            if batch.kind is None or world.in_effect(batch.kind._replace(name=None)) != (
                world.in_effect(wanted)
            ):
                problems.append(
                    f"false row: {row.item} names {row.batch_id}, which is {batch.kind}"
                )
        elif batch.kind is None or world.in_effect(batch.kind) != world.in_effect(row.kind):
            problems.append(
                f"false row: {row.item} is {row.kind} and names {row.batch_id}, which is"
                f" {batch.kind}"
            )
        elif row.settled_by == "response" and batch.request.item != row.item:
            problems.append(
                f"false row: {row.item} was answered with {row.batch_id}, which is another item's"
            )
    return problems


def misled(
    connection: sqlite3.Connection,
    world: World,
    suggested: Mapping[int, str],
    *,
    lenient: bool,
) -> list[str]:
    """Which of the batches that are `suggested` to a person, by the number of the unknown row, were
    not created for a row of its kind. `lenient` as in `judge`."""
    rows = {row.number: row for row in _rows(connection)}
    problems = [
        f"misled: {batch_id} is suggested for {number} rows"
        for batch_id, number in Counter(suggested.values()).items()
        if number > 1
    ]
    for number, batch_id in suggested.items():
        row, batch = rows[number], world.batches.get(batch_id)
        if batch is None or not _is_a_copy_for(row, batch, world, lenient=lenient):
            kind = "nothing" if batch is None else batch.kind
            whose = "nobody" if batch is None or batch.request is None else batch.request.item
            problems.append(
                f"misled: {batch_id} is suggested for {row.item}, which is {row.kind};"
                f" it is {kind}, made for {whose}"
            )
        elif row.status not in ("unknown", "sent"):
            problems.append(f"misled: {batch_id} is suggested for {row.item}: it is {row.status}")
    return problems


def _is_a_copy_for(row: Row, batch: Batch, world: World, *, lenient: bool) -> bool:
    """Whether a request of ours created the batch as the row wants it. Nobody can tell the copies
    of one kind apart."""
    if batch.kind is None:
        return False
    if batch.request is None:
        return lenient and batch.kind.source_id == row.item.source_id
    if row.kind is None:
        wanted = (row.item.source_id, row.item.upload_new_dataset)
        return (batch.kind.source_id, batch.kind.upload_new_dataset) == wanted
    return world.in_effect(batch.kind) == world.in_effect(row.kind)


def _uncounted(
    rows: list[Row], world: World, forgiven: Counter[ItemKey], *, exact: bool
) -> list[str]:
    arrived = Counter(request.item for request in world.requests)
    arrived.subtract(forgiven)
    return [
        f"uncounted: {row.item} says {row.attempts} attempts, and {arrived[row.item]} arrived"
        for row in rows
        if row.status != "sent"
        and (row.attempts < arrived[row.item] or (exact and row.attempts != arrived[row.item]))
    ]
