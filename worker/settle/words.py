"""What is said of an attempt that stays unknown, and the batches that such words name. People and
reports read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

NAMED = 10
"""How many batches are named; the others are counted."""

_BATCH = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAMED = re.compile(rf" \(({_BATCH}(?:, {_BATCH})*)(?: and \d+ more)?\)$")


def told(item: int, what: str, batches: Sequence[str] = ()) -> str:
    """The words for the item with this number: what is known, and the first of the batches that
    could be its copy."""
    more = f" and {len(batches) - NAMED} more" if len(batches) > NAMED else ""
    named = f" ({', '.join(batches[:NAMED])}{more})" if batches else ""
    return f"#{item} may exist: {what}{named}"


def named_batches(error: str) -> list[str]:
    """The ids of the batches that the words of `told` name; none where they name none."""
    found = _NAMED.search(error)
    return found[1].split(", ") if found else []


def without_names(error: str) -> str:
    """The words of `told` without the item's number and the batches: the same for all items that it
    is said of."""
    return re.sub(r"^#\d+ ", "", _NAMED.sub("", error))
