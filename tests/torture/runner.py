"""Starts one run at a time in a warm process, follows its phases, and kills it where it is told
to."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.torture.scenario import Aim
from tests.torture.warm import Order

HERE = Path(__file__).parents[2]
LONGEST_S = 60.0
"""A run that takes longer hangs: that is a failure."""

LOOK_S = 0.004
"""How often the ledger file is looked at during a run."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: its code (a signal's is negative), and the phase that it was last in."""

    code: int
    phase: str
    took_s: float
    hung: bool


class Runner:
    """A warm process; one for each torturer."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.warm"],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def run(
        self,
        argv: tuple[str, ...],
        folder: Path,
        environ: Mapping[str, str],
        refresh_s: float,
        aim: Aim | None,
        look: Callable[[], None],
        machine: str = "",
        act: Callable[[], None] | None = None,
    ) -> Run:
        """Run the command in `folder`, to its end or to where `aim` says; `look` is called all the
        time. With `act`, that is called where `aim` says, and the run continues."""
        pipe = folder / "phases"
        if not pipe.exists():
            os.mkfifo(pipe)
        phases = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            order = Order(
                argv=list(argv), environ=dict(environ), cwd=str(folder), out=str(folder / "out"),
                err=str(folder / "err"), phases=str(pipe), refresh_s=refresh_s, machine=machine,
            )  # fmt: skip
            began = time.monotonic()
            self.order(order)
            self._answer()  # its process id
            phase, hung = self._follow(phases, aim, look, act)
            code = int(self._answer()["code"])
            return Run(code, phase, time.monotonic() - began, hung)
        finally:
            os.close(phases)

    def _follow(
        self,
        phases: int,
        aim: Aim | None,
        look: Callable[[], None],
        act: Callable[[], None] | None,
    ) -> tuple[str, bool]:
        """Until the run has ended, or was killed: the phase that it was in, and whether it had to
        be killed."""
        assert self._process.stdout is not None
        answers = self._process.stdout.fileno()
        said: Counter[str] = Counter()
        stack, text, kill_at = ["starting"], b"", None
        deadline = time.monotonic() + LONGEST_S
        while True:
            wait = LOOK_S if kill_at is None else max(0.0, min(LOOK_S, kill_at - time.monotonic()))
            ready, _, _ = select.select([answers, phases], [], [], wait)
            if phases in ready:
                with suppress(BlockingIOError):
                    data = os.read(phases, 2**16)
                    *lines, text = (text + data).split(b"\n")
                    for line in lines:
                        _note(line.decode(), stack, said)
                    if not data:
                        ready, _, _ = select.select(
                            [answers], [], [], 0.001
                        )  # nobody has opened it, or its end
            if aim is not None and kill_at is None and said[aim.phase] >= aim.time:
                kill_at = time.monotonic() + aim.after_s
            if answers in ready:
                return ("" if act is None else stack[-1]), False
            now = time.monotonic()
            if act is not None and kill_at is not None and now >= kill_at:
                act()
                aim = kill_at = None
            if kill_at is not None and now >= kill_at:
                self.order("kill")
                return stack[-1], False
            if now > deadline:
                self.order("kill")
                return stack[-1], True
            look()

    def order(self, what: Order | str) -> None:
        """Start a run, or `kill`, `stop` or `continue` the one that is active."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        data = b""
        while not data.endswith(
            b"\n"
        ):  # a byte at a time: what is buffered would be hidden from `select`
            data += os.read(self._process.stdout.fileno(), 1)
        found: dict[str, Any] = json.loads(data)
        return found


def _note(word: str, stack: list[str], said: Counter[str]) -> None:
    """Take one thing that a run has said: where it is, or that a short work there is over (`-`)."""
    if word == "-":
        if len(stack) > 1:
            stack.pop()
        return
    said[word] += 1
    if word in ("planning", "recording", "writing"):
        stack.append(word)
    elif len(stack) > 1:
        stack[0] = word
    else:
        stack[:] = [word]
