"""Which run of a ledger file shows that the database is older."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.ledgers import CAMPAIGN, NOW, opened
from worker.ledger.restoration import latest_restore
from worker.ledger.rows import COLUMNS
from worker.model.records import RunEnd, RunKind
from worker.restore.lost_database import _is_before, newer_file

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


@pytest.mark.parametrize(("code", "restored"), [(0, True), (2, False)])
def test_a_refused_restore_restored_nothing(code: int, restored: bool, tmp_path: Path) -> None:
    with opened(tmp_path, kind=RunKind.RESTORE) as ledger:
        ledger.end_run(RunEnd(NOW, None, code, 0, 0, 0))
        assert (latest_restore(ledger, CAMPAIGN) is not None) == restored


def test_of_several_newer_files_the_one_that_changed_last_is_named(tmp_path: Path) -> None:
    header = ",".join(COLUMNS)
    row = {"campaign": CAMPAIGN, "run_id": "run-9", "attempts": "0", "status": "unknown"}
    files = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for file, changed in zip(files, (1.0, 3.0, 2.0), strict=True):
        file.write_text(f"{header}\n{','.join(row.get(column, '') for column in COLUMNS)}\n")
        os.utime(file, (changed, changed))
    with opened(tmp_path) as ledger:
        found = newer_file(ledger, files, CAMPAIGN, str)
        assert found is not None
        assert found.text.startswith(f"{files[1]}: this ledger file is newer than the database")
