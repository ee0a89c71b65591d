"""The verdicts of one look, from listings and attempts.

A test whose name says `regression` fails without a fix of the rule it names."""

from __future__ import annotations

from tests.settle.cases import ALL, SOURCE, attempt, unowned
from worker.model.attempts import (
    Unsettled,
)
from worker.model.reasons import NAMED, Reason, message
from worker.settle.verdicts import verdicts_of


def detail(why: Unsettled) -> str:
    """What people read of item 101."""
    candidates = [one.batch_id for one in why.candidates[:NAMED]]
    return message(101, why.reason, why.text, candidates, why.total) or ""


def test_an_incomplete_listing_leaves_everything_unknown_and_says_why() -> None:
    for absence in (False, True):
        said = verdicts_of(
            [attempt()], {"ws": [unowned()]}, {"ws": "HTTP 500"}, {"ws": ALL}, absence=absence
        )
        assert (said.created, said.absent, said.disputed) == ({}, [], ())
        assert said.unknown == {
            1: Unsettled(
                Reason.LISTING_INCOMPLETE,
                "the workspace's listing is not complete: HTTP 500",
                keeps_earlier=True,
            )
        }


def test_a_workspace_that_was_not_listed_or_is_not_known_is_not_complete() -> None:
    said = verdicts_of([attempt(1), attempt(2, source=None)], {}, {}, {}, absence=True)

    assert "its workspace was not listed" in said.unknown[1].text
    assert "its workspace is not known" in said.unknown[2].text


def test_absence_is_found_at_the_second_look_alone() -> None:
    first = verdicts_of([attempt()], {"ws": []}, {"ws": None}, {}, absence=False)
    second = verdicts_of([attempt()], {"ws": []}, {"ws": None}, {}, absence=True)

    assert (first.absent, list(first.unknown)) == ([], [1])
    assert (second.absent, second.unknown) == ([1], {})


def test_presence_is_found_at_either_look_with_the_batch_as_it_was_shown() -> None:
    for absence in (False, True):
        said = verdicts_of([attempt()], {"ws": [unowned()]}, {"ws": None}, {}, absence=absence)
        assert said.created == {1: unowned()}


def test_what_an_answer_named_is_never_absent() -> None:
    said = verdicts_of(
        [attempt(answered_id="b9")], {"ws": []}, {"ws": None}, {"ws": ALL}, absence=True
    )

    assert said.absent == []
    assert said.unknown[1].reason is Reason.ANSWER_NAMED
    assert detail(said.unknown[1]).endswith("an answer named this batch (b9)")


def test_a_candidate_keeps_absence_from_being_proved_and_is_named() -> None:
    near = unowned(name="signs 1")
    said = verdicts_of([attempt()], {"ws": [near]}, {"ws": None}, {"ws": ALL}, absence=True)

    assert (said.absent, said.disputed) == ([], ())
    assert detail(said.unknown[1]) == "#101 may exist: these may be its copy (b1)"


def test_a_batch_with_the_name_that_another_attempt_sent_is_not_a_renamed_copy() -> None:
    bridges = unowned(name="Bridges")
    other = attempt(2, name="Bridges", source=SOURCE._replace(details="else", loose_details="else"))
    alone = verdicts_of([attempt()], {"ws": [bridges]}, {"ws": None}, {"ws": ALL}, absence=True)
    both = verdicts_of(
        [attempt(), other], {"ws": [bridges]}, {"ws": None}, {"ws": ALL}, absence=True
    )

    assert (alone.absent, list(alone.unknown)) == ([], [1])
    assert (both.absent, list(both.unknown)) == ([1], [2])


def test_what_was_claimed_is_no_candidate_for_another() -> None:
    other = attempt(2, name="Signs 10")
    said = verdicts_of(
        [attempt(), other], {"ws": [unowned()]}, {"ws": None}, {"ws": ALL}, absence=True
    )

    assert (list(said.created), said.absent) == ([1], [2])


def test_disputed_batches_are_named_and_handed_on_to_be_remembered() -> None:
    said = verdicts_of(
        [attempt()], {"ws": [unowned("b1"), unowned("b2")]}, {"ws": None}, {}, absence=True
    )

    assert (said.created, said.absent, said.disputed) == ({}, [], ("b1", "b2"))
    assert detail(said.unknown[1]).endswith("(b1, b2)")


