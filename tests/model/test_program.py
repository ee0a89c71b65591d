"""What the program is called by in the commands that people are shown."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from worker.model.program import command_prefix

HERE = str(Path.cwd())
IN_A_FOLDER = ".venv/bin/duplicate-batches"
MODULE = "/w/site-packages/worker/__main__.py"
SCRIPT = "/v/bin/duplicate-batches"


@pytest.mark.parametrize(
    ("called", "line", "on_path", "at_a_terminal", "elsewhere"),
    [
        # found on PATH
        (
            SCRIPT,
            "/v/bin/python /v/bin/duplicate-batches run a.csv",
            SCRIPT,
            "duplicate-batches",
            SCRIPT,
        ),
        # in a folder that is not on PATH, or hidden by another one that is
        (IN_A_FOLDER, "p x", None, IN_A_FOLDER, f"{HERE}/{IN_A_FOLDER}"),
        (IN_A_FOLDER, "p x", SCRIPT, IN_A_FOLDER, f"{HERE}/{IN_A_FOLDER}"),
        (SCRIPT, "p x", None, SCRIPT, SCRIPT),
        # without its folder
        ("duplicate-batches", "p x", SCRIPT, "duplicate-batches", SCRIPT),
        ("duplicate-batches", "p x", None, "duplicate-batches", "duplicate-batches"),
        # as a module
        (MODULE, "python -m worker run a.csv", None, "python -m worker", "/v/bin/python -m worker"),
        (MODULE, "p -X dev -m worker run", None, "p -X dev -m worker", "/v/bin/python -m worker"),
        # inside another program
        ("/v/bin/pytest", "python pytest", None, "duplicate-batches", "duplicate-batches"),
        (
            "/x/pytest/__main__.py",
            "python -m pytest",
            None,
            "duplicate-batches",
            "duplicate-batches",
        ),
        ("", "python", None, "duplicate-batches", "duplicate-batches"),
    ],
)
def test_the_programs_name(
    called: str, line: str, on_path: str | None, at_a_terminal: str, elsewhere: str
) -> None:
    for terminal, expected in ((True, at_a_terminal), (False, elsewhere)):
        found = command_prefix(
            called, line.split(), "/v/bin/python", lambda _: on_path, terminal=terminal
        )
        assert found == tuple(shlex.split(expected))


@pytest.mark.parametrize("how", ["module", "script"])
def test_a_real_process_names_what_runs_from_anywhere(how: str, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("duplicate-batches")
    called = [sys.executable, "-m", "worker"] if how == "module" else [str(script)]
    if how == "script" and not script.exists():
        pytest.skip("the package is not installed here")
    (tmp_path / "job.csv").write_text("batch_id\n0192a3b4-5678-7abc-8def-0123456789ab\n", "utf-8")
    keep = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    first = subprocess.run(
        [
            *called,
            "run",
            "job.csv",
            "--sandbox",
            "--yes",
            "--max-duration",
            "0.001",
            "--log-format",
            "json",
        ],
        cwd=tmp_path,
        env=keep,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    (line,) = [
        line.strip() for line in first.stdout.splitlines() if " run " in line and "job.csv" in line
    ]
    assert line.startswith(shlex.join(called)), first.stdout
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = subprocess.run(
        [*shlex.split(line), "--yes"], cwd=elsewhere, env=keep | {"PATH": "/nowhere"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert list(elsewhere.iterdir()) == []
