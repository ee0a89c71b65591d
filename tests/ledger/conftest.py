"""The tests of what a ledger does run on both engines."""

from __future__ import annotations

import pytest

from tests.support.engines import engine, on_both, server

__all__ = ["engine", "server"]

OF_ONE_ENGINE = {
    "test_database",
    "test_lock",
    "test_mounts",
    "test_refusal",
    "test_seat",
    "test_server_engine",
    "test_server_threads",
    "test_session",
    "test_threads",
    "test_tls",
    "test_users",
}
"""Modules about SQLite's own files, locks and threads, or about a server's seat."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both engines."""
    if metafunc.module.__name__.rpartition(".")[2] not in OF_ONE_ENGINE:
        on_both(metafunc)
