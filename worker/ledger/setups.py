"""Reads and records setups: what is to be set up, requests and how they ended, what looks showed.

Invariant: an intent is durable before its request leaves, and while one request of a batch stands
no other can be written (the index `setups_standing`). Otherwise a batch could be set up twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from worker.ledger.handle import Reader
from worker.ledger.store import Ledger
from worker.model.causes import Cause
from worker.model.reasons import setup_message
from worker.model.sending_bounds import DEFAULT_TIMEOUT_S
from worker.model.setups import (
    ERROR,
    ChangedSetup,
    Copy,
    Seen,
    SetupCounts,
    SetupIntent,
    SetupLabel,
    SetupResult,
    SetupStatus,
    SetupWork,
)


def wanted(reader: Reader, campaign: int) -> bool:
    """Whether the campaign's job asks for setups."""
    return bool(reader.execute("wants_setups", campaign=campaign).fetchone()[0])


def counts(reader: Reader, campaign: int) -> SetupCounts:
    """How many of the job's duplicates that are to be set up have which status."""
    if not wanted(reader, campaign):
        return SetupCounts()
    found = reader.execute("setup_counts", campaign=campaign)
    return SetupCounts(**{row["status"]: row["items"] for row in found})


def counts_of_all(reader: Reader) -> dict[str, SetupCounts]:
    """The same for every campaign whose job asks for setups, by its name."""
    found: dict[str, dict[str, int]] = {}
    for row in reader.execute("setup_counts_of_all"):
        found.setdefault(row["campaign"], {})[row["status"]] = row["items"]
    return {campaign: SetupCounts(**numbers) for campaign, numbers in found.items()}


def work(reader: Reader, campaign: int) -> SetupWork:
    """What a run could do for the setups of batches that exist."""
    if not wanted(reader, campaign):
        return SetupWork()
    return SetupWork(*reader.execute("setup_work", campaign=campaign).fetchone())


def count_to_set_up(reader: Reader, campaign: int) -> int:
    """How many batches exist whose setup was not requested."""
    return int(reader.execute("count_to_set_up", campaign=campaign).fetchone()[0])


def reasons(reader: Reader, campaign: int) -> list[Cause]:
    """Why batches are not set up: every cause and how many batches have it, most frequent first."""
    if not wanted(reader, campaign):
        return []
    causes = [
        (str(setup_message(row["status"], row["error"], is_error=bool(row["is_error"]))), number)
        for row in reader.execute("setup_reasons", campaign=campaign)
        if (number := row["items"])
    ]
    return sorted(causes, key=lambda cause: (-cause[1], cause[0]))


def changed(reader: Reader, campaign: int) -> list[ChangedSetup]:
    """Batches that were set up with another number than the job asks for now."""
    found = reader.execute("changed_setups", campaign=campaign)
    return [ChangedSetup(row["sent"], row["wanted"], row["items"]) for row in found]


def changed_by(reader: Reader, staged: Path, campaign: int | None) -> list[ChangedSetup]:
    """The same, if the job were the plan file `staged`."""
    with reader.attached(staged):
        found = reader.execute("plan_changed_setups", campaign=campaign)
        return [ChangedSetup(row["sent"], row["wanted"], row["items"]) for row in found]


def copies(reader: Ledger, statuses: Collection[str]) -> list[Copy]:
    """The created batches of the job whose setup has one of these statuses ("": not asked for), in
    the job's order."""
    found = reader.execute(
        "batches_to_set_up",
        campaign=reader.campaign,
        run=reader.run,
        default_timeout_s=DEFAULT_TIMEOUT_S,
        statuses=json.dumps(list(statuses)),
    )
    return [
        Copy(
            item_id=row["id"],
            line=row["line"],
            copy=row["copy"],
            batch_id=row["new_batch_id"],
            workspace_id=row["workspace_id"] or "",
            status=row["new_batch_status"],
            sent=row["outcome"],
            setup=row["setup"],
            fresh=bool(row["fresh"]),
            timeout_s=row["timeout_s"],
        )
        for row in found
    ]


