"""Every pure decision of settling as a table. A test that says `hole` fails without a mend of the
rule it names."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model.attempts import (
    Attempt,
    CopyFidelity,
    Interval,
    Source,
    UnownedBatch,
    Unsettled,
    offset_of,
)
from worker.model.reasons import NAMED, Reason, message
from worker.settle.absence import candidates, may_be_capped, nearly_fits
from worker.settle.fitting import fits, may_be_its, names_are_close, skeleton
from worker.settle.presence import MANY, presence
from worker.settle.verdicts import verdicts_of
from worker.settle.windows import LEAVES_WITHIN_S, WIDE_S, made_at, wide_window, window

INF = math.inf
SOURCE = Source("Signs", "ws", "details", "loose", ("data",))
SHARP = Interval(-1.0, 1.0)
ALL = CopyFidelity(True, True, True)


def attempt(number: int = 1, **changes: Any) -> Attempt:
    """An open attempt that left at 1000 and was given up at 1060."""
    made = Attempt(
        id=number,
        item_id=100 + number,
        source_id="source",
        name="Signs 1",
        upload_new_dataset=False,
        source=SOURCE,
        source_changed=False,
        listing=5,
        date_before=999.0,
        left=1000.0,
        ended=1060.0,
        date_after=1090.0,
        timeout_s=60.0,
        settle_after_s=30.0,
        offset=SHARP,
        me="me",
        tells_people_apart=True,
    )
    return made._replace(**changes)


def sighting(batch_id: str = "b1", **changes: Any) -> UnownedBatch:
    """A batch that fits `attempt()`."""
    shown = UnownedBatch(batch_id, "ws", 6, "Signs 1", 1001.0, "me", "details", "loose", ("data",))
    return shown._replace(**changes)


# -- windows


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (Interval(0, 1), Interval(1, 2), True),
        (Interval(0, 1), Interval(1.1, 2), False),
        (Interval(1.1, 2), Interval(0, 1), False),
        (Interval(), Interval(5, 5), True),
        (Interval(high=4), Interval(5, 5), False),
        (Interval(low=6), Interval(5, 5), False),
    ],
)
def test_intervals_meet_where_they_have_a_point_in_common(
    one: Interval, other: Interval, meet: bool
) -> None:
    assert one.meets(other) is meet


@pytest.mark.parametrize(
    ("changes", "wide"),
    [
        ({}, Interval(999 - WIDE_S, 1090 + 30 + WIDE_S)),
        ({"offset": None}, Interval()),
        ({"date_before": None}, Interval(-INF, 1090 + 30 + WIDE_S)),
        ({"date_after": None}, Interval(999 - WIDE_S, INF)),
        ({"date_before": None, "date_after": None}, Interval()),
        ({"settle_after_s": 300.0}, Interval(999 - WIDE_S, 1090 + 300 + WIDE_S)),
        ({"date_before": 5000.0}, Interval()),  # the API's clock went back meanwhile
    ],
)
def test_the_wide_window_is_open_where_an_end_or_the_offset_is_not_known(
    changes: dict[str, Any], wide: Interval
) -> None:
    assert wide_window(attempt(**changes)) == wide


@pytest.mark.parametrize(
    ("changes", "narrow"),
    [
        ({}, Interval(1000, 1060 + 30)),
        (
            {"ended": 1020.0},
            Interval(1000, 1060 + 30),
        ),  # answered early without a result: effects end with the limit
        ({"ended": 5000.0}, Interval(1000, 5000 + 30)),  # a process that slept
        (
            {"ended": None},
            Interval(1000, 1060 + LEAVES_WITHIN_S + 30),
        ),  # a crash: it may have waited for its turn
        ({"left": None}, Interval(999 - WIDE_S, 1090 + 30 + WIDE_S)),
        ({"left": None, "offset": None}, Interval()),
    ],
)
def test_the_window_goes_from_the_leaving_to_the_end_of_late_effects(
    changes: dict[str, Any], narrow: Interval
) -> None:
    assert window(attempt(**changes)) == narrow


@pytest.mark.parametrize(
    ("created", "offset", "made"),
    [
        (1001.0, Interval(-1, 1), Interval(1000, 1002)),
        (1001.0, Interval(100, 102), Interval(899, 901)),
        (None, SHARP, Interval()),
        (1001.0, None, Interval()),
    ],
)
def test_when_a_batch_was_made_follows_from_created_at_and_the_offset(
    created: float | None, offset: Interval | None, made: Interval
) -> None:
    assert made_at(sighting(created=created), offset) == made


@pytest.mark.parametrize(
    ("low", "high", "offset"),
    [
        (None, None, None),
        (None, 1.0, None),
        (1.0, None, None),
        (-1.0, 1.0, Interval(-1.0, 1.0)),
        (1.0, 1.0, Interval(1.0, 1.0)),
        (1.1, 1.0, None),  # the answers contradict each other
    ],
)
def test_an_offset_is_known_only_where_answers_allow_one(
    low: float | None, high: float | None, offset: Interval | None
) -> None:
    assert offset_of(low, high) == offset


# -- what fits


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "may"),
    [
        ({}, {}, True),
        ({}, {"listing": 5}, False),  # in the baseline
        ({}, {"listing": 4}, False),
        ({}, {"workspace_id": "elsewhere"}, False),
        ({"source": None}, {"workspace_id": "elsewhere"}, True),
        ({}, {"created_by": "somebody"}, False),
        ({}, {"created_by": None}, True),
        ({"tells_people_apart": False}, {"created_by": "somebody"}, True),
        ({}, {"batch_id": "source"}, False),
        ({}, {"name": "quite another", "details": "x", "datasets": (), "created": 0.0}, True),
    ],
)
def test_what_speaks_against_a_batch_besides_its_looks(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], may: bool
) -> None:
    assert may_be_its(attempt(**of_attempt), sighting()._replace(**of_batch)) is may


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "fit"),
    [
        ({}, {}, True),
        ({}, {"listing": 5}, False),
        ({}, {"created_by": "somebody"}, False),
        ({"tells_people_apart": False}, {"created_by": "somebody"}, False),
        ({"tells_people_apart": False, "me": None}, {"created_by": "somebody"}, True),
        ({"tells_people_apart": False}, {"created_by": None}, True),
        ({}, {"name": "Signs 1 "}, False),
        ({}, {"name": "signs 1"}, False),
        ({}, {"details": "changed"}, False),
        ({}, {"loose_details": "changed"}, True),
        ({}, {"datasets": ()}, False),
        ({}, {"datasets": ("data", "more")}, False),
        ({"upload_new_dataset": True}, {"datasets": ()}, True),
        ({"upload_new_dataset": True}, {}, False),
        ({"name": None}, {"name": "Signs (Copy)"}, True),
        ({"name": None}, {}, False),
        ({"source": None}, {}, False),
        ({"answered_id": "b1"}, {}, True),
        ({"answered_id": "b2"}, {}, False),
        ({}, {"created": 998.9}, False),
        ({}, {"created": 999.0}, True),
        ({}, {"created": 1091.0}, True),
        ({}, {"created": 1091.1}, False),
        ({}, {"created": None}, True),
        ({"offset": Interval(3599, 3601)}, {"created": 4601.0}, True),
        ({"offset": Interval(3599, 3601)}, {}, False),
        ({"left": None}, {"created": 500.0}, True),
        ({"left": None, "offset": None}, {"created": 0.0}, True),
    ],
)
def test_a_batch_fits_only_in_every_respect(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], fit: bool
) -> None:
    assert fits(attempt(**of_attempt), sighting()._replace(**of_batch)) is fit


def test_hole_the_source_under_its_own_name_is_never_taken_for_its_copy() -> None:
    """The listing before sending was cut short, so the source is in no baseline, and the name sent
    is its own."""
    its_name = attempt(name="Signs", listing=0, offset=None)

    assert not fits(its_name, sighting("source", name="Signs", created=1001.0))
    assert not nearly_fits(
        its_name, sighting("source", name="Signs", created=1001.0), CopyFidelity()
    )


@pytest.mark.parametrize(
    ("created", "fit"),
    [
        (1000.0 - WIDE_S, True),
        (1000.0 - WIDE_S - 1, False),
        (1090.0 + WIDE_S, True),
        (1090.0 + WIDE_S + 1, False),
    ],
)
def test_hole_without_an_offset_an_old_batch_is_not_claimed_and_still_prevents_absence(
    created: float, fit: bool
) -> None:
    """A first request that was lost, no 201 to tell the clocks by, and an old copy that no baseline
    has."""
    unknown_offset, old = attempt(offset=None, listing=0), sighting(created=created)

    assert fits(unknown_offset, old) is fit
    assert nearly_fits(unknown_offset, old, ALL)


# -- presence


def test_nothing_open_and_nothing_shown_is_nothing_found() -> None:
    for attempts, batches in (([], []), ([attempt()], []), ([], [sighting()])):
        found = presence(attempts, batches)
        assert (found.claims, found.disputed) == ({}, {})


def test_the_oldest_batch_goes_to_the_oldest_attempt() -> None:
    later = attempt(2, left=1005.0, ended=1065.0)
    found = presence(
        [later, attempt(1)], [sighting("b2", created=1007.0), sighting("b1", created=1006.0)]
    )

    assert (found.claims, found.disputed) == ({1: "b1", 2: "b2"}, {})


def test_fewer_batches_than_attempts_are_claimed_and_nothing_is_disputed() -> None:
    found = presence([attempt(1), attempt(2), attempt(3)], [sighting("b1"), sighting("b2")])

    assert (sorted(found.claims.values()), found.disputed) == (["b1", "b2"], {})


def test_more_batches_than_attempts_are_decided_by_nobody() -> None:
    found = presence([attempt(1)], [sighting("b2"), sighting("b1")])

    assert (found.claims, found.disputed) == ({}, {1: ("b1", "b2")})


def test_a_batch_that_fits_attempts_of_two_kinds_is_decided_by_nobody() -> None:
    twin = attempt(2, source_id="twin")
    found = presence([attempt(1), twin], [sighting("b1")])

    assert (found.claims, found.disputed) == ({}, {1: ("b1",), 2: ("b1",)})


def test_kinds_whose_copies_differ_are_settled_apart() -> None:
    other = attempt(2, name="Signs 2")
    found = presence(
        [attempt(1), other],
        [sighting("b1"), sighting("b2", name="Signs 2"), sighting("b3", name="No")],
    )

    assert (found.claims, found.disputed) == ({1: "b1", 2: "b2"}, {})


@pytest.mark.parametrize(
    ("of_rival", "decided"),
    [
        ({}, False),  # the rival's source may have looked like this one when it was copied
        ({"source_changed": False}, True),
        ({"source_id": "source"}, True),  # of the same source: which of its looks fits is known
        ({"name": "Signs 2"}, True),
        ({"me": "you"}, True),
        ({"listing": 6}, True),  # the batch was shown before the rival was sent
        ({"left": 5000.0, "ended": 5060.0, "date_before": 4999.0, "date_after": 5090.0}, True),
    ],
)
def test_hole_a_batch_may_be_of_another_source_that_was_edited_for_a_while(
    of_rival: dict[str, Any], decided: bool
) -> None:
    twin = SOURCE._replace(details="as edited", loose_details="as edited")
    rival = attempt(2, source_id="twin", source=twin, source_changed=True)._replace(**of_rival)
    found = presence([attempt(1), rival], [sighting()])
    assert found.claims == ({1: "b1"} if decided else {})
    assert found.rivalled == ({} if decided else {1: ("b1",)})


@pytest.mark.parametrize(
    ("of_one", "survival", "decided"),
    [
        ({"of_a_copy": True}, CopyFidelity(), False),
        ({"of_a_copy": True}, ALL, True),  # details arrive as they were, so the rival's would
        ({}, CopyFidelity(), True),
    ],
)
def test_hole_a_copy_of_a_copy_may_look_like_a_copy_of_the_first_source(
    of_one: dict[str, Any], survival: CopyFidelity, decided: bool
) -> None:
    """An API that cleans details made the source of one of what is the source of the other."""
    first = attempt(
        2, source_id="first", source=SOURCE._replace(details="not clean", loose_details="not clean")
    )
    found = presence([attempt(1, **of_one), first], [sighting()], survival)
    assert found.claims == ({1: "b1"} if decided else {})


def test_hole_a_batch_goes_to_the_attempt_that_can_have_made_no_other() -> None:
    """The source was edited for a while, and the older attempt's copy looks like it did then."""
    old = attempt(1, listing=5)
    new = attempt(2, listing=6, left=1050.0, ended=1110.0, date_before=1049.0, date_after=1140.0)
    odd = sighting("odd", listing=6, details="as edited", loose_details="as edited")
    fitting = sighting("fitting", listing=7, created=1060.0)
    assert fits(old, fitting)
    assert fits(new, fitting)
    found = presence([old, new], [odd, fitting], ALL)
    assert found.claims == {2: "fitting"}
    assert candidates(old, [odd], ALL) == ("odd",)
    assert presence([old, new], [fitting], ALL).claims == {1: "fitting"}


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
def test_hole_where_names_are_changed_a_batch_with_a_rest_of_its_name_may_be_of_an_edited_source(
    names_arrive: bool | None, of_batch: dict[str, Any], may_be: bool
) -> None:
    """The source was edited for a while that no look saw, and the API cuts names."""
    odd = sighting(**{"details": "as edited", "loose_details": "as edited", **of_batch})
    one = attempt(tells_people_apart=False)
    assert (
        nearly_fits(one, odd, CopyFidelity(name=names_arrive, details=True, datasets=True))
        is may_be
    )


