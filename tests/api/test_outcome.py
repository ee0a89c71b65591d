"""Every reply to a duplicate request, and the one class that it falls in."""

from __future__ import annotations

from typing import Any

import pytest

from worker.api.outcome import NotSentReason, Outcome, OutcomeKind, classify, classify_setup
from worker.model.replies import Answer, NoAnswer

SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"
NEW = "0192a3b4-5678-7abc-8def-00000000000f"


def reply(
    status: int, body: Any = None, words: str = "", retry_after_s: float | None = None
) -> Answer:
    return Answer(status, body, words, None, retry_after_s)


UNCLEAR_4XX = {408, 425}
NOT_SENT_4XX = {
    401: NotSentReason.UNAUTHORISED,
    407: NotSentReason.PROXY,
    429: NotSentReason.THROTTLED,
}
REFUSED = [s for s in range(400, 500) if s not in UNCLEAR_4XX and s not in NOT_SENT_4XX]
UNKNOWN = [*range(100, 200), *UNCLEAR_4XX, *range(500, 600), 600, 999]


@pytest.mark.parametrize("status", REFUSED)
def test_a_clear_4xx_is_refused_even_with_a_batch_in_its_body(status: int) -> None:
    outcome = classify(reply(status, {"id": NEW}, "no"), SOURCE)

    assert (outcome.kind, outcome.left, outcome.http_status, outcome.batch) == (
        OutcomeKind.REFUSED,
        True,
        status,
        None,
    )
    assert outcome.error == f"HTTP {status}: no"


@pytest.mark.parametrize("status", REFUSED)
def test_a_gateways_page_refuses_nothing_for_good(status: int) -> None:
    """While something is maintained it comes for every request, and says nothing about this
    batch."""
    outcome = classify(reply(status, None, "Maintenance"), SOURCE)

    assert (outcome.kind, outcome.left, outcome.error) == (
        OutcomeKind.UNKNOWN,
        True,
        f"HTTP {status}: Maintenance",
    )


@pytest.mark.parametrize("body", [None, {"id": NEW}])
@pytest.mark.parametrize("status", range(300, 400))
def test_a_redirect_is_unknown(status: int, body: Any) -> None:
    """It is not followed, and a 303 is what some send when it is done."""
    outcome = classify(reply(status, body, "see there"), SOURCE)

    assert (outcome.kind, outcome.left, outcome.batch) == (OutcomeKind.UNKNOWN, True, None)
    assert outcome.error == f"HTTP {status}: a redirect, which is not followed"


@pytest.mark.parametrize("status", UNKNOWN)
def test_every_other_status_is_unknown_even_with_a_batch_in_its_body(status: int) -> None:
    outcome = classify(reply(status, {"id": NEW}, "gone", retry_after_s=7), SOURCE)

    assert (outcome.kind, outcome.left, outcome.http_status, outcome.batch) == (
        OutcomeKind.UNKNOWN,
        True,
        status,
        None,
    )
    assert outcome.error == f"HTTP {status}: gone"
    assert outcome.retry_after_s == 7


@pytest.mark.parametrize(
    ("status", "why", "left", "wait"),
    [
        (401, NotSentReason.UNAUTHORISED, True, None),
        (407, NotSentReason.PROXY, False, 7),
        (429, NotSentReason.THROTTLED, True, 7),
    ],
)
def test_a_status_that_says_that_nothing_was_created_goes_back(
    status: int, why: NotSentReason, left: bool, wait: float | None
) -> None:
    outcome = classify(reply(status, {"id": NEW}, "wait", retry_after_s=7), SOURCE)

    assert (outcome.kind, outcome.why, outcome.left) == (OutcomeKind.NOT_SENT, why, left)
    assert outcome.retry_after_s == wait
    assert outcome.http_status == status
    assert outcome.error == f"HTTP {status}: wait"
    assert classify_setup(reply(status, {}, "wait", retry_after_s=7)) == outcome


@pytest.mark.parametrize("status", range(200, 300))
def test_a_setup_is_accepted_by_202_alone(status: int) -> None:
    accepted = Outcome(OutcomeKind.ACCEPTED, True, None, 202)
    other = Outcome(OutcomeKind.UNKNOWN, True, f"HTTP {status}: words", status)
    assert classify_setup(reply(status, {}, "words")) == (accepted if status == 202 else other)


@pytest.mark.parametrize("left", [True, False])
def test_no_answer_means_the_same_for_a_setup(left: bool) -> None:
    silence = NoAnswer(left=left, message="silence")
    assert classify_setup(silence) == classify(silence, SOURCE)


