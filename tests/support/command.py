"""Runs the real command as a real process, as cron would, and says what came of it. No tests
here."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import prepared

PROGRAM = (sys.executable, "-m", "worker")

NAMESPACE = uuid.UUID("0192a3b4-5678-7abc-8def-0123456789ab")


def source_id(number: int) -> str:
    """A made-up source's id; the same number has the same one."""
    return str(uuid.uuid5(NAMESPACE, str(number)))


def environment(folder: Path, url: str = "", token: str = "", **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine's own settings counts."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in ("PATH", "LANG", "SYSTEMROOT", "VIRTUAL_ENV")
    }
    named = {"PROLIFIC_URL": url, "PROLIFIC_TOKEN": token}
    return kept | {"HOME": str(folder), "TZ": "UTC"} | {k: v for k, v in named.items() if v} | more


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The `--json` summary."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The JSON log lines of one event on standard error."""
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]


def start(
    arguments: Sequence[object], cwd: Path, environ: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start the command; standard input is no terminal."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout_s: float = 60) -> Ended:
    """Wait for a process; one that does not end is killed, and that fails the test."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err)


def command(
    arguments: Sequence[object], cwd: Path, environ: Mapping[str, str], timeout_s: float = 120
) -> Ended:
    """Run the command to its end."""
    if sys.platform == "linux" and not prepared.differs(environ):
        return Ended(*prepared.run([*map(str, arguments)], cwd, environ, timeout_s))
    return finish(start(arguments, cwd, environ), timeout_s)


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for the condition; it is an error if that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def write_job(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write a CSV job of these rows."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_ledger(path: Path) -> list[dict[str, str]]:
    """The rows of a ledger file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
