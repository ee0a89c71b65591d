"""`python -m tests.simulation`: runs many campaigns from a first seed on, or one of them again with
all of its events."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from functools import partial

from tests.simulation.night import Sum, alone, command, many, table
from tests.simulation.scenario import MEANS, Theme

MOST_SHOWN = 20

BETWEEN_REPORTS = 1000
"""Campaigns between two lines of progress."""

say = partial(print, flush=True)


def main() -> int:
    """Run the campaigns. The exit code: 0 if every campaign kept every promise, otherwise 1."""
    kinds = "; ".join(f"{theme}: {words}" for theme, words in MEANS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, epilog=kinds
    )
    parser.add_argument("--campaigns", type=int, default=300, help="how many (300)")
    parser.add_argument(
        "--seed", type=int, help="the first seed (default: a new one, which is printed)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument(
        "--one", type=int, metavar="SEED", help="run one campaign, and print its events"
    )
    parser.add_argument(
        "--kind", type=Theme, choices=tuple(Theme), help="only campaigns of this kind"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="TEXT",
        help="with --one: leave this out of it, as a kept failure says",
    )
    args = parser.parse_args()
    if args.one is not None:
        return _one(args.one, args.kind, args.without)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(2**40)
    say(f"seeds from {seed} on")
    total = many(range(seed, seed + args.campaigns), args.kind, args.jobs, _progress())
    say(table(total))
    if len(total.failed) > MOST_SHOWN:
        say(f"\n{len(total.failed) - MOST_SHOWN} more failures are not shown")
    return 1 if total.failed else 0


def _progress() -> Callable[[Sum], None]:
    """Prints each failure when it is found, and a line of progress from time to time."""
    shown = 0

    def report(total: Sum) -> None:
        nonlocal shown
        for found in total.failed[shown:MOST_SHOWN]:
            say(f"{found.theme} {found.seed}: {found.problems[0]}\n  {command(found)}")
        shown = len(total.failed)
        if total.campaigns % BETWEEN_REPORTS == 0:
            failed = f"{len(total.failed)} failed"
            say(f"{total.campaigns:,} campaigns in {total.took_s:,.0f} s, {failed}")

    return report


def _one(seed: int, theme: Theme | None, left_out: list[str]) -> int:
    findings = alone(seed, theme, left_out)
    say("\n".join(findings.events))
    say(
        f"{findings.theme} {findings.seed}: {findings.runs} runs, {findings.crashes} crashes,"
        f" {findings.made} created, {findings.statuses}"
    )
    say(f"faults: {findings.faults}\ntrace: {findings.trace:08x}")
    for problem in findings.problems:
        say(problem)
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
