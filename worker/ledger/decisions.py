"""Records what a person decided about an unknown duplicate: its batch, or that it does not
exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from worker.ledger.handle import Reader
from worker.ledger.proposals import Candidates, name_of
from worker.ledger.settlement import close_attempt, create, settle_absent
from worker.ledger.store import Ledger
from worker.model.clock import seconds
from worker.model.errors import UsageError
from worker.model.reasons import Reason
from worker.model.records import Listed
from worker.text import counted, first_of, quoted, shell_command, verb


def find_item(ledger: Reader, campaign: int, text: str) -> int:
    """The number of the item that `text` names: `LINE` or `LINE.COPY` of the campaign's job at its
    latest run, or `#N`.

    Raises UsageError if it names none or several, or another campaign's item."""
    if text.startswith("#") and text[1:].isascii() and text[1:].isdigit() and len(text) < 19:
        row = ledger.execute("item_by_number", item=int(text[1:])).fetchone()
        if row is None:
            raise UsageError(
                f"{text}: there is no such item",
                hint="`ledger JOB --format json` shows the number of each item.",
            )
        own = ledger.execute("campaign_name", campaign=campaign).fetchone()["name"]
        if row["campaign"] != own:
            raise UsageError(
                _of_another(int(row["id"]), row["campaign"], own),
                hint=f"To decide it, use --campaign {shell_command([row['campaign']])}.",
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
        many = int(
            ledger.execute("copies_on_line", campaign=campaign, line=int(line)).fetchone()[0]
        )
        if many > 1:
            raise UsageError(
                f"{text}: line {line} has {many} copies", hint=f"Say which, as in {line}.1."
            )
    row = ledger.execute(
        "item_by_place", campaign=campaign, line=int(line), copy=int(copy or 1)
    ).fetchone()
    if row is None:
        raise UsageError(
            f"{text}: the job has no such duplicate",
            hint="See the columns line and copy of the ledger file.",
        )
    return int(row["id"])


def _of_another(item: int, theirs: str, own: str) -> str:
    """The message about an item that belongs to another campaign."""
    return f"#{item} belongs to campaign {theirs}, not to {own}"


class Seen(NamedTuple):
    """What a sheet says about the item of a decision, as text; empty if it does not say it. It
    shows whether the item has changed since the sheet was written."""

    line: str = ""
    copy: str = ""
    source_batch_id: str = ""
    name: str = ""
    attempts: str = ""
    last_sent_at: str = ""
    restored_by: str = ""


class Decision(NamedTuple):
    """What a person decided about an item: its batch, or None if it was not created."""

    item: int
    batch_id: str | None
    seen: Seen = Seen()


class Known(NamedTuple):
    """What the database knows of an item. `name` is as `Undecided` has it. `is_open`: it is
    unknown, so that it can be decided; `restored_by` is the run that restored it as that from a
    ledger file (None: none did)."""

    campaign: str
    line: int | None
    copy: int
    source_id: str
    name: str
    status: str
    attempts: int
    last_sent_at: str | None
    new_batch_id: str | None
    reason: str | None
    is_open: bool
    restored_by: str | None = None


def known(reader: Reader, item: int) -> Known | None:
    """What the database knows of the item; None if there is none."""
    row = reader.execute("item_by_number", item=item).fetchone()
    if row is None:
        return None
    attempt = reader.execute("open_attempt", item=item).fetchone()
    return Known(
        campaign=row["campaign"],
        line=row["line"],
        copy=row["copy"],
        source_id=row["source_id"],
        name=name_of(row),
        status=row["status"],
        attempts=row["attempts"],
        last_sent_at=row["last_sent_at"],
        new_batch_id=row["new_batch_id"],
        reason=row["reason"],
        is_open=attempt is not None,
        restored_by=attempt and attempt["restored_by"],
    )


def is_recorded(decision: Decision, item: Known | None, campaign: str) -> bool:
    """Whether the decision about an item of this campaign was recorded before, so that nothing is
    left to do."""
    if item is None or item.is_open or _why_another(decision, item, campaign):
        return False
    if decision.batch_id is not None:
        return item.status == "created" and item.new_batch_id == decision.batch_id
    return item.status == "pending" and item.reason == Reason.DECLARED_ABSENT


def was_sent_again(decision: Decision, item: Known) -> bool:
    """Whether the item was sent again after the sheet of the decision was written. If so, the
    decision is about an earlier request, which is settled."""
    seen = decision.seen.attempts
    return seen.isascii() and seen.isdigit() and int(seen) < item.attempts


SAME_TIME_S = 60.0
"""Seconds by which two times may differ that are meant to be the same: a spreadsheet program may
have dropped the seconds."""

UNSEEN_NAMED = 3
"""How many candidates a message names."""

REWRITE = "write the sheet again with --proposals"


def why_stale(decision: Decision, item: Known | None, campaign: str) -> str:
    """Why the decision is not about the item as it is now, in a job of this campaign; empty if it
    is."""
    if item is None:
        return f"#{decision.item}: this database has no such item; {REWRITE}"
    return _why_another(decision, item, campaign) or _why_changed(decision, item)


def _why_another(decision: Decision, item: Known, campaign: str) -> str:
    """Why the decision is about another duplicate than the item; empty if it is about this one."""
    number, seen = f"#{decision.item}", decision.seen
    if item.campaign != campaign:
        return _of_another(decision.item, item.campaign, campaign)
    same_source = seen.source_batch_id.lower() in ("", item.source_id)
    same_copy = seen.copy in ("", str(item.copy))
    same_place = seen.line in ("", str(item.line)) or (seen.name and seen.name == item.name)
    if not same_source and same_copy and same_place:
        return (
            f"source_batch_id: the source of {number} is {item.source_id}, not"
            f" {seen.source_batch_id}: if the id is mistyped, correct it or empty the cell;"
            f" otherwise {REWRITE}"
        )
    if not (same_source and same_copy and same_place):
        where = f"line {item.line}, copy {item.copy}" if item.line else "no longer in the job"
        return (
            f"{number} is another duplicate now ({where}, source {item.source_id}): the job or the"
            f" database has changed since this sheet was written; {REWRITE}"
        )
    return ""


def _why_changed(decision: Decision, item: Known) -> str:
    """What happened to the item since the sheet was written; empty if nothing did."""
    number, seen = f"#{decision.item}", decision.seen
    if not item.is_open:
        status = f"created (batch {item.new_batch_id})" if item.new_batch_id else item.status
        return (
            f"{number} is {status}, not unknown: it was settled or decided in the meantime, so it"
            " needs no decision"
        )
    if decision.batch_id is None and item.restored_by not in (None, seen.restored_by):
        # The lost database may have sent more than the ledger file says.
        return (
            f"{number} was restored from a ledger file, and this sheet may be older than that;"
            f" {REWRITE}"
        )
    if seen.attempts not in ("", str(item.attempts)):
        return (
            f"{number} was sent again after this sheet was written ({item.attempts} requests, not"
            f" {seen.attempts}); {REWRITE}"
        )
    said, at = seconds(seen.last_sent_at), seconds(item.last_sent_at)
    if seen.last_sent_at and said is None:
        return (
            f"last_sent_at: {quoted(seen.last_sent_at)} is not a time such as 2026-11-03 21:11:04"
            f" UTC; correct it, or {REWRITE}"
        )
    if said is not None and at is not None and abs(said - at) > SAME_TIME_S:
        return (
            f"{number} was last sent at {item.last_sent_at}, not at {seen.last_sent_at}: this sheet"
            f" is from another database; {REWRITE}"
        )
    return ""


NOT_COMPARED = "it was not compared with a complete listing since it was sent"
"""Why nothing is known about an item's candidates."""


def after_settling(item: int) -> str:
    """What to do about an item that was not compared."""
    return (
        "run settle again first; if the listing stays incomplete, look on Prolific and decide one"
        f" by one with --absent '#{item}'"
    )


def why_not_absent(item: int, candidates: Candidates, shown: Collection[str] | None) -> str:
    """Why a sheet or a review that has `shown` these candidates of an item (None: a sheet without a
    column for them) may not say that it is absent: no complete listing was compared with it, or the
    person did not see all that the ledger has. Empty if it may."""
    if not candidates.is_compared:
        return f"#{item} may exist: {NOT_COMPARED}; {after_settling(item)}"
    if shown is None:
        return ""
    all_the_same = f"if it is absent all the same, use --absent '#{item}'"
    if unseen := sorted(candidates.named.difference(shown)):
        which = first_of(unseen[:UNSEEN_NAMED], len(unseen))
        was = verb(
            len(unseen), "was not shown as its candidate", "were not shown as its candidates"
        )
        return f"#{item} may exist as {which}, which {was}; {REWRITE}, or {all_the_same}"
    if candidates.hidden:
        more = counted(candidates.hidden, "more candidate")
        are = verb(candidates.hidden, "is", "are")
        return (
            f"#{item} has {more}, which {are} not shown here: after other decisions settle may show"
            f" more; otherwise see Prolific, and {all_the_same}"
        )
    return ""


def owner(reader: Reader, batch_id: str) -> int | None:
    """The item that has the batch; None if none has it."""
    row = _owner_row(reader, batch_id)
    return None if row is None else int(row["id"])


def _owner_row(reader: Reader, batch_id: str) -> Any:
    return reader.execute("owner", batch_id=batch_id).fetchone()


def refusal(reader: Reader, item: int, batch_id: str) -> UsageError | None:
    """Why the batch cannot be the copy of the item: it is the item's source, or belongs to an item.
    None if it can."""
    source = reader.execute("item_by_number", item=item).fetchone()["source_id"]
    if batch_id == source:
        return UsageError(f"{batch_id} is the source of #{item}, not its copy")
    if (row := _owner_row(reader, batch_id)) is None:
        return None
    where = f"line {row['line']} of campaign {row['campaign']}" if row["line"] else f"#{row['id']}"
    return UsageError(
        f"{batch_id} already belongs to {where}", hint="A batch belongs to one item only."
    )


def open_attempt_of(ledger: Ledger, item: int) -> int:
    """The open attempt of an item. Raises UsageError if the item is not unknown."""
    row = ledger.execute("open_attempt", item=item).fetchone()
    if row is None:
        status = ledger.execute("item_by_number", item=item).fetchone()["status"]
        raise UsageError(
            f"#{item} is {status}, not unknown",
            hint="You can decide only unknown duplicates.",
        )
    return int(row["id"])


def assign(ledger: Ledger, item: int, batch: Listed) -> None:
    """Record that the batch is the item's copy. Raises UsageError if the item is not unknown, or if
    the batch is the item's source or belongs to an item."""
    attempt = open_attempt_of(ledger, item)
    if (error := refusal(ledger, item, batch.id)) is not None:
        raise error
    with ledger.transaction():
        create(ledger, attempt, item, batch, "person")


def declare_absent(ledger: Ledger, item: int) -> None:
    """Record that the item's request created no batch. Raises UsageError if the item is not
    unknown."""
    attempt = open_attempt_of(ledger, item)
    with ledger.transaction():
        close_attempt(ledger, attempt, "person")
        settle_absent(
            ledger, item, Reason.DECLARED_ABSENT, "a person found that it was not created"
        )


def record(ledger: Ledger, decisions: Iterable[Decision], batches: Mapping[str, Listed]) -> None:
    """Record all of these decisions, or none. `batches` has every batch that they name. Raises
    UsageError as `assign` and `declare_absent` do."""
    with ledger.transaction():
        for one in decisions:
            if one.batch_id is None:
                declare_absent(ledger, one.item)
            else:
                assign(ledger, one.item, batches[one.batch_id])
