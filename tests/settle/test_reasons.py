"""What a row that stays unknown says: the reason, its text, the batches that could be the copy, and
what speaks for and against each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.settle.cases import ALL, attempt, unowned
from worker.model.attempts import Candidate, CopyFidelity, Evidence, Unsettled
from worker.model.reasons import Reason
from worker.settle import verdicts
from worker.settle.fitting import evidence
from worker.settle.presence import presence
from worker.settle.verdicts import verdicts_of
from worker.settle.windows import over_at_server, wide_window

FITS = Evidence(name=True, details=True, datasets=True, time=True, creator=True)


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "changed"),
    [
        ({}, {}, {}),
        ({}, {"name": "Signs 2"}, {"name": False}),
        ({}, {"details": "other"}, {"details": False}),
        ({}, {"datasets": ()}, {"datasets": False}),
        ({}, {"created": 900.0}, {"time": False}),
        ({}, {"created": 1100.0}, {"time": False}),
        ({}, {"created": None}, {"time": None}),
        ({"offset": None}, {}, {"time": None}),
        ({"offset": None}, {"created": None}, {"time": None}),
        ({}, {"created_by": "you"}, {"creator": False}),
        ({}, {"created_by": None}, {"creator": None}),
        ({"me": None}, {}, {"creator": None}),
        ({"me": None}, {"created_by": None}, {"creator": None}),
        ({"source_changed": True}, {}, {}),
        ({"source_changed": True}, {"details": "other"}, {"details": None}),
        ({"source_changed": True}, {"datasets": ()}, {"datasets": None}),
        ({"source_changed": True}, {"name": "Signs 2"}, {"name": False}),
        ({"source_changed": True, "name": None}, {"name": "Signs 2"}, {"name": None}),
        ({"source": None}, {}, {"name": None, "details": None, "datasets": None}),
    ],
)
def test_evidence_is_for_against_or_not_known(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], changed: dict[str, bool | None]
) -> None:
    found = evidence(attempt(**of_attempt), unowned(**of_batch))
    assert found == FITS._replace(**changed)


def unknown(*attempts: Any, batches: Any, absence: bool = True) -> Mapping[int, Unsettled]:
    """What is known of those that stay unknown."""
    listed = {"ws": list(batches)}
    return verdicts_of(attempts, listed, {"ws": None}, {"ws": ALL}, absence=absence).unknown


def test_several_fit() -> None:
    found = unknown(attempt(), batches=[unowned("b1"), unowned("b2", created=1002.0)])
    candidates = (Candidate("b1", FITS), Candidate("b2", FITS))
    assert found == {1: Unsettled(Reason.SEVERAL_FIT, verdicts.SEVERAL, candidates, 2)}


def test_names_that_are_alike() -> None:
    alike = attempt(2, name="Signs-1")
    found = verdicts_of([attempt(), alike], {"ws": [unowned()]}, {"ws": None}, {}, absence=True)
    expected = Unsettled(Reason.NAMES_ALIKE, verdicts.ALIKE, (Candidate("b1", FITS),), 1)
    assert found.unknown[1] == expected


def test_it_may_be_its() -> None:
    near = unowned(details="other")
    expected = Candidate("b1", FITS._replace(details=None))
    found = unknown(attempt(source_changed=True), batches=[near])
    assert found == {1: Unsettled(Reason.MAY_BE_ITS, verdicts.MAY_BE, (expected,), 1)}


def test_an_answer_named_a_batch_that_no_listing_shows() -> None:
    found = unknown(attempt(answered_id="b9"), batches=[])
    named = (Candidate("b9"),)
    assert found == {1: Unsettled(Reason.ANSWER_NAMED, verdicts.NAMED_BY_ANSWER, named, 1)}


def test_an_answer_named_a_batch_that_does_not_fit() -> None:
    other = unowned("b9", workspace_id="elsewhere")
    found = unknown(attempt(answered_id="b9"), batches=[other])
    assert found[1].candidates == (Candidate("b9", FITS),)


@pytest.mark.parametrize("absence", [True, False])
def test_another_persons_token(absence: bool) -> None:
    found = unknown(attempt(hidden=True), batches=[unowned()], absence=absence)
    hidden = Unsettled(Reason.HIDDEN, verdicts.HIDDEN, keeps_earlier=True)
    assert found == {1: hidden}, "the first person's settle may have found candidates"


def test_the_first_of_two_looks() -> None:
    found = unknown(attempt(), batches=[], absence=False)
    assert found == {1: Unsettled(Reason.NOT_SHOWN_YET, verdicts.NOT_SHOWN_YET)}


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (attempt(), "the workspace's listing is not complete: its workspace was not listed"),
        (
            attempt(source=None),
            "the workspace's listing is not complete: its workspace is not known",
        ),
    ],
)
def test_a_workspace_without_a_listing(one: Any, text: str) -> None:
    found = verdicts_of([one], {}, {}, {}, absence=True).unknown
    assert found == {1: Unsettled(Reason.LISTING_INCOMPLETE, text, keeps_earlier=True)}


def test_each_part_is_decided_by_itself() -> None:
    """Two parts with too many batches, two with rivals: none hides another."""
    attempts = [attempt(n, name=f"Part {n}") for n in (1, 2)]
    batches = [unowned(f"b{n}{m}", name=f"Part {n}") for n in (1, 2) for m in (1, 2)]
    found = presence(attempts, batches, CopyFidelity())
    assert found.disputed == {1: ("b11", "b12"), 2: ("b21", "b22")}

    rivals = [attempt(n, name=name) for n, name in enumerate(("A 1", "A-1", "B 1", "B-1"), 1)]
    shown = [unowned(f"b{one.id}", name=one.name) for one in rivals]
    assert set(presence(rivals, shown, CopyFidelity()).has_rival) == {1, 2, 3, 4}


def test_of_equal_listings_the_time_and_then_the_id_decide() -> None:
    one, two = attempt(1), attempt(2, sent_at=1000.5)
    early, late = unowned("z", created=1001.0), unowned("a", created=1002.0)
    for batches in ([early, late], [late, early]):
        assert presence([one, two], batches, CopyFidelity()).matched == {1: "z", 2: "a"}
    same = [unowned("b"), unowned("a")]
    assert presence([one, two], same, CopyFidelity()).matched == {1: "a", 2: "b"}
    first = unowned("y", first_listing=5 + 1, created=1003.0)
    second = unowned("x", first_listing=5 + 2, created=1001.0)
    assert presence([one, two], [second, first], CopyFidelity()).matched == {1: "y", 2: "x"}


def test_when_a_restored_request_was_over() -> None:
    restored = attempt(sent_at=None, given_up_at=None, date_after=1090.0)
    assert over_at_server(restored) == 1150.0
    assert over_at_server(restored._replace(date_after=None)) is None


def test_two_equal_dates_bound_a_wide_window() -> None:
    same = wide_window(attempt(date_before=1000.0, date_after=1000.0))
    assert (same.low, same.high) == (400.0, 1630.0)


def test_the_best_candidates_are_named_first() -> None:
    batches = [
        unowned("a", name="Signs 1 ", details="x", datasets=()),
        unowned("b", details="x"),
        unowned("c", created_by=None, details="x"),
    ]
    found = unknown(attempt(source_changed=True), batches=batches)
    assert [one.batch_id for one in found[1].candidates] == ["b", "c", "a"]


def test_a_source_that_was_moved() -> None:
    found = unknown(attempt(moved=True), batches=[])
    assert found == {1: Unsettled(Reason.LISTING_INCOMPLETE, verdicts.MOVED)}
