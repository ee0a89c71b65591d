"""Which candidate is clearly the best: a suggestion, or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ledgers import LATER, NOW, uuid
from worker.export.evidence import (
    HAS_RIVAL,
    Proposal,
    after,
    has_equal,
    proposals,
    requests_of,
    speaks_against,
    speaks_for,
    suggestion,
)
from worker.ledger.proposals import Found, Undecided
from worker.model.attempts import Evidence

ALL = Evidence(name=True, details=True, datasets=True, time=True, creator=True)


def found(number: int, evidence: Evidence = ALL, **changes: Any) -> Found:
    return Found(uuid(number), "Row", LATER, "READY", evidence)._replace(**changes)


NOBODY_KNOWS_WHO = ALL._replace(creator=None)

SUGGESTED = {
    "the only candidate": ((found(2),), "it is the only candidate"),
    "its creator is not known": ((found(2, NOBODY_KNOWS_WHO),), "it is the only candidate"),
    "something speaks against the other": (
        (found(3, ALL._replace(name=False), name="Raw"), found(2)),
        "something speaks against every other candidate",
    ),
    "its name was cleaned": (
        (found(2, ALL._replace(name=False), name=" R.OW"),),
        "its name has the same letters and digits; it is the only candidate",
    ),
    "it could be another's, but does not fit that one": (
        (found(2, shared=(7, 8), others=2),),
        "it is the only candidate",
    ),
}


@pytest.mark.parametrize("what", SUGGESTED)
def test_the_candidate_that_is_clearly_the_best_is_suggested(what: str) -> None:
    candidates, why = SUGGESTED[what]
    best = suggestion(candidates, 0, "Row", NOW)
    assert best is not None
    assert best.batch_id == uuid(2)
    assert best.reason.startswith(("Same name, instructions", "Same instructions, dataset"))
    assert best.reason.endswith(f"; created 5 min after the request; {why}")


NOT_SUGGESTED = {
    "no candidate": ((), 0),
    "two that fit": ((found(2), found(3)), 0),
    "one that fits, and one about which nothing is known": ((found(2), found(3, Evidence())), 0),
    "one that fits, and one about which little is known": (
        (found(2), found(3, Evidence(name=True))),
        0,
    ),
    "more candidates than are named": ((found(2),), 1),
    "it fits another duplicate as well": ((found(2, shared=(7,), others=1, fits_others=1),), 0),
    "another name": ((found(2, ALL._replace(name=False), name="Raw"),), 0),
    "a cleaned name that could be another's": (
        (found(2, ALL._replace(name=False), name="ROW", shared=(7,), others=1),),
        0,
    ),
    "a name, and a cleaned name": ((found(2), found(3, ALL._replace(name=False), name="ROW")), 0),
    "another time": ((found(2, ALL._replace(time=False)),), 0),
    "another person's": ((found(2, ALL._replace(creator=False)),), 0),
    "its name is not known": ((found(2, ALL._replace(name=None)),), 0),
    "its instructions are not known": ((found(2, ALL._replace(details=None)),), 0),
    "its dataset is not known": ((found(2, ALL._replace(datasets=None)),), 0),
    "its time is not known": ((found(2, ALL._replace(time=None)),), 0),
    "nothing is known": ((found(2, Evidence()),), 0),
}


@pytest.mark.parametrize("what", NOT_SUGGESTED)
def test_nothing_is_suggested_if_there_is_any_doubt(what: str) -> None:
    candidates, hidden = NOT_SUGGESTED[what]
    assert suggestion(candidates, hidden, "Row", NOW) is None


def copies(*of_each: tuple[Found, ...], hidden: int = 0, name: str = "Row") -> list[Undecided]:
    """Copies of one row, each with its candidates."""
    return [
        Undecided(n, 2, n, len(of_each), uuid(1), "Signs", name, 1, NOW, "why", some, hidden)
        for n, some in enumerate(of_each, start=1)
    ]


def fitting(*numbers: int, copies: int, evidence: Evidence = ALL) -> tuple[Found, ...]:
    """Batches that fit so many copies; the later ones are older."""
    return tuple(
        found(
            n, evidence, others=copies - 1, fits_others=copies - 1, created_at=f"{NOW[:17]}{59 - n}"
        )
        for n in numbers
    )


def by_item(some: list[Undecided]) -> dict[int, str | None]:
    return {one.item: best.batch_id for one, best, *_ in proposals(some)}


def test_as_many_batches_as_copies_are_given_one_to_each_the_oldest_first() -> None:
    some = copies(*[fitting(7, 8, 9, copies=3)] * 3)
    assert by_item(some) == {1: uuid(9), 2: uuid(8), 3: uuid(7)}
    for seconds, (_, best, *_) in enumerate(proposals(some), start=50):
        assert best.reason == (
            f"Same name, instructions, dataset and account; created {seconds} s after the request;"
            " 3 copies of this row (#1, #2 and #3) and 3 batches fit each other equally well, and"
            " nothing else; which copy gets which batch makes no difference"
        )


def test_of_many_copies_the_first_are_named() -> None:
    for many, named in ((4, "#1, #2, #3 and #4"), (5, "#1, #2, #3, #4 and 1 more")):
        some = copies(*[fitting(*range(2, 2 + many), copies=many)] * many)
        assert all(f"({named})" in best.reason for _, best, *_ in proposals(some))


def test_it_makes_no_difference_whether_it_is_known_who_created_the_batches() -> None:
    some = copies(*[fitting(7, 8, copies=2, evidence=NOBODY_KNOWS_WHO)] * 2)
    assert by_item(some) == {1: uuid(8), 2: uuid(7)}


def test_a_copy_with_a_batch_of_its_own_changes_nothing_for_the_others() -> None:
    both = fitting(7, 8, copies=2)
    assert by_item(copies(fitting(5, copies=1), both, both)) == {
        1: uuid(5), 2: uuid(8), 3: uuid(7)
    }  # fmt: skip


def test_a_set_that_is_in_doubt_changes_nothing_for_another() -> None:
    good, doubtful = fitting(5, 6, copies=2), fitting(7, copies=2)
    assert by_item(copies(good, good, doubtful, doubtful)) == {
        1: uuid(6), 2: uuid(5), 3: None, 4: None
    }  # fmt: skip


def test_a_copy_with_a_rival_has_no_suggestion_and_hides_no_other() -> None:
    both = fitting(7, 8, copies=2)
    first, *others = copies(fitting(5, copies=1), both, both)
    has_rival = first._replace(has_rival=True)
    about = list(proposals([has_rival, *others]))
    assert about[0] == Proposal(has_rival, HAS_RIVAL, (has_rival,), requests_of([has_rival]))
    assert [one.best.batch_id for one in about] == [None, uuid(8), uuid(7)]


def test_copies_without_any_candidate_are_no_group() -> None:
    assert [len(about.group) for about in proposals(copies((), ()))] == [1, 1]


def test_copies_of_a_row_that_other_batches_fit_are_another_set() -> None:
    early, late = fitting(5, 6, copies=2), fitting(7, 8, copies=2)
    assert by_item(copies(early, late, early, late)) == {
        1: uuid(6), 2: uuid(8), 3: uuid(5), 4: uuid(7)
    }  # fmt: skip


UNEQUAL = ALL._replace(time=False)

NOT_TOGETHER = {
    "one batch too many": (
        copies(*[fitting(7, 8, 9, copies=2)] * 2),
        "No suggestion: 3 batches fit 2 copies of this row equally well, so at least 1 of them is"
        " not one of these copies",
    ),
    "several batches too many": (
        copies(*[fitting(6, 7, 8, 9, copies=2)] * 2),
        "No suggestion: 4 batches fit 2 copies of this row equally well, so at least 2 of them are"
        " not one of these copies",
    ),
    "one batch for two": (
        copies(*[fitting(7, copies=2)] * 2),
        "No suggestion: only 1 batch fits 2 copies of this row, so 1 of them may not have been"
        " created",
    ),
    "one batch too few": (
        copies(*[fitting(7, 8, copies=3)] * 3),
        "No suggestion: only 2 batches fit 3 copies of this row, so 1 of them may not have been"
        " created",
    ),
    "they also fit another row": (
        copies(*[fitting(7, 8, copies=3)] * 2),
        "No suggestion: what fits 2 copies of this row also fits its other copies, or other rows",
    ),
    "more candidates than are named": (
        copies(*[fitting(7, 8, copies=2)] * 2, hidden=1),
        "No suggestion: more batches could be one of 2 copies of this row than are named",
    ),
    "a candidate about which little is known": (
        copies(*[(*fitting(7, 8, copies=2), found(9, Evidence(name=True)))] * 2),
        "No suggestion: little is known about another batch that could be one of 2 copies of this"
        " row",
    ),
    "their time is not known": (
        copies(*[fitting(7, 8, copies=2, evidence=ALL._replace(time=None))] * 2),
        "No suggestion: 2 batches fit as far as is known, so at least 1 of them is not its copy",
    ),
    "another person's": (
        copies(*[fitting(7, 8, copies=2, evidence=ALL._replace(creator=False))] * 2),
        "No suggestion: no batch is known to fit in every respect",
    ),
}


@pytest.mark.parametrize("what", NOT_TOGETHER)
def test_no_set_is_suggested_if_there_is_any_doubt_and_the_reason_says_why(what: str) -> None:
    some, reason = NOT_TOGETHER[what]
    assert {best.batch_id for _, best, *_ in proposals(some)} == {None}
    assert {best.reason for _, best, *_ in proposals(some)} == {reason}


def test_rows_with_one_name_are_no_copies_of_one_another() -> None:
    one, other = copies(*[fitting(7, 8, copies=2)] * 2)
    assert by_item([one, other._replace(line=3)]) == {1: None, 2: None}
    assert by_item([one, other._replace(name="Row 2")]) == {1: None, 2: None}


def test_a_batch_against_which_something_speaks_changes_nothing() -> None:
    some = copies(*[(*fitting(7, 8, copies=2), found(9, UNEQUAL, others=1))] * 2)
    assert by_item(some) == {1: uuid(8), 2: uuid(7)}


def test_a_single_duplicate_says_why_nothing_is_suggested() -> None:
    def reason(*some: Found, hidden: int = 0) -> str:
        ((_, best, *_),) = proposals(copies(some, hidden=hidden))
        return best.reason

    assert reason(found(2), found(3), found(4, UNEQUAL)) == (
        "No suggestion: 2 batches fit equally well, so at least 1 of them is not its copy: all have"
        " the same name, instructions, dataset and account, and fit the time of the request"
    )
    assert "3 batches fit equally well, so at least 2 of them are not its copy:" in reason(
        found(2), found(3), found(4)
    )
    assert reason(found(2, ALL._replace(time=None))).endswith(
        "no batch is known to fit in every respect"
    )
    assert reason(found(2)) == (
        "Same name, instructions, dataset and account; created 5 min after the request; it is the"
        " only candidate"
    )
    assert reason(found(2), hidden=1).endswith("more batches could be its copy than are named")
    assert reason(found(4, UNEQUAL)).endswith("no batch is known to fit in every respect")
    assert reason(found(2, fits_others=1)).endswith("what fits it also fits other duplicates")
    assert reason(found(2), found(3, Evidence())).endswith(
        "little is known about another batch that could be its copy"
    )
    unclear = ALL._replace(time=None)
    assert reason(found(2, unclear), found(3, unclear), found(4, unclear)).endswith(
        "3 batches fit as far as is known, so at least 2 of them are not its copy"
    )
    assert reason() == (
        "No suggestion: no candidate is known, which does not mean that it is absent; run settle"
        " again first"
    )
    ((_, best, *_),) = proposals([copies(())[0]._replace(is_compared=False)])
    assert best.reason.startswith("No suggestion: it was not compared with a complete listing")
    assert best.reason.endswith("decide one by one with --absent '#1'")


def test_copies_that_the_same_batches_could_be_are_a_group() -> None:
    many, few = fitting(7, 8, 9, copies=2), fitting(7, copies=3)
    some = [*copies(many, few, many), *copies(many)]
    some[3] = some[3]._replace(item=4, line=3)
    assert [[one.item for one in about.group] for about in proposals(some)] == [
        [1, 3], [2], [1, 3], [4]
    ]  # fmt: skip
    other = some[2]._replace(name="Row 2")
    assert [len(about.group) for about in proposals([some[0], other])] == [1, 1]
    assert speaks_for(
        many[0], NOW, requests_of([some[0], some[2]._replace(last_sent_at=LATER)])
    ).endswith("the closest of 2")


SAME = "Same name, instructions, dataset and account"


@pytest.mark.parametrize(
    ("batch", "sent_at", "text"),
    [
        (found(2), NOW, f"{SAME}; created 5 min after the request"),
        (found(2, created_at=NOW), LATER, f"{SAME}; created 5 min before the request"),
        (found(2, ALL._replace(time=None)), NOW, SAME),
        (found(2, Evidence(time=True)), NOW, "Created 5 min after the request"),
        (found(2, Evidence()), NOW, ""),
    ],
)
def test_what_speaks_for_a_candidate(batch: Found, sent_at: str, text: str) -> None:
    assert speaks_for(batch, sent_at) == text
    single = Undecided(1, 2, 1, 1, uuid(1), "Signs", "Row", 1, sent_at, "why", (batch,))
    assert speaks_for(batch, sent_at, requests_of([single])) == text


def test_in_a_group_the_closest_request_counts() -> None:
    some = copies((), (), ())
    some[1] = some[1]._replace(last_sent_at="2026-03-01T12:04:00.000Z")
    some[2] = some[2]._replace(last_sent_at=None)
    closest = "created 1 min after the request of #2, the closest of 2"
    sent = requests_of(some)
    assert speaks_for(found(2), NOW, sent) == f"{SAME}; {closest}"
    assert speaks_for(found(2, ALL._replace(time=False)), NOW, sent) == SAME
    assert speaks_for(found(2, created_at=None), NOW, sent) == f"{SAME}; the time fits"


@pytest.mark.parametrize(
    ("batch", "has_equal", "text"),
    [
        (found(2), False, ""),
        (found(2), True, "Another candidate fits as well"),
        (
            found(2, ALL._replace(name=False, creator=False), name="Raw"),
            False,
            "Different name and account; it is called “Raw”",
        ),
        (found(2, ALL._replace(name=False), name=None), False, "Different name"),
        (
            found(2, ALL._replace(time=False)),
            False,
            "Created 5 min after the request, which does not fit",
        ),
        (
            found(2, ALL._replace(time=False), created_at=None),
            False,
            "The time does not fit",
        ),
        (found(2, shared=(7, 8, 9), others=3), True, "Could also be #7, #8 and #9"),
        (found(2, shared=(7, 8, 9), others=4), True, "Could also be #7, #8, #9 and 1 more"),
        (found(2, shared=(7, 8, 9), others=6), True, "Could also be #7, #8, #9 and 3 more"),
    ],
)
def test_what_speaks_against_a_candidate(batch: Found, has_equal: bool, text: str) -> None:
    assert speaks_against(batch, NOW, has_equal=has_equal) == text


def test_a_candidate_has_an_equal_if_another_fits_as_well() -> None:
    one, other, unlike = found(2), found(3), found(4, ALL._replace(name=False))
    assert has_equal(one, (one, other, unlike))
    assert not has_equal(one, (one, unlike))
    assert not has_equal(unlike, (one, other, unlike))


@pytest.mark.parametrize(
    ("created", "sent", "text"),
    [
        (LATER, NOW, "5 min after the request"),
        (NOW, LATER, "5 min before the request"),
        (NOW, NOW, "0 s after the request"),
        ("2026-03-01T12:00:00.974Z", "2026-03-01T12:00:00.731Z", "0.24 s after the request"),
        ("2026-03-01T12:00:10Z", "2026-03-01T12:00:00.731Z", "9.27 s after the request"),
        (None, NOW, ""),
        (NOW, None, ""),
    ],
)
def test_how_long_after_its_request_a_candidate_was_created(
    created: str | None, sent: str | None, text: str
) -> None:
    assert after(created, sent) == text
