"""The completion scripts work in the real shells; without a shell, its test is skipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.systems import needs_bash
from worker.cli.parser import SHELLS

BASH = """
source ./completion.bash
complete_line() {
  COMP_WORDS=(duplicate-batches "$@"); COMP_CWORD=$#; COMPREPLY=()
  "$(complete -p duplicate-batches | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
  echo "${COMPREPLY[@]}"
}
complete_line che
complete_line run --retr
complete_line check --max-f
complete_line run wav
"""


def script(shell: str) -> str:
    command = [sys.executable, "-m", "worker", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_accepts_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "completion"
    file.write_text(script(shell), encoding="utf-8")
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_bash
def test_bash_completes_commands_their_own_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "completion.bash").write_text(script("bash"), encoding="utf-8")
    (tmp_path / "wave.csv").touch()
    done = subprocess.run(
        ["bash", "-c", BASH], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["check", "--retry-failed", "", "wave.csv"]


def test_a_shell_without_a_script_is_refused() -> None:
    command = [sys.executable, "-m", "worker", "completion", "tcsh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