def test_a_batch_that_was_disputed_once_is_never_claimed() -> None:
    found = presence([attempt(1), attempt(2)], [sighting("b1", disputed=True), sighting("b2")])

    assert (found.claims, found.disputed) == ({}, {1: ("b1", "b2"), 2: ("b1", "b2")})


def test_parts_that_nothing_connects_are_counted_apart() -> None:
    tomorrow = attempt(2, left=90_000.0, ended=90_060.0, date_before=90_000.0, date_after=90_100.0)
    batches = [sighting("b1"), sighting("b2"), sighting("b3", created=90_001.0)]
    found = presence([attempt(1), tomorrow], batches)

    assert (found.claims, found.disputed) == ({2: "b3"}, {1: ("b1", "b2")})


def test_an_attempt_that_an_answer_named_a_batch_for_takes_no_other() -> None:
    answered = attempt(1, answered_id="b9")

    assert presence([answered], [sighting("b1")]).claims == {}
    assert presence([answered], [sighting("b9")]).claims == {1: "b9"}


def test_hole_as_many_items_are_created_as_a_maximum_matching_allows() -> None:
    """The second attempt's copy was listed first; given to the first attempt, it would leave the
    other copy over."""
    second = attempt(2, left=1005.0, ended=1065.0, listing=5)
    late_shown = sighting("b1", created=1001.0, listing=8)
    found = presence([attempt(1), second], [sighting("b2", created=1006.5, listing=6), late_shown])

    assert found.claims == {1: "b1", 2: "b2"}


