"""Classifies the reply to a duplicate request and to a setup request, by one pure function each:

created   2xx with a batch whose id is a UUID and not the source's
accepted  202 to a setup request
refused   4xx from the API itself (JSON, not a gateway's page): it will reject the request again
not_sent  nothing was created or set up: no connection, 401, 407, 429
unknown   everything else: the request may have had its effect, only a look can tell
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from worker.api.bodies import read_batch
from worker.model.batch import Batch
from worker.model.replies import Answer, NoAnswer, Reply


class OutcomeKind(StrEnum):
    """The class of a reply."""

    CREATED = "created"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class NotSentReason(StrEnum):
    """Why nothing was created, if the next step depends on it."""

    NONE = ""
    NO_CONNECTION = "no_connection"
    PROXY = "proxy"
    THROTTLED = "throttled"
    UNAUTHORISED = "unauthorised"


class Outcome(NamedTuple):
    """The result of one request. `left` says whether it counts as a request that left,
    `error` is for people, `retry_after_s` is how many seconds the API asks to wait."""

    kind: OutcomeKind
    left: bool
    error: str | None = None
    http_status: int | None = None
    batch: Batch | None = None
    why: NotSentReason = NotSentReason.NONE
    retry_after_s: float | None = None


_TRY_AGAIN_UNCLEAR = frozenset({408, 425})
"""4xx that a server or gateway sends if it gives up a request that it may have begun (RFC 9110,
RFC 8470)."""


def classify(reply: Reply, source_id: str) -> Outcome:
    """Classify the reply to a request to duplicate `source_id`."""
    if isinstance(reply, NoAnswer):
        return _no_answer(reply)
    if 200 <= reply.status < 300:
        return _success(reply, source_id, _message(reply))
    return _failure(reply)


def classify_setup(reply: Reply) -> Outcome:
    """Classify the reply to a request to set a batch up."""
    if isinstance(reply, NoAnswer):
        return _no_answer(reply)
    if reply.status == 202:
        return Outcome(OutcomeKind.ACCEPTED, True, None, reply.status)
    return _failure(reply)


def _no_answer(reply: NoAnswer) -> Outcome:
    if reply.left:
        return Outcome(OutcomeKind.UNKNOWN, left=True, error=reply.message)
    return Outcome(
        OutcomeKind.NOT_SENT, left=False, error=reply.message, why=NotSentReason.NO_CONNECTION
    )


def _message(reply: Answer) -> str:
    return f"HTTP {reply.status}: {reply.message}" if reply.message else f"HTTP {reply.status}"


def _failure(reply: Answer) -> Outcome:
    """Classify an answer that is not the documented success."""
    status, error = reply.status, _message(reply)
    match status:
        case 401:
            return Outcome(
                OutcomeKind.NOT_SENT, True, error, status, why=NotSentReason.UNAUTHORISED
            )
        case 407:
            # The proxy did not pass the request on.
            return Outcome(
                OutcomeKind.NOT_SENT,
                False,
                error,
                status,
                why=NotSentReason.PROXY,
                retry_after_s=reply.retry_after_s,
            )
        case 429:
            return Outcome(
                OutcomeKind.NOT_SENT,
                True,
                error,
                status,
                why=NotSentReason.THROTTLED,
                retry_after_s=reply.retry_after_s,
            )
    if 300 <= status < 400:
        error = f"HTTP {status}: a redirect, which is not followed"
    # A gateway's page says nothing about this batch: during maintenance every request gets it.
    if 400 <= status < 500 and status not in _TRY_AGAIN_UNCLEAR and reply.json is not None:
        return Outcome(OutcomeKind.REFUSED, True, error, status)
    return Outcome(OutcomeKind.UNKNOWN, True, error, status, retry_after_s=reply.retry_after_s)


def _success(answer: Answer, source_id: str, error: str) -> Outcome:
    batch = read_batch(answer.json)
    if batch is None:
        return Outcome(
            OutcomeKind.UNKNOWN, True, f"{error}: the answer names no batch", answer.status
        )
    if batch.id == source_id:
        return Outcome(
            OutcomeKind.UNKNOWN, True, f"{error}: the answer names the source itself", answer.status
        )
    return Outcome(OutcomeKind.CREATED, True, None, answer.status, batch)
