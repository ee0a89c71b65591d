"""How much memory a big job takes, and how long `--version` and `--help` do: `python -m
benchmarks.memory`.

Every figure is of a process of its own: the worker's peak memory is the one that the system counted
for that process, and the sandbox, which remembers every copy, is another."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measured import (
    WORKER,
    importable,
    measure,
    print_machine,
    sandbox,
    show,
    without_api,
    write_job,
)


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
            run = [
                "run",
                str(job),
                "--yes",
                "--rate",
                "unlimited",
                "--max-in-flight",
                "32",
                "--quiet",
            ]
            with sandbox(folder) as api:
                show(f"run, {asked.rows:,} rows over HTTP", measure(run, folder, api), asked.rows)
                show("the same again: nothing to do", measure(run, folder, api), asked.rows)
    if asked.starts:
        print(f"\nstart-up, median of {asked.starts} alternating runs")
        for label, seconds in start_up(asked.starts).items():
            print(f"{label:<42}{seconds * 1000:>7.0f} ms")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=200_000, help="rows that are sent (default: 200000; 0: none)"
    )
    parser.add_argument(
        "--planned", type=int, default=1_000_000, help="rows that are planned (default: 1000000)"
    )
    parser.add_argument(
        "--starts", type=int, default=15, help="runs for a median of start-up (default: 15)"
    )
    return parser.parse_args()


def start_up(runs: int) -> dict[str, float]:
    """The median seconds of each command from start to end; they take turns, so that a busy moment
    meets all."""
    commands = {
        "python -c 'import asyncio'": [sys.executable, "-c", "import asyncio"],
        "duplicate-batches --version": [*WORKER, "--version"],
        "duplicate-batches --help": [*WORKER, "--help"],
        "duplicate-batches run --help": [*WORKER, "run", "--help"],
    }
    times: dict[str, list[float]] = {label: [] for label in commands}
    for _ in range(runs):
        for label, command in commands.items():
            began = time.perf_counter()
            subprocess.run(
                command, env=importable(os.environ), check=True, stdout=subprocess.DEVNULL
            )
            times[label].append(time.perf_counter() - began)
    return {label: statistics.median(seconds) for label, seconds in times.items()}


if __name__ == "__main__":
    main()
