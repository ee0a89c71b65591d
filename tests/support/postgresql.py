"""A real PostgreSQL server for tests, in a folder of its own. Tests that need it are skipped with a
reason where it is missing."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from worker.model.server_address import ServerAddress

DATABASE = "ledgers"
_schemas = itertools.count(1)


@cache
def programs() -> Path | None:
    """The folder of the server's programs, of 15 or later; None if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).resolve().parent


def why_not() -> str | None:
    """Why there can be no server here; None if there can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'duplicate-batches[postgresql]'"
    if programs() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    return None


# A mark: a fixture would start a server of its own for tests that start theirs.
needs_server = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


class Server:
    """A running server. `stop`, `kill` and `start` may be called in any order."""

    def __init__(self, folder: Path, primary: Server | None = None) -> None:
        """With `primary`, a replica of that server, as it is now: it does not follow it."""
        self.folder = folder
        self.port = free_port()
        self._data = folder / "data"
        if primary is not None:
            self._run("pg_basebackup", "-D", str(self._data), "-h", "127.0.0.1", "-p",
                      str(primary.port), "-U", "worker", "-c", "fast", "--no-sync")  # fmt: skip
            (self._data / "standby.signal").touch()
            return
        self._run("initdb", "-D", str(self._data), "-U", "worker", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "worker", DATABASE)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        options = (
            f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c max_connections=60"
            " -c shared_buffers=64MB -c log_min_messages=warning"
        )
        start = ("pg_ctl", "-D", str(self._data), "-l", str(self.folder / "log"), "-w", "-s",
                 "-t", "60", "-o", options, "start")  # fmt: skip
        for _ in range(50):  # what was killed may not have ended completely
            if self._run(*start, refusable=True):
                return
            time.sleep(0.2)
        self._run(*start)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is like a kill: it recovers at its next start."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-s", "-m", mode, "stop")

    def kill(self) -> None:
        """Kill its first process; the others end by themselves."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 9)

    def promote(self) -> None:
        """Make a replica a server of its own."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "promote")

    def address(self, schema: str | None = None, port: int | None = None) -> ServerAddress:
        """The address of a ledger on it (by default in a schema that nobody used yet)."""
        name = schema or f"ledger_{os.getpid()}_{next(_schemas)}"
        return ServerAddress(f"postgresql://worker@127.0.0.1:{port or self.port}/{DATABASE}", name)

    def run(self, program: str, *arguments: str, text: str | None = None) -> str:
        """What one of PostgreSQL's programs prints, given this text."""
        folder = programs()
        assert folder is not None
        made = subprocess.run(
            [str(folder / program), *arguments], check=True, input=text, capture_output=True,
            text=True,
        )  # fmt: skip
        return made.stdout

    def _run(self, program: str, *arguments: str, refusable: bool = False) -> bool:
        folder = programs()
        assert folder is not None
        # The server refuses to run as root.
        user = "postgres" if os.geteuid() == 0 else None
        made = subprocess.run(
            [str(folder / program), *arguments], user=user, cwd=self.folder, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if program != "pg_ctl" else None,
            stderr=subprocess.STDOUT if program != "pg_ctl" else None, text=True,
            start_new_session=True,
        )  # fmt: skip
        assert refusable or made.returncode == 0, made.stdout
        return made.returncode == 0


@contextmanager
def running_server(primary: Server | None = None) -> Iterator[Server]:
    """A server in a temporary folder, stopped and removed after the block. With `primary`, a
    replica that was not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="duplicate-batches-postgresql-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    server = Server(folder, primary)
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
