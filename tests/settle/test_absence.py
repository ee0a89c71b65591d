"""What keeps absence from being proved: the candidates.

A test whose name says `regression` fails without a fix of the rule it names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settle.cases import ALL, attempt, unowned
from worker.model.attempts import Arrived, CopyFidelity, special
from worker.model.names import skeleton
from worker.settle.absence import candidates, may_be_page, nearly_fits
from worker.settle.fitting import fits, names_are_close
from worker.settle.windows import WIDE_S

LATER = 1300.0
"""When a batch was created that is near only by the clock's margin: nobody renamed a copy."""

ANOTHER: dict[str, dict[str, Any]] = {
    "name": {"name": "Bridges"},
    "details": {"details": "else", "loose_details": "else"},
    "datasets": {"datasets": ("other",)},
}


def test_copies_of_a_source_that_was_edited_do_not_show_what_becomes_of_details() -> None:
    known = CopyFidelity(copied={"before": "edited", "cleaned": "details", "edited": "edited"})
    known = known.without({"before", "edited"})
    assert known.as_sent(unowned(details="before")).details == "before"
    assert known.as_sent(unowned(details="cleaned")).details == "details"


def test_nothing_proves_a_batch_different_from_the_copy_of_a_source_that_nobody_has_seen() -> None:
    for name in ("Bridges", "signs 1"):
        unlike = unowned(name=name, details="else", loose_details="else", created=LATER)
        assert nearly_fits(attempt(source=None), unlike, ALL)
        assert not nearly_fits(attempt(), unlike, ALL)


def test_nothing_proves_a_batch_different_that_listings_showed_differently() -> None:
    unlike = unowned(name="Bridges", details="else", created=LATER)
    assert nearly_fits(attempt(), unlike._replace(loose_details=""), ALL)
    assert not nearly_fits(attempt(), unlike._replace(loose_details="else"), ALL)


@pytest.mark.parametrize(
    ("longest", "found", "near"),
    [
        (6, "Signs", True),  # an API that cuts names at six characters would list "Signs 1" so
        (7, "Signs", False),
        (7, "Signs 1 of 2", True),  # it may add to a name
        (7, "signs-1", True),
    ],
)
def test_a_name_is_not_cut_where_one_that_is_as_long_arrived_whole(
    longest: int, found: str, near: bool
) -> None:
    seen = CopyFidelity(name=True, arrived=Arrived(longest=longest))
    assert nearly_fits(attempt(), unowned(name=found, created=LATER), seen) is near


def test_the_length_of_a_name_is_counted_in_bytes_and_of_one_that_arrived_in_characters() -> None:
    assert Arrived(longest=4).show_whole("Zoe!")
    assert not Arrived(longest=4).show_whole("Zo\u00eb!")


def test_names_that_settling_found_show_nothing_about_the_length_of_other_attempts_names() -> None:
    seen = CopyFidelity(name=True, found=Arrived(longest=7))
    batch = unowned(name="Signs", details="else", loose_details="else")
    assert nearly_fits(attempt(), batch, seen)
    assert not nearly_fits(attempt(restored=True, sent_at=None), batch, seen)


UNLIKE: dict[str, Any] = {"name": "Bridges", "details": "else", "loose_details": "else"}


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "known", "near"),
    [
        ({}, {}, CopyFidelity(), False),
        ({"restored": False}, {}, CopyFidelity(), True),
        ({}, {"loose_details": "loose"}, CopyFidelity(), True),
        ({}, {"loose_details": "loose", "datasets": ("other",)}, CopyFidelity(), False),
        ({}, {"name": "Old signs 1"}, CopyFidelity(), True),
        ({}, {"name": "Sig"}, CopyFidelity(), True),
        ({}, {"name": "Bridges (Copy)"}, CopyFidelity(), True),
        ({}, {"loose_details": ""}, CopyFidelity(), True),  # listings disagree about it
        ({"name": "Zo\u00eb"}, {}, CopyFidelity(), False),
        ({"name": "Zo\u00eb"}, {"name": "Zo&#23"}, CopyFidelity(), True),  # escaped, and then cut
        ({"name": "Zo\u00eb"}, {"name": "zo-"}, CopyFidelity(), True),
        ({"name": "Zo\u00eb"}, {"name": "Zoe"}, CopyFidelity(), True),  # transliterated
        ({"name": "Zo\u00eb 1"}, {"name": "ZO%C3%AB 1"}, CopyFidelity(), True),
        ({"name": "Zo\u00eb"}, {"name": "Z"}, CopyFidelity(), True),
        ({"name": "\u00cble 1"}, {}, CopyFidelity(), True),  # nothing precedes the letter
        ({"name": "(\u00eb) 1"}, {}, CopyFidelity(), True),
        ({"name": "Signs  1"}, {}, CopyFidelity(), False),
        ({"name": None}, {}, CopyFidelity(), False),
        ({"name": None}, {"name": "Signs"}, CopyFidelity(), True),
        ({"name": None, "name_guessed": True}, {}, CopyFidelity(), True),
        ({}, {}, CopyFidelity(name=False), True),
        ({}, {}, CopyFidelity(details=False), True),
    ],
)
def test_a_restored_attempts_copy_has_a_name_or_details_like_it(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], known: CopyFidelity, near: bool
) -> None:
    one = attempt(**({"restored": True} | of_attempt))
    assert nearly_fits(one, unowned(**(UNLIKE | of_batch)), known) is near


