"""Which batches are claimed for which attempts.

A test whose name says `regression` fails without a fix of the rule it names."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settle.cases import ALL, SOURCE, attempt, unowned
from worker.model.attempts import (
    Attempt,
    CopyFidelity,
    Interval,
    Source,
)
from worker.settle.absence import candidates, nearly_fits
from worker.settle.fitting import fits
from worker.settle.presence import MAX_PAIRS, presence


def test_nothing_open_and_nothing_shown_is_nothing_found() -> None:
    for attempts, batches in (([], []), ([attempt()], []), ([], [unowned()])):
        found = presence(attempts, batches, CopyFidelity())
        assert (found.matched, found.disputed) == ({}, {})


def test_the_oldest_batch_goes_to_the_oldest_attempt() -> None:
    later = attempt(2, sent_at=1005.0, given_up_at=1065.0)
    found = presence(
        [later, attempt(1)],
        [unowned("b2", created=1007.0), unowned("b1", created=1006.0)],
        CopyFidelity(),
    )

    assert (found.matched, found.disputed) == ({1: "b1", 2: "b2"}, {})


def test_fewer_batches_than_attempts_are_claimed_and_nothing_is_disputed() -> None:
    found = presence(
        [attempt(1), attempt(2), attempt(3)], [unowned("b1"), unowned("b2")], CopyFidelity()
    )

    assert (sorted(found.matched.values()), found.disputed) == (["b1", "b2"], {})


def test_an_attempt_whose_batches_all_went_to_others_does_not_keep_the_search_from_its_end() -> (
    None
):
    """The fourth attempt asks the first one to give way. It cannot, because the second one cannot;
    the third one can."""

    def at(number: int, first: float, last: float, **changes: Any) -> Attempt:
        timeout_s = last - first
        return attempt(
            number,
            sent_at=first,
            given_up_at=last,
            timeout_s=timeout_s,
            settle_after_s=0.0,
            **changes,
        )

    attempts = [
        at(1, 1000.0, 1021.0),
        at(2, 1018.0, 1022.0),
        at(3, 1028.0, 1042.0, me=None, tells_people_apart=False),
        at(4, 1000.0, 1050.0),
    ]
    batches = [
        unowned(f"b{number}", created=1000.0 + 10 * number, created_by=by)
        for number, by in ((1, "me"), (2, "me"), (3, "me"), (4, "you"))
    ]
    found = presence(attempts, batches, CopyFidelity())
    assert found.matched == {1: "b1", 2: "b2", 3: "b4", 4: "b3"}


ODD: dict[str, Any] = {"name": "Signs 1 ", "details": "odd", "created": 1001.5}


def test_an_attempt_that_may_have_created_an_odd_batch_takes_no_other_attempts_batch() -> None:
    """As many batches as attempts, of which only two can have partners."""
    first, second = attempt(1, given_up_at=1059.0), attempt(2)
    late = {"sent_at": 5000.0, "given_up_at": 5060.0, "date_before": 4999.0, "date_after": 5090.0}
    both = attempt(3, **(late | {"sent_at": 1000.0}), timeout_s=4060.0)
    batches = [
        unowned("b1"),
        unowned("b2", created=5001.0),
        unowned("b3", created=5002.0),
    ]
    assert set(presence([first, second, both], batches, ALL).matched) == {1, 3}
    # The first one alone nearly fits the odd one: the second one was sent after it was shown.
    odd = unowned("odd", **ODD, first_listing=6)
    second = second._replace(baseline=6)
    batches = [batch._replace(first_listing=7) for batch in batches]
    assert set(presence([first, second, both], [*batches, odd], ALL).matched) == {2, 3}


@pytest.mark.parametrize("odd", [True, False])
def test_regression_an_odd_batch_leaves_a_part_undecided_while_the_offset_is_not_known(
    odd: bool,
) -> None:
    """Somebody renamed the copy of the first attempt. Its time would show whose it is."""
    ones = [attempt(1), attempt(2, sent_at=1200.0, given_up_at=1260.0)]
    batches = [unowned("b2", created=1205.0), unowned("b1", created=1001.0, name="Final A")]
    batches = batches if odd else batches[:1]
    found = presence([one._replace(offset=None) for one in ones], batches, ALL)
    assert found.has_rival == ({1: ("b2",), 2: ("b2",)} if odd else {})
    assert found.matched == ({} if odd else {1: "b2"})
    assert presence(ones, batches, ALL).matched == {2: "b2"}


def test_if_every_attempt_gets_a_batch_the_oldest_still_goes_to_the_oldest() -> None:
    first, second = (
        attempt(1, baseline=5),
        attempt(2, baseline=6, sent_at=1002.0, given_up_at=1062.0),
    )
    batches = [
        unowned("b1", first_listing=7, created=1003.5),
        unowned("b2", first_listing=7, created=1004.5),
    ]
    found = presence([first, second], [*batches, unowned("odd", **ODD, first_listing=6)], ALL)
    assert found.matched == {1: "b1", 2: "b2"}


def test_more_batches_than_attempts_are_decided_by_nobody() -> None:
    found = presence([attempt(1)], [unowned("b2"), unowned("b1")], CopyFidelity())

    assert (found.matched, found.disputed) == ({}, {1: ("b1", "b2")})


def test_a_batch_that_fits_attempts_of_two_kinds_is_decided_by_nobody() -> None:
    twin = attempt(2, source_id="twin")
    found = presence([attempt(1), twin], [unowned("b1")], CopyFidelity())

    assert (found.matched, found.disputed) == ({}, {1: ("b1",), 2: ("b1",)})


def test_kinds_whose_copies_differ_are_settled_apart() -> None:
    other = attempt(2, name="Signs 2")
    found = presence(
        [attempt(1), other],
        [unowned("b1"), unowned("b2", name="Signs 2"), unowned("b3", name="No")],
        CopyFidelity(),
    )

    assert (found.matched, found.disputed) == ({1: "b1", 2: "b2"}, {})


@pytest.mark.parametrize(
    ("of_rival", "decided"),
    [
        ({}, False),  # the rival's source may have looked like this one when it was copied
        ({"source_changed": False}, True),
        ({"source_id": "source"}, True),  # of the same source: which of its looks fits is known
        ({"name": "Signs 2"}, True),
        ({"name": "Signs  1"}, False),  # the API may have trimmed it
        ({"me": "you"}, True),
        ({"baseline": 6}, True),  # the batch was shown before the rival was sent
        (
            {"sent_at": 5000.0, "given_up_at": 5060.0, "date_before": 4999.0, "date_after": 5090.0},
            True,
        ),
        ({"sent_at": 1300.0, "given_up_at": 1360.0}, True),  # its clock is known well enough
        ({"sent_at": 1300.0, "given_up_at": 1360.0, "offset": None}, False),
    ],
)
def test_regression_a_batch_may_be_of_another_source_that_was_edited_for_a_while(
    of_rival: dict[str, Any], decided: bool
) -> None:
    twin = SOURCE._replace(details="as edited", loose_details="as edited")
    rival = attempt(2, source_id="twin", source=twin, source_changed=True)._replace(**of_rival)
    found = presence([attempt(1), rival], [unowned()], CopyFidelity())
    assert found.matched == ({1: "b1"} if decided else {})
    assert found.has_rival == ({} if decided else {1: ("b1",)})


@pytest.mark.parametrize("changed", [False, True], ids=["alike", "edited since"])
@pytest.mark.parametrize(
    ("offset", "has_rival"),
    [(None, True), (Interval(899.0, 901.0), False)],
    ids=["unknown", "known"],
)
def test_regression_a_time_tells_alike_attempts_apart_only_if_the_offset_is_known(
    offset: Interval | None, has_rival: bool, changed: bool
) -> None:
    """Two sources look alike, or did so before one was edited, and `created_at` is 15 minutes
    ahead: the copy of the first one seems to be from the window of the second one."""
    other = SOURCE._replace(name="Another", details="edited" if changed else SOURCE.details)
    ones = [
        attempt(1, offset=offset, source_id="s1", source=other, source_changed=changed),
        attempt(2, offset=offset, source_id="s2", sent_at=1900.0, given_up_at=1960.0),
    ]
    found = presence(ones, [unowned("b1", created=1905.0)], ALL)
    assert found.has_rival == ({2: ("b1",)} if has_rival else {})
    assert found.matched == ({} if has_rival or changed else {1: "b1"})


@pytest.mark.parametrize(
    ("name", "known", "decided"),
    [
        ("Signs 1", CopyFidelity(name=True), False),
        ("signs 1", CopyFidelity(name=True), True),  # its copy would have this name
        ("signs 1", CopyFidelity(), False),
    ],
)
def test_names_that_arrive_tell_the_copies_of_changed_sources_apart(
    name: str, known: CopyFidelity, decided: bool
) -> None:
    twin = SOURCE._replace(details="as edited", loose_details="as edited")
    rival = attempt(2, name=name, source_id="twin", source=twin, source_changed=True)
    found = presence([attempt(1), rival], [unowned()], known)
    assert found.matched == ({1: "b1"} if decided else {})


OTHER_TASK = SOURCE._replace(details="other", loose_details="other")


@pytest.mark.parametrize(
    ("source", "of_rival", "of_batch", "known", "decided"),
    [
        (OTHER_TASK, {}, {}, CopyFidelity(), True),
        (OTHER_TASK, {"source_changed": True}, {}, CopyFidelity(), False),  # it was edited since
        (OTHER_TASK, {}, {}, CopyFidelity(details=False), False),
        (OTHER_TASK, {}, {"loose_details": ""}, CopyFidelity(), False),  # listings differ
        (SOURCE._replace(details="spaces"), {}, {}, CopyFidelity(), False),
        (SOURCE._replace(datasets=("other",)), {}, {}, CopyFidelity(), True),
        (SOURCE._replace(datasets=()), {}, {}, CopyFidelity(), False),
        (SOURCE._replace(datasets=("other",)), {"upload_new_dataset": True}, {}, CopyFidelity(),
         False),
    ],
)  # fmt: skip
def test_a_restored_attempt_is_a_rival_unless_its_source_looks_different_now(
    source: Source,
    of_rival: dict[str, Any],
    of_batch: dict[str, Any],
    known: CopyFidelity,
    decided: bool,
) -> None:
    one = attempt(1, restored=True)
    rival = attempt(2, source_id="other", source=source, restored=True, **of_rival)
    found = presence([one, rival], [unowned(**of_batch)], known)
    assert found.matched == ({1: "b1"} if decided else {})


@pytest.mark.parametrize(
    ("of_one", "fidelity", "decided"),
    [
        ({"of_a_copy": True}, CopyFidelity(), False),
        ({"of_a_copy": True}, ALL, True),  # details arrive as they were, so the rival's would
        ({}, CopyFidelity(), True),
    ],
)
def test_regression_a_copy_of_a_copy_may_look_like_a_copy_of_the_first_source(
    of_one: dict[str, Any], fidelity: CopyFidelity, decided: bool
) -> None:
    """An API that cleans details made the source of one of what is the source of the other."""
    first = attempt(
        2, source_id="first", source=SOURCE._replace(details="not clean", loose_details="not clean")
    )
    found = presence([attempt(1, **of_one), first], [unowned()], fidelity)
    assert found.matched == ({1: "b1"} if decided else {})


def test_regression_a_batch_goes_to_the_attempt_that_can_have_made_no_other() -> None:
    """The source was edited for a while, and the older attempt's copy looks like it did then."""
    old = attempt(1, baseline=5)
    new = attempt(
        2, baseline=6, sent_at=1050.0, given_up_at=1110.0, date_before=1049.0, date_after=1140.0
    )
    odd = unowned("odd", first_listing=6, details="as edited", loose_details="as edited")
    fitting = unowned("fitting", first_listing=7, created=1060.0)
    assert fits(old, fitting)
    assert fits(new, fitting)
    found = presence([old, new], [odd, fitting], ALL)
    assert found.matched == {2: "fitting"}
    assert candidates(old, [odd], ALL) == ("odd",)
    assert presence([old, new], [fitting], ALL).matched == {1: "fitting"}


