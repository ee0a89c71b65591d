"""What speaks for and against a batch being the copy of an unknown duplicate, as text, and which
one is clearly the best. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from worker.ledger.proposals import Found
from worker.model.clock import seconds
from worker.model.names import skeleton
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


def suggestion(
    all_found: Sequence[Found], hidden: int, name: str, sent_at: str | None
) -> Suggestion | None:
    """The candidate that is clearly the best for a duplicate that was sent with this `name`; None
    if none is.

    Its name, instructions, dataset and time are known to fit, and it is not another person's. It
    fits no other unknown duplicate. Something speaks against each other candidate, and none is
    `hidden`. If the name differs in its form only, as if the API had cleaned it, the candidate must
    not be one of any other duplicate."""
    best = [one for one in all_found if _fits_well(one, name)]
    if hidden or len(best) != 1:
        return None
    others = [one for one in all_found if one is not best[0]]
    if any(False not in one.evidence for one in others):
        return None
    why = [speaks_for(best[0], sent_at)]
    if not best[0].evidence.name:
        why.append("its name has the same letters and digits")
    why.append(
        "something speaks against every other candidate" if others else "it is the only candidate"
    )
    return Suggestion(best[0].batch_id, "; ".join(why))


def _fits_well(found: Found, name: str) -> bool:
    evidence = found.evidence
    if not (evidence.details and evidence.datasets and evidence.time):
        return False
    if evidence.creator is False or found.fits_others:
        return False
    if evidence.name is False and not found.others:
        return skeleton(found.name or "") == skeleton(name)
    return evidence.name is True


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
