"""Reads what a round of settling needs, and records its verdicts in one transaction. The verdicts
come from `worker.settle`. Decisions by people are in `decisions`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from worker.ledger.commit_writer import add_differences, content_of
from worker.ledger.engine import Row
from worker.ledger.store import Ledger
from worker.model.attempts import (
    Arrived,
    Attempt,
    CopyFidelity,
    Interval,
    Label,
    Source,
    UnownedBatch,
    Unsettled,
    Verdicts,
    offset_of,
    special,
)
from worker.model.clock import HOSTS_DIFFER_S, seconds
from worker.model.copies import copy_datasets, copy_name
from worker.model.differences import Content, differences
from worker.model.names import needs_source_name, render_name
from worker.model.reasons import Reason
from worker.model.records import Listed
from worker.model.sending_bounds import DEFAULT_TIMEOUT_S

RESTORED = Interval(-2 * 86_400.0, 2 * 86_400.0)
"""The offset that is assumed for a restored attempt. It is very wide, because no 201 of the
attempt's time is left to derive it from."""

FILE_MARGIN_S = 3600.0
"""Seconds by which the copy of a row that a ledger file calls unsent may seem to be older than the
latest batch that the file names, because the API's clocks differ, or one is set."""


def own_unknown(ledger: Ledger) -> int:
    """How many duplicates of this run's job are unknown."""
    return int(ledger.execute("count_own_unknown", campaign=ledger.campaign).fetchone()[0])


def any_open(ledger: Ledger) -> bool:
    """Whether any attempt of any campaign is open."""
    return bool(ledger.execute("has_open_attempts").fetchone()[0])


def note_date(ledger: Ledger, date: float) -> None:
    """Record a server time after all open attempts were given up: `date`, from an answer's
    `Date`."""
    ledger.execute("note_date_after", date=date)


def sources_to_look_up(ledger: Ledger) -> list[str]:
    """The sources of open attempts that were restored from a file and not looked up since."""
    return [row[0] for row in ledger.execute("sources_to_look_up")]


def set_version(ledger: Ledger, source: Listed) -> None:
    """Record that the restored attempts of this source are compared with what the source is
    now."""
    with ledger.transaction():
        ledger.execute("set_version", **ledger.add_source_version(source))
        ledger.execute("name_restored", source_id=source.id, name=source.name)


def note_sources(ledger: Ledger, batches: Sequence[Listed]) -> None:
    """Record how a listing shows the sources of open attempts. A source that changed meanwhile
    proves nothing. Needs no transaction: if a crash comes between two sources, no verdict rests on
    this listing, because the next run lists again."""
    sources = {row[0] for row in ledger.execute("open_sources")}
    for batch in batches:
        if batch.id in sources:
            ledger.add_source_version(batch)


def open_attempts(ledger: Ledger) -> list[Attempt]:
    """Every open attempt of all campaigns, oldest first."""
    offsets: dict[int, Interval | None] = {}
    rows = ledger.execute(
        "open_attempts", run=ledger.run, default_timeout_s=DEFAULT_TIMEOUT_S
    ).fetchall()
    for run in {row["run_id"] for row in rows}:
        allowed = ledger.execute("offset", run=run, other=ledger.run).fetchone()
        offsets[run] = offset_of(allowed["low"], allowed["high"])
    restored = {row["campaign_id"] for row in rows if row["unsent"]}
    existed = {
        campaign: frozenset(one[0] for one in ledger.execute("sources_of_file", campaign=campaign))
        for campaign in restored
    }
    created_after = {campaign: _created_after(ledger, campaign) for campaign in restored}
    # Before this listing, no open attempt was sent, except those that a file calls unsent.
    oldest = min((row["listing"] for row in rows if not row["unsent"]), default=math.inf)
    found = []
    for row in rows:
        attempt = _attempt(row, offsets[row["run_id"]])
        if row["unsent"]:
            campaign = row["campaign_id"]
            attempt = attempt._replace(
                existed=existed[campaign], created_after=created_after[campaign]
            )
        of_a_copy = row["of_known_copy"] or (
            row["source_listing"] is not None
            and not (
                attempt.restored
                and row["source_listing"] <= oldest
                and all(row["source_id"] in batches for batches in existed.values())
            )
        )
        found.append(attempt._replace(of_a_copy=bool(of_a_copy)))
    return found