def test_what_nearly_fits_beside_what_fits_is_a_candidate_too() -> None:
    """A colleague made two alike copies, and somebody renamed ours."""
    shown = [unowned("b1"), unowned("b2"), unowned("b3", name="signs 1")]
    said = verdicts_of([attempt()], {"ws": shown}, {"ws": None}, {"ws": ALL}, absence=True)
    assert said.unknown[1].reason is Reason.SEVERAL_FIT
    assert [one.batch_id for one in said.unknown[1].candidates] == ["b1", "b2", "b3"]
    assert said.unknown[1].total == 3
    assert said.disputed == ("b1", "b2")


def test_what_an_answer_named_is_a_candidate_beside_what_nearly_fits() -> None:
    near = unowned(name="signs 1")
    said = verdicts_of(
        [attempt(answered_id="b9")], {"ws": [near]}, {"ws": None}, {"ws": ALL}, absence=True
    )
    assert [one.batch_id for one in said.unknown[1].candidates] == ["b9", "b1"]
    assert said.unknown[1].total == 2


def test_workspaces_are_settled_apart() -> None:
    there = attempt(2, source=SOURCE._replace(workspace_id="there"))
    said = verdicts_of(
        [attempt(), there],
        {"ws": [], "there": []},
        {"ws": None, "there": "cut short"},
        {},
        absence=True,
    )

    assert (said.absent, list(said.unknown)) == ([1], [2])


def test_copy_fidelity_in_one_workspace_proves_nothing_in_another() -> None:
    said = verdicts_of(
        [attempt()], {"ws": [unowned(name="Bridges")]}, {"ws": None}, {"there": ALL}, absence=True
    )  # fmt: skip

    assert list(said.unknown) == [1]


def test_an_error_names_the_first_candidates_and_counts_the_others() -> None:
    near = [unowned(f"b{n:02}", name="signs 1") for n in range(NAMED + 3)]
    (why,) = verdicts_of([attempt()], {"ws": near}, {"ws": None}, {}, absence=True).unknown.values()

    assert detail(why).endswith("b09 and 3 more)")


def test_all_candidates_are_kept_if_few_rows_are_unknown_and_ten_of_each_otherwise() -> None:
    near = [unowned(f"b{n:04}", name="signs 1") for n in range(30)]
    for many, kept in ((1, 30), (666, 30), (1_000, 20), (2_500, NAMED)):
        some = [attempt(n) for n in range(1, many + 1)]
        unknown = verdicts_of(some, {"ws": near}, {"ws": None}, {}, absence=True).unknown
        assert {(len(why.candidates), why.total) for why in unknown.values()} == {(kept, 30)}


def test_what_copying_keeps_counts_for_presence_too() -> None:
    """While a 201 may have changed its name, the batch may also be that of a similar row."""
    some = [attempt(), attempt(2, name="signs 1")]
    for kept, created in (({}, {}), ({"ws": ALL}, {1: unowned()})):
        said = verdicts_of(some, {"ws": [unowned()]}, {"ws": None}, kept, absence=False)
        assert said.created == created


def test_the_candidates_with_most_for_them_and_least_against_them_come_first() -> None:
    shown = [
        unowned("b1", name="signs 1", details="other"),
        unowned("b2", name="signs 1", created=None),
        unowned("b3", name="signs 1"),
    ]
    (why,) = verdicts_of(
        [attempt()], {"ws": shown}, {"ws": None}, {}, absence=True
    ).unknown.values()
    assert [one.batch_id for one in why.candidates] == ["b3", "b2", "b1"]


def test_regression_the_batch_of_an_attempt_that_is_hidden_may_be_another_ones() -> None:
    """Two people sent copies of one kind, and listings do not say who created a batch."""
    batch = unowned(created_by=None)
    first, second = attempt(1, hidden=True), attempt(2, me="you", sent_at=1001.0)
    said = verdicts_of([first, second], {"ws": [batch]}, {"ws": None}, {"ws": ALL}, absence=True)

    assert (said.created, said.absent) == ({}, [])
    assert said.unknown[2].reason is Reason.MAY_BE_ITS
