"""Which run of a ledger file shows that the database is older."""

from __future__ import annotations

import pytest

from worker.restore.lost_database import _is_before

RESTORE = "20260301T120000-restor"


@pytest.mark.parametrize(
    ("run_id", "restored", "before"),
    [
        ("20260301T115959-abcdef", RESTORE, True),
        ("20260301T120000-abcdef", RESTORE, False),  # nobody knows which was first
        ("20260301T120001-abcdef", RESTORE, False),
        ("20260301T115959-abcdef", None, False),
        ("run-1", RESTORE, False),
        ("20260301T115959-abcdef", "run-2", False),
    ],
)
def test_only_a_run_before_the_restoring_may_be_missing(
    run_id: str, restored: str | None, before: bool
) -> None:
    assert _is_before(run_id, restored) is before
