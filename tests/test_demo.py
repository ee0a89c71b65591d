"""`make demo` works on any machine and shows a fault settled."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

# The demo is make's, and runs the command that make installed: other ways to run the tests may lack
# both.
pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or not (BIN / "duplicate-batches").exists(),
    reason="needs make and the command",
)


@pytest.fixture
def rehearsed(tmp_path: Path) -> Iterator[Path]:
    """The project's folder after the README's rehearsal, which leaves a ledger beside the job."""
    shutil.copy(HERE / "Makefile", tmp_path)
    shutil.copytree(HERE / "jobs", tmp_path / "jobs", ignore=shutil.ignore_patterns("ledgers"))
    (tmp_path / "jobs" / "ledgers" / "sandbox").mkdir(parents=True)
    yield tmp_path


def make(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["make", "-o", ".venv/installed", f"BIN={BIN}", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_demo_takes_job_files_alone(rehearsed: Path) -> None:
    recipe = make(rehearsed, "-n", "demo")
    assert "jobs/plain.csv" in recipe
    assert "jobs/templated.yaml" in recipe
    assert "jobs/ledgers" not in recipe


def test_the_demo_shows_faults_that_are_settled_and_where_the_report_is(rehearsed: Path) -> None:
    shown = make(rehearsed, "demo")
    assert "lost: 12 duplicates, all created." in shown
    assert f"Report: {rehearsed / 'demo' / 'lost-ledger.html'}" in shown
    assert (rehearsed / "demo" / "lost-ledger.html").is_file()
    rows = [line.split(",") for line in shown.splitlines() if line.startswith("Wave ")]
    assert len({name for name, *_ in rows}) == len({batch for _, _, batch, *_ in rows}) == 12
    assert {settled_by for *_, settled_by, _ in rows} == {"response", "listing"}
    assert {attempts for *_, attempts in rows} == {"1", "2"}, "a lost request was sent again"
