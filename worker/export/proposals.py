"""The sheet in which people decide about unknown duplicates: its columns, its rows, and the words
for decisions. Pure; `filled_sheet` reads the decisions in one that was filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from worker.export.evidence import Proposal, has_equal, proposals, speaks_against, speaks_for
from worker.ledger.proposals import Found, Undecided
from worker.text import counted, first_of, verb

COLUMNS = (
    "item",
    "group",
    "decision",
    "name",
    "for",
    "against",
    "candidate_id",
    "candidate_url",
    "candidate_name",
    "candidate_created_at",
    "candidate_status",
    "suggestion",
    "suggestion_reason",
    "line",
    "copy",
    "source_batch_id",
    "source_name",
    "last_sent_at",
    "why_unknown",
    "attempts",
    "restored_by",
    "campaign",
)
"""The columns of the sheet, in order: first what a person decides by."""

COMMON_COLUMNS = tuple(
    one for one in COLUMNS if one not in ("candidate_url", "group", "restored_by")
)
"""The columns that the sheets of every version have."""

DecisionRow = Mapping[str, Any]
"""A row of the sheet: the value of each column."""

NEEDED = ("item", "decision")
"""The columns that are needed to read decisions."""

OURS = "ours"
"""The decision that the candidate of a row was created by one of our requests: for this duplicate,
or for any copy of its group."""

ABSENT = "absent"
"""The decision that the duplicate was not created."""

REST_ABSENT = "rest absent"
"""The decision that what gets no batch of its group was not created."""

GROUP_NAMED = 4
"""How many of its copies the name of a group names."""

OF_OTHERS = 10
"""How many candidates of each copy of a group the sheet has, if it is not the first: people answer
once, in the rows of the first, which have all that are known."""


def sheet_rows(
    duplicates: Iterable[Undecided], campaign: str, batch_url: str | None = None
) -> Iterator[DecisionRow]:
    """The rows of the sheet: one for each unknown duplicate and candidate. `duplicates` are in the
    job's order; `batch_url` is the address of a batch, with {id} in place of its id (None: no
    links)."""
    for _, rows in rows_by_item(duplicates, campaign, batch_url):
        yield from rows


def rows_by_item(
    duplicates: Iterable[Undecided],
    campaign: str,
    batch_url: str | None,
    decided: Mapping[int, str | None] | None = None,
) -> Iterator[tuple[Proposal, list[DecisionRow]]]:
    """The rows of the sheet about each of these duplicates, as `sheet_rows` has them. `decided` are
    batches that the rows of these items must show."""
    for about in proposals(duplicates):
        one, best, group, requests = about
        common: DecisionRow = {
            "item": f"#{one.item}",
            "group": group_name(group),
            "line": one.line,
            "copy": one.copy,
            "source_batch_id": one.source_id,
            "source_name": one.source_name,
            "name": one.name,
            "why_unknown": _why(about),
            "last_sent_at": one.last_sent_at,
            "attempts": one.attempts,
            "restored_by": one.restored_by,
            "campaign": campaign,
            "decision": None,
        }
        rows: list[DecisionRow] = []
        chosen = (decided or {}).get(one.item)
        for number, found in enumerate(sorted(one.found, key=_order)):
            is_best = found.batch_id == best.batch_id or (best.batch_id is None and not number)
            is_shown = about.is_first or number < OF_OTHERS or is_best
            if not is_shown and found.batch_id != chosen:
                continue
            row = {
                **common,
                "candidate_id": found.batch_id,
                "candidate_url": batch_link(batch_url, found.batch_id),
                "candidate_name": found.name,
                "candidate_created_at": found.created_at,
                "candidate_status": found.status,
                "for": speaks_for(found, one.last_sent_at, requests),
                "against": _against(one, found),
                "suggestion": best.batch_id if is_best else None,
                "suggestion_reason": _reason(about) if is_best else None,
            }
            rows.append(row)
        bare = {**dict.fromkeys(COLUMNS), **common, "suggestion_reason": _reason(about)}
        yield about, rows or [bare]


def answered(
    duplicates: Iterable[Undecided], campaign: str, decided: Mapping[int, str | None]
) -> Iterator[DecisionRow]:
    """The rows of the sheet about the duplicates that are `decided`, with the decision of each: its
    batch, or None if it was not created. So a decision comes with what the person saw."""
    for about, rows in rows_by_item(duplicates, campaign, None, decided):
        item = about.one.item
        if item in decided:
            first, *others = rows
            yield {**first, "decision": decided[item] or ABSENT}
            yield from others


def _order(found: Found) -> tuple[int, int, str]:
    """The best candidates first; of equal ones, the oldest."""
    evidence = found.evidence
    return evidence.count(False), -evidence.count(True), found.created_at or ""


def group_name(group: Sequence[Undecided]) -> str | None:
    """What the sheet calls a group of copies; None for a single duplicate."""
    if len(group) == 1:
        return None
    items = [f"#{one.item}" for one in group[:GROUP_NAMED]]
    return f"{len(group)} copies: {first_of(items, len(group))}"


def _reason(about: Proposal) -> str | None:
    """Why a batch is suggested or none is, and for a group how to answer, once."""
    if about.best.batch_id is not None or len(about.group) == 1:
        return about.best.reason or None
    first = about.group[0].item
    if not about.is_first:
        known = len(about.one.found)
        more = f", which have {known:,} candidates" if known > OF_OTHERS else ""
        return f"Answer once for the group, in the rows of #{first}{more}"
    answer = (
        f"{about.best.reason}. Answer once for the {len(about.group)} copies: write {OURS} beside"
        f" each batch that is ours, here in the rows of #{first}; each copy gets one, and which one"
        " makes no difference"
    )
    if any(one.hidden for one in about.group):  # the copies may be among them
        return answer
    return (
        f"{answer}. If fewer of them were created than there are copies, also write {REST_ABSENT}"
        " beside another batch"
    )


def batch_link(template: str | None, batch_id: str) -> str | None:
    """The address of a batch; None if batches are not linked."""
    return None if template is None else template.replace("{id}", quote(batch_id, safe=""))


def _against(one: Undecided, found: Found) -> str:
    """What speaks against a candidate of a duplicate."""
    return speaks_against(found, one.last_sent_at, has_equal=has_equal(found, one.found))


def _why(about: Proposal) -> str:
    """Why a duplicate is unknown, and where to see the candidates that its rows leave out."""
    one = about.one
    if one.hidden:
        more, are = counted(one.hidden, "more candidate"), verb(one.hidden, "is", "are")
        return f"{one.cause} ({more} {are} not in this sheet: see Prolific)"
    if not about.is_first and (others := len(one.found) - OF_OTHERS) > 0:
        more, are = counted(others, "more candidate"), verb(others, "is", "are")
        return f"{one.cause} ({more} {are} in the rows of #{about.group[0].item})"
    return one.cause
