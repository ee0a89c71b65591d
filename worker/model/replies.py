"""What came back of one request, as plain records: an answer, or none. No rules about what it
means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.model.records import Listed


class Quota(NamedTuple):
    """What rate-limit headers say: `remaining` requests may be sent within the next `reset_s`
    seconds."""

    remaining: int
    reset_s: float


class Answer(NamedTuple):
    """An HTTP answer, whole.

    `json` is the decoded body, None where it is not JSON; `words` is what it says of an error, for
    people, without the token. `date` is the answer's `Date` in seconds since 1970 where the answer
    is the API's own, not a gateway's page. `retry_after_s` is what it asks to wait (a date is read
    against its own `Date`), `quota` what its rate-limit headers say."""

    status: int
    json: Any
    words: str
    date: float | None
    retry_after_s: float | None
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No whole answer came. `left` says whether the request, or a part of it, may have reached the
    API."""

    left: bool
    words: str


Reply = Answer | NoAnswer


class Listing(NamedTuple):
    """How a listing ended: `shown` batches, `meta_count` as the answer says (None: it does not),
    `problem` says why it is not whole (None: it is), `reply` what to decide by when it was
    refused."""

    shown: int
    meta_count: int | None
    problem: str | None
    date: float | None = None
    retry_after_s: float | None = None


Page = list[Listed]
"""Some batches of a listing, as they come."""
