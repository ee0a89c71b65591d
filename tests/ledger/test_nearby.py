"""What campaigns share, in databases nearby that any version wrote."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from tests.ledger.old_databases import OLD_ROWS, old_database
from tests.support.ledgers import API, uuid
from worker.job.plan import planned
from worker.job.read import open_job
from worker.ledger.nearby import MAX_COMPARED, latest_backup, ledgers_in, shared_nearby
from worker.ledger.overlap import Overlap
from worker.ledger.sqlite.database import migrations

NAMES = tuple(f"Wave {number}" for number in range(1, len(OLD_ROWS) + 1))


@pytest.mark.parametrize("version", range(1, len(migrations()) + 1))
@pytest.mark.parametrize(
    ("api_url", "found"), [(API, True), ("https://example.com", False)], ids=["ours", "another's"]
)
def test_a_database_of_any_version_tells_what_it_shares(
    tmp_path: Path, version: int, api_url: str, found: bool
) -> None:
    database = tmp_path / "nearby" / "ledger.db"
    old_database(database, version)
    job = tmp_path / "job.csv"
    job.write_text("batch_id,name\n" + "".join(f"{uuid(1)},{name}\n" for name in NAMES))
    before = database.read_bytes()

    with planned(open_job(job), "autumn", date(2026, 3, 1)) as plan:
        files = ledgers_in(database.parent, tmp_path / "own.db", any_name=False)
        shared = shared_nearby(files, plan.file, "autumn", api_url, [database.parent])

    may_exist = sum(row.status in ("created", "unknown") for row in OLD_ROWS)
    expected = Overlap(
        "spring", len(NAMES), may_exist, may_exist, Path("/job.csv"), Path("/l.csv"),
        database=database, beside_job=True, job_gone=True,
    )  # fmt: skip
    assert shared == ([expected] if found else [])
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["ledger.db"]


@pytest.mark.parametrize(("campaign", "all_of_them"), [("spring", True), ("autumn", False)])
def test_of_many_backups_nearby_the_latest_are_compared_and_the_others_only_by_name(
    tmp_path: Path, campaign: str, all_of_them: bool
) -> None:
    folder = tmp_path / "nearby"
    files = [folder / f"ledger-{number:02}.db" for number in range(MAX_COMPARED + 2)]
    for number, file in enumerate(files):
        old_database(file, len(migrations()))
        os.utime(file, (number, number))
    job = tmp_path / "job.csv"
    job.write_text("batch_id,name\n" + "".join(f"{uuid(1)},{name}\n" for name in NAMES))

    with planned(open_job(job), campaign, date(2026, 3, 1)) as plan:
        shared = shared_nearby(files, plan.file, campaign, API, [folder])

    assert [one.database for one in shared] == (files if all_of_them else files[2:])


def test_a_damaged_database_nearby_is_passed_over(tmp_path: Path) -> None:
    """Its schema is no text any more, and SQLite's message about it cannot be read."""
    database = tmp_path / "nearby" / "ledger.db"
    old_database(database, len(migrations()))
    data = database.read_bytes()
    database.write_bytes(data.replace(b"CREATE TABLE campaigns", b"CREATE\xa0TABLE campaigns"))
    job = tmp_path / "job.csv"
    job.write_text(f"batch_id,name\n{uuid(1)},{NAMES[0]}\n")
    with planned(open_job(job), "autumn", date(2026, 3, 1)) as plan:
        assert shared_nearby([database], plan.file, "autumn", API, [database.parent]) == []
    assert latest_backup(tmp_path / "nearby" / "own.db", API) is None