small = st.integers(0, 6)


@given(
    lefts=st.lists(st.tuples(small, small), min_size=1, max_size=4),
    batches=st.lists(st.tuples(small, small), max_size=4),
)
def test_claims_are_a_maximum_matching_of_what_fits(
    lefts: list[tuple[int, int]], batches: list[tuple[int, int]]
) -> None:
    attempts = [
        attempt(
            n,
            left=float(left),
            ended=float(left),
            timeout_s=0.0,
            settle_after_s=1.0,
            listing=listing,
            offset=Interval(0.0, 0.0),
        )
        for n, (left, listing) in enumerate(lefts)
    ]
    shown = [
        sighting(f"b{n}", created=float(at), listing=listing)
        for n, (at, listing) in enumerate(batches)
    ]
    found = presence(attempts, shown)
    assert len(set(found.claims.values())) == len(found.claims)
    by_id = {batch.batch_id: batch for batch in shown}
    assert all(fits(attempts[number], by_id[batch]) for number, batch in found.claims.items())
    undisputed = [a for a in attempts if a.id not in found.disputed]
    free = [b for b in shown if not any(b.batch_id in ids for ids in found.disputed.values())]
    most = 0
    for chosen in itertools.permutations([*free, *[None] * len(undisputed)], len(undisputed)):
        pairs = [b is not None and fits(a, b) for a, b in zip(undisputed, chosen, strict=True)]
        most = max(most, sum(pairs))
    assert len(found.claims) == most


