"""What speaks for and against a batch being the copy of an unknown duplicate, as text, and which
one is clearly the best. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from worker.ledger.proposals import Found
from worker.model.clock import seconds
from worker.text import human_duration, joined, shortened, visible

NAME_SHOWN = 300
"""Characters of a candidate's name that a sentence shows."""


def speaks_for(found: Found, sent_at: str | None) -> str:
    """What speaks for the candidate. `sent_at` is when the request was sent (ISO 8601 UTC)."""
    same = _properties(found, lambda fits: fits is True)
    parts = [f"same {joined(same)}"] if same else []
    if found.evidence.time:
        parts.append(_created(found, sent_at))
    return _sentence(parts)


def speaks_against(found: Found, sent_at: str | None, *, has_equal: bool) -> str:
    """What speaks against the candidate. `has_equal` says that another one fits as well."""
    evidence = found.evidence
    different = _properties(found, lambda fits: fits is False)
    parts = [f"different {joined(different)}"] if different else []
    if evidence.name is False and found.name is not None:
        parts.append(f"it is called “{shortened(visible(found.name), NAME_SHOWN)}”")
    if evidence.time is False:
        parts.append(f"{_created(found, sent_at)}, which does not fit")
    if found.shared:
        shown = [f"#{item}" for item in found.shared[:3]]
        more = [f"{found.others - 3} more"] if found.others > 3 else []
        parts.append(f"could also be {joined(shown + more)}")
    elif has_equal:
        parts.append("another candidate fits as well")
    return _sentence(parts)


def has_equal(found: Found, all_found: Sequence[Found]) -> bool:
    """Whether another candidate fits as well as this one."""
    return found.evidence.fits and sum(one.evidence.fits for one in all_found) > 1


class Suggestion(NamedTuple):
    """The batch that is clearly the best candidate, and why."""

    batch_id: str
    reason: str


def suggestion(all_found: Sequence[Found], hidden: int, sent_at: str | None) -> Suggestion | None:
    """The candidate that is clearly the best; None if none is.

    Its name, instructions, datasets and time are known to fit, and nothing speaks against it. It
    fits no other unknown duplicate, something speaks against each other candidate, and none is
    `hidden`."""
    fitting = [one for one in all_found if one.evidence.fits]
    if hidden or len(fitting) != 1:
        return None
    best, evidence = fitting[0], fitting[0].evidence
    if not (evidence.name and evidence.details and evidence.datasets and evidence.time):
        return None
    if best.fits_others or any(False not in one.evidence for one in all_found if one is not best):
        return None
    alone = (
        "it is the only candidate"
        if len(all_found) == 1
        else "something speaks against every other candidate"
    )
    return Suggestion(best.batch_id, f"{speaks_for(best, sent_at)}; {alone}")


def _properties(found: Found, which: Callable[[bool | None], bool]) -> list[str]:
    evidence = found.evidence
    properties = (
        ("name", evidence.name),
        ("instructions", evidence.details),
        ("dataset", evidence.datasets),
        ("account", evidence.creator),
    )
    return [name for name, fits in properties if which(fits)]


def _created(found: Found, sent_at: str | None) -> str:
    when = after(found.created_at, sent_at)
    return f"created {when}" if when else "created at another time"


def after(created: str | None, sent: str | None) -> str:
    """How long after its request a candidate was created, by clocks that may differ a little."""
    at, left = seconds(created), seconds(sent)
    if at is None or left is None:
        return ""
    return f"{human_duration(abs(at - left))} {'after' if at >= left else 'before'} the request"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]
