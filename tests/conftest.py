"""What all tests share: no test fails because the machine is busy, and slow ones begin first."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of whole commands, so that no processor waits for the last of them."""
    items.sort(key=lambda item: "whole" not in item.path.parts)
