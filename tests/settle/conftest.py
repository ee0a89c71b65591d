"""What settling is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.settle.rig import SOURCE, Rig, World, run
from tests.support.clocks import HandClock
from tests.support.engines import engine, on_both, server

__all__ = ["engine", "server", "world"]

WITH_A_LEDGER = {"world", "one", "two"}
"""Fixtures of tests that settle over a ledger: these run on both engines."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what settles over a ledger on both engines."""
    if not WITH_A_LEDGER.isdisjoint(metafunc.fixturenames):
        on_both(metafunc)


@pytest.fixture
def world() -> World:
    """A world with one source, made long ago."""
    made = World(HandClock())
    made.add(1, "Signs")
    made.add(2, "Unrelated", by="somebody")
    made.clock.advance(86_400.0)
    return made


@pytest.fixture
async def one(engine: str, tmp_path: Path, world: World) -> AsyncIterator[Rig]:
    """A run of one duplicate that has looked up its source."""
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        yield rig


@pytest.fixture
async def two(engine: str, tmp_path: Path, world: World) -> AsyncIterator[Rig]:
    """A run of `Wave 1` and `Wave 2`, both sent; the first is answered with batch 100."""
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        rig.answer(rig.intents()[0], 100)
        yield rig
