"""The shared ledger on PostgreSQL beside SQLite: `python -m benchmarks.shared` (`make
bench-shared`).

The same runs as whole processes that take turns on the same machine, so that a busy moment meets
both, and speed is told as a ratio: SQLite's time divided by PostgreSQL's in the same round. Both
work in an empty ledger that exists: its tables are created once, which is told apart. The server is
a real one, in a temporary folder, with fsync on. nginx is the API, and its log the judge."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks import nginx
from benchmarks.delay import delayed
from benchmarks.measured import (
    MIB,
    WORKER,
    Measured,
    importable,
    measure,
    measure_command,
    print_machine,
    source_ids,
    spread,
    without_api,
    write_job,
)
from tests.support.postgresql import Server, running_server, why_not
from worker.job.plan import planned
from worker.job.read import open_job
from worker.ledger.database import hold
from worker.ledger.store import Ledger
from worker.model.records import RunStart
from worker.model.server_address import server_address

RUN = ("--yes", "--quiet", "--max-in-flight", "32")
LIMIT = 50
"""Requests a second that the API takes from a workspace."""


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    if asked.plan:
        _plan(*asked.plan)
        return
    if why := why_not() or nginx.missing(latency=True):
        print(f"Nothing is measured: {why}")
        return
    print_machine()
    with running_server() as server, tempfile.TemporaryDirectory(prefix="shared-") as name:
        folder = Path(name)
        if "speed" in asked.parts:
            _speed(server, folder, asked.items, asked.rounds)
        if "plan" in asked.parts:
            _planning(server, folder, asked.planned, asked.rounds)
        if "scale" in asked.parts:
            _scale(server, folder, asked.seconds)


# -- the same run on both


class Sent(NamedTuple):
    """What a run took (`whole`), the seconds between its first and its last answer (`sending`), and
    those that its ledger took to create before (`creation`)."""

    whole: Measured
    sending: float
    creation: float


def _speed(server: Server, folder: Path, items: int, rounds: int) -> None:
    print(f"\n{items:,} items, 32 in flight; medians of {rounds} rounds, least and most")
    print("| case | SQLite, sent/s | PostgreSQL, sent/s | ratio | of whole runs | CPU | MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    creation: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": []}
    for label, latency, late in (
        ("an API that answers at once", 0, 0.0),
        ("answers that take 50 ms", 50, 0.0),
        ("the same, the database 2 ms further away", 50, 2.0),
    ):
        files: list[Sent] = []
        shared: list[Sent] = []
        for number in range(rounds):
            with _way(server, late) as port:
                # Each goes first in turn.
                turns = [(files, "ledger.db"), (shared, str(server.address(None, port)))]
                for took, database in turns[:: 1 if number % 2 else -1]:
                    took.append(_run(folder, items, latency, database))
        pairs = list(zip(files, shared, strict=True))
        sending = spread([one.sending / other.sending for one, other in pairs])
        whole = spread([one.whole.seconds / other.whole.seconds for one, other in pairs])
        cpu = spread([other.whole.cpu / one.whole.cpu for one, other in pairs])
        rates = [spread([items / one.sending for one in took], 0) for took in (files, shared)]
        peak = max(one.whole.peak for one in shared) / MIB
        creation["SQLite"] += [one.creation for one in files]
        creation["PostgreSQL"] += [one.creation for one in shared]
        print(
            f"| {label} | {rates[0]} | {rates[1]} | {sending} | {whole} | {cpu} | {peak:.0f} |",
            flush=True,
        )
    for engine, seconds in creation.items():
        print(f"creating an empty ledger on {engine}: {spread(seconds)} s", flush=True)


@contextmanager
def _way(server: Server, late: float) -> Iterator[int]:
    """The port that leads to the server, `late` milliseconds more for each round trip."""
    if not late:
        yield server.port
        return
    with delayed(server.port, late) as port:
        yield port


def _run(folder: Path, items: int, latency: int, database: str) -> Sent:
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        nginx.serving(source_ids(), latency_ms=latency, log=True) as api,
    ):
        job = write_job(Path(name) / "job.csv", items)
        began = time.monotonic()
        with (
            hold(server_address(database) or Path(name) / database, 0) as held,
            closing(held.open(api.url)),
        ):
            creation = time.monotonic() - began
        arguments = ["run", str(job), *RUN, "--rate", "unlimited", "--database", database]
        measured = measure(arguments, Path(name), api.environment())
        if api.statuses(items) != {201: items}:
            raise SystemExit(f"{items:,} were asked for; nginx answered {dict(api.statuses())}")
        answered = [at for at, _ in api.fates()]
    return Sent(measured, max(answered) - min(answered), creation)


# -- planning


def _planning(server: Server, folder: Path, rows: int, rounds: int) -> None:
    """How long a job takes to read and to plan into a new ledger."""
    job = write_job(folder / "planned.csv", rows)
    print(f"\n{rows:,} rows planned; medians of {rounds} rounds, least and most")
    print("| into | reading and planning, s | planning alone, s | peak memory, MiB |")
    print("| --- | --- | --- | --- |")
    alone: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": []}
    whole: dict[str, list[Measured]] = {"SQLite": [], "PostgreSQL": []}
    for number in range(rounds):
        places = {"SQLite": str(folder / f"plan-{number}.db"), "PostgreSQL": str(server.address())}
        for label, place in places.items():
            command = [sys.executable, "-m", "benchmarks.shared", "--plan", place, str(job)]
            said = folder / "said"
            whole[label].append(measure_command(command, folder, without_api(), said))
            alone[label].append(float(said.read_text("utf-8")))
    for label, took in whole.items():
        peak = max(one.peak for one in took) / MIB
        print(
            f"| {label} | {spread([one.seconds for one in took])} | {spread(alone[label])} |"
            f" {peak:.0f} |"
        )
    for what, ratios in (
        (
            "reading and planning",
            [
                other.seconds / one.seconds
                for one, other in zip(whole["SQLite"], whole["PostgreSQL"], strict=True)
            ],
        ),
        (
            "planning alone",
            [other / one for one, other in zip(alone["SQLite"], alone["PostgreSQL"], strict=True)],
        ),
    ):
        print(f"{what}: PostgreSQL takes {spread(ratios)} times as long", flush=True)


def _plan(place: str, job: str) -> None:
    """Plan the job into the ledger; print the seconds that the ledger took."""
    start = RunStart("run", "wave", job, "ledger.csv", "host", 1, "2026-11-01T00:00:00Z", 60, 30)
    with (
        planned(open_job(Path(job)), "wave", date(2026, 11, 1)) as plan,
        hold(server_address(place) or Path(place), 0) as held,
        closing(held.open("https://api.example.org")) as database,
    ):
        began = time.perf_counter()
        ledger = Ledger(database, start)
        ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
        print(time.perf_counter() - began)


# -- several workspaces at the same time


def _scale(server: Server, folder: Path, seconds: int) -> None:
    """A run in each of several schemas, each against an API that takes LIMIT a second."""
    print(f"\nruns at the same time, each for {seconds} s against an API that takes {LIMIT}/s")
    print("| schemas | sum, items/s | of what the APIs take | server's CPU | most WAL/s, KiB |")
    print("| --- | --- | --- | --- | --- |")
    for schemas in (1, 2, 4):
        before = _server_cpu(server)
        began, wal = time.monotonic(), _wal(server)
        rates = _at_once(server, folder, schemas, seconds * LIMIT)
        took = time.monotonic() - began
        cpu = (_server_cpu(server) - before) / took
        written = (_wal(server) - wal) / took / 1024
        print(
            f"| {schemas} | {sum(rates):.1f} | {sum(rates) / (LIMIT * schemas):.3f} |"
            f" {cpu:.1%} of a processor | {written:,.0f} |",
            flush=True,
        )


def _at_once(server: Server, folder: Path, schemas: int, items: int) -> list[float]:
    """How many items a second each run created, from its first answer to its last."""
    with ExitStack() as stack:
        apis, runs = [], []
        for number in range(schemas):
            place = folder / f"{schemas}-{number}"
            place.mkdir()
            job = write_job(place / "job.csv", items)
            api = stack.enter_context(
                nginx.serving(source_ids(), limit=f"{LIMIT}r/s", burst=5, log=True)
            )
            command = [*WORKER, "run", str(job), *RUN, "--rate", f"{LIMIT}/s"]
            command += ["--database", str(server.address())]
            apis.append(api)
            runs.append(
                stack.enter_context(
                    subprocess.Popen(
                        command,
                        cwd=place,
                        env=importable(api.environment()),
                        stdin=subprocess.DEVNULL,
                    )
                )
            )
        codes = [run.wait() for run in runs]
        if any(codes):
            raise SystemExit(f"a run ended with {codes}")
        rates = []
        for api in apis:
            created = sorted(at for at, status in api.fates() if status == 201)
            if len(created) != items:
                raise SystemExit(f"{items:,} were asked for; nginx answered {api.statuses()}")
            rates.append((items - 1) / (created[-1] - created[0]))
        return rates


def _server_cpu(server: Server) -> float:
    """Seconds of processor time that the server's processes have used, the ended ones too."""
    first = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("utf-8").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(path.parent.name) == first:
            total += sum(map(int, fields[11:15]))  # with its children that have ended
        elif int(fields[1]) == first:
            total += sum(map(int, fields[11:13]))
    return total / 100


def _wal(server: Server) -> int:
    """How many bytes the server has logged."""
    import psycopg  # noqa: PLC0415 - an optional extra

    with psycopg.connect(server.address().conninfo) as connection:
        row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
    return 0 if row is None else int(row[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared", description=__doc__)
    parts = ("speed", "plan", "scale")
    parser.add_argument("--parts", nargs="*", choices=parts, default=parts, help="only these")
    parser.add_argument("--items", type=int, default=10_000, help="items of a run (10000)")
    parser.add_argument("--planned", type=int, default=1_000_000, help="rows to plan (1000000)")
    parser.add_argument("--seconds", type=int, default=60, help="seconds of each run at once (60)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument("--plan", nargs=2, metavar=("PLACE", "JOB"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
