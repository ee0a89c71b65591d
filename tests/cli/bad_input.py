"""What the tables of bad input are made of: a case, the folder that it spoils, and what no refusal
may harm."""

from __future__ import annotations

import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest

from worker.cli.main import command_line

A = "0192a3b4-5678-7abc-8def-0123456789ab"
B = "0192a3b4-5678-7abc-8def-0123456789ac"
SECRET = "s3cr3t-of-these-tests"
GOOD_JOB = f"batch_id,name,copies\n{A},Wave,2\n{B},Wave,1\n"

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Case:
    """One slip: `what` is wrong, and what the command line `says` of it.

    It happens in a folder with a good job.csv, to which come `files` (None is a folder) and what
    `prepare` makes of the folder. `$PORT` in `argv` is the sandbox's. `leaves` are the only new
    paths that may be there afterwards. As a `process` the case runs as people run it, else in this
    one. `bug` is what the product still does instead."""

    what: str
    says: tuple[str, ...]
    argv: str = "run job.csv"
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], object] | None = None
    code: int = 2
    leaves: frozenset[str] = frozenset()
    process: bool = False

    def set_up(self, folder: Path) -> None:
        """Make the folder that the slip happens in."""
        for name, content in {"job.csv": GOOD_JOB, "home": None, **self.files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        if self.prepare is not None:
            self.prepare(folder)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Snapshot: TypeAlias = dict[str, tuple[int, bytes]]


def snapshot(folder: Path) -> Snapshot:
    """Every path in `folder` with its mode and content: what no refusal may change."""
    found: Snapshot = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path.relative_to(folder))] = mode, content
    return found


def in_this_process(argv: str, capsys: pytest.CaptureFixture[str]) -> Ended:
    try:
        code = command_line(shlex.split(argv))
    except SystemExit as end:  # argparse's way to refuse
        assert isinstance(end.code, int)
        code = end.code
    said = capsys.readouterr()
    return Ended(code, said.out, said.err)


def as_a_process(argv: str, environ: Mapping[str, str]) -> Ended:
    command = [sys.executable, "-m", "worker", *shlex.split(argv)]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**environ, "PYTHONPATH": str(ROOT)},
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def job(what: str, content: str | bytes, *says: str, process: bool = False) -> Case:
    """A case of a bad job.csv."""
    return Case(what, says, files={"job.csv": content}, process=process)


def yaml(what: str, content: str | bytes, *says: str, process: bool = False) -> Case:
    """A case of a bad job.yaml."""
    return Case(what, says, "run job.yaml", files={"job.yaml": content}, process=process)


def row(what: str, cells: str, *says: str) -> Case:
    """A case of a CSV job whose third line is bad."""
    content = f"batch_id,name,upload_new_dataset,copies\n{A},good,,\n{cells}\n"
    return job(what, content, "job.csv:3: ", *says)


def option(what: str, options: str, *says: str, process: bool = False) -> Case:
    """A case of bad options of `run`."""
    return Case(what, says, f"run job.csv {options}", process=process)


def variables(what: str, env: Mapping[str, str], *says: str, process: bool = False) -> Case:
    """A case of a bad environment."""
    return Case(what, says, env=env, process=process)


def config(what: str, content: str | bytes, *says: str, process: bool = False) -> Case:
    """A case of a bad config.toml."""
    return Case(what, says, files={"config.toml": content}, process=process)
