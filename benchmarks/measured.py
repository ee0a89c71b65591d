"""What the programs here share: whole processes, what they took, the job they are given, ratios as
they are told.

Only the standard library is used, because a process that is started begins with the memory of the
one that starts it."""

from __future__ import annotations

import csv
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SOURCES = 200
"""Different source batches in a job: each is looked up once, at 20 a second."""

WORKER = (sys.executable, "-m", "worker")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process took: `seconds` of wall clock and `cpu` of processor time, `peak` bytes of
    memory."""

    seconds: float
    cpu: float
    peak: int


def print_machine() -> None:
    """Say what this is measured on."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("aiohttp", "anyio", "pydantic", "structlog")
    )
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python"
        f" {platform.python_version()}"
    )
    print(f"duplicate-batches {version('duplicate-batches')}, {packages}")


def source_ids() -> list[str]:
    """The sources of the jobs that `write_job` writes."""
    return [str(uuid.uuid5(uuid.NAMESPACE_OID, f"source {number}")) for number in range(SOURCES)]


def write_job(path: Path, rows: int) -> Path:
    """A job of so many rows, each a name of its own, over `SOURCES` sources."""
    sources = source_ids()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("batch_id", "name", "x_owner"))
        writer.writerows(
            (sources[n % SOURCES], f"Big wave, part {n:07}", f"team {n % 7}") for n in range(rows)
        )
    return path


def without_api() -> dict[str, str]:
    """An environment in which nothing of the user's is set: no API, no settings, no certificates,
    no proxy."""
    theirs = ("PROLIFIC_", "DUPLICATE_BATCHES_", "SSL_CERT_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(theirs) and not name.lower().endswith("_proxy")
    }


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, str]]:
    """A sandbox in a process of its own that answers at once; the environment that leads to it."""
    command = [*WORKER, "sandbox", "--port", "0", "--latency", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=importable(without_api()), stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            exports: dict[str, str] = {}
            while len(exports) < 2:
                line = process.stdout.readline().decode()
                if not line:
                    raise SystemExit("the sandbox did not start")
                if line.startswith("export "):
                    key, _, value = line.removeprefix("export ").strip().partition("=")
                    exports[key] = value
            yield without_api() | exports
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def measure(arguments: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Measured:
    """Run the worker in `folder`; what it took. It must succeed."""
    return measure_command([*WORKER, *arguments], folder, environ)


def measure_command(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], output: Path | None = None
) -> Measured:
    """Run a command in `folder`; what it took. It must succeed. `output`: what it says goes
    there."""
    with output.open("wb") if output else nullcontext() as said:
        began = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=folder,
            env=importable(environ),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        ) as one:
            return waited(one, began)


def waited(process: subprocess.Popen[bytes], began: float) -> Measured:
    """Wait until a process that began then (monotonic seconds) ends; what it took, with the
    processes that it waited for itself (the memory is the largest one's). It must succeed."""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{str(process.args)[:500]}: exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def importable(environ: Mapping[str, str]) -> dict[str, str]:
    """This environment, in which `python -m worker` finds this worker from any folder, and keeps
    its modules compiled as an installed program has them."""
    return {**environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": ""}


def show(label: str, measured: Measured, rows: int) -> None:
    """Print one line of the table."""
    took, cpu = f"{measured.seconds:.1f} s", f"{measured.cpu:.1f} s"
    print(
        f"{label:<42}{measured.peak / MIB:>6.0f}"
        f" MiB{took:>10}{cpu:>10}{rows / measured.seconds:>10,.0f}",
        flush=True,
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median of some figures, with the least and the most where they differ."""
    middle, least, most = (
        f"{one:,.{digits}f}" for one in (statistics.median(values), min(values), max(values))
    )
    return middle if least == most else f"{middle} ({least} to {most})"
