"""Standard output and standard error: in any encoding, on a full device, closed, and in a folder that is gone.

Every command as a real process. Printing must never change what a command does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, Ended, read_ledger, source_id
from tests.whole.conftest import Place
from worker.cli.main import COMMANDS
from worker.sandbox.options import SandboxOptions

if sys.platform == "win32":
    pytest.skip("needs /dev/full and POSIX pipes", allow_module_level=True)

NAMES = ("ü", "日本語", "🎉 {source_name}")
FULL = "duplicate-batches: standard output cannot be written: No space left on device\n"

ENCODINGS: Mapping[str, Mapping[str, str]] = {
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "utf-8": {"PYTHONIOENCODING": "utf-8:strict"},
    "C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}

PRINTING = (
    ("run", "größe.csv", "--yes"),
    ("run", "größe.csv", "--yes", "--json"),
    ("run", "größe.csv", "--yes", "--log-format", "console"),
    ("run", "größe.csv", "--yes", "--retry-failed"),
    ("run", "größe.csv", "--dry-run"),
    ("check", "größe.csv"),
    ("check", "größe.csv", "--json"),
    ("settle", "größe.csv"),
    ("settle", "größe.csv", "--json"),
    ("settle", "größe.csv", "--absent", "#1"),
    ("ledger", "größe.csv"),
    ("ledger", "größe.csv", "--format", "table"),
    ("ledger", "größe.csv", "--format", "csv"),
    ("ledger", "größe.csv", "--format", "json"),
    ("ledger", "größe.csv", "--format", "job"),
    ("ledger",),
    ("ledger", "--format", "json"),
    ("ledger", "日本.csv"),
    ("report", "größe.csv"),
    ("--help",),
    ("--version",),
    ("run",),
    *((command, "--help") for command in COMMANDS),
)
"""Command lines that print, after a run of which one row failed."""

WithOptions = Callable[[SandboxOptions], Place]


def after_a_run(place: Place) -> Place:
    """The place, with a job of which two rows are created and one has failed."""
    place.job(*({"batch_id": source_id(1), "name": name} for name in NAMES), name="größe.csv")
    database = {"DUPLICATE_BATCHES_DATABASE": "ledgers/ledger.db"}
    place.command_with("run", "größe.csv", "--yes", "--limit", 2, **database)
    place.server.sandbox.misbehave({"refuse": 1})
    place.command_with("run", "größe.csv", "--yes", **database)
    return place


def process(
    place: Place, arguments: tuple[str, ...], variables: Mapping[str, str], stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    environ = place.environ | {"DUPLICATE_BATCHES_DATABASE": "ledgers/ledger.db"} | dict(variables)
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=place.folder, env=environ, stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_command_prints_in_any_encoding(place: Place, encoding: str) -> None:
    after_a_run(place)
    for arguments in PRINTING:
        usual = process(place, arguments, ENCODINGS["utf-8"])
        ended = process(place, arguments, ENCODINGS[encoding])
        said = (ended.stdout + ended.stderr).decode("latin-1")
        assert ended.returncode == usual.returncode, (arguments, said)
        assert "Traceback" not in said, (arguments, said)
        assert "a bug" not in said, (arguments, said)
        assert bool(ended.stdout) is bool(usual.stdout), arguments
        assert ended.stdout.count(b"\n") == usual.stdout.count(b"\n") or "table" in arguments, arguments
        if "--json" in arguments or "json" in arguments:
            json.loads(ended.stdout)
