"""`python -m tests.torture`: scenarios from a seed on until so many runs were killed, or one again
with its logs."""

from __future__ import annotations

import argparse
import math
import random
import sys
from functools import partial
from pathlib import Path

from tests.torture.night import command, kind_of, many, one, one_shared, table
from tests.torture.runner import Runner
from tests.torture.shared import KINDS, Cluster
from tests.torture.torturer import Findings

MOST_SHOWN = 20

say = partial(print, flush=True)


def main() -> int:
    """0 where nothing was doubled, lost or told falsely."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many at least (1000)")
    parser.add_argument(
        "--seed", type=int, help="the first seed (one never used before, which is told)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--one", type=int, metavar="SEED", help="one scenario, with all logs")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="with --one: copy its database and files there"
    )
    parser.add_argument(
        "--shared",
        nargs="?",
        const=",".join(KINDS),
        metavar="KINDS",
        help=f"two machines and a ledger on PostgreSQL: {', '.join(KINDS)} (all)",
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="end after so many")
    args = parser.parse_args()
    kinds = tuple(args.shared.split(",")) if args.shared else ()
    if args.one is not None and kinds:
        with Cluster() as cluster:
            return _shown(one_shared(args.one, kind_of(args.one, kinds), cluster, verbose=True))
    if args.one is not None:
        return _one(args.one, args.keep)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(2**40)
    say(f"seeds from {seed} on")
    total = many(seed, args.kills, args.jobs, kinds, 60 * args.minutes)
    say(table(total))
    for findings in total.failed[:MOST_SHOWN]:
        say(f"\n{findings.weather} {findings.seed}: {findings.problems[0]}\n  {command(findings)}")
    if len(total.failed) > MOST_SHOWN:
        say(f"\n… and {len(total.failed) - MOST_SHOWN} more")
    return 1 if total.failed else 0


def _one(seed: int, keep: Path | None) -> int:
    with Runner() as runner:
        findings = one(seed, runner, verbose=True, keep=keep)
    return _shown(findings)


def _shown(findings: Findings) -> int:
    say("\n".join(findings.events))
    say(
        f"{findings.weather} {findings.seed}: {findings.runs} runs, killed {dict(findings.kills)},"
        f" {findings.made} created, {findings.statuses}"
    )
    for problem in findings.problems:
        say(problem)
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