@pytest.mark.parametrize(
    ("names_arrive", "of_batch", "may_be"),
    [
        (False, {"name": "Signs"}, True),
        (False, {"name": "Street"}, False),
        (False, {"name": "Signs", "created_by": "other"}, False),
        (False, {"name": "Signs", "created": 2000.0}, False),
        (None, {"name": "Signs"}, False),
        (True, {"name": "Signs"}, False),
    ],
)
def test_regression_where_names_are_cut_a_batch_with_a_part_of_its_name_may_be_of_an_edited_source(
    names_arrive: bool | None, of_batch: dict[str, Any], may_be: bool
) -> None:
    """The source was edited for a while that no look saw, and the API cuts names."""
    odd = unowned(**{"details": "as edited", "loose_details": "as edited", **of_batch})
    one = attempt(tells_people_apart=False)
    assert (
        nearly_fits(one, odd, CopyFidelity(name=names_arrive, details=True, datasets=True))
        is may_be
    )


def test_a_batch_that_was_disputed_once_is_never_claimed() -> None:
    found = presence(
        [attempt(1), attempt(2)], [unowned("b1", disputed=True), unowned("b2")], CopyFidelity()
    )

    assert (found.matched, found.disputed) == ({}, {1: ("b1", "b2"), 2: ("b1", "b2")})