def begin(ledger: Ledger, now: str) -> None:
    """Suspect restored rows: the lost database may have known of a request."""
    with ledger.transaction():
        ledger.execute("suspect_setups", campaign=ledger.campaign, run=ledger.run, now=now)


def mark_started(ledger: Ledger) -> None:
    """Record this run at a row that it may set up, so that a ledger file written now mentions
    it."""
    ledger.execute("mark_setup_started", campaign=ledger.campaign, run=ledger.run)


def commit(
    ledger: Ledger, results: Sequence[SetupResult], batches: Mapping[int, str], now: str
) -> tuple[list[tuple[SetupResult, SetupLabel]], list[SetupIntent]]:
    """Record `results`, and an intent for each of `batches` (by item id), in one transaction.

    Returns the results with their labels, and the intents, which are durable when this returns. An
    item gets no intent if it has another batch by now, or if a request for its batch stands."""
    with ledger.transaction():
        ended = [(result, _end(ledger, result)) for result in results]
        intents = [
            intent
            for item, batch_id in batches.items()
            if (intent := _intend(ledger, item, batch_id, now)) is not None
        ]
    return ended, intents


def _end(ledger: Ledger, result: SetupResult) -> SetupLabel:
    no_effect = result.outcome in ("not_sent", "not_left")
    ledger.execute(
        "end_setup",
        setup=result.intent.setup_id,
        outcome=result.outcome,
        now=result.at,
        http_status=result.http_status,
        error=result.error,
        void="no_effect" if no_effect else None,
    )
    ledger.execute("touch_item", item=result.intent.item_id, run=ledger.run)
    return label(ledger, result.intent.item_id)


def _intend(ledger: Ledger, item: int, batch_id: str, now: str) -> SetupIntent | None:
    added = ledger.execute("add_setup", item=item, batch_id=batch_id, run=ledger.run, now=now)
    row = added.fetchone()
    if row is None:
        return None
    ledger.execute("touch_item", item=item, run=ledger.run)
    return SetupIntent(row["id"], item, batch_id, row["tasks_per_group"])


def void(ledger: Ledger, absent: Sequence[int]) -> None:
    """Record that these requests (`Copy.setup`) certainly had no effect: looks have shown that."""
    with ledger.transaction():
        for setup in absent:
            ledger.execute("void_setup", setup=setup)


def saw(ledger: Ledger, seen: Mapping[str, Seen]) -> list[SetupLabel]:
    """Record what looks showed, by batch id. Returns the labels of the items that changed."""
    changed_items: list[int] = []
    with ledger.transaction():
        for batch_id, one in seen.items():
            if one.status is None:
                continue
            found = ledger.execute(
                "see_batch",
                batch_id=batch_id,
                status=one.status,
                error=one.error if one.status == ERROR else None,
                run=ledger.run,
            )
            changed_items += [row[0] for row in found.fetchall()]
        return [label(ledger, item) for item in changed_items]


def label(ledger: Ledger, item: int) -> SetupLabel:
    """How log lines describe the item's setup."""
    row = ledger.execute("setup_label", item=item).fetchone()
    return SetupLabel(
        item_id=row["id"],
        line=row["line"],
        copy=row["copy"],
        source_id=row["source_id"],
        name=row["name"] or "",
        batch_id=row["new_batch_id"],
        tasks_per_group=row["tasks_per_group"],
        status=row["status"],
        error=setup_message(
            row["status"], row["setup_error"], is_error=row["new_batch_status"] == ERROR
        ),
        sent=row["sent"],
    )


def restore(
    ledger: Ledger, item: int, batch_id: str, tasks_per_group: int | None, status: str, now: str
) -> None:
    """Record what a ledger file says about the setup of a restored row's batch. A request is known
    to be accepted if the file says so. Otherwise one may have been sent since the file was
    written, so the setup is unknown."""
    accepted = status in (SetupStatus.REQUESTED, SetupStatus.READY)
    ledger.execute(
        "restore_setup",
        item=item,
        batch_id=batch_id,
        run=ledger.run,
        tasks_per_group=tasks_per_group if accepted else None,
        now=now,
        outcome="accepted" if accepted else "unknown",
        error=None if accepted else "restored from a ledger file: it may have been set up since",
    )