@pytest.mark.parametrize("status", [199, 300, 302, 400, 408, 422, 503])
def test_any_other_answer_means_the_same_for_a_setup(status: int) -> None:
    answer = reply(status, {"id": NEW}, "words", retry_after_s=7)
    assert classify_setup(answer) == classify(answer, SOURCE)


@pytest.mark.parametrize("status", range(200, 300))
def test_any_2xx_with_a_new_batch_is_created(status: int) -> None:
    outcome = classify(reply(status, {"id": NEW, "name": "New", "unheard_of": [1]}), SOURCE)

    assert (outcome.kind, outcome.left, outcome.error, outcome.http_status) == (
        OutcomeKind.CREATED,
        True,
        None,
        status,
    )
    assert outcome.batch is not None
    assert (outcome.batch.id, outcome.batch.name) == (NEW, "New")


@pytest.mark.parametrize("status", range(200, 300))
def test_any_2xx_without_a_batch_is_unknown(status: int) -> None:
    outcome = classify(reply(status), SOURCE)

    assert (outcome.kind, outcome.left, outcome.http_status) == (OutcomeKind.UNKNOWN, True, status)
    assert outcome.error == f"HTTP {status}: the answer names no batch"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        "text",
        NEW,
        7,
        True,
        [{"id": NEW}],
        {"id": None},
        {"id": 7},
        {"id": ""},
        {"id": "7"},
        {"id": [NEW]},
        {"id": NEW[:-1]},
        {"id": NEW + "0"},
        {"id": NEW + "\n"},
        {"id": " " + NEW},
        {"id": NEW.replace("-", "")},
        {"id": "{" + NEW + "}"},
        {"id": NEW[:-1] + "g"},
        {"id": NEW[:-1] + "٣"},
        {"batch": {"id": NEW}},
        {"ID": NEW},
        {"error": {"status": 500}},
    ],
)
def test_a_201_whose_body_is_no_batch_is_unknown(body: Any) -> None:
    assert classify(reply(201, body), SOURCE).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("batch_id", [SOURCE, SOURCE.upper()])
def test_a_201_that_names_the_source_itself_is_unknown(batch_id: str) -> None:
    outcome = classify(reply(201, {"id": batch_id}), SOURCE)

    error = "HTTP 201: the answer names the source itself"
    assert outcome == Outcome(OutcomeKind.UNKNOWN, True, error, 201)


def test_an_upper_case_id_is_taken_in_lower_case() -> None:
    batch = classify(reply(201, {"id": NEW.upper()}), SOURCE).batch

    assert batch is not None
    assert batch.id == NEW


@pytest.mark.parametrize("odd", [7, None, [], {"a": 1}, True])
def test_only_the_id_of_a_new_batch_is_insisted_on(odd: Any) -> None:
    fields = (
        "name",
        "status",
        "created_at",
        "created_by",
        "workspace_id",
        "datasets",
        "task_details",
    )
    outcome = classify(reply(201, {"id": NEW} | dict.fromkeys(fields, odd)), SOURCE)

    assert outcome.kind is OutcomeKind.CREATED
    assert outcome.batch is not None
    assert (outcome.batch.name, outcome.batch.status) == (None, None)
    assert not outcome.batch.datasets


def test_half_a_surrogate_pair_in_a_name_is_replaced_because_no_database_takes_it() -> None:
    batch = classify(
        reply(201, {"id": NEW, "name": "a\ud83d", "datasets": [{"id": "d\ude00"}]}), SOURCE
    ).batch

    assert batch is not None
    assert batch.name == "a?"  # as the listing's parser has it
    assert batch.datasets == ("d?",)


def test_a_request_that_may_have_left_is_unknown() -> None:
    outcome = classify(NoAnswer(left=True, message="silence"), SOURCE)

    assert (outcome.kind, outcome.left, outcome.error, outcome.http_status) == (
        OutcomeKind.UNKNOWN,
        True,
        "silence",
        None,
    )


def test_a_request_that_surely_did_not_leave_is_not_sent() -> None:
    outcome = classify(NoAnswer(left=False, message="refused"), SOURCE)

    assert (outcome.kind, outcome.left, outcome.error) == (OutcomeKind.NOT_SENT, False, "refused")
    assert outcome.why is NotSentReason.NO_CONNECTION


def test_an_answer_without_words_is_reported_by_its_number() -> None:
    assert classify(reply(400), SOURCE).error == "HTTP 400"
