"""`python -m tests.simulation.search --hours 8`: campaigns from fresh seeds, for as long as you
like. Each one that fails is made smaller and kept as a file in a folder."""

from __future__ import annotations

import argparse
import random
import sys
import time
from functools import partial
from pathlib import Path

from tests.simulation.campaign import Findings
from tests.simulation.night import command, many, smaller, table
from tests.simulation.scenario import Theme

AT_ONCE = 200
"""Campaigns between two reports."""

say = partial(print, flush=True)


def main() -> int:
    """Search. The exit code: 1 if a campaign failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.search", description=__doc__)
    parser.add_argument("--hours", type=float, default=8.0, help="how long (8)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--kind", type=Theme, choices=tuple(Theme), help="campaigns of one kind")
    parser.add_argument(
        "--folder", type=Path, default=Path("failures"), help="where failures are kept (failures)"
    )
    args = parser.parse_args()
    seed, failed, campaigns = random.SystemRandom().randrange(2**40), 0, 0
    end = time.monotonic() + args.hours * 3600
    while time.monotonic() < end:
        total = many(range(seed, seed + AT_ONCE), args.kind, args.jobs)
        seed, campaigns, failed = seed + AT_ONCE, campaigns + AT_ONCE, failed + len(total.failed)
        say(f"{campaigns:,} campaigns, {failed:,} failed")
        for findings in total.failed:
            say(f"  kept as {keep(findings, args.folder)}")
        if total.failed:
            say(table(total))
    return 1 if failed else 0


def keep(findings: Findings, folder: Path) -> Path:
    """Make a failing campaign smaller, and write what is left of it to a file. Returns its path."""
    lines = (command(findings), command(findings, smaller(findings)), "", *findings.problems, "")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{findings.seed}-{findings.theme}.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


if __name__ == "__main__":
    sys.exit(main())
