"""Reads what a person needs to decide about unknown duplicates: each with the batches that could be
its copy. Nothing here changes the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from worker.ledger.engine import Row
from worker.ledger.handle import Reader
from worker.ledger.rows import coming_name
from worker.model import reasons
from worker.model.attempts import Evidence
from worker.model.names import skeleton

SHARED = 3
"""How many other duplicates a candidate names; the others are only counted."""


class Found(NamedTuple):
    """A batch that could be the copy, as a listing showed it (None: none did), and what speaks for
    and against it. `shared` are the first of the `others` unknown duplicates that it could be the
    copy of, of any campaign, by their numbers; `fits_others` is how many of them it fits in every
    respect that is known, but for the form of its name, which an API may change."""

    batch_id: str
    name: str | None
    created_at: str | None
    status: str | None
    evidence: Evidence = Evidence()
    shared: tuple[int, ...] = ()
    others: int = 0
    fits_others: int = 0


class Undecided(NamedTuple):
    """An unknown duplicate, and the batches that were `found`; `hidden` more were only counted.
    `name` is the one that was sent, or that the API would give. `cause` says why it is unknown;
    `last_sent_at` is ISO 8601 UTC; `attempts` is how many of its requests left. `has_rival`:
    another row, with a similar name or a changed source, may have created what fits. `restored_by`
    is the id of the run that restored it from a ledger file, and None if none did. `is_compared`:
    as in `Candidates`."""

    item: int
    line: int
    copy: int
    copies: int
    source_id: str
    source_name: str | None
    name: str
    attempts: int
    last_sent_at: str | None
    cause: str
    found: tuple[Found, ...]
    hidden: int = 0
    has_rival: bool = False
    restored_by: str | None = None
    is_compared: bool = True


def undecided(reader: Reader, campaign: int, *, active: bool = False) -> Iterator[Undecided]:
    """The unknown duplicates of the campaign's job, in its order. With `active`, those whose
    answers may still come are left out."""
    shared = _shared(reader)
    rows = reader.execute("proposals", campaign=campaign, under_way=not active)
    for _, of_item in groupby(rows, key=itemgetter("item")):
        yield _undecided(list(of_item), shared)


class _Shared(NamedTuple):
    """The unknown duplicates that a batch could be the copy of: the first, how many there are, and
    how many of them it fits."""

    first: tuple[int, ...]
    total: int
    fitting: int


def _shared(reader: Reader) -> dict[str, _Shared]:
    rows = reader.execute("shared_candidates")
    found = {}
    for batch_id, of_batch in groupby(rows, key=itemgetter("batch_id")):
        fits = [(row["item_id"], _fits(row)) for row in of_batch]
        first = tuple(item for item, _ in fits[: SHARED + 1])
        found[batch_id] = _Shared(first, len(fits), sum(fit for _, fit in fits))
    return found


def _fits(row: Row) -> bool:
    """Whether the batch of a row fits its duplicate, but for the form of its name."""
    evidence = _evidence(row)
    if evidence.name is False and row["name"] is not None:
        alike = skeleton(row["name"]) == skeleton(name_of(row))
        return alike and evidence._replace(name=True).fits
    return evidence.fits


def name_of(row: Row) -> str:
    """The name that was sent for a duplicate, or that the API would give: of a row with sent_name,
    template, copy, copies and source_name."""
    copies = row["copies"] or row["copy"]
    return coming_name(row["sent_name"], row["template"], copies, row["source_name"])


def _undecided(rows: list[Row], shared: Mapping[str, _Shared]) -> Undecided:
    row = rows[0]
    found = tuple(_found(one, shared) for one in rows if _is_free(one))
    if row["status"] == "sent":
        cause = reasons.UNDER_WAY
    else:
        cause = reasons.cause(row["reason"], row["error"]) or ""
    return Undecided(
        item=row["item"],
        line=row["line"],
        copy=row["copy"],
        copies=row["copies"] or row["copy"],
        source_id=row["source_id"],
        source_name=row["source_name"],
        name=name_of(row),
        attempts=row["attempts"],
        last_sent_at=row["last_sent_at"],
        cause=cause,
        has_rival=row["reason"] == reasons.Reason.NAMES_ALIKE,
        restored_by=row["restored_by"],
        found=found,
        hidden=_hidden(rows) if row["status"] == "unknown" else 0,
        is_compared=row["status"] == "unknown" and row["reason"] in reasons.COMPARED,
    )


class Candidates(NamedTuple):
    """The batches that could be the copy of an item: the ids that are known, and how many more are
    `hidden`, because they were only counted. `is_compared`: since its last request, the item was
    compared with a listing that would show its copy. Otherwise any batch may be its copy."""

    named: frozenset[str] = frozenset()
    hidden: int = 0
    is_compared: bool = True


def candidates(reader: Reader, item: int) -> Candidates:
    """The batches that could be the copy of an item; none, and not compared, if it is not
    unknown."""
    rows = reader.execute("candidates_of", item=item).fetchall()
    if not rows:
        return Candidates(is_compared=False)
    named = frozenset(row["batch_id"] for row in rows if _is_free(row))
    return Candidates(named, _hidden(rows), rows[0]["reason"] in reasons.COMPARED)


def _is_free(row: Row) -> bool:
    """Whether the row has a candidate that belongs to no item."""
    return row["batch_id"] is not None and not row["is_owned"]


def _hidden(rows: Sequence[Row]) -> int:
    """How many candidates of an item are not in these rows, its stored ones: they were counted."""
    stored = sum(row["batch_id"] is not None for row in rows)
    return max(0, int(rows[0]["candidates"]) - stored)


def _found(row: Row, shared: Mapping[str, _Shared]) -> Found:
    evidence = _evidence(row)
    found = Found(row["batch_id"], row["name"], row["created_at"], row["batch_status"], evidence)
    if (others := shared.get(row["batch_id"])) is None:
        return found
    return found._replace(
        shared=tuple(item for item in others.first if item != row["item"])[:SHARED],
        others=others.total - 1,
        fits_others=others.fitting - _fits(row),
    )


def _evidence(row: Row) -> Evidence:
    columns = ("name_fits", "details_fit", "datasets_fit", "time_fits", "creator_fits")
    return Evidence(*(None if row[column] is None else bool(row[column]) for column in columns))
