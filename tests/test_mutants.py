"""`make mutants` runs only if pytest finds each test that it names: for mutmut, a test that is not
found has noticed the change."""

from __future__ import annotations

import pytest

from tests.mutants import not_found, selection


def test_pytest_finds_each_test_that_mutants_are_shown_to() -> None:
    assert not_found(selection()) == ""


@pytest.mark.parametrize(
    "name",
    [
        "tests/test_no_such_file.py",
        "tests/no_such_folder",
        "tests/api/test_outcome.py::test_no_such_test",
        "tests/settle/cases.py",  # no test is in it
    ],
)
def test_a_test_that_is_not_found_is_named(name: str) -> None:
    assert name in not_found(["tests/run/test_limits.py", name])
