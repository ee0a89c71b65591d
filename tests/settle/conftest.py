"""What settling is tried on."""

from __future__ import annotations

import pytest

from tests.settle.rig import World
from tests.support.clocks import HandClock


@pytest.fixture
def world() -> World:
    """A world with one source, made long ago."""
    made = World(HandClock())
    made.add(1, "Signs")
    made.add(2, "Unrelated", by="somebody")
    made.clock.advance(86_400.0)
    return made
