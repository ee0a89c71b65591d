"""The last night of a year beside the second: `python -m benchmarks.year` (`make bench-year`).

Real runs of the real command against nginx: several jobs each night, a new campaign for each job
and night, in one database. The nights of the year in between are real runs too. Then the second
night's database and the last night's are measured in turn, with a new campaign each time, so that
whatever else the machine does falls on both. The search for damage reads the whole database and is
part of what is measured."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.measured import MIB, Measured, measure, print_machine, source_ids, write_job
from benchmarks.nginx import missing, serving

RUN = ("--yes", "--rate", "unlimited", "--max-in-flight", "32", "--quiet")


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    if why := missing(latency=False):
        print(f"Nothing is measured: {why}")
        return
    print_machine()
    with tempfile.TemporaryDirectory(prefix="year-") as name, serving(source_ids()) as api:
        folders, environ = {}, api.environment()
        young, old = Path(name) / "second", Path(name) / "last"
        old.mkdir()
        for night in range(1, asked.nights):
            _night(old, asked.jobs, asked.each, f"night {night:03}", environ)
            if night == 1:
                shutil.copytree(old, young)
        folders = {"night 2": young, f"night {asked.nights}": old}
        found: dict[tuple[str, int], list[Measured]] = {}
        for number in range(asked.rounds):
            for words, folder in folders.items():
                for size in (asked.each, 10 * asked.each):
                    copy = Path(name) / "copy"
                    shutil.copytree(folder, copy)
                    took = _night(copy, 1, size, f"measured {number}", environ)
                    found.setdefault((words, size), []).extend(took)
                    shutil.rmtree(copy)
    _show(found, list(folders), asked.each)


def _night(
    folder: Path, jobs: int, each: int, campaign: str, environ: dict[str, str]
) -> list[Measured]:
    """Run so many jobs of so many items, each with a campaign of its own; what each took."""
    job = write_job(folder / "job.csv", each)
    return [
        measure(["run", str(job), *RUN, "--campaign", f"{campaign} job {number}"], folder, environ)
        for number in range(jobs)
    ]


def _show(found: dict[tuple[str, int], list[Measured]], nights: list[str], each: int) -> None:
    """Print both nights and their ratios. What a run of ten times as many items takes more is the
    time for the items; the rest is its start."""
    per_item, start, peak = {}, {}, {}
    for words in nights:
        small, big = (
            statistics.median(one.cpu for one in found[words, size]) for size in (each, 10 * each)
        )
        per_item[words] = (big - small) / (9 * each)
        start[words] = small - each * per_item[words]
        peak[words] = max(one.peak for one in found[words, 10 * each])
        print(
            f"{words:<12} start {start[words]:.3f} s CPU, {1000 * per_item[words]:.3f} ms CPU for"
            f" each item, peak {peak[words] / MIB:.0f} MiB"
        )
    second, last = nights
    for name, values in (("start", start), ("for each item", per_item), ("memory", peak)):
        print(f"{name}: {values[last] / values[second]:.2f} times the second night")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--nights", type=int, default=365, help="nights of the year (365)")
    parser.add_argument("--jobs", type=int, default=3, help="jobs of each night (3)")
    parser.add_argument("--each", type=int, default=200, help="items of each job (200)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each night (5)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