def test_ten_thousand_copies_of_one_name_are_settled_fast() -> None:
    attempts = [attempt(n) for n in range(10_000)]
    batches = [sighting(f"b{n:05}") for n in range(10_000)]
    began = time.process_time()
    found = presence(attempts, batches)

    assert (len(found.claims), len(set(found.claims.values())), found.disputed) == (
        10_000,
        10_000,
        {},
    )
    assert time.process_time() - began < 5.0


def test_above_many_pairs_what_looks_alike_is_counted_together() -> None:
    tonight = [attempt(n) for n in range(100)]
    tomorrow = attempt(
        500, left=90_000.0, ended=90_060.0, date_before=90_000.0, date_after=90_100.0
    )
    batches = [sighting(f"b{n:05}") for n in range(MANY // 100 + 2)]

    assert presence([*tonight, tomorrow], batches).claims == {}


def test_hole_above_many_pairs_batches_that_fit_nothing_do_not_count() -> None:
    """Colleagues' copies of the same name are not more batches than attempts."""
    attempts = [attempt(n) for n in range(200)]
    colleagues = [sighting(f"c{n:05}", created_by="somebody") for n in range(300)]
    found = presence(attempts, [sighting("b1"), *colleagues])

    assert (list(found.claims.values()), found.disputed) == (["b1"], {})


# -- absence

ANOTHER: dict[str, dict[str, Any]] = {
    "name": {"name": "Bridges"},
    "details": {"details": "else", "loose_details": "else"},
    "datasets": {"datasets": ("other",)},
}


@pytest.mark.parametrize("differs", ANOTHER)
def test_a_property_that_differs_proves_only_where_it_was_shown_to_survive(differs: str) -> None:
    batch = sighting(name="Signs")._replace(**ANOTHER[differs])
    only: dict[str, Any] = {differs: True}
    unknown: dict[str, Any] = {differs: None}
    not_kept: dict[str, Any] = {differs: False}

    assert not nearly_fits(attempt(), batch, ALL)
    assert not nearly_fits(attempt(), batch, CopyFidelity(**only))
    assert nearly_fits(attempt(), batch, replace(ALL, **unknown))
    assert nearly_fits(attempt(), batch, replace(ALL, **not_kept))
    assert nearly_fits(attempt(), batch, CopyFidelity())


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "near"),
    [
        ({}, {}, True),
        ({}, {"created_by": None}, True),
        ({"tells_people_apart": False}, {"created_by": "somebody"}, False),
        (
            {},
            {"created": 1060 + 30 + 1.1},
            True,
        ),  # another of its kind may have been given what it made
        ({}, {"name": "signs 1"}, False),  # not exactly its name
        ({"name": None}, {"name": "Signs (Copy)"}, True),  # the name that the API gives
        ({"name": None}, {"name": "Lines (Copy)"}, False),
    ],
)
def test_a_batch_of_exactly_the_copys_name_is_near_however_it_looks(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], near: bool
) -> None:
    batch = sighting(details="else", loose_details="else")._replace(**of_batch)
    assert nearly_fits(attempt(**of_attempt), batch, ALL) is near


