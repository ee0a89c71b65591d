"""Reads the headers about time and pace: Date, Retry-After, and the usual rate-limit headers. Pure
functions.

Prolific promises no rate-limit headers. Gateways in front of APIs send them in three forms:

- `RateLimit: "default";r=50;t=30` (draft-ietf-httpapi-ratelimit-headers, from version 8 on), with
  one or more policies, of which the tightest counts; earlier drafts: `RateLimit: limit=100,
  remaining=50, reset=30`;
- `RateLimit-Remaining: 50` with `RateLimit-Reset: 30`, in seconds (drafts up to version 7);
- `X-RateLimit-Remaining` and `X-RateLimit-Reset` (or `X-Rate-Limit-…`), in seconds, or a time in
  seconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from worker.model.replies import Quota

LONGEST_S = 86_400.0
"""The longest reset that counts as a rate limit: a day."""

_PREFIXES = ("RateLimit", "X-RateLimit", "X-Rate-Limit")
_REMAINING = re.compile(r"\b(?:r|remaining)\s*=\s*(\d{1,9})\b")
_RESET = re.compile(r"\b(?:t|reset)\s*=\s*(\d{1,10})\b")


@lru_cache(maxsize=64)  # the answers of one second have one Date
def timestamp(text: str | None) -> float | None:
    """An HTTP date in seconds since 1970; None if it is not one."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def retry_after(text: str | None, date: float | None) -> float | None:
    """Seconds that `Retry-After` asks to wait (RFC 9110 10.2.3). A date counts from the answer's
    own `Date`, because our clock may be wrong."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text.strip()):
        return float(text)
    until = timestamp(text)
    return max(0.0, until - date) if until is not None and date is not None else None


def quota(headers: Mapping[str, str], date: float | None) -> Quota | None:
    """What the rate-limit headers say; None if there are none, or none that make sense. `date` is
    the answer's own."""
    found: list[Quota] = []
    whole = headers.get("RateLimit", "")
    for text in (*whole.split(","), whole):
        remaining, reset = _REMAINING.search(text), _RESET.search(text)
        if remaining and reset:
            found.append(Quota(int(remaining[1]), float(reset[1])))
    for prefix in _PREFIXES:
        pair = _number(headers.get(f"{prefix}-Remaining")), _number(headers.get(f"{prefix}-Reset"))
        if pair[0] is not None and pair[1] is not None:
            found.append(Quota(int(pair[0]), _from_now(pair[1], date)))
    sound = [one for one in found if 0 < one.reset_s <= LONGEST_S]
    return min(sound, key=lambda one: one.remaining / one.reset_s, default=None)


def _number(text: str | None) -> float | None:
    """A number that is not negative; None for anything else."""
    return (
        float(text) if text is not None and re.fullmatch(r"\s*\d{1,12}(\.\d+)?\s*", text) else None
    )


def _from_now(reset: float, date: float | None) -> float:
    """Seconds until a reset; `reset` may be a time in seconds since 1970."""
    if reset < 1e9:
        return reset
    return reset - date if date is not None else 0.0
