"""How long `settle` takes for many unknown items in a big workspace, and how much memory it needs:
`python -m benchmarks.settling`.

An earlier run is written into the database as it would have been left: its requests went out at 5 a
second, a hundred were answered, the others never. Then `settle` is started as a process of its own,
with a `--settle-after` that costs no time, and lists the workspace twice (once where all are found
at once) from a server that is another process."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.measured import MIB, WORKER, Measured, print_machine, without_api
from tests.support.ledgers import connection_of
from worker.api.bodies import read_batch
from worker.api.client import BATCHES, ME
from worker.job.plan import planned
from worker.job.read import open_job
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.store import Ledger
from worker.model.batch import listed
from worker.model.records import AttemptResult, Intent, RunEnd, RunStart, Timestamp

SOURCES = 200
"""Different source batches, where names are distinct; where all have one name it is one source."""

RATE = 5.0
"""Requests a second of the earlier run."""

ME_ID, WORKSPACE, TOKEN = "benchmark-user", "benchmark-workspace", "benchmark"
PAGE = 500
SETTLE_AFTER_S = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """What an earlier run left: `unknown` items in a workspace of `listing` batches. `strangers`
    are batches that somebody else made meanwhile with the same account; `answered` requests tell
    the API's clock, and what survives copying."""

    unknown: int
    listing: int
    one_name: bool
    made: bool
    strangers: int = 0
    answered: int = 100

    def __str__(self) -> str:
        """The case in words."""
        names = "one name" if self.one_name else "distinct names"
        more = f", {self.strangers:,} strangers" if self.strangers else ""
        return f"{names}, {'all' if self.made else 'none'} made{more}"