@pytest.mark.parametrize(
    ("sent", "characters", "near"),
    [
        ("Größe 1", "", True),
        ("Größe 1", "öß", False),
        ("Größe 1", "ö", True),
        ("Q&A", "", True),
        ("Q#A (1)", "", False),
    ],
)
def test_a_name_proves_something_where_its_characters_were_seen_to_survive(
    sent: str, characters: str, near: bool
) -> None:
    seen = replace(ALL, characters=frozenset(characters))
    assert nearly_fits(attempt(name=sent), sighting(name="Bridges"), seen) is near
    assert seen.surely_keeps(sent) is not near


def test_a_name_that_is_guessed_proves_nothing_where_the_source_may_have_changed() -> None:
    restored = attempt(source_changed=True, name_guessed=True)
    assert nearly_fits(restored, sighting(name="Bridges"), ALL)


@pytest.mark.parametrize(
    ("seen", "made_from"),
    [
        ([], "cleaned"),
        ([("cleaned", "details")], "details"),
        ([("cleaned", "details"), ("cleaned", "details")], "details"),
        ([("cleaned", "details"), ("cleaned", "other")], ""),
        ([("cleaned", "cleaned"), ("cleaned", "details")], ""),
    ],
)
def test_copies_show_what_a_cleaning_api_makes_of_details(
    seen: list[tuple[str, str]], made_from: str
) -> None:
    known = CopyFidelity()
    for listed, details in seen:
        known = known.joined(CopyFidelity(copied={listed: details}))
    assert known.as_sent(sighting(details="cleaned")).details == made_from


