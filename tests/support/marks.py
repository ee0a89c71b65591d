"""Marks for tests that start many processes. No tests here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def few(values: Iterable[Any], *here: Any) -> list[Any]:
    """Parameters for `parametrize`: `make test` runs those `here`, `make prove` the others."""
    return [
        value if value in here else pytest.param(value, marks=pytest.mark.prove) for value in values
    ]