def _created_after(ledger: Ledger, campaign: int) -> float | None:
    """A time, as `created_at` has it, before the copies of the rows that the campaign's ledger file
    calls unsent: the latest batch that the file names existed before their requests left."""
    latest = seconds(ledger.execute("latest_of_file", campaign=campaign).fetchone()[0] or "")
    return None if latest is None else latest - FILE_MARGIN_S


def _attempt(row: Row, offset: Interval | None) -> Attempt:
    source = None
    if row["details"] is not None:
        source = Source(
            name=row["source_name"],
            workspace_id=row["workspace_id"],
            details=row["details"],
            loose_details=row["loose_details"],
            datasets=tuple(json.loads(row["datasets"])),
        )
    return Attempt(
        id=row["id"],
        item_id=row["item_id"],
        source_id=row["source_id"],
        name=row["sent_name"],
        upload_new_dataset=bool(row["upload_new_dataset"]),
        source=source,
        source_changed=bool(row["source_changed"]),
        baseline=row["listing"],
        date_before=row["date_before"],
        sent_at=row["left_server"],
        given_up_at=row["ended_server"],
        date_after=_date_after(row["date_before"], row["answer_date"], row["date_after"]),
        timeout_s=row["timeout_s"],
        settle_after_s=row["settle_after_s"],
        offset=RESTORED if row["restored"] else offset,
        me=row["me"],
        tells_people_apart=bool(row["tells_people_apart"]),
        answered_id=row["answered_id"],
        hidden=bool(row["hidden"]),
        name_guessed=bool(row["name_guessed"]),
        restored=bool(row["restored"]),
        moved=bool(row["moved"]),
    )


def _date_after(before: float | None, answer: float | None, later: float | None) -> float | None:
    """The first `Date` after a request was given up, of these: that of its own unclear answer, if
    it shows that the API's clock went back, or else the one that was noted later. Hours later,
    nothing shows any more that it did."""
    if before is not None and answer is not None and answer < before - HOSTS_DIFFER_S:
        return answer
    return later


def unowned_batches(ledger: Ledger, workspace_id: str) -> list[UnownedBatch]:
    """The batches without an owner that listings have shown in the workspace."""
    found = ledger.execute("unowned_batches_of", workspace_id=workspace_id)
    return [
        UnownedBatch(
            batch_id=row["batch_id"],
            workspace_id=row["workspace_id"],
            first_listing=row["listing"],
            name=row["name"],
            created=row["created_s"],
            created_by=row["created_by"],
            details=row["details"],
            loose_details=row["loose_details"],
            datasets=tuple(json.loads(row["datasets"])),
            disputed=bool(row["disputed"]),
        )
        for row in found
    ]


def copy_fidelity(ledger: Ledger, batches: Sequence[Listed]) -> list[CopyFidelity]:
    """For each of these listed batches that one of our 201s named: which properties are as they
    were sent. A copy without datasets shows nothing about datasets. A batch that a ledger file
    names, or that settling found, shows only what became of its name."""
    found = [
        _name_fidelity(batch.name, row)
        for batch in batches
        for row in ledger.execute("found_name_of", batch_id=batch.id)
    ]
    for batch in batches:
        row = ledger.execute("fidelity_of", batch_id=batch.id).fetchone()
        if row is not None:
            expected = copy_name(row["sent_name"], row["source_name"])
            datasets = copy_datasets(
                json.loads(row["datasets"]), upload_new_dataset=bool(row["upload_new_dataset"])
            )
            kept_data = batch.datasets == datasets if datasets or batch.datasets else None
            kept_name = batch.name == expected
            found.append(
                CopyFidelity(
                    kept_name,
                    batch.details == row["details"],
                    kept_data,
                    _arrived(expected) if kept_name else Arrived(),
                    {batch.details: row["details"]},
                )
            )
    return found