@pytest.mark.parametrize("differs", ANOTHER)
def test_nothing_that_differs_proves_anything_where_the_source_changed_or_is_not_known(
    differs: str,
) -> None:
    batch = sighting()._replace(**ANOTHER[differs])

    assert nearly_fits(attempt(source_changed=True), batch, ALL) is (differs != "name")
    assert nearly_fits(attempt(source_changed=True, name=None), batch, ALL), (
        "the source's own name was sent"
    )
    assert nearly_fits(attempt(source=None), batch, ALL)


@pytest.mark.parametrize(
    ("of_attempt", "of_batch"),
    [
        ({}, {"listing": 5}),
        ({}, {"created_by": "somebody"}),
        ({}, {"workspace_id": "elsewhere"}),
        ({}, {"created": 999 - WIDE_S - 1.1}),
        ({}, {"created": 1090 + 30 + WIDE_S + 1.1}),
    ],
)
def test_a_batch_that_cannot_be_its_copy_is_no_candidate_whatever_it_looks_like(
    of_attempt: dict[str, Any], of_batch: dict[str, Any]
) -> None:
    assert not nearly_fits(attempt(**of_attempt), sighting()._replace(**of_batch), CopyFidelity())


@pytest.mark.parametrize(
    ("created", "date_after"),
    [(999 - WIDE_S, 1090.0), (1090 + 30 + WIDE_S, 1090.0), (1e9, None), (None, 1090.0)],
)
def test_a_batch_made_within_the_wide_window_is_a_candidate(
    created: float | None, date_after: float | None
) -> None:
    assert nearly_fits(attempt(date_after=date_after), sighting(created=created), ALL)


def test_datasets_of_a_new_dataset_copy_are_none() -> None:
    new = attempt(upload_new_dataset=True)

    assert not nearly_fits(new, sighting(name="Signs"), ALL)
    assert nearly_fits(new, sighting(name="Signs", datasets=()), ALL)


def test_details_that_differ_in_case_and_spaces_alone_prove_nothing() -> None:
    assert nearly_fits(attempt(), sighting(details="cleaned"), ALL)


def test_hole_a_batch_whose_looks_changed_between_listings_is_a_candidate() -> None:
    """First shown without its details, as a new batch may be: a look that is not final proves
    nothing."""
    assert nearly_fits(
        attempt(), sighting(name="Bridges", details="else", loose_details="", datasets=()), ALL
    )


@pytest.mark.parametrize(
    ("expected", "found", "close"),
    [
        ("Signs 1", "Signs 1", True),
        ("Signs 1", "SIGNS 1", True),
        ("Signs 1", "  Signs   1 ", True),
        ("Signs 1", "Signs1", True),
        ("Ａ１", "A1", True),  # NFKC
        ("Straße", "STRASSE", True),
        ("é", "e\u0301", True),
        ("Signs 1", "Signs 10", True),
        ("Signs 10", "Signs 1", True),
        ("Signs 1", "", True),
        ("★★★", "anything", True),
        ("Signs 1", "Signs 1 (Copy)", True),
        ("Ibáñez & sons", "Ibáñez &amp; sons", True),  # escaped for a page
        ("Ibáñez & sons", "Ibáñez &amp;amp; sons", True),
        ("Signs 1", "Signs 2", False),
        ("Signs 1", "Bridges (Copy)", False),
        ("Signs 1", "1 Signs", False),
    ],
)
def test_names_are_close_up_to_case_spaces_unicode_form_and_cutting(
    expected: str, found: str, close: bool
) -> None:
    assert names_are_close(attempt(name=expected), found) is close


@pytest.mark.parametrize(
    ("found", "close"),
    [
        ("Signs (Copy)", True),
        ("Quite another (Copy)", True),  # the source may have been renamed
        ("Quite another (Copy)  ", True),
        ("Signs (Copy 2)", True),
        ("Signs", True),
        ("Bridges", False),
        ("Bridges (copy)", False),
    ],
)
def test_where_no_name_was_sent_every_copys_name_is_close(found: str, close: bool) -> None:
    assert names_are_close(attempt(name=None), found) is close


@given(st.text(max_size=20))
def test_a_name_is_close_to_itself_however_it_is_written(name: str) -> None:
    for form in (name, name.upper(), f" {name} ", name.replace(" ", "")):
        assert names_are_close(attempt(name=name), form) or skeleton(name.upper()) != skeleton(name)


