"""What settling is tried on."""

from __future__ import annotations

import pytest

from tests.settle.rig import World
from tests.support.clocks import HandClock
from tests.support.engines import engine, on_both, server

__all__ = ["engine", "server", "world"]

WITH_A_LEDGER = {"test_holes", "test_restored", "test_settling", "test_reasons"}
"""Modules whose rules read a ledger: they run on both engines."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what reads a ledger on both engines."""
    if metafunc.module.__name__.rpartition(".")[2] in WITH_A_LEDGER:
        on_both(metafunc)


@pytest.fixture
def world() -> World:
    """A world with one source, made long ago."""
    made = World(HandClock())
    made.add(1, "Signs")
    made.add(2, "Unrelated", by="somebody")
    made.clock.advance(86_400.0)
    return made
