"""How much memory a big job takes, and how long `--version` and `--help` do: `python -m benchmarks.memory`.

Every figure is of a process of its own: the worker's peak memory is the one that the system counted for that process,
and the sandbox, which remembers every copy, is another. Only the standard library is used here, because a process
that is started begins with the memory of the one that starts it.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SOURCES = 200
"""Different source batches in a job: each is looked up once, at 20 a second."""

WORKER = (sys.executable, "-m", "worker")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process took: `seconds` of wall clock and of processor time, `peak` bytes of memory."""

    seconds: float
    cpu: float
    peak: int


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        folder = Path(name)
        print(f"\n{'what':<42}{'peak':>10}{'wall':>10}{'CPU':>10}{'a second':>10}")
        if asked.planned:
            job = write_job(folder / "planned.csv", asked.planned)
            measured = measure(["check", str(job), "--quiet"], folder, without_api())
            show(f"check, {asked.planned:,} rows", measured, asked.planned)
            job.unlink()
        if asked.rows:
            job = write_job(folder / "sent.csv", asked.rows)
            run = ["run", str(job), "--rate", "unlimited", "--max-in-flight", "32", "--quiet"]
            with sandbox(folder) as api:
                show(f"run, {asked.rows:,} rows over HTTP", measure(run, folder, api), asked.rows)
                show("the same again: nothing to do", measure(run, folder, api), asked.rows)
    if asked.starts:
        print(f"\nstart-up, median of {asked.starts} alternating runs")
        for words, seconds in start_up(asked.starts).items():
            print(f"{words:<42}{seconds * 1000:>7.0f} ms")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows that are sent (default: 200000; 0: none)")
    parser.add_argument("--planned", type=int, default=1_000_000, help="rows that are planned (default: 1000000)")
    parser.add_argument("--starts", type=int, default=15, help="runs for a median of start-up (default: 15)")
    return parser.parse_args()


def print_machine() -> None:
    """Say what this is measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "anyio", "pydantic", "structlog"))
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
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
        writer.writerows((sources[n % SOURCES], f"Big wave, part {n:07}", f"team {n % 7}") for n in range(rows))
    return path


def without_api() -> dict[str, str]:
    """An environment in which nothing of the user's is set."""
    ours = ("PROLIFIC_", "DUPLICATE_BATCHES_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, str]]:
    """A sandbox in a process of its own that answers at once; the environment that leads to it."""
    command = [*WORKER, "sandbox", "--port", "0", "--latency", "0"]
    with subprocess.Popen(command, cwd=folder, env=_importable(without_api()), stdout=subprocess.PIPE) as process:
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


def measure_command(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Measured:
    """Run a command in `folder`; what it took. It must succeed."""
    began = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=_importable(environ), stdin=subprocess.DEVNULL) as one:
        _, status, usage = os.wait4(one.pid, 0)
        one.returncode = os.waitstatus_to_exitcode(status)
    if one.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {one.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def _importable(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def show(words: str, measured: Measured, rows: int) -> None:
    """Print one line of the table."""
    took, cpu = f"{measured.seconds:.1f} s", f"{measured.cpu:.1f} s"
    print(f"{words:<42}{measured.peak / MIB:>6.0f} MiB{took:>10}{cpu:>10}{rows / measured.seconds:>10,.0f}", flush=True)


def start_up(runs: int) -> dict[str, float]:
    """The median seconds of each command from start to end; they take turns, so that a busy moment meets all."""
    commands = {
        "python -c 'import asyncio'": [sys.executable, "-c", "import asyncio"],
        "duplicate-batches --version": [*WORKER, "--version"],
        "duplicate-batches --help": [*WORKER, "--help"],
        "duplicate-batches run --help": [*WORKER, "run", "--help"],
    }
    times: dict[str, list[float]] = {words: [] for words in commands}
    for _ in range(runs):
        for words, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, env=_importable(os.environ), check=True, stdout=subprocess.DEVNULL)
            times[words].append(time.perf_counter() - began)
    return {words: statistics.median(seconds) for words, seconds in times.items()}


if __name__ == "__main__":
    main()
