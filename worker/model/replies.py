"""What one request returned, as plain records: an answer, or none. The rules about its meaning are
elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.model.records import Listed


class Quota(NamedTuple):
    """What rate-limit headers report: `remaining` requests may be sent within the next `reset_s`
    seconds."""

    remaining: int
    reset_s: float


class Answer(NamedTuple):
    """A complete HTTP answer.

    `json` is the decoded body (None: it is not JSON). `message` is its error message for people,
    without the token. `date` is its `Date` in seconds since 1970, if the answer comes from the API
    and not from a gateway. `retry_after_s` is the wait that it asks for (a date is compared with
    its own `Date`), `quota` what its rate-limit headers report."""

    status: int
    json: Any
    message: str
    date: float | None
    retry_after_s: float | None
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No complete answer arrived. `left` says whether the request, or a part of it, may have
    reached the API."""

    left: bool
    message: str


Reply = Answer | NoAnswer


class Listing(NamedTuple):
    """How a listing ended: it showed `shown` batches; `meta_count` is the number that the answer
    reports (None: none); `problem` says why it is incomplete (None: it is complete)."""

    shown: int
    meta_count: int | None
    problem: str | None
    date: float | None = None
    retry_after_s: float | None = None


Page = list[Listed]
"""Some batches of a listing, in the order in which they arrive."""
