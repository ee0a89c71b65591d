"""What the reply to a look-up says about a token, a source, a status or the workspaces, as
tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ledgers import uuid
from worker.api.verdicts import (
    SourceVerdict,
    StatusVerdict,
    TokenVerdict,
    message_of,
    source_verdict,
    status_verdict,
    token_verdict,
    workspaces_in,
)
from worker.model.batch import Workspace
from worker.model.replies import Answer, NoAnswer, Reply

SOURCE = uuid(1)


def said(status: int, json: Any = None, text: str = "") -> Answer:
    return Answer(status, json, text, None, None)


SILENCE = NoAnswer(left=True, message="no answer")
NOT_LEFT = NoAnswer(left=False, message="refused")
AGAIN = (408, 425, 429, 500, 502, 503, 504, 599)
"""Statuses after which the same request may be answered."""


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        *((said(status, {"id": "me"}), TokenVerdict.GOOD) for status in (200, 201, 299)),
        (said(200, {"id": 7}), TokenVerdict.UNCLEAR),
        (said(200, {}), TokenVerdict.UNCLEAR),
        (said(200), TokenVerdict.UNCLEAR),
        (said(200, [{"id": "me"}]), TokenVerdict.UNCLEAR),
        (said(401, {}), TokenVerdict.REFUSED),
        (said(401), TokenVerdict.REFUSED),
        (said(403, {}), TokenVerdict.REFUSED),
        (said(403), TokenVerdict.UNCLEAR),  # a gateway's page
        *(
            (said(status, {"id": "me"}), TokenVerdict.UNCLEAR)
            for status in (199, 300, 302, 400, 404, 407, 408, 429, 500, 502)
        ),
        (SILENCE, TokenVerdict.UNCLEAR),
        (NOT_LEFT, TokenVerdict.UNCLEAR),
    ],
)
def test_what_a_reply_says_of_the_token(reply: Reply, verdict: TokenVerdict) -> None:
    assert token_verdict(reply) is verdict


@pytest.mark.parametrize(
    ("reply", "state", "again"),
    [
        *((said(status, {"id": SOURCE}), "", False) for status in (200, 201, 299)),
        (said(200, {"id": SOURCE.upper()}), "", False),
        (said(200, {"id": uuid(2)}), "unclear", False),
        (said(200, {}), "unclear", False),
        (said(200), "unclear", False),
        (said(404, {"error": {}}), "missing", False),
        (said(404, {}), "missing", False),
        (said(404), "unclear", False),  # a gateway's page
        *(
            (said(status, {"id": SOURCE}), "unclear", False)
            for status in (199, 300, 301, 400, 401, 403, 405, 409, 410, 422, 499)
        ),
        *((said(status, {"id": SOURCE}), "unclear", True) for status in AGAIN),
        (SILENCE, "unclear", True),
        (NOT_LEFT, "unclear", True),
    ],
)
def test_what_a_reply_says_of_a_source(reply: Reply, state: str, again: bool) -> None:
    verdict = source_verdict(reply, SOURCE)

    assert (verdict.state, verdict.again) == (state, again)
    assert (verdict.batch is not None) == (state == "")
    assert bool(verdict.reason) == bool(state)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (
            said(404, {}, "gone"),
            SourceVerdict(
                None,
                "missing",
                404,
                "the source batch does not exist, or this token may not see it: gone",
            ),
        ),
        (
            said(500, {}, "oops"),
            SourceVerdict(
                None,
                "unclear",
                500,
                "the source could not be looked up: HTTP 500: oops",
                again=True,
            ),
        ),
        (
            said(200, {}),
            SourceVerdict(
                None, "unclear", 200, "the source could not be looked up: an answer without it"
            ),
        ),
        (
            SILENCE,
            SourceVerdict(
                None, "unclear", None, "the source could not be looked up: no answer", again=True
            ),
        ),
    ],
)
def test_the_reason_holds_the_apis_message(reply: Reply, verdict: SourceVerdict) -> None:
    assert source_verdict(reply, SOURCE) == verdict


READY = {"status": "READY"}


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        *(
            (said(status, READY, "fine"), StatusVerdict("READY", "fine"))
            for status in (200, 201, 299)
        ),
        (said(200, {}), StatusVerdict()),
        *(
            (said(status, READY), StatusVerdict())
            for status in (199, 300, 302, 400, 401, 403, 404, 499)
        ),
        *((said(status, READY), StatusVerdict(again=True)) for status in AGAIN),
        (SILENCE, StatusVerdict(again=True)),
        (NOT_LEFT, StatusVerdict(again=True)),
    ],
)
def test_what_a_reply_says_of_a_status(reply: Reply, verdict: StatusVerdict) -> None:
    assert status_verdict(reply) == verdict


LISTED = {"results": [{"id": "64a0000000000000000000aa", "title": "Field team"}]}
TEAM = [Workspace("64a0000000000000000000aa", "Field team")]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        *((said(status, LISTED), TEAM) for status in (200, 201, 299)),
        (said(200, {"results": []}), []),
        (said(200, {}), None),
        (said(200), None),
        *((said(status, LISTED), None) for status in (199, 300, 401, 404, 500)),
        (SILENCE, None),
    ],
)
def test_a_list_of_workspaces_is_clear_or_says_nothing(
    reply: Reply, found: list[Workspace] | None
) -> None:
    assert workspaces_in(reply) == found


def test_a_message_names_the_status_if_there_is_one() -> None:
    assert message_of(said(500, {}, "oops")) == "HTTP 500: oops"
    assert message_of(SILENCE) == "no answer"
