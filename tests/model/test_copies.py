"""The name and the datasets of a copy."""

from __future__ import annotations

import pytest

from tests.settle.cases import SOURCE, attempt
from worker.ledger.rows import coming_name
from worker.model.copies import copy_datasets, copy_name


@pytest.mark.parametrize(
    ("sent", "source", "name"),
    [
        ("Wave 1", "Signs", "Wave 1"),
        ("Wave 1", "", "Wave 1"),
        ("Wave 1", None, "Wave 1"),
        ("", "Signs", ""),
        ("", None, ""),
        (None, "Signs", "Signs (Copy)"),
        (None, "", " (Copy)"),
        (None, None, ""),
    ],
)
def test_the_api_names_a_copy_only_if_no_name_was_sent(
    sent: str | None, source: str | None, name: str
) -> None:
    assert copy_name(sent, source) == name


@pytest.mark.parametrize(
    ("sent", "template", "source", "name"),
    [
        ("Wave 1", "", "Signs", "Wave 1"),
        ("", "Wave", "Signs", "Signs (Copy)"),  # sent without a name
        ("", "Wave", "", " (Copy)"),
        ("", "Wave", None, ""),
        (None, "Wave", "Signs", "Wave"),  # not sent yet
        (None, "Wave of {source_name}", None, "Wave of {source_name}"),
        (None, "{source_name}", "", " (Copy)"),
        (None, "", "Signs", "Signs (Copy)"),
        (None, "", "", " (Copy)"),
        (None, "", None, ""),
    ],
)
def test_a_row_without_a_name_gets_the_apis_name(
    sent: str | None, template: str, source: str | None, name: str
) -> None:
    assert coming_name(sent, template, 1, source) == name


@pytest.mark.parametrize(
    ("sent", "source", "name"),
    [
        ("Wave 1", SOURCE, "Wave 1"),
        ("Wave 1", None, "Wave 1"),
        ("", SOURCE, ""),
        (None, SOURCE, "Signs (Copy)"),
        (None, SOURCE._replace(name=""), " (Copy)"),
        (None, None, " (Copy)"),
    ],
)
def test_settling_expects_the_name_of_a_copy(sent: str | None, source: object, name: str) -> None:
    assert attempt(name=sent, source=source).expected_name == name


@pytest.mark.parametrize(
    ("datasets", "upload", "expected"),
    [
        (("a", "b"), False, ("a", "b")),
        (["a"], False, ("a",)),
        (("a", "b"), True, ()),
        ((), False, ()),
        ((), True, ()),
    ],
)
def test_a_copy_shares_the_datasets_of_its_source_unless_it_gets_its_own(
    datasets: list[str] | tuple[str, ...], upload: bool, expected: tuple[str, ...]
) -> None:
    assert copy_datasets(datasets, upload_new_dataset=upload) == expected
