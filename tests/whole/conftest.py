"""A folder with an environment that points the real command at a real server on loopback."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

from tests.support.command import (
    Ended,
    command,
    environment,
    read_ledger,
    source_id,
    start,
    write_job,
)
from tests.support.sandbox_thread import SandboxThread
from worker.sandbox.options import SandboxOptions
from worker.sandbox.world import World


@dataclass(frozen=True)
class Place:
    """A folder, a server, and the command between them."""

    folder: Path
    server: SandboxThread

    @property
    def world(self) -> World:
        return self.server.world

    @property
    def environ(self) -> dict[str, str]:
        # What a dead or a lost run left under way is waited for as long as the time limit says.
        return environment(
            self.folder, self.server.url, self.server.token, DUPLICATE_BATCHES_TIMEOUT="4"
        )

    def job(self, *rows: Mapping[str, object], name: str = "job.csv") -> Path:
        """Write a job; the workspace's listing shows its sources, as the real one does."""
        for row in rows:
            self.world.find(str(row["batch_id"]))
        return write_job(self.folder / name, rows)

    def run(self, *arguments: object, timeout_s: float = 60, **variables: str) -> Ended:
        """`run job.csv --json --yes`, as fast as the server answers, and to its end."""
        return command(self._run(arguments), self.folder, self.environ | variables, timeout_s)

    def start(self, *arguments: object) -> Popen[str]:
        return start(self._run(arguments), self.folder, self.environ)

    def command(self, *arguments: object) -> Ended:
        return command(arguments, self.folder, self.environ)

    def command_with(self, *arguments: object, **variables: str) -> Ended:
        return command(arguments, self.folder, self.environ | variables)

    def command_without_token(self, *arguments: object) -> Ended:
        return command(arguments, self.folder, environment(self.folder, self.server.url))

    def ledger(self, name: str = "job") -> list[dict[str, str]]:
        return read_ledger(self.folder / "ledgers" / f"{name}.csv")

    def made_of(self) -> list[str]:
        """What the server made, by source, in order."""
        return [str(copy["source_batch_id"]) for copy in self.world.duplicates]

    @staticmethod
    def _run(arguments: tuple[object, ...]) -> list[object]:
        return ["run", "job.csv", "--json", "--yes", "--rate", "unlimited", *arguments]


CRON = ("--yes", "--quiet", "--rate", "unlimited", "--settle-after", 0.2)
"""The options of the line with which cron runs a job."""


def rows(number: int = 6, name: str = "Row {n}") -> list[dict[str, object]]:
    """Rows of a job, each with its own source."""
    return [
        {"batch_id": source_id(n), "name": name.replace("{n}", str(n)), "copies": 1}
        for n in range(number)
    ]


def run(place: Place, job: str, *more: object, folder: Path | None = None) -> Ended:
    """Run a job as cron would."""
    return command(["run", job, *CRON, *more], folder or place.folder, place.environ)


def refused(ended: Ended, *arguments: str) -> None:
    """The run created nothing because it looked like an accident; its message has these words."""
    assert ended.code == 2, ended
    assert ended.out == ""
    for word in arguments:
        assert word in ended.err, ended.err
    assert "--allow-existing" in ended.err
    assert "Traceback" not in ended.err


def continued(place: Place, ended: Ended, folder: Path | None = None) -> None:
    """The command that the message shows continues: pasted elsewhere, it finds all created and
    sends nothing."""
    (line,) = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    arguments = shlex.split(line)
    pasted = arguments[arguments.index("run") :]
    again = command([*pasted, "--yes"], folder or Path("/"), place.environ)
    assert again.code == 0, again.err
    assert "6 duplicates, all created" in again.out
    assert place.world.made == 6


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A server without latency, and a folder."""
    with SandboxThread() as server:
        yield Place(tmp_path, server)


@pytest.fixture
def made(place: Place) -> Place:
    """Six duplicates, created by the cron line from the job's own folder."""
    place.job(*rows(), name="wave.csv")
    ended = run(place, "wave.csv")
    assert (ended.code, place.world.made) == (0, 6), ended.err
    return place


@pytest.fixture
def place_with(tmp_path: Path) -> Iterator[Callable[[SandboxOptions], Place]]:
    """A server that behaves as it is told."""
    with ExitStack() as stack:
        yield lambda options: Place(tmp_path, stack.enter_context(SandboxThread(options)))