def test_candidates_are_named_by_their_ids() -> None:
    shown = [sighting("b1"), sighting("b2", name="Bridges"), sighting("b3", created_by="somebody")]

    assert candidates(attempt(), shown, ALL) == ("b1",)
    assert candidates(attempt(), shown, CopyFidelity()) == ("b1", "b2")


@pytest.mark.parametrize("first", [True, False, None])
@pytest.mark.parametrize("second", [True, False, None])
def test_one_that_did_not_survive_outweighs_all_that_did_and_none_tells_nothing(
    first: bool | None, second: bool | None
) -> None:
    told = {value for value in (first, second) if value is not None}
    joined = CopyFidelity(name=first).joined(CopyFidelity(name=second))

    assert joined.name is (False if False in told else True if told else None)
    assert (joined.details, joined.datasets) == (None, None)


# -- listings


@pytest.mark.parametrize(
    ("length", "longest", "newest", "capped"),
    [
        (0, 0, False, False),
        (10, 10, False, True),
        (100, 90, False, True),
        (101, 101, False, False),
        (9, 9, False, False),
        (100, 100, True, False),
        (100, 101, False, False),  # a longer one was seen
        (90, 250, True, False),
    ],
)
def test_a_round_length_may_be_a_pages(
    length: int, longest: int, newest: bool, capped: bool
) -> None:
    assert may_be_capped(length, longest, newest) is capped


# -- verdicts


def words(why: Unsettled) -> str:
    """What people read of item 101."""
    candidates = [one.batch_id for one in why.candidates]
    return message(101, why.reason, why.text, candidates, why.total) or ""


def test_an_incomplete_listing_leaves_everything_unknown_and_says_why() -> None:
    for absence in (False, True):
        said = verdicts_of(
            [attempt()], {"ws": [sighting()]}, {"ws": "HTTP 500"}, {"ws": ALL}, absence=absence
        )
        assert (said.claims, said.absent, said.disputed) == ({}, [], ())
        assert said.unknown == {
            1: Unsettled(
                Reason.LISTING_INCOMPLETE, "the workspace's listing is not complete: HTTP 500"
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
        said = verdicts_of([attempt()], {"ws": [sighting()]}, {"ws": None}, {}, absence=absence)
        assert said.claims == {1: sighting()}


def test_what_an_answer_named_is_never_absent() -> None:
    said = verdicts_of(
        [attempt(answered_id="b9")], {"ws": []}, {"ws": None}, {"ws": ALL}, absence=True
    )

    assert said.absent == []
    assert said.unknown[1].reason is Reason.ANSWER_NAMED
    assert words(said.unknown[1]).endswith("an answer named this batch (b9)")


def test_a_candidate_keeps_absence_from_being_proved_and_is_named() -> None:
    near = sighting(name="signs 1")
    said = verdicts_of([attempt()], {"ws": [near]}, {"ws": None}, {"ws": ALL}, absence=True)

    assert (said.absent, said.disputed) == ([], ())
    assert words(said.unknown[1]) == "#101 may exist: these may be its copy (b1)"


def test_what_was_claimed_is_no_candidate_for_another() -> None:
    other = attempt(2, name="Signs 10")
    said = verdicts_of(
        [attempt(), other], {"ws": [sighting()]}, {"ws": None}, {"ws": ALL}, absence=True
    )

    assert (list(said.claims), said.absent) == ([1], [2])


def test_disputed_batches_are_named_and_handed_on_to_be_remembered() -> None:
    said = verdicts_of(
        [attempt()], {"ws": [sighting("b1"), sighting("b2")]}, {"ws": None}, {}, absence=True
    )

    assert (said.claims, said.absent, said.disputed) == ({}, [], ("b1", "b2"))
    assert words(said.unknown[1]).endswith("(b1, b2)")


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


def test_survival_in_one_workspace_proves_nothing_in_another() -> None:
    said = verdicts_of(
        [attempt()], {"ws": [sighting(name="Bridges")]}, {"ws": None}, {"there": ALL}, absence=True
    )  # fmt: skip

    assert list(said.unknown) == [1]


def test_an_error_names_the_first_candidates_and_counts_the_others() -> None:
    near = [sighting(f"b{n:02}", name="signs 1") for n in range(NAMED + 3)]
    (why,) = verdicts_of([attempt()], {"ws": near}, {"ws": None}, {}, absence=True).unknown.values()

    assert words(why).endswith("b09 and 3 more)")
