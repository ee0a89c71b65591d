"""Runs the tests of a module with a ledger on each engine: a SQLite file, and a server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support import ledgers
from tests.support.postgresql import Server, running_server, why_not
from worker.model.server_address import DatabaseLocation

ENGINES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for all tests of this process. Each ledger has a schema of its own."""
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine on which `opened` keeps its ledgers. Tests seldom name it, and pytest drops what
    nobody names from parametrized tests. So all tests of a module that imports it use it."""
    name: str = getattr(request, "param", ENGINES[0])
    if name == "postgresql":
        if request.node.get_closest_marker("sqlite") is not None:
            pytest.skip("this is about SQLite")
        running: Server = request.getfixturevalue("server")

        @cache
        def place(_folder: Path) -> DatabaseLocation:
            return running.address()

        monkeypatch.setattr(ledgers, "place", place)
        monkeypatch.setattr(ledgers, "lose", lambda _folder: place.cache_clear())
    return name


def on_both(metafunc: pytest.Metafunc) -> None:
    """Let a test run once with each engine."""
    metafunc.parametrize("engine", ENGINES, indirect=True)
