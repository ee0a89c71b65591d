"""How long a ledger file of many rows takes to write and to read, and how much memory: `python -m
benchmarks.workbook`.

A real run makes the rows first. Then every figure is of a process of its own, with the memory that
the system counted for it; the CSV stands beside the workbook to compare with, and so does openpyxl
beside the library that reads. Last, how long no request leaves while a run refreshes its workbook.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from benchmarks.measured import (
    Measured,
    measure,
    measure_command,
    print_machine,
    sandbox,
    show,
    write_job,
)
from worker.model.clock import seconds

READ = """
import sys
from pathlib import Path
from worker.export.formats import read_file
for row in read_file(Path(sys.argv[1])):
    len(row)
"""
HEADER = """
import sys
from pathlib import Path
from worker.export.formats import is_ledger
assert is_ledger(Path(sys.argv[1]))
"""
OPENPYXL = """
import sys, openpyxl
sheet = openpyxl.load_workbook(sys.argv[1], read_only=True)["Ledger"]
for row in sheet.iter_rows(values_only=True):
    len(row)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workbook", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=100_000, help="rows of the ledger (default: 100000)"
    )
    rows = parser.parse_args().rows
    print_machine()
    print(
        ", ".join(
            f"{name} {version(name)}" for name in ("xlsxwriter", "python-calamine", "openpyxl")
        )
    )
    with tempfile.TemporaryDirectory(prefix="workbook-") as name:
        folder = Path(name)
        job = write_job(folder / "wave.csv", rows)
        with sandbox(folder) as api:
            measure(
                [
                    "run",
                    str(job),
                    "--yes",
                    "--rate",
                    "unlimited",
                    "--max-in-flight",
                    "32",
                    "--quiet",
                ],
                folder,
                api,
            )
            print(f"\n{'what':<42}{'peak':>10}{'wall':>10}{'CPU':>10}{'a second':>10}")
            for path in (folder / "out.csv", folder / "out.xlsx"):
                show(
                    f"write {path.suffix}",
                    measure(["ledger", str(job), "--ledger", str(path)], folder, api),
                    rows,
                )
                print(f"  {path.stat().st_size / 2**20:.1f} MiB")
                show(f"is it a ledger? {path.suffix}", _python(HEADER, path), rows)
                show(f"read {path.suffix}", _python(READ, path), rows)
            show("read .xlsx with openpyxl instead", _python(OPENPYXL, folder / "out.xlsx"), rows)
            _restore(job, folder, api, rows)
            _refreshed(job, folder, api)


def _restore(job: Path, folder: Path, api: Mapping[str, str], rows: int) -> None:
    for path in (folder / "out.csv", folder / "out.xlsx"):
        database = folder / f"again{path.suffix}.db"
        options = [
            "--restore",
            str(path),
            "--database",
            str(database),
            "--ledger",
            str(folder / f"again{path.suffix}"),
        ]
        show(
            f"rebuild the database from {path.suffix}",
            measure(["ledger", str(job), *options], folder, api),
            rows,
        )


def _refreshed(job: Path, folder: Path, api: Mapping[str, str]) -> None:
    """A run that sends 100 a second for a minute, and refreshes its workbook of all rows after half
    of it."""
    database = folder / "refreshed.db"
    options = [
        "--ledger",
        str(folder / "refreshed.xlsx"),
        "--database",
        str(database),
        "--rate",
        "100/s",
        "--quiet",
    ]
    command = [
        sys.executable,
        "-m",
        "worker",
        "run",
        str(job),
        "--yes",
        *options,
        "--limit",
        "6000",
    ]
    environ = {**api, "PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if ended.returncode != 1:  # some are left
        raise SystemExit(ended.stderr)
    with closing(sqlite3.connect(database)) as connection:
        found = [
            row[0] for row in connection.execute("SELECT started_at FROM attempts ORDER BY id")
        ]
    times = [at for text in found if (at := seconds(text)) is not None]
    seconds_of = Counter(int(at - times[0]) for at in times)
    slowest = min(seconds_of[second] for second in range(1, int(times[-1] - times[0])))
    longest = max(after - before for before, after in pairwise(times))
    print(
        f"\n{len(times):,} requests at 100 a second while the workbook is refreshed:"
        f" {times[-1] - times[0]:.1f} s,"
    )
    print(f"{slowest} in the slowest second, the longest time without one {longest:.2f} s")


def _python(code: str, path: Path) -> Measured:
    """What a process that runs this code on this file took."""
    return measure_command([sys.executable, "-c", code, str(path)], path.parent, os.environ)


if __name__ == "__main__":
    main()
