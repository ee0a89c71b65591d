"""Records what a person decided about an unknown duplicate: its batch, or that it does not
exist."""

from __future__ import annotations

from worker.ledger.settlement import create, settle_absent
from worker.ledger.store import Ledger
from worker.model.errors import UsageError
from worker.model.reasons import Reason
from worker.model.records import Listed


def find_item(ledger: Ledger, text: str) -> int:
    """The number of the item that `text` names: `LINE` or `LINE.COPY` of the job at its latest run,
    or `#N`.

    Raises UsageError if it names none or several."""
    campaign = ledger.campaign
    if text.startswith("#") and text[1:].isascii() and text[1:].isdigit() and len(text) < 19:
        row = ledger.ask("item_by_number", item=int(text[1:])).fetchone()
        if row is None:
            raise UsageError(
                f"{text}: there is no such item",
                hint="`ledger JOB --format json` shows the number of each item.",
            )
        return int(row["id"])
    line, _, copy = text.partition(".")
    if not all(
        part.isascii() and part.isdigit() and len(part) < 16 for part in (line, copy or "1")
    ):
        raise UsageError(
            f"{text!r} is not an item", hint="Write LINE, LINE.COPY or #N, as in 12, 12.3 or #40."
        )
    if not copy:
        many = int(ledger.ask("copies_on_line", campaign=campaign, line=int(line)).fetchone()[0])
        if many > 1:
            raise UsageError(
                f"{text}: line {line} has {many} copies", hint=f"Say which, as in {line}.1."
            )
    row = ledger.ask(
        "item_by_place", campaign=campaign, line=int(line), copy=int(copy or 1)
    ).fetchone()
    if row is None:
        raise UsageError(
            f"{text}: the job has no such duplicate",
            hint="See the columns line and copy of the ledger file.",
        )
    return int(row["id"])


def open_attempt_of(ledger: Ledger, item: int) -> int:
    """The open attempt of an item. Raises UsageError if the item is not unknown."""
    row = ledger.ask("open_attempt", item=item).fetchone()
    if row is None:
        status = ledger.ask("item_by_number", item=item).fetchone()["status"]
        raise UsageError(
            f"#{item} is {status}, not unknown",
            hint="You can decide only unknown duplicates.",
        )
    return int(row["id"])


def assign(ledger: Ledger, item: int, batch: Listed) -> None:
    """Record that the batch is the item's copy. Raises UsageError if the item is not unknown, or if
    the batch is the item's source or belongs to an item."""
    attempt = open_attempt_of(ledger, item)
    known = ledger.ask("item_by_number", item=item).fetchone()
    if batch.id == known["source_id"]:
        raise UsageError(f"{batch.id} is the source of #{item}, not its copy")
    owner = ledger.ask("owner", batch_id=batch.id).fetchone()
    if owner is not None:
        where = (
            f"line {owner['line']} of campaign {owner['campaign']}"
            if owner["line"]
            else f"#{owner['id']}"
        )
        raise UsageError(
            f"{batch.id} already belongs to {where}", hint="A batch belongs to one item only."
        )
    with ledger.transaction():
        create(ledger, attempt, item, batch, "person")


def declare_absent(ledger: Ledger, item: int) -> None:
    """Record that the item's request created no batch. Raises UsageError if the item is not
    unknown."""
    attempt = open_attempt_of(ledger, item)
    with ledger.transaction():
        ledger.ask("close_attempt", attempt=attempt, closed_by="person", batch_id=None)
        settle_absent(
            ledger, item, Reason.DECLARED_ABSENT, "a person found that it was not created"
        )
