"""The worker beside other tools, against nginx: `python -m benchmarks.tools` (`make bench`).

All do the same job as whole processes that take turns, so that a busy moment meets all, and speed is told as a ratio to
the plain script's of the same round (`benchmarks/peers/gather.py`). nginx's log is the judge: a tool whose requests are
not all there, each answered 201, has no figures. What is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measured import MIB, Measured, measure_command, print_machine, source_ids, spread, write_job
from benchmarks.nginx import missing, serving
from benchmarks.peers.commands import GATHER, PEERS, Asked, Peer

PROGRAMS = ("curl", "parallel", "newman")


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    if why := missing(latency=False):
        print(f"Nothing is measured: {why}")
        return
    print_machine()
    print(", ".join(_version(program) for program in PROGRAMS if shutil.which(program)))
    peers = []
    for peer in PEERS:
        if why := peer.missing():
            print(f"Left out: {peer.words}: {why}")
        else:
            peers.append(peer)
    for latency, rows in ((0, asked.rows), (50, asked.late_rows)):
        if why := missing(latency=bool(latency)):
            print(f"\nLeft out: answers that take {latency} ms: {why}")
        elif rows:
            _case(peers, rows, latency, asked.in_flight, asked.rounds)


def _case(peers: Sequence[Peer], rows: int, latency: int, in_flight: int, rounds: int) -> None:
    print(f"\n{in_flight} in flight, answers take {latency} ms; medians of {rounds} rounds, least and most\n")
    took: dict[str, dict[int, tuple[int, Measured]]] = {peer.words: {} for peer in peers}
    with tempfile.TemporaryDirectory(prefix="tools-") as name:
        floor = measure_command(["true"], Path(name), {}).peak
        for number in range(rounds):
            for peer in peers:
                items = int(rows * (peer.late_share if latency else peer.share))
                folder = Path(name) / f"{number} {peer.words.replace('/', '')}"
                folder.mkdir()
                if measured := _turn(peer, items, latency, in_flight, folder):
                    took[peer.words][number] = (items, measured)
    print("| what | items | speed, as a ratio | processor s for 1,000 items | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- |")
    script = {number: items / one.seconds for number, (items, one) in took[GATHER.words].items()}
    for words, turns in took.items():
        ratios = [items / one.seconds / script[number] for number, (items, one) in turns.items() if number in script]
        done = "" if len(ratios) == rounds else f" (did the job in {len(ratios)} of {rounds} rounds)"
        if ratios:
            cpus = [one.cpu / items * 1000 for items, one in turns.values()]
            peak = max(one.peak for _, one in turns.values())
            memory = f"{peak / MIB:.0f}" if peak > 1.1 * floor else f"under {floor / MIB:.0f}"
            items, _ = next(iter(turns.values()))
            print(f"| {words}{done} | {items:,} | {spread(ratios, 3)} | {spread(cpus)} | {memory} |", flush=True)
        else:
            print(f"| {words}{done} | | | | |")


def _turn(peer: Peer, items: int, latency: int, in_flight: int, folder: Path) -> Measured | None:
    """What one turn took; None, and a word about it, where the job was not done."""
    job = write_job(folder / "job.csv", items)
    with serving(source_ids(), latency_ms=latency, log=True) as api:
        command = peer.command(Asked(job, api.url, in_flight, folder))
        try:
            measured = measure_command(command, folder, api.environment(), folder / "said")
        except SystemExit as error:
            print(f"{peer.words}: {str(error)[-100:]}: {(folder / 'said').read_text('utf-8')[-300:]}")
            return None
        answered = api.statuses(items)
    if answered != {201: items}:
        print(f"{peer.words}: {items} were asked for, and nginx answered {dict(answered)}")
        return None
    return measured


def _version(program: str) -> str:
    """The program's name and the first version that it tells."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d[\d.]+", told)
    return f"{program} {found.group() if found else '?'}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tools", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="duplicates where answers take no time (10000)")
    parser.add_argument("--late-rows", type=int, default=5_000, help="where answers take 50 ms (5000; 0: leave out)")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at once (32)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
