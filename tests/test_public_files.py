"""What does not belong into a public repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


def tracked() -> list[Path]:
    if not (HERE / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git checkout")
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=HERE,
        capture_output=True,
        check=True,
        text=True,
    )
    return [
        path
        for name in found.stdout.split("\0")
        if name and (path := HERE / name).is_file() and path.suffix != ".png"
    ]


def test_no_file_names_a_machine_s_paths_or_a_registry() -> None:
    folders = "|".join(("work", "home", "root", "Users", "opt"))
    machine = re.compile(rf"(?<![\w.}}~-])/(?:{folders})/\w")
    registry = re.compile(
        "|".join(("index" + "-url", "trusted" + "-host", "find" + "-links", "artifact" + "ory")),
        re.I,
    )
    for path in tracked():
        text = path.read_text("utf-8-sig")
        assert not machine.search(text), path
        assert not registry.search(text), path


def test_no_file_names_a_foreign_host() -> None:
    """Tests may hold made-up ones, and pictures the name of their format."""
    ours = re.compile(
        r"(?:api|www|app)\.prolific\.com$|localhost$|127\.0\.0\.1$|www\.w3\.org$"
        r"|healthchecks\.io$|([a-z]+\.)?example\.org$|[{\[]"
    )
    for path in tracked():
        if path.is_relative_to(HERE / "tests"):
            continue
        for host in re.findall(r"https?://([^\s/:\"'`)>]+)", path.read_text("utf-8-sig")):
            assert ours.match(host), f"{path}: {host}"
