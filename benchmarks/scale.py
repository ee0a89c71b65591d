"""A job of a million, and a thousand campaigns in one database: `python -m benchmarks.scale` (`make
bench-scale`).

Real runs against nginx make every row; nothing is planted. Sending is watched from outside: nginx's
log tells how many requests were answered, the system how much processor time the worker had used by
then. Wall clock is the machine's too, which may be busy with other work; processor time is the
worker's own."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.measured import (
    MIB,
    SOURCES,
    WORKER,
    Measured,
    importable,
    measure,
    measure_command,
    print_machine,
    show,
    source_ids,
    waited,
    without_api,
    write_job,
)
from benchmarks.nginx import missing, serving

RUN = ("--yes", "--rate", "unlimited", "--max-in-flight", "32", "--quiet")
TENTHS = 10
TENTHS_FROM = 20_000
"""A smaller run is over before its tenths can be told apart."""

HEADER = f"\n{'what':<42}{'peak':>10}{'wall':>10}{'CPU':>10}{'a second':>10}"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a run was: duplicates that were answered, at which moment (monotonic seconds), after
    how many seconds of processor time."""

    answered: int
    at: float
    cpu: float


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    if why := missing(latency=False):
        print(f"Nothing is measured: {why}")
        return
    print_machine()
    if asked.again:
        _afterwards(asked.again)
        return
    for items in (
        sorted({min(size, asked.items) for size in (10_000, 100_000, asked.items)})
        if asked.items
        else ()
    ):
        with tempfile.TemporaryDirectory(prefix="scale-") as name:
            folder = Path(name)
            if asked.keep and items == asked.items:
                folder = asked.keep
                folder.mkdir(parents=True)
            marks = _one_job(folder, items)
            if items == asked.items:
                if items >= TENTHS_FROM:
                    _show_tenths(marks)
                _afterwards(folder)
    if asked.campaigns:
        with tempfile.TemporaryDirectory(prefix="scale-") as name:
            _many_campaigns(Path(name), asked.campaigns, asked.each)


# -- one big job


def _one_job(folder: Path, items: int) -> list[Mark]:
    """Run a job of so many items in `folder`, and show what that took; how far it was when."""
    job = write_job(folder / "job.csv", items)
    with serving(source_ids(), log=True) as api:
        (folder / "facts.json").write_text(json.dumps({"items": items, "url": api.url}), "utf-8")
        measured, marks = _watched(job, api.environment(), api.log, items)
        if api.statuses(items) != {201: items}:
            raise SystemExit(f"{items:,} were asked for, and nginx answered {dict(api.statuses())}")
    print(HEADER)
    show(f"run, {items:,} items", measured, items)
    return marks


def _afterwards(folder: Path) -> None:
    """Show what each command takes where the job in `folder` is finished."""
    facts = json.loads((folder / "facts.json").read_text("utf-8"))
    items, job = facts["items"], str(folder / "job.csv")
    print(HEADER)
    # The database remembers where its API is.
    with serving(source_ids(), log=True, port=int(facts["url"].rpartition(":")[2])) as api:
        show(
            "run again: nothing to do",
            measure(["run", job, *RUN], folder, api.environment()),
            items,
        )
        small, campaign = (
            write_job(folder / "small.csv", SOURCES),
            ("--campaign", f"small {time.time_ns()}"),
        )
        label = f"run, {SOURCES} items of another campaign"
        show(
            label, measure(["run", str(small), *RUN, *campaign], folder, api.environment()), SOURCES
        )
        show(
            "check, without a token",
            measure(["check", job, "--quiet"], folder, without_api()),
            items,
        )
        for label in ("report", "ledger"):
            show(
                label,
                measure_command([*WORKER, label, job], folder, without_api(), folder / "said"),
                items,
            )
        label = "run again, after `ledger`: its file read and anew"
        show(label, measure(["run", job, *RUN], folder, api.environment()), items)
    for path in sorted((folder / "ledgers").iterdir()):
        if path.stat().st_size:
            print(f"  {path.name}: {path.stat().st_size / MIB:,.1f} MiB")


