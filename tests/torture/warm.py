"""A process that has everything imported and forks one run of the command at a time, because a cold
start costs more processor time than a small run. The child is the real command in a real process;
POSIX only.

It reads JSON lines on standard input: an object (see `Order`) starts a run, `"kill"` sends it
SIGKILL, `"stop"` SIGSTOP, and `"continue"` SIGCONT. It answers with `{"pid": …}` and `{"code": …}`
lines; a signal's code is negative."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypedDict

import worker.cli.run  # noqa: F401 - imported for the children
from tests.torture import scaled
from worker.cli.main import command_line
from worker.export import ledger_file as export
from worker.ledger.store import Ledger
from worker.run import job_run, ledger_file


class Order(TypedDict):
    """One run: `out`, `err` and `phases` are paths that its output, its log and its phases go to;
    the ledger file is refreshed every `refresh_s` seconds. `machine` identifies the machine that
    the run is on, if the ledger is shared (else it is empty)."""

    argv: list[str]
    environ: dict[str, str]
    cwd: str
    out: str
    err: str
    phases: str
    refresh_s: float
    machine: str


def main() -> None:
    """Serve until standard input ends; a run that is active then is killed."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    pid, text = 0, b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 64)
            pid = _while_it_lasts(pid)
        if 0 not in ready:
            continue
        data = os.read(0, 2**16)
        *lines, text = (text + data).split(b"\n")
        for order in map(json.loads, lines):
            if isinstance(order, str):
                _send(pid, _SIGNALS[order])
                continue
            pid = os.fork()
            if not pid:
                os.close(woken)
                os.close(wake)
                _child(order)
            _report({"pid": pid})
        if not data:
            _send(pid, signal.SIGKILL)
            return


_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "continue": signal.SIGCONT}


def _send(pid: int, which: signal.Signals) -> None:
    # One that has ended and was not waited for keeps its number, so this can hit nobody else.
    if pid:
        os.kill(pid, which)


def _while_it_lasts(pid: int) -> int:
    """The child while it runs; 0 when it has ended, and then its code is written."""
    if not pid:
        return 0
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return pid
    _report({"code": os.waitstatus_to_exitcode(status)})
    return 0


def _report(what: dict[str, int]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _child(order: Order) -> NoReturn:
    """Be the command."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        _tell_phases(os.open(order["phases"], os.O_WRONLY))
        ledger_file.REFRESH_S = order["refresh_s"]
        if order["machine"]:
            scaled.scale(order["machine"])
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environ"])
        sys.argv = ["duplicate-batches", *order["argv"]]
        code = command_line(order["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _tell_phases(pipe: int) -> None:
    """Let the child say where it is, so that a kill can be aimed: nothing else about it changes."""

    def report(phase: str) -> None:
        os.write(pipe, phase.encode() + b"\n")

    def reporting(phase: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(verb)
        def whole(*arguments: Any, **named: Any) -> Any:
            report(phase)
            try:
                return verb(*arguments, **named)
            finally:
                report("-")

        return whole

    for name, phase in (("plan", "planning"), ("record_and_claim", "recording")):
        setattr(Ledger, name, reporting(phase, getattr(Ledger, name)))
    export.write_ledger_file = reporting("writing", export.write_ledger_file)

    def set_phase(run: Any, phase: str) -> None:
        run.__dict__["phase"] = phase
        report(phase.partition(" ")[0])

    reported_phase = property(lambda run: run.__dict__["phase"], set_phase)
    # An attribute becomes a property, so that each change of it is reported.
    job_run.JobRun.phase = reported_phase  # type: ignore[assignment]
    report("opening")


if __name__ == "__main__":
    main()
