"""The tests of what a ledger does run on both engines."""

from __future__ import annotations

import pytest

from tests.support.engines import engine, on_both, server

__all__ = ["engine", "server"]

ABOUT_SQLITE = {"test_database", "test_lock", "test_threads"}
"""Modules about SQLite's own files, locks and threads."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on both engines."""
    if metafunc.module.__name__.rpartition(".")[2] not in ABOUT_SQLITE:
        on_both(metafunc)
