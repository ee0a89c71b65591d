"""What the reply to a look-up says about the token or a source. Pure functions; the callers decide
what to do about it."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from worker.api.bodies import read_batch, read_status, read_workspaces, user_id
from worker.model.batch import Batch, Workspace
from worker.model.replies import Answer, Reply


class TokenVerdict(Enum):
    """What the API says about the token."""

    GOOD = auto()
    REFUSED = auto()
    UNCLEAR = auto()


def token_verdict(reply: Reply) -> TokenVerdict:
    """What the reply to `me` says about the token. A 403 from the API itself (JSON, not a gateway's
    page) is a refusal too: `me` needs a valid token and no other right."""
    if isinstance(reply, Answer):
        if reply.status == 401 or (reply.status == 403 and reply.json is not None):
            return TokenVerdict.REFUSED
        if 200 <= reply.status < 300 and user_id(reply.json) is not None:
            return TokenVerdict.GOOD
    return TokenVerdict.UNCLEAR


def workspaces_in(reply: Reply) -> list[Workspace] | None:
    """The workspaces that a reply lists; None if it lists none clearly."""
    if isinstance(reply, Answer) and 200 <= reply.status < 300:
        return read_workspaces(reply.json)
    return None


class SourceVerdict(NamedTuple):
    """What the reply to a GET says about a source: the batch, or `state` (`missing`, `unclear`)
    with the reason. `again` says whether another request may help."""

    batch: Batch | None = None
    state: str = ""
    http_status: int | None = None
    reason: str = ""
    again: bool = False


def source_verdict(reply: Reply, source_id: str) -> SourceVerdict:
    """What the reply to a GET of `source_id` says. Only a 404 from the API itself (JSON, not a
    gateway's page) means that the batch does not exist."""
    if not isinstance(reply, Answer):
        return SourceVerdict(
            None, "unclear", None, f"the source could not be looked up: {reply.message}", again=True
        )
    status, message = reply.status, reply.message
    if 200 <= status < 300:
        batch = read_batch(reply.json)
        if batch is not None and batch.id == source_id:
            return SourceVerdict(batch)
        return SourceVerdict(
            None, "unclear", status, "the source could not be looked up: an answer without it"
        )
    if status == 404 and reply.json is not None:
        return SourceVerdict(
            None,
            "missing",
            status,
            f"the source batch does not exist, or this token may not see it: {message}",
        )
    again = status in (408, 425, 429) or status >= 500
    return SourceVerdict(
        None,
        "unclear",
        status,
        f"the source could not be looked up: HTTP {status}: {message}",
        again=again,
    )


class StatusVerdict(NamedTuple):
    """What the reply to a request for a batch's status says: the status (None: nothing clear), the
    API's message about it, and whether another request may help."""

    status: str | None = None
    message: str = ""
    again: bool = False


def status_verdict(reply: Reply) -> StatusVerdict:
    """What the reply says about a batch's status."""
    if not isinstance(reply, Answer):
        return StatusVerdict(again=True)
    if 200 <= reply.status < 300 and (status := read_status(reply.json)) is not None:
        return StatusVerdict(status, reply.message)
    return StatusVerdict(again=reply.status in (408, 425, 429) or reply.status >= 500)


def message_of(reply: Reply) -> str:
    """The message of a reply, for people."""
    return f"HTTP {reply.status}: {reply.message}" if isinstance(reply, Answer) else reply.message