def changed_details(ledger: Ledger) -> frozenset[str]:
    """The task details of sources that were seen with different ones."""
    return frozenset(row[0] for row in ledger.execute("changed_details"))


def _name_fidelity(listed: str, row: Row) -> CopyFidelity:
    """What the listed name shows. A row that was restored as created has only its template. If that
    has to be filled in, or if no name was sent, only a name that is right shows something: the
    source or the job may have changed."""
    sent, template = row["name"], row["template"]
    certain = bool(sent) or (
        sent is None
        and template != ""
        and "{copies}" not in template
        and not needs_source_name(template)
    )
    if sent is None:
        sent = render_name(template, row["source_name"], row["copies"] or 0)
    sent = copy_name(sent or None, row["source_name"] or "")
    kept = listed == sent
    arrived = _arrived(sent) if kept else Arrived()
    if row["answered"] and (kept or certain):
        return CopyFidelity(name=kept, arrived=arrived)
    # Settling found it by its name. A different one was changed since.
    return CopyFidelity(found=arrived) if kept else CopyFidelity()


def _arrived(name: str) -> Arrived:
    """What a name shows that arrived as it was sent."""
    return Arrived(special(name), len(name))


def not_shown(
    ledger: Ledger, number: int, workspace_id: str, made_before: float | None, limit: int
) -> list[str]:
    """The batches that listing `number` should show but does not, at most `limit`. A batch that
    this run created counts if it was created before `made_before` (server time)."""
    found = ledger.execute(
        "not_shown",
        workspace_id=workspace_id,
        number=number,
        run=ledger.run,
        made_before=made_before,
        limit=limit,
    )
    return [row[0] for row in found]


def known_and_not_shown(ledger: Ledger, number: int, workspace_id: str, limit: int) -> list[str]:
    """The batches that listing `number` does not show although listings of any run, or answers and
    ledger files of earlier runs, named them in the workspace; at most `limit`."""
    wanted = {"number": number, "workspace_id": workspace_id, "run": ledger.run, "limit": limit}
    return [row[0] for row in ledger.execute("known_and_not_shown", **wanted)]


def shows_nothing_known(ledger: Ledger, number: int, workspace_id: str) -> bool:
    """Whether listing `number` shows none of the batches that earlier listings of any run showed in
    the workspace. False if there were none."""
    wanted = {"number": number, "workspace_id": workspace_id}
    return bool(ledger.execute("shows_nothing_known", **wanted).fetchone()[0])


def forget_listed(ledger: Ledger, batch_id: str) -> None:
    """Record that a GET of this batch answered 404, so that listings need not show it."""
    with ledger.transaction():
        ledger.execute("forget_listed", batch_id=batch_id)
        ledger.execute("deny", batch_id=batch_id)


def note_moved(ledger: Ledger, batch: Listed, former: str) -> None:
    """Record that a GET showed this batch in another workspace, so that listings of the `former`
    one need not show it."""
    with ledger.transaction():
        ledger.execute("forget_moved", batch_id=batch.id, workspace_id=former)
        note_sources(ledger, [batch])


def shows_our_newest(ledger: Ledger, number: int, workspace_id: str) -> bool:
    """Whether listing `number` shows the newest batch that this database created in the workspace,
    and the sources of all open attempts there. A page that shows both cuts off nothing between
    them."""
    wanted = {"number": number, "workspace_id": workspace_id}
    return bool(ledger.execute("shows_our_newest", **wanted).fetchone()[0])