def main() -> int:
    """Measure and print, or be the server."""
    asked = _arguments()
    if asked.serve is not None:
        return serve(asked.serve)
    print_machine()
    print(f"{asked.unknown:,} unknown, listing of {asked.listing:,}\n")
    print(f"{'what':<42}{'peak':>10}{'wall':>10}{'CPU':>10}  outcome")
    for one_name in (False, True):
        for made in (True, False):
            with tempfile.TemporaryDirectory(prefix="settling-") as folder:
                case = Case(
                    asked.unknown, asked.listing, one_name, made, asked.strangers, asked.answered
                )
                settle(case, Path(folder), asked.profile)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.settling", description=__doc__)
    parser.add_argument(
        "--unknown", type=int, default=10_000, help="items whose outcome is not known (10000)"
    )
    parser.add_argument(
        "--listing", type=int, default=100_000, help="batches in the workspace (100000)"
    )
    parser.add_argument(
        "--strangers",
        type=int,
        default=0,
        help="of these, made by others with the same account (0)",
    )
    parser.add_argument(
        "--answered", type=int, default=100, help="requests that were answered before (100)"
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="write what cProfile saw of each case there"
    )
    parser.add_argument("--serve", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return parser.parse_args()


def settle(case: Case, folder: Path, profile: Path | None) -> None:
    """Prepare one case, settle it, print a line."""
    with server(folder) as url:
        prepare(case, folder, url)
        command = [*WORKER, "settle", "wave.csv", "--settle-after", str(SETTLE_AFTER_S), "--json"]
        command += ["--log-file", "log.jsonl", "--log-format", "json"]
        if profile is not None:
            command[1:2] = ["-m", "cProfile", "-o", "settle.prof", "-m"]
        environ = without_api() | {"PROLIFIC_URL": url, "PROLIFIC_TOKEN": TOKEN}
        measured, summary = _measured(command, folder, environ)
    counts, took, cpu = summary["counts"], f"{measured.seconds:.1f} s", f"{measured.cpu:.1f} s"
    ended = ", ".join(
        f"{counts[status]:,} {status}"
        for status in ("created", "unknown", "pending")
        if counts[status]
    )
    print(f"{case!s:<42}{measured.peak / MIB:>6.0f} MiB{took:>10}{cpu:>10}  {ended}", flush=True)
    if profile is not None:
        profile.mkdir(parents=True, exist_ok=True)
        shutil.copy(
            folder / "settle.prof",
            profile / f"{str(case).replace(', ', '-').replace(' ', '-')}.prof",
        )


def _measured(
    command: Sequence[str], folder: Path, environ: dict[str, str]
) -> tuple[Measured, dict[str, Any]]:
    """Run the worker; what it took, and its summary. Exit code 1 says that something stayed
    unknown."""
    began = time.monotonic()
    output = folder / "summary.json"
    importable = {**environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with (
        output.open("wb") as out,
        (folder / "errors.txt").open("wb") as errors,
        subprocess.Popen(
            command, cwd=folder, env=importable, stdin=subprocess.DEVNULL, stdout=out, stderr=errors
        ) as one,
    ):
        _, status, usage = os.wait4(one.pid, 0)
        one.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    if one.returncode not in (0, 1) or not output.stat().st_size:
        raise SystemExit(
            f"exit code {one.returncode}: {(folder / 'errors.txt').read_text('utf-8')[-2000:]}"
        )
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit), json.loads(
        output.read_text("utf-8")
    )


# -- what an earlier run left


def prepare(case: Case, folder: Path, url: str) -> None:
    """Write the job, the database as an earlier run left it, and the listing that the server
    shows."""
    began = time.time() - 3600 - (case.unknown + case.answered) / RATE
    sources = [batch(began - 1e6, n, f"Source {n}") for n in range(1 if case.one_name else SOURCES)]
    made = case.unknown if case.made else 0
    old = case.listing - len(sources) - case.answered - made - case.strangers
    bystanders = [batch(began - 9e5 + 5 * n, n, f"Older batch {n}") for n in range(old)]
    shown = [*sources, *bystanders]
    job = folder / "wave.csv"
    _write_job(job, case, [str(source["id"]) for source in sources])
    database = folder / "ledgers" / "ledger.db"
    run = RunStart(
        "20261124T000000-000000",
        "wave",
        str(job.resolve()),
        str(folder.resolve() / "ledgers" / "wave.csv"),
        socket.gethostname(),
        os.getpid(),
        _iso(began),
        60.0,
        30.0,
    )
    with (
        planned(open_job(job), "wave", date(2026, 11, 24)) as plan,
        closing(open_for_writing(database, url)) as opened,
    ):
        connection_of(opened).execute("PRAGMA synchronous = OFF")
        ledger = Ledger(opened, run)
        ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
        ledger.set_me(ME_ID)
        ledger.queue_sources()
        number = ledger.begin_listing(WORKSPACE, Timestamp(_iso(began), began, began))
        pages = iter(shown)
        while page := [listed(found) for one in islice(pages, PAGE) if (found := read_batch(one))]:
            ledger.add_listed(number, WORKSPACE, page)
        ledger.end_listing(number, len(shown), len(shown), None)
        ledger.end_preflight()
        shown += _send(ledger, case, {str(source["id"]): source for source in sources}, began)
        ledger.end_run(
            RunEnd(_iso(began + 3600), None, 1, case.answered, case.unknown + case.answered, 0)
        )
    shown += [batch(began + n, 10**6 + n, f"A colleague's {n}") for n in range(case.strangers)]
    shown.sort(key=lambda one: str(one["id"]))
    with (folder / "listing.json").open("w", encoding="utf-8") as file:
        file.write('{"results": [')
        for place, one in enumerate(shown):
            file.write(f"{', ' if place else ''}{json.dumps(one)}")
        file.write(f'], "meta": {{"count": {len(shown)}}}}}')


def _write_job(path: Path, case: Case, sources: list[str]) -> None:
    rows = [f"{sources[0]},Answered {{n}},{case.answered}"] if case.answered else []
    if case.one_name:
        rows += [f"{sources[0]},Big wave,{case.unknown}"]
    else:
        rows += [f"{sources[n % len(sources)]},Big wave part {n:07},1" for n in range(case.unknown)]
    path.write_text("\n".join(["batch_id,name,copies", *rows, ""]), "utf-8")


def _send(
    ledger: Ledger, case: Case, sources: dict[str, dict[str, Any]], began: float
) -> list[dict[str, Any]]:
    """Claim everything; the first ones are answered, the others given up. The batches that were
    made."""
    made: list[dict[str, Any]] = []
    endings: list[AttemptResult] = []
    number = 0
    while True:
        left = began + number / RATE
        _, intents, _ = ledger.record_and_claim(
            endings, [], PAGE, Timestamp(_iso(left), left, left - 1)
        )
        endings = []
        for intent in intents:
            left = began + number / RATE
            copy = batch(left + 0.5, number, intent.label, of=sources[intent.source_id])
            answered = number < case.answered
            endings.append(_ending(intent, left, copy if answered else None))
            if answered or case.made:
                made.append(copy)
            number += 1
        if not intents:
            return made


def _ending(intent: Intent, left: float, answer: dict[str, Any] | None) -> AttemptResult:
    """How a request ended that left at `left` (seconds since 1970): with this answer, or with
    none."""
    if answer is None:
        return AttemptResult(
            intent,
            "unknown",
            True,
            _iso(left),
            _iso(left + 60),
            left,
            left + 60,
            None,
            60.0,
            error="silence",
        )
    return AttemptResult(
        intent, "created", True, _iso(left), _iso(left + 1), left, left + 1, left + 1, 1.0, 201,
        batch_id=answer["id"], batch_name=answer["name"], batch_status=answer["status"],
        created_at=answer["created_at"], created_by=answer["created_by"],
    )  # fmt: skip


def batch(
    created: float, number: int, name: str, of: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A batch as the API lists it, with an id that sorts by time, as the API's do."""
    mark = uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {name}").hex
    digits = f"{int(created * 1000):012x}7{mark[:3]}8{mark[3:6]}{mark[6:18]}"
    details = {
        "task_name": name,
        "task_introduction": f"<p>{name}: {'please look closely. ' * 6}</p>",
        "task_steps": "",
    }
    return {
        "id": str(uuid.UUID(digits)),
        "created_at": _iso(created),
        "created_by": ME_ID,
        "datasets": (
            of["datasets"] if of else [{"id": str(uuid.UUID(mark)), "total_datapoint_count": 50}]
        ),
        "name": name,
        "status": "READY",
        "total_task_count": 50,
        "total_instruction_count": 3,
        "workspace_id": WORKSPACE,
        "task_details": of["task_details"] if of else details,
    }


def _iso(moment: float) -> str:
    return (
        datetime.fromtimestamp(moment, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


# -- the server


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server for what is in `folder`, in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.settling", "--serve", str(folder)]
    environ = without_api() | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def serve(folder: Path) -> int:
    """Answer on loopback until this process is ended: who the token's owner is, and the listing as
    a stream."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            path = self.path.partition("?")[0]
            self.send_response(200 if path in (ME, BATCHES) else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if path == BATCHES:
                with (folder / "listing.json").open("rb") as file:
                    shutil.copyfileobj(file, self.wfile)
            else:
                self.wfile.write(
                    json.dumps({"id": ME_ID} if path == ME else {"error": {"status": 404}}).encode()
                )

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
        print(f"http://127.0.0.1:{http.server_port}", flush=True)
        http.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