@pytest.mark.parametrize(("created", "near"), [(1000.0, False), (1000.5, True), (None, True)])
def test_a_batch_from_before_the_ledger_file_was_written_is_not_the_copy_of_what_it_calls_unsent(
    created: float | None, near: bool
) -> None:
    one = attempt(restored=True, created_after=1000.0, offset=None)
    assert nearly_fits(one, unowned(created=created), CopyFidelity()) is near
    assert fits(one, unowned(created=created)) is near


@pytest.mark.parametrize("differs", ANOTHER)
def test_a_property_that_differs_proves_only_where_it_was_shown_to_survive(differs: str) -> None:
    batch = unowned(name="Signs", created=LATER)._replace(**ANOTHER[differs])
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
    batch = unowned(details="else", loose_details="else")._replace(**of_batch)
    assert nearly_fits(attempt(**of_attempt), batch, ALL) is near


@pytest.mark.parametrize(
    ("of_attempt", "of_batch", "near"),
    [
        ({}, {}, True),
        ({"restored": True}, {}, True),
        ({"source_changed": True}, {}, True),
        ({}, {"created_by": None}, True),
        ({}, {"created": None}, True),
        ({}, {"created": LATER}, False),
        ({"offset": None}, {"created": LATER + 1000}, True),  # nobody knows when that was
        ({}, {"name": "Signs 2"}, False),  # another open attempt's copy
        ({}, {"details": "else", "loose_details": "else"}, False),  # and edited
        ({}, {"datasets": ("other",)}, False),
        ({"tells_people_apart": False}, {"created_by": "somebody"}, False),
    ],
)
def test_a_batch_that_differs_in_its_name_alone_may_be_a_copy_that_a_person_renamed(
    of_attempt: dict[str, Any], of_batch: dict[str, Any], near: bool
) -> None:
    batch = unowned(name="Final A")._replace(**of_batch)
    assert nearly_fits(attempt(**of_attempt), batch, ALL, {"Signs 1", "Signs 2"}) is near


def test_details_that_copying_changes_count_as_those_that_were_copied() -> None:
    known = replace(ALL, details=False, copied={"cleaned": "details", "cut": None})
    for details, near in (("cleaned", True), ("cut", True), ("else", False)):
        batch = unowned(name="Final A", details=details, loose_details=details)
        assert nearly_fits(attempt(), batch, known) is near


@pytest.mark.parametrize(
    ("sent", "characters", "near"),
    [
        ("Größe 1", "", True),
        ("Größe 1", "öß", False),
        ("Größe 1", "ö", True),
        ("Q&A", "", True),
        ("Q#A (1)", "", False),
        ("Wave  1", "", True),
        (" Wave 1", "", True),
    ],
)
def test_a_name_proves_something_where_its_characters_were_seen_to_survive(
    sent: str, characters: str, near: bool
) -> None:
    seen = replace(ALL, arrived=Arrived(frozenset(characters)))
    batch = unowned(name="Bridges", created=LATER)
    assert nearly_fits(attempt(name=sent), batch, seen) is near
    assert seen.surely_keeps(sent) is not near


@pytest.mark.parametrize(
    ("restored", "known", "near"),
    [
        (True, CopyFidelity(found=Arrived()), False),
        (True, CopyFidelity(found=Arrived(frozenset("\u00eb"))), False),
        (True, CopyFidelity(name=False, found=Arrived()), True),  # a 201 shows otherwise
        (True, CopyFidelity(), True),
        (False, CopyFidelity(found=Arrived()), True),
    ],
)
def test_for_a_restored_attempt_the_names_of_batches_that_were_found_prove_something(
    restored: bool, known: CopyFidelity, near: bool
) -> None:
    one = attempt(restored=restored, sent_at=None)
    batch = unowned(name="Bridges (Copy)", details="else", loose_details="else")
    assert nearly_fits(one, batch, known) is near
    assert nearly_fits(one._replace(name="Zo\u00eb"), batch, known) is (
        near or known.found != Arrived(frozenset("\u00eb"))
    )
    assert nearly_fits(one, unowned(name="Signs"), known)


def test_what_existed_before_an_attempt_is_not_its_copy() -> None:
    assert nearly_fits(attempt(restored=True), unowned(), ALL)
    assert not nearly_fits(attempt(restored=True, existed=frozenset(["b1"])), unowned(), ALL)


def test_a_name_that_is_guessed_proves_nothing_where_the_source_may_have_changed() -> None:
    restored = attempt(source_changed=True, name_guessed=True)
    assert nearly_fits(restored, unowned(name="Bridges"), ALL)


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
    assert known.as_sent(unowned(details="cleaned")).details == made_from


