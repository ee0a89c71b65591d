"""The folders that a run writes to, as `doctor` sees them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.support.users import needs_closed_folders, not_root
from worker.doctor.local import check_folders
from worker.settings.load import load_settings


@needs_closed_folders
def test_a_folder_that_is_closed_to_this_user_cannot_be_written(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    settings = load_settings(
        "run", {"log_file": str(closed / "logs" / "run.log")}, {}, job=tmp_path / "wave.csv",
        job_campaign=None, today=dt.date(2026, 3, 1), cwd=tmp_path,
    )  # fmt: skip
    with not_root():
        checks = list(check_folders(settings))
    assert checks[-1].text.endswith(" cannot be written")
