"""Which files are mount points themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.ledger.sqlite.mounts import is_mount_point, mount_points


@pytest.mark.parametrize(
    ("mountinfo", "points"),
    [
        ("", set()),
        ("\n", set()),
        ("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n", {"/mnt2"}),
        (
            "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 8:1 /l.db /waves/l.db rw - ext4 /dev/sda rw",
            {"/", "/waves/l.db"},
        ),
        (r"2 1 8:1 / /a\040b\011c\012d\134e rw - ext4 /dev/sda rw", {"/a b\tc\nd\\e"}),
        (r"2 1 8:1 / /a\134040b rw - ext4 /dev/sda rw", {r"/a\040b"}),
        ("2 1 8:1 / /a\u2028b\xa0c rw - ext4 /dev/sda rw", {"/a\u2028b\xa0c"}),
        ("2 1 8:1 /", set()),
    ],
    ids=["empty", "a line end", "one", "two", "escapes", "a backslash", "Unicode", "cut short"],
)
def test_mount_points_are_the_fifth_fields(mountinfo: str, points: set[str]) -> None:
    assert mount_points(mountinfo) == points


def test_a_file_in_a_folder_is_no_mount_point(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    assert not is_mount_point(tmp_path / "ledger.db")
    assert not is_mount_point(tmp_path / "none.db")


def test_systems_without_a_list_of_mounts_do_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.ledger.sqlite.mounts._MOUNTS", tmp_path / "none")
    assert not is_mount_point(Path("/"))