def _watched(
    job: Path, environ: Mapping[str, str], log: Path, items: int
) -> tuple[Measured, list[Mark]]:
    """Run the job; what it took, and how far it was at the first answer and after each tenth of the
    items."""
    marks: list[Mark] = []
    began = time.monotonic()
    with subprocess.Popen(
        [*WORKER, "run", str(job), *RUN],
        cwd=job.parent,
        env=importable(environ),
        stdin=subprocess.DEVNULL,
    ) as process:
        while (
            len(marks) <= TENTHS
            and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            mark = Mark(_lines(log), time.monotonic(), _cpu(process.pid))
            if mark.answered >= max(1, len(marks) * items // TENTHS):
                marks.append(mark)
            time.sleep(0.02)
        return waited(process, began), marks


def _lines(log: Path) -> int:
    """How many requests nginx has noted: every line is as long as `1764000000.123 201`."""
    return log.stat().st_size // len("1764000000.123 201\n")


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _show_tenths(marks: Sequence[Mark]) -> None:
    print("\nmilliseconds for each item, by tenths of the run")
    spans = [
        (
            (b.at - a.at) / (b.answered - a.answered) * 1000,
            (b.cpu - a.cpu) / (b.answered - a.answered) * 1000,
        )
        for a, b in pairwise(marks)
    ]
    for label, values in (
        ("wall", [wall for wall, _ in spans]),
        ("CPU", [cpu for _, cpu in spans]),
    ):
        cells = " ".join(f"{value:.3f}" for value in values)
        print(
            f"{label:<6}{cells}; last / first {values[-1] / values[0]:.2f}, most / least"
            f" {max(values) / min(values):.2f}"
        )


# -- many campaigns


def _many_campaigns(folder: Path, campaigns: int, each: int) -> None:
    """Runs one after the other, each of a campaign of its own, in one database."""
    job = write_job(folder / "job.csv", each)
    runs: list[Measured] = []
    with serving(source_ids(), log=True) as api:
        for number in range(campaigns):
            campaign = ("--campaign", f"campaign {number:04}")
            runs.append(measure(["run", str(job), *RUN, *campaign], folder, api.environment()))
        last = measure(
            ["run", str(job), *RUN, "--campaign", "campaign 0000"], folder, api.environment()
        )
        if api.statuses(campaigns * each) != {201: campaigns * each}:
            raise SystemExit(
                f"{campaigns * each:,} were asked for, and nginx answered {dict(api.statuses())}"
            )
    print(f"\n{campaigns:,} campaigns of {each} items in one database, a run for each")
    tenth = max(1, campaigns // TENTHS)
    for label, part in (("first tenth", runs[:tenth]), ("last tenth", runs[-tenth:])):
        seconds, cpu = (
            statistics.median(values)
            for values in ([r.seconds for r in part], [r.cpu for r in part])
        )
        print(
            f"{label:<14}{seconds:.3f} s, CPU {cpu:.3f} s a run; peak"
            f" {max(r.peak for r in part) / MIB:.0f} MiB"
        )
    print(f"{'the first again':<14} {last.seconds:.3f} s, CPU {last.cpu:.3f} s")
    listed = measure_command(
        [*WORKER, "ledger", "--database", "ledgers/ledger.db"],
        folder,
        without_api(),
        folder / "said",
    )
    print(
        f"`ledger` without a job: {listed.seconds:.2f} s, CPU {listed.cpu:.2f} s, peak"
        f" {listed.peak / MIB:.0f} MiB"
    )
    print(f"the database: {(folder / 'ledgers' / 'ledger.db').stat().st_size / MIB:.1f} MiB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--items", type=int, default=1_000_000, help="items of the biggest job (1000000; 0: none)"
    )
    parser.add_argument(
        "--campaigns", type=int, default=1_000, help="campaigns in one database (1000; 0: none)"
    )
    parser.add_argument("--each", type=int, default=20, help="items of each campaign (20)")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="a new folder that keeps the biggest job's files",
    )
    parser.add_argument(
        "--again",
        type=Path,
        metavar="FOLDER",
        help="only measure what follows, on files that were kept",
    )
    asked = parser.parse_args()
    if asked.items and asked.items < SOURCES:
        parser.error(f"--items: at least {SOURCES}, one for each source")
    return asked


if __name__ == "__main__":
    main()