@pytest.mark.parametrize("differs", ANOTHER)
def test_nothing_that_differs_proves_anything_where_the_source_changed_or_is_not_known(
    differs: str,
) -> None:
    batch = unowned(created=LATER)._replace(**ANOTHER[differs])

    assert nearly_fits(attempt(source_changed=True), batch, ALL) is (differs != "name")
    assert nearly_fits(attempt(source_changed=True, name=None), batch, ALL), (
        "the source's own name was sent"
    )
    assert nearly_fits(attempt(source=None), batch, ALL)


@pytest.mark.parametrize(
    ("of_attempt", "of_batch"),
    [
        ({}, {"first_listing": 5}),
        ({}, {"created_by": "somebody"}),
        ({}, {"workspace_id": "elsewhere"}),
        ({}, {"created": 999 - WIDE_S - 1.1}),
        ({}, {"created": 1090 + 30 + WIDE_S + 1.1}),
    ],
)
def test_a_batch_that_cannot_be_its_copy_is_no_candidate_whatever_it_looks_like(
    of_attempt: dict[str, Any], of_batch: dict[str, Any]
) -> None:
    assert not nearly_fits(attempt(**of_attempt), unowned()._replace(**of_batch), CopyFidelity())


@pytest.mark.parametrize(
    ("created", "date_after"),
    [(999 - WIDE_S, 1090.0), (1090 + 30 + WIDE_S, 1090.0), (1e9, None), (None, 1090.0)],
)
def test_a_batch_made_within_the_wide_window_is_a_candidate(
    created: float | None, date_after: float | None
) -> None:
    assert nearly_fits(attempt(date_after=date_after), unowned(created=created), ALL)


def test_datasets_of_a_new_dataset_copy_are_none() -> None:
    new = attempt(upload_new_dataset=True)

    assert not nearly_fits(new, unowned(name="Signs"), ALL)
    assert nearly_fits(new, unowned(name="Signs", datasets=()), ALL)


def test_details_that_differ_in_case_and_spaces_alone_prove_nothing() -> None:
    assert nearly_fits(attempt(), unowned(details="cleaned"), ALL)


def test_regression_a_batch_whose_looks_changed_between_listings_is_a_candidate() -> None:
    """First shown without its details, as a new batch may be: a look that is not final proves
    nothing."""
    assert nearly_fits(
        attempt(), unowned(name="Bridges", details="else", loose_details="", datasets=()), ALL
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
    shown = [
        unowned("b1"),
        unowned("b2", name="Bridges", created=LATER),
        unowned("b3", created_by="somebody"),
    ]

    assert candidates(attempt(), shown, ALL) == ("b1",)
    assert candidates(attempt(), shown, CopyFidelity()) == ("b1", "b2")


@pytest.mark.parametrize("first", [True, False, None])
@pytest.mark.parametrize("second", [True, False, None])
def test_one_that_did_not_survive_outweighs_all_that_did_and_none_tells_nothing(
    first: bool | None, second: bool | None
) -> None:
    values = {value for value in (first, second) if value is not None}
    joined = CopyFidelity(name=first).joined(CopyFidelity(name=second))

    assert joined.name is (False if False in values else True if values else None)
    assert (joined.details, joined.datasets) == (None, None)


@pytest.mark.parametrize(
    ("length", "round_"),
    [
        (0, False),
        (1, False),
        (9, False),
        (10, True),
        (24, False),
        (25, True),
        (26, False),
        (75, True),
        (100, True),
        (101, False),
    ],
)
def test_a_round_length_may_be_a_pages(length: int, round_: bool) -> None:
    assert may_be_page(length) is round_


def test_spaces_prove_something_where_such_spaces_were_seen_to_survive() -> None:
    assert not ALL.surely_keeps("Wave  1")
    assert replace(ALL, arrived=Arrived(special("A  B"))).surely_keeps(" Wave  1 ")


def test_what_two_workspaces_show_about_copying_is_joined_property_by_property() -> None:
    one = CopyFidelity(True, None, False, Arrived(frozenset("ë"), 3))
    other = CopyFidelity(None, True, True, Arrived(frozenset("ö"), 9), {}, Arrived(longest=5))
    both = CopyFidelity(True, True, False, Arrived(frozenset("ëö"), 9), {}, Arrived(longest=5))

    assert one.joined(other) == other.joined(one) == both
    found = replace(one, found=Arrived(frozenset("x"), 2))
    assert found.joined(other).found == Arrived(frozenset("x"), 5)


@pytest.mark.parametrize(
    ("name", "characters"),
    [
        ("XA", set()),
        (" A", {"  "}),  # an API may trim it
        ("A  B", {"  "}),
        ("\u00a0A", {"\u00a0"}),  # another space is a special character itself
    ],
)
def test_spaces_that_an_api_might_trim_are_special(name: str, characters: set[str]) -> None:
    assert special(name) == characters
