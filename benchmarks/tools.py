"""The worker beside other tools, against nginx: `python -m benchmarks.tools` (`make bench-tools`).

All do the same job as whole processes that take turns, so that a busy moment meets all, and speed
is told as a ratio to the plain script's of the same round (`benchmarks/peers/gather.py`). nginx's
log is the judge: a tool whose requests are not all there, each answered 201, has no figures. What
is not installed is named and left out."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import nginx, slow_fsync
from benchmarks.measured import (
    MIB,
    Measured,
    measure_command,
    print_machine,
    source_ids,
    spread,
    write_job,
)
from benchmarks.peers.commands import GATHER, PEERS, RUN, Asked, Peer

IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Case:
    """What the API and the disk are like: answers take `latency` milliseconds, each fsync `fsync`
    more. A peer gets its share of so many `items`."""

    label: str
    items: int
    latency: int = 0
    fsync: int = 0

    def missing(self) -> str | None:
        """What is not installed here; None where nothing is."""
        return nginx.missing(latency=bool(self.latency)) or (
            slow_fsync.missing() if self.fsync else None
        )


CASES = {
    "instant": Case("an API that answers at once", 10_000),
    "late": Case("answers that take 50 ms", 10_000, latency=50),
    "disk": Case("an API that answers at once, each fsync 5 ms slower", 10_000, fsync=5),
}
"""In the order of `Peer.shares`."""

Took = dict[int, tuple[int, Measured]]
"""How many items a peer did in each round in which it did its job, and what that took."""


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    print_machine()
    print(
        ", ".join(
            _version(program) for program in ("curl", "parallel", "newman") if shutil.which(program)
        )
    )
    lacking = {peer: why for peer in PEERS if (why := peer.missing())}
    for peer, why in lacking.items():
        print(f"Left out: {peer.label}: {why}")
    for number, (key, case) in enumerate(CASES.items()):
        if why := case.missing():
            print(f"Left out: {case.label}: {why}")
        elif key in asked.cases:
            peers = [
                peer
                for peer in PEERS
                if peer not in lacking and (not asked.alone or peer in (GATHER, RUN))
            ]
            items = {peer: int(case.items * peer.shares[number]) for peer in peers}
            print(
                f"\n{case.label}; {IN_FLIGHT} in flight; medians of {asked.rounds} rounds, least"
                " and most",
                flush=True,
            )
            _measure(case, {peer: share for peer, share in items.items() if share}, asked.rounds)


def _measure(case: Case, items: Mapping[Peer, int], rounds: int) -> None:
    took: dict[Peer, Took] = {peer: {} for peer in items}
    with tempfile.TemporaryDirectory(prefix="tools-") as name:
        floor = measure_command(["true"], Path(name), {}).peak
        slower = slow_fsync.slow_fsync(Path(name), case.fsync) if case.fsync else {}
        for number in range(rounds):
            for place, peer in enumerate(items):
                folder = Path(name) / f"{number}-{place}"
                folder.mkdir()
                if measured := _turn(peer, items[peer], case.latency, slower, folder):
                    took[peer][number] = (items[peer], measured)
    script = {number: done / one.seconds for number, (done, one) in took[GATHER].items()}
    print("\n| what | items | speed, as a ratio | processor s for 1,000 items | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- |")
    for peer, turns in took.items():
        label = (
            peer.label
            if len(turns) == rounds
            else f"{peer.label} (did it in {len(turns)} of {rounds} rounds)"
        )
        print(f"| {label} | {items[peer]:,} | {_figures(turns, script, floor)} |", flush=True)


def _turn(
    peer: Peer, items: int, latency: int, slower: Mapping[str, str], folder: Path
) -> Measured | None:
    """What one turn took; None, and a word about it, where the job was not done."""
    job = write_job(folder / "job.csv", items)
    with nginx.serving(source_ids(), latency_ms=latency, log=True) as api:
        command = peer.command(Asked(job, api.url, IN_FLIGHT, folder))
        try:
            measured = measure_command(
                command, folder, {**api.environment(), **slower}, folder / "said"
            )
        except SystemExit as error:
            print(
                f"{peer.label}: {str(error)[-100:]}: {(folder / 'said').read_text('utf-8')[-300:]}"
            )
            return None
        answered = api.statuses(items)
    if answered != {201: items}:
        print(f"{peer.label}: {items} were asked for, and nginx answered {dict(answered)}")
        return None
    return measured


def _figures(turns: Took, script: Mapping[int, float], floor: int) -> str:
    """Speed as a ratio to the script's (items a second, by round), processor time and memory. Where
    a process has no more memory than the one that started it (`floor`), the system does not tell
    how much."""
    ratios = [
        done / one.seconds / script[number]
        for number, (done, one) in turns.items()
        if number in script
    ]
    if not ratios:
        return " | | "
    peak = max(one.peak for _, one in turns.values())
    memory = f"{peak / MIB:.0f}" if peak > 1.1 * floor else f"under {1.1 * floor / MIB:.0f}"
    return (
        f"{spread(ratios, 3)} | {spread([one.cpu / done * 1000 for done, one in turns.values()])} |"
        f" {memory}"
    )


def _version(program: str) -> str:
    """The program's name and the first version that it tells."""
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\d[\d.]+", version)
    return f"{program} {found.group() if found else '?'}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tools", description=__doc__)
    parser.add_argument(
        "--cases", nargs="*", choices=CASES, default=list(CASES), help="only these cases"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument(
        "--alone", action="store_true", help="the worker and the plain script alone"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
