"""Every command that a page or the help shows can be given, and those of the pages run: in a shell,
one after the other, as a reader would paste them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import contract
from tests.support.command import environment, read_ledger
from tests.support.pages import HERE, INSIDE, README, blocks, pages, text
from tests.support.sandbox_thread import SandboxThread
from tests.support.systems import needs_bash
from worker import __version__
from worker.cli import parser as cli
from worker.sandbox.options import SandboxOptions

BUILT = [command for command in contract.COMMANDS if command not in contract.NOT_BUILT_YET]
NAME = "duplicate-batches"

ELSEWHERE = ("make ", "uv tool install ", "pipx install ", "python3 -m venv ", "sudo ")
"""Blocks that begin so are not run here: make's targets have tests of their own, installing needs
the network, and `tests/nights` sets a system up."""

SETTINGS = {
    "DUPLICATE_BATCHES_YES": "true", "DUPLICATE_BATCHES_RATE": "unlimited",
    "DUPLICATE_BATCHES_TIMEOUT": "20", "DUPLICATE_BATCHES_GIVE_UP_AFTER": "10",
    "DUPLICATE_BATCHES_SETTLE_AFTER": "0.2", "NO_PROXY": "127.0.0.1",
}  # fmt: skip
"""What makes the commands quick, and answers their questions."""

JOB = """batch_id,name,copies
0192a3b4-5678-7abc-8def-0123456789ab,Street signs: wave {n},4
0192a3b4-9abc-7def-8123-456789abcdef,Street signs: German,1
"""


def shell_blocks(page: str) -> list[str]:
    """The sh blocks of `page` that are run here."""
    return [block for block in blocks(page, "sh") if not block.startswith(ELSEWHERE)]


def cron_lines(page: str) -> list[str]:
    """The crontab lines that `page` shows, as cron hands them to its shell."""
    lines = "".join(blocks(page, "cron")).splitlines()
    return [line.split(maxsplit=5)[5].replace("\\%", "%") for line in lines]


def inline(page: str) -> list[str]:
    """The whole commands that `page` shows within a sentence or a table."""
    return [] if page in INSIDE else re.findall(rf"`({NAME} [^`]+)`", text(page))


def commands_shown() -> Iterator[list[str]]:
    """Every `duplicate-batches …` that pages and help show, as arguments."""
    for page in pages():
        for line in "\n".join([*shell_blocks(page), *cron_lines(page), *inline(page)]).splitlines():
            if found := re.search(rf"(?:^|/){NAME}\"? (.*)", line):
                yield shlex.split(found[1].split(" > ")[0])
    for one in cli.COMMANDS.values():
        for line in re.findall(rf"^  {NAME} (.*)", one.examples, re.MULTILINE):
            yield shlex.split(re.split(r" {2,}| > ", line)[0])


@pytest.mark.parametrize("arguments", list(commands_shown()), ids=" ".join)
def test_every_command_that_is_shown_can_be_given(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        return
    assert cli.parser().parse_args(arguments).command in BUILT


class Reader:
    """Somebody who pastes what a page shows. The command is in `~/.local/bin`."""

    def __init__(self, home: Path, url: str, token: str) -> None:
        self.home, self.folder = home, home / "waves"
        program = home / ".local" / "bin" / NAME
        program.parent.mkdir(parents=True)
        python = f"PYTHONPATH={shlex.quote(str(HERE))} exec {shlex.quote(sys.executable)}"
        program.write_text(f'#!/bin/sh\n{python} -m worker "$@"\n', "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        self.environ = environment(home, url, token, PATH=path) | SETTINGS
        self.token = token

    def pastes(self, block: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """The block in bash; `typed` is what is typed at a question."""
        return self._in(["bash", "-c", block], self.environ, typed)

    def has_cron_run(self, line: str) -> subprocess.CompletedProcess[str]:
        """The line as cron runs it: by sh, in the home folder, with next to no environment."""
        kept = ("PROLIFIC_URL", "NO_PROXY")
        bare = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "TZ": "UTC"}
        return self._in(["sh", "-c", line], bare | {k: self.environ[k] for k in kept})

    def _in(
        self, shell: list[str], environ: dict[str, str], typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        cwd = self.folder if self.folder.is_dir() and shell[0] == "bash" else self.home
        ended = subprocess.run(
            shell, cwd=cwd, env=environ, input=typed, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        assert "Traceback" not in ended.stderr
        assert self.token not in ended.stdout + ended.stderr
        return ended


@needs_bash
def test_the_first_real_night_of_the_readme(tmp_path: Path) -> None:
    """The five steps, each as it is shown; afterwards all duplicates exist once."""
    with SandboxThread() as api:
        reader = Reader(tmp_path, api.url, "")
        reader.token = api.token
        version, folder, token, job, night = shell_blocks(README)
        assert reader.pastes(version).stdout == f"{NAME} {__version__}\n"
        assert reader.pastes(folder).returncode == 0
        assert reader.pastes(token, typed=f"{api.token}\n").returncode == 0
        assert (reader.folder / "token").stat().st_mode & 0o777 == 0o600
        assert reader.pastes(job).returncode == 0
        codes = [reader.pastes(line).returncode for line in night.splitlines()]
        assert codes == [0, 0, 1, 0]
        (line,) = cron_lines(README)
        nightly = reader.has_cron_run(line)
        assert (nightly.returncode, nightly.stdout, nightly.stderr) == (0, "", "")
        rows = read_ledger(reader.folder / "ledgers" / "wave.csv")
        assert {row["status"] for row in rows} == {"created"}
        assert len({row["new_batch_id"] for row in rows}) == len(rows) == len(api.world.duplicates)
        assert (reader.folder / "ledgers" / "wave.html").is_file()
        for line in inline(README):
            assert reader.pastes(line).returncode in may_end_with(line), line


@needs_bash
def test_the_cron_lines_of_every_night(tmp_path: Path) -> None:
    with SandboxThread() as api:
        reader = Reader(tmp_path, api.url, api.token)
        reader.folder.mkdir()
        (reader.folder / "wave.csv").write_text(JOB, "utf-8")
        (reader.folder / "config.toml").write_text('token_file = "token"\n', "utf-8")
        (reader.folder / "token").touch(0o600)
        (reader.folder / "token").write_text(api.token, "utf-8")
        for line in cron_lines("docs/nightly.md"):
            ended = reader.has_cron_run(line)
            assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", ""), line
        assert len(api.world.duplicates) == 5
        assert len(list((reader.folder / "logs").glob("20*.jsonl"))) == 1
        assert len(list(reader.folder.glob("ledger-20*.db"))) == 1
        for line in inline("docs/nightly.md"):
            assert reader.pastes(line).returncode in may_end_with(line), line


@needs_bash
@pytest.mark.prove  # dozens of commands
@pytest.mark.parametrize(
    "page", [page for page in pages() if page != README and shell_blocks(page)]
)
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    """A job has run before; for the page about unknown outcomes all its answers were lost, and
    listings fail."""
    faults = {"drop-answer": 1.0, "list-500": 1.0} if page == "docs/unknown.md" else {}
    with SandboxThread(SandboxOptions(latency=0.0, faults=faults)) as api:
        reader = Reader(tmp_path, api.url, api.token)
        reader.folder.mkdir()
        (reader.folder / "wave.csv").write_text(JOB, "utf-8")
        shutil.copytree(
            HERE / "jobs", reader.folder / "jobs", ignore=shutil.ignore_patterns("ledgers")
        )
        shutil.copy(HERE / "config.example.toml", reader.folder)
        if page != "docs/sandbox.md":
            reader.pastes(f"{NAME} run wave.csv")
        for line in "".join(shell_blocks(page)).splitlines():
            if line.startswith(f"{NAME} sandbox"):
                serves_until_it_is_stopped(reader, line)
                continue
            ended = reader.pastes(line)
            expected = (0, 1) if faults else may_end_with(line)
            assert ended.returncode in expected, (line, ended.stderr)


def may_end_with(line: str) -> tuple[int, ...]:
    """The exit codes that are right for a command; `doctor` may miss cron on this machine."""
    return (0, 1) if line.startswith(f"{NAME} doctor") else (0,)


def serves_until_it_is_stopped(reader: Reader, line: str) -> None:
    """The sandbox's own command says where it is, and ends with 0 once it is asked to."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {line} --port 0"], cwd=reader.folder, env=reader.environ,
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        said = [server.stdout.readline() for _ in range(4)]
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert sum(one.startswith("export PROLIFIC_") for one in said) == 2, said
    assert server.returncode == 0