def test_parts_that_nothing_connects_are_counted_apart() -> None:
    tomorrow = attempt(
        2, sent_at=90_000.0, given_up_at=90_060.0, date_before=90_000.0, date_after=90_100.0
    )
    batches = [unowned("b1"), unowned("b2"), unowned("b3", created=90_001.0)]
    found = presence([attempt(1), tomorrow], batches, CopyFidelity())

    assert (found.matched, found.disputed) == ({2: "b3"}, {1: ("b1", "b2")})


def test_an_attempt_that_an_answer_named_a_batch_for_takes_no_other() -> None:
    answered = attempt(1, answered_id="b9")

    assert presence([answered], [unowned("b1")], CopyFidelity()).matched == {}
    assert presence([answered], [unowned("b9")], CopyFidelity()).matched == {1: "b9"}


def test_regression_as_many_items_are_created_as_a_maximum_matching_allows() -> None:
    """The second attempt's copy was listed first; given to the first attempt, it would leave the
    other copy over."""
    second = attempt(2, sent_at=1005.0, given_up_at=1065.0, baseline=5)
    late_shown = unowned("b1", created=1001.0, first_listing=8)
    found = presence(
        [attempt(1), second],
        [unowned("b2", created=1006.5, first_listing=6), late_shown],
        CopyFidelity(),
    )

    assert found.matched == {1: "b1", 2: "b2"}


