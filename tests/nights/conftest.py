"""A night on a system whose folders are the test's own, against a real server."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.pages import HERE
from tests.support.sandbox_thread import SandboxThread

JOB = "batch_id,name,copies\n0192a3b4-5678-7abc-8def-0123456789ab,Wave {n},3\n"


@dataclass(frozen=True)
class System:
    """A folder for what a test needs, and a server."""

    folder: Path
    server: SandboxThread

    @property
    def environ(self) -> dict[str, str]:
        """What a nightly run finds in its environment, and where the test's server is."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PROLIFIC_URL": self.server.url,
            "NO_PROXY": "127.0.0.1",
            "TZ": "UTC",
        }

    def program(self, path: Path) -> Path:
        """Write a program that is this `duplicate-batches`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        python = f"PYTHONPATH={shlex.quote(str(HERE))} exec {shlex.quote(sys.executable)}"
        path.write_text(f'#!/bin/sh\n{python} -m worker "$@"\n', "utf-8")
        path.chmod(0o755)
        return path

    def apart(self, script: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the script with mounts that only it sees. It stops at the first error."""
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-euc", script]
        return subprocess.run(
            command, cwd=self.folder, env=dict(environ), capture_output=True, text=True,
            check=False, timeout=180, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with SandboxThread() as server:
        yield System(tmp_path, server)
