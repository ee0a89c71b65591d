"""What the file system shows about a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.users import needs_closed_folders, not_root
from worker.folders import is_gone


@pytest.mark.parametrize(
    ("file", "gone"),
    [
        ("wave.csv", False),
        ("autumn.csv", True),
        ("folder/wave.csv", True),
        ("wave.csv/wave.csv", True),
        ("a" * 300, False),
    ],
    ids=["there", "not there", "no folder", "a file as a folder", "too long"],
)
def test_a_file_is_gone_only_if_that_can_be_seen(file: str, gone: bool, tmp_path: Path) -> None:
    (tmp_path / "wave.csv").touch()
    assert is_gone(tmp_path / file) == gone


@needs_closed_folders
def test_a_file_in_a_closed_folder_is_taken_to_exist(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with not_root():
        assert not is_gone(closed / "wave.csv")