small = st.integers(0, 6)


@given(
    lefts=st.lists(st.tuples(small, small), min_size=1, max_size=4),
    batches=st.lists(st.tuples(small, small), max_size=4),
)
def test_matches_are_a_maximum_matching_of_what_fits(
    lefts: list[tuple[int, int]], batches: list[tuple[int, int]]
) -> None:
    attempts = [
        attempt(
            n,
            sent_at=float(left),
            given_up_at=float(left),
            timeout_s=0.0,
            settle_after_s=1.0,
            baseline=listing,
            offset=Interval(0.0, 0.0),
        )
        for n, (left, listing) in enumerate(lefts)
    ]
    shown = [
        unowned(f"b{n}", created=float(at), first_listing=listing)
        for n, (at, listing) in enumerate(batches)
    ]
    found = presence(attempts, shown, CopyFidelity())
    assert len(set(found.matched.values())) == len(found.matched)
    by_id = {batch.batch_id: batch for batch in shown}
    assert all(fits(attempts[number], by_id[batch]) for number, batch in found.matched.items())
    undisputed = [a for a in attempts if a.id not in found.disputed]
    free = [b for b in shown if not any(b.batch_id in ids for ids in found.disputed.values())]
    most = 0
    for chosen in itertools.permutations([*free, *[None] * len(undisputed)], len(undisputed)):
        pairs = [b is not None and fits(a, b) for a, b in zip(undisputed, chosen, strict=True)]
        most = max(most, sum(pairs))
    assert len(found.matched) == most


def test_ten_thousand_copies_of_one_name_are_settled_fast() -> None:
    attempts = [attempt(n) for n in range(10_000)]
    batches = [unowned(f"b{n:05}") for n in range(10_000)]
    began = time.process_time()
    found = presence(attempts, batches, CopyFidelity())

    assert (len(found.matched), len(set(found.matched.values())), found.disputed) == (
        10_000,
        10_000,
        {},
    )
    assert time.process_time() - began < 5.0


def test_above_many_pairs_what_looks_alike_is_counted_together() -> None:
    tonight = [attempt(n) for n in range(100)]
    tomorrow = attempt(
        500, sent_at=90_000.0, given_up_at=90_060.0, date_before=90_000.0, date_after=90_100.0
    )
    batches = [unowned(f"b{n:05}") for n in range(MAX_PAIRS // 100 + 2)]

    assert presence([*tonight, tomorrow], batches, CopyFidelity()).matched == {}


def test_regression_above_many_pairs_batches_that_fit_nothing_do_not_count() -> None:
    """Colleagues' copies of the same name are not more batches than attempts."""
    attempts = [attempt(n) for n in range(200)]
    colleagues = [unowned(f"c{n:05}", created_by="somebody") for n in range(300)]
    found = presence(attempts, [unowned("b1"), *colleagues], CopyFidelity())

    assert (list(found.matched.values()), found.disputed) == (["b1"], {})
