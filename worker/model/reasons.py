"""Why a duplicate is not created: codes for programs, and the message for people.

A row of the ledger keeps the reason, a text that is the same for all rows with this cause, and its
candidates. The message is put together where people read it, and never parsed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from worker.text import first_of

NAMED = 10
"""How many candidates of a row its message names. The others are only counted."""

UNDER_WAY = "sent; no answer is recorded yet"
"""The message of a row whose request has left, or is about to."""


class Reason(StrEnum):
    """Why a row is not created."""

    REFUSED = "refused"
    """Failed: the API rejected the request and will reject it again."""
    SOURCE_MISSING = "source_missing"
    """Failed: the source does not exist, or the token has no access to it."""
    SOURCE_UNCLEAR = "source_unclear"
    """Pending: the source could not be looked up."""
    NOT_SENT = "not_sent"
    """Pending: the request created nothing and may be sent again."""
    ABSENT = "absent"
    """Pending: two complete listings show that nothing was created."""
    DECLARED_ABSENT = "declared_absent"
    """Pending: a person found that nothing was created."""
    UNANSWERED = "unanswered"
    """Unknown: the request left, and no clear answer came."""
    INTERRUPTED = "interrupted"
    """Unknown: the run ended before an answer was recorded."""
    RESTORED = "restored"
    """Unknown: restored from a ledger file, so the request may have been sent since."""
    OWNED = "owned"
    """Unknown: the answer names a batch that belongs to another row, or existed before."""
    TAKEN = "taken"
    """Unknown: the batch that a listing assigned to it belongs to another row."""
    LISTING_INCOMPLETE = "listing_incomplete"
    """Unknown after settling: the workspace's listing is incomplete, or the source is now in
    another workspace."""
    HIDDEN = "hidden"
    """Unknown after settling: this token cannot see what the first token's requests created."""
    SEVERAL_FIT = "several_fit"
    """Unknown after settling: several batches fit, or one batch fits several duplicates."""
    NAMES_ALIKE = "names_alike"
    """Unknown after settling: a batch fits, but another attempt may have created it."""
    MAY_BE_ITS = "may_be_its"
    """Unknown after settling: one or more batches could be its copy."""
    ANSWER_NAMED = "answer_named"
    """Unknown after settling: an answer named a batch that no listing shows."""
    NOT_SHOWN_YET = "not_shown_yet"
    """Unknown after settling: only one of two complete listings shows that it is missing."""


UNRESOLVED = frozenset(
    {
        Reason.LISTING_INCOMPLETE, Reason.HIDDEN, Reason.SEVERAL_FIT, Reason.NAMES_ALIKE,
        Reason.MAY_BE_ITS, Reason.ANSWER_NAMED, Reason.NOT_SHOWN_YET,
    }
)  # fmt: skip
"""Reasons that settling gives: the message names the item, for `settle --assign`."""


COMPARED = UNRESOLVED - {Reason.LISTING_INCOMPLETE, Reason.HIDDEN, Reason.NOT_SHOWN_YET}
"""Reasons that settling gives after it compared the row with a listing that would show its copy.
(The first of two listings may be too early.)"""


def cause(reason: str | None, text: str | None) -> str | None:
    """Why the row is not created, as a text that is the same for all rows with this cause."""
    return f"may exist: {text}" if reason in UNRESOLVED else text


def message(
    item: int, reason: str | None, text: str | None, candidates: Sequence[str], count: int
) -> str | None:
    """The message about the row of `item`: its cause and, if settling could not resolve it, the
    item's number and its first candidates of `count`."""
    if reason not in UNRESOLVED:
        return text
    shown = first_of(candidates, count) if count > len(candidates) else ", ".join(candidates)
    named = f" ({shown})" if candidates else ""
    return f"#{item} {cause(reason, text)}{named}"


def setup_message(status: str, text: str | None, *, is_error: bool) -> str | None:
    """The message about a batch whose setup has this status; None unless it failed or is unknown.
    `text` says why. `is_error`: the API shows the status ERROR."""
    if status == "unknown":
        return f"setup: {text or UNDER_WAY}; it may have taken effect"
    if status != "failed":
        return None
    if is_error:
        return f"setup: the API shows ERROR{f': {text}' if text else ''}"
    return f"setup: {text}"
