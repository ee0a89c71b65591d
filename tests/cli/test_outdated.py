"""What shows that a database lacks what exists."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.support.ledgers import opened
from tests.support.users import needs_closed_folders, not_root
from worker.cli.outdated import newer_file_anywhere
from worker.settings.load import load_settings


@needs_closed_folders
def test_a_ledger_file_in_a_closed_folder_shows_nothing(tmp_path: Path) -> None:
    """Another person of the same host ran this campaign, and keeps its ledger file at home."""
    home = tmp_path / "home"
    home.mkdir(mode=0)
    settings = load_settings(
        "ledger", {}, {}, job=None, job_campaign=None, today=dt.date(2026, 3, 1), cwd=tmp_path
    )
    with opened(tmp_path, ledger=str(home / "ledger.csv")) as ledger, not_root():
        assert newer_file_anywhere(ledger, settings) is None
