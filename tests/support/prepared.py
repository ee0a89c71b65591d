"""Starts the command from a process that has imported its modules already. No tests here.

Two thirds of what a short command costs is importing libraries. A prepared process imports them
once and forks for every command: what runs is the same code in a process, a directory and an
environment of its own, with the same exit codes and signals. What starts Python itself differently
(`differs`) is started as a program of its own, and so is everything that a test kills.

One number differs: what a lost run sent is awaited for a second here, and not for a minute
(`SHORTER`)."""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

MODULES = (
    "worker.cli.main",
    "worker.cli.batches",
    "worker.cli.check",
    "worker.cli.doctor",
    "worker.cli.ledger",
    "worker.cli.report",
    "worker.cli.run",
    "worker.cli.sandbox",
    "worker.cli.settle",
)
SHORTER = ("worker.ledger.settlement", "worker.ledger.setups")
"""The modules whose DEFAULT_TIMEOUT_S is shorter in tests. `tests/settle/test_restored.py` has the
real one."""
# Longer than any request: arguments and an environment.
LONGEST = 1 << 20


OF_ITS_OWN = ("PYTHON", "SSL_")
"""Variables that begin so are read when Python starts or when modules are imported."""


def differs(environ: Mapping[str, str]) -> bool:
    """Whether Python would start differently in this environment than in the prepared process."""
    languages = {key for key in (*environ, *os.environ) if key.startswith(("LANG", "LC_"))}
    return any(key.startswith(OF_ITS_OWN) for key in environ) or any(
        environ.get(key) != os.environ.get(key) for key in languages
    )


def run(
    arguments: Sequence[str], cwd: Path, environ: Mapping[str, str], timeout_s: float
) -> tuple[int, str, str]:
    """Run `python -m worker` with these arguments to its end: its exit code (like
    `Popen.returncode`), standard output and standard error. Raises `subprocess.TimeoutExpired`."""
    # Messages, not a stream: a fast command's two answers would arrive as one.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = json.dumps([list(arguments), str(cwd), dict(environ)]).encode()
    with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with theirs:
            handles = [theirs.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(_prepared()[0], [request], handles)
        pid = int(ours.recv(32))
        ours.settimeout(timeout_s)
        try:
            code = int(ours.recv(32))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired([*arguments], timeout_s) from None
        out.seek(0)
        err.seek(0)
        return code, out.read().decode(), err.read().decode()


@cache
def _prepared() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            env={key: value for key, value in os.environ.items() if not key.startswith(OF_ITS_OWN)},
            pass_fds=[theirs.fileno()],
        )
    atexit.register(_end, ours, process)
    return ours, process


def _end(channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
    channel.close()
    process.wait()


def _serve(channel: socket.socket) -> None:
    """Fork for each request until the other side is gone."""
    for module in MODULES:
        __import__(module)
    for module in SHORTER:
        vars(sys.modules[module])["DEFAULT_TIMEOUT_S"] = 1.0
    gc.freeze()  # the collector of a fork does not touch what is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while True:
        request, handles, _, _ = socket.recv_fds(channel, LONGEST, 3)
        if not request:
            return
        if os.fork() == 0:
            channel.close()
            _start(json.loads(request), *handles)  # does not return
        for handle in handles:
            os.close(handle)


def _start(request: tuple[list[str], str, dict[str, str]], reply: int, out: int, err: int) -> None:
    """Run the command in a fork of its own, and reply with its process id and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(reply)
        _become(*request, out, err)
    answer = socket.socket(fileno=reply)
    answer.send(str(pid).encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    answer.send(str(code).encode())
    os._exit(0)


def _become(arguments: list[str], cwd: str, environ: dict[str, str], out: int, err: int) -> None:
    """Be `python -m worker ARGUMENTS`; does not return."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for handle, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(handle, number)
        os.close(handle)
    encoding = sys.stdout.encoding
    sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding, "backslashreplace", closefd=False)
    sys.argv = ["worker", *arguments]
    try:
        runpy.run_module("worker", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert isinstance(end.code, int)
        # Python's own end would take the modules apart, which takes longer than most commands.
        os._exit(end.code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
