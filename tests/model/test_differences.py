"""Where a copy differs from its source: what counts, and the text that says it."""

from __future__ import annotations

import pytest

from worker.model.differences import (
    Content,
    Difference,
    DifferenceKind,
    differ,
    differences,
    message,
    read_message,
)

A, B, C = "data-a", "data-b", "data-c"
SOURCE = Content(5, False, (A,))
EVERY = tuple(Difference(kind) for kind in DifferenceKind)


@pytest.mark.parametrize(
    ("source", "copy", "upload", "text"),
    [
        (SOURCE, SOURCE, False, ""),
        (SOURCE, Content(6, None, (A,)), False, ""),
        (SOURCE, Content(4), False, "fewer instructions than its source (4 of 5)"),
        (SOURCE, Content(0), True, "fewer instructions than its source (0 of 5)"),
        # what the API does not say is no difference
        (SOURCE, Content(), False, ""),
        (SOURCE, Content(), True, ""),
        (Content(), Content(0, False, (A,)), False, ""),
        (Content(5, True, ()), Content(5, None, (A,)), False, ""),
        (SOURCE, Content(5, False, None), False, ""),
        # datasets
        (SOURCE, Content(5, None, (B,)), False, "a dataset that its source does not have"),
        (SOURCE, Content(5, None, (A, B)), False, "a dataset that its source does not have"),
        (SOURCE, Content(5, None, ()), False, "fewer datasets than its source (0 of 1)"),
        (Content(5, None, (A, B)), Content(5, None, (B,)), False,
         "fewer datasets than its source (1 of 2)"),
        (Content(5, None, (A, B)), Content(5, None, (B, A)), False, ""),
        (SOURCE, Content(5, None, ()), True, ""),
        (SOURCE, Content(5, None, (A,)), True, "a dataset, although upload_new_dataset is true"),
        # auto-sync counts if the dataset is shared
        (SOURCE, Content(5, True, (A,)), False, "auto-sync on a shared dataset"),
        (Content(5, True, (A,)), Content(5, True, (A,)), False, "auto-sync on a shared dataset"),
        (Content(5, True, (A,)), Content(5, True), False, "auto-sync on a shared dataset"),
        (Content(5, True, (A,)), Content(5, False, (A,)), False,
         "no auto-sync, although its source has it"),
        (SOURCE, Content(5, True, (B,)), False, "a dataset that its source does not have"),
        (SOURCE, Content(5, True, ()), True, ""),
        (SOURCE, Content(4, True, (A, C)), False,
         "fewer instructions than its source (4 of 5); a dataset that its source does not have;"
         " auto-sync on a shared dataset"),
    ],
)  # fmt: skip
def test_what_a_copy_lacks_is_said_and_nothing_that_is_not_known(
    source: Content, copy: Content, upload: bool, text: str
) -> None:
    assert message(differences(source, copy, upload_new_dataset=upload)) == text


@pytest.mark.parametrize(
    "found",
    [
        (),
        *[(one,) for one in EVERY if not one.kind.startswith("fewer")],
        (Difference(DifferenceKind.FEWER_INSTRUCTIONS, 4, 5),),
        (Difference(DifferenceKind.FEWER_DATASETS, 0, 1), Difference(DifferenceKind.AUTO_SYNC)),
    ],
)
def test_a_warning_of_a_ledger_file_is_read_as_it_was_written(
    found: tuple[Difference, ...],
) -> None:
    assert read_message(message(found)) == found


@pytest.mark.parametrize("text", ["", "something new", "fewer instructions than its source (a)"])
def test_text_that_is_no_warning_of_ours_is_left_out(text: str) -> None:
    assert read_message(text) == ()
    assert read_message(f"{text}; auto-sync on a shared dataset") == (
        Difference(DifferenceKind.AUTO_SYNC),
    )


def test_one_and_many() -> None:
    assert differ(1, 1) == "1 of 1 copy differs from its source"
    assert differ(1, 1200) == "1 of 1,200 copies differs from its source"
    assert differ(2, 45) == "2 of 45 copies differ from their source"
