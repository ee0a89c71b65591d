"""The worker beside a plain aiohttp script, against nginx: `python -m benchmarks.speed` (`make bench-speed`).

Both are whole processes that take turns, so that a busy moment meets both, and only ratios are told. The script keeps
nothing but a CSV at the end (`benchmarks/peers/gather.py`); the worker keeps its ledger durably.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measured import (
    MIB,
    SOURCES,
    WORKER,
    Measured,
    measure_command,
    print_machine,
    source_ids,
    spread,
    write_job,
)
from benchmarks.nginx import TOKEN, missing, serving

GATHER = Path(__file__).parent / "peers" / "gather.py"


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    if why := missing(latency=bool(asked.latency)):
        raise SystemExit(why)
    print_machine()
    print(f"\n{asked.rows:,} duplicates, {asked.in_flight} in flight, {asked.latency} ms latency; script / worker")
    speeds, cpus = [], []
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        folder = Path(name)
        job = write_job(folder / "job.csv", asked.rows)
        for number in range(asked.rounds):
            with serving(source_ids(), latency_ms=asked.latency) as api:
                script, worker = _round(folder, job, api.url, api.environment(), asked.in_flight, number)
            speeds.append(script.seconds / worker.seconds)
            cpus.append(worker.cpu / script.cpu)
            print(
                f"round {number + 1}: speed {speeds[-1]:.2f}, CPU {cpus[-1]:.2f}, "
                f"memory {worker.peak / MIB:.0f} / {script.peak / MIB:.0f} MiB",
                flush=True,
            )
    for words, ratios in (("speed", speeds), ("CPU", cpus)):
        print(f"{words}: median {spread(ratios)}")


def _round(
    folder: Path, job: Path, url: str, environ: Mapping[str, str], in_flight: int, number: int
) -> tuple[Measured, Measured]:
    script: Sequence[str] = [sys.executable, str(GATHER), str(job), url, TOKEN, str(in_flight), str(folder / "out.csv")]
    run = [
        *WORKER, "run", str(job), "--rate", "unlimited", "--max-in-flight", str(in_flight), "--quiet",
        "--campaign", f"round {number}", "--database", f"round-{number}.db",
    ]  # fmt: skip
    return measure_command(script, folder, environ), measure_command(run, folder, environ)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="duplicates (default: 10000)")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at once (default: 32)")
    parser.add_argument("--latency", type=int, default=0, help="milliseconds that an answer takes (default: 0)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    asked = parser.parse_args()
    if asked.rows < SOURCES:
        parser.error(f"--rows: at least {SOURCES}, one for each source")
    return asked


if __name__ == "__main__":
    main()