def record(ledger: Ledger, attempts: Sequence[Attempt], verdicts: Verdicts) -> dict[int, Label]:
    """Record the verdicts in one transaction. Returns the labels of the items that are no longer
    unknown, by the id of the attempt."""
    item_ids = {attempt.id: attempt.item_id for attempt in attempts}
    with ledger.transaction():
        for attempt_id, batch in verdicts.created.items():
            create(ledger, attempt_id, item_ids[attempt_id], batch, "listing")
        for attempt_id in verdicts.absent:
            close_attempt(ledger, attempt_id, "absence")
            settle_absent(
                ledger,
                item_ids[attempt_id],
                Reason.ABSENT,
                "two complete listings show that it was not created",
            )
        for attempt_id, unsettled in verdicts.unknown.items():
            _settle_unknown(ledger, item_ids[attempt_id], unsettled)
        for batch_id in verdicts.disputed:
            ledger.execute("dispute", batch_id=batch_id)
    return {
        attempt_id: label(ledger, item_ids[attempt_id])
        for attempt_id in (*verdicts.created, *verdicts.absent)
    }


def settle_absent(ledger: Ledger, item_id: int, reason: Reason, text: str) -> None:
    """Record that the item's request created no batch, for this reason. The caller has begun the
    transaction."""
    ledger.execute("forget_candidates", item=item_id)
    ledger.execute("settle_absent", item=item_id, run=ledger.run, error=text, reason=reason)


def _settle_unknown(ledger: Ledger, item_id: int, why: Unsettled) -> None:
    if why.keeps_earlier and ledger.execute("has_candidates", item=item_id).fetchone():
        return
    ledger.execute("forget_candidates", item=item_id)
    ledger.execute(
        "settle_unknown",
        item=item_id,
        run=ledger.run,
        error=why.text,
        reason=why.reason,
        candidates=why.total,
    )
    ledger.execute_many(
        "add_candidate",
        [
            {"item": item_id, "place": place, "batch_id": one.batch_id, **one.evidence._asdict()}
            for place, one in enumerate(why.candidates)
        ],
    )


def close_attempt(
    ledger: Ledger, attempt_id: int, closed_by: str, batch_id: str | None = None
) -> None:
    """Record that this run found out, or that a person said, what the attempt created (None:
    nothing). The caller has begun the transaction."""
    ledger.execute(
        "close_attempt", attempt=attempt_id, closed_by=closed_by, batch_id=batch_id, run=ledger.run
    )


def create(
    ledger: Ledger, attempt_id: int, item_id: int, batch: UnownedBatch | Listed, settled_by: str
) -> None:
    """Record that the batch is the item's copy, and close the attempt. The caller has begun the
    transaction."""
    shown = ledger.execute("unowned_batch", batch_id=_id(batch)).fetchone()
    status = batch.status if isinstance(batch, Listed) else shown["status"]
    created_at = batch.created_at if isinstance(batch, Listed) else shown["created_at"]
    close_attempt(ledger, attempt_id, settled_by, _id(batch))
    ledger.execute("forget_candidates", item=item_id)
    ledger.execute(
        "settle_created",
        item=item_id,
        run=ledger.run,
        settled_by=settled_by,
        batch_id=_id(batch),
        name=batch.name,
        batch_status=status,
        created_at=created_at,
    )
    _compare(ledger, item_id, batch if isinstance(batch, Listed) else shown, batch.datasets)


def _compare(ledger: Ledger, item_id: int, shown: Listed | Row, datasets: tuple[str, ...]) -> None:
    """Record where the item's copy, as a listing or a GET shows it, differs from its source."""
    row = ledger.execute("source_content", item=item_id).fetchone()
    if row is None:
        return
    if isinstance(shown, Listed):
        instructions, auto_sync = shown.instructions, shown.auto_sync
    else:
        instructions, auto_sync = shown["instructions"], shown["auto_sync"]
    copy = Content(instructions, auto_sync, datasets or None)
    upload = bool(row["upload_new_dataset"])
    add_differences(ledger, item_id, differences(content_of(row), copy, upload_new_dataset=upload))


def _id(batch: UnownedBatch | Listed) -> str:
    return batch.id if isinstance(batch, Listed) else batch.batch_id


def label(ledger: Ledger, item_id: int) -> Label:
    """How log lines describe the item."""
    row = ledger.execute("item_label", item=item_id).fetchone()
    name = copy_name(row["name"] or None, row["source_name"])
    return Label(row["line"], row["copy"], row["source_id"], name, row["attempts"])
