"""Plays one scenario: runs that are killed, then runs that end by themselves, with a judge between
and after them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command import environment, read_ledger, write_job
from tests.support.sandbox_thread import SandboxThread
from tests.torture import truth
from tests.torture.runner import Runner
from tests.torture.scenario import Aim, Scenario

LAST_RUNS = 6
"""After the kills so many runs may be needed to end what can be ended."""


@dataclass(slots=True)
class Findings:
    """What came of a scenario. `problems` are lines that begin with their sort."""

    seed: int
    weather: str
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    made: int = 0
    looks: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    settled_by: Counter[str] = field(default_factory=Counter)
    shared: str = ""
    """What happened to a shared ledger (see `shared`); empty where it is one machine's."""
    took_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    stuck: str = ""
    """Why rows stayed open though nothing hindered them: honest, so no problem, but to be looked
    at."""
    events: list[str] = field(default_factory=list)


class Watch:
    """Reads the ledger file whenever it was replaced; a file that is not whole at any such moment
    is a problem."""

    def __init__(self, path: Path, wanted: int, server: SandboxThread) -> None:
        self.problems: list[str] = []
        self.looks = 0
        self._path = path
        self._wanted = wanted
        self._server = server
        self._last: tuple[int, int, int] | None = None

    def __call__(self) -> None:
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                status = self._path.stat()
                mark = (status.st_ino, status.st_mtime_ns, status.st_size)
                if mark == self._last:
                    return
                text = file.read()
        except FileNotFoundError:
            if self._last is not None:
                self.problems.append("file: it is gone")
            return
        self._last = mark
        self.looks += 1
        self.problems += truth.read_file(text, self._wanted, self._server.world)[1]


def torture(
    life: Scenario, runner: Runner, *, verbose: bool = False, keep: Path | None = None
) -> Findings:
    """Play it. `verbose` prints every run; with `keep` its folder is kept there."""
    began = time.monotonic()
    findings = Findings(life.seed, life.weather)
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as name,
        SandboxThread(life.options) as server,
    ):
        try:
            _Life(life, runner, server, Path(name), findings, verbose).play()
        finally:
            if keep is not None:
                shutil.copytree(name, keep, ignore=shutil.ignore_patterns("phases"))
    findings.took_s = time.monotonic() - began
    return findings


class _Life:
    """One scenario in one folder."""

    def __init__(
        self,
        life: Scenario,
        runner: Runner,
        server: SandboxThread,
        folder: Path,
        findings: Findings,
        verbose: bool,
    ) -> None:
        self._life = life
        self._runner = runner
        self._server = server
        self._folder = folder
        self._findings = findings
        self._verbose = verbose
        self._database = folder / "ledgers" / "ledger.db"
        self._ledger = folder / "ledgers" / "job.csv"
        self._watch = Watch(self._ledger, life.wanted, server)

    def play(self) -> None:
        (self._folder / "tmp").mkdir()
        write_job(self._folder / "job.csv", self._life.rows)
        for row in self._life.rows:
            self._server.world.find(str(row["batch_id"]))
        for aim in self._life.aims:
            self._run(aim)
        rows: list[truth.Row] = []
        for _ in range(LAST_RUNS):
            code = self._run(None)
            rows = truth.rows_of(self._database, self._server.world)
            if code == 0 or self._findings.problems:
                break
        self._end(rows)

    def _run(self, aim: Aim | None) -> int:
        environ = environment(
            self._folder, self._server.url, self._server.token, TMPDIR=str(self._folder / "tmp")
        )
        run = self._runner.run(
            self._life.arguments, self._folder, environ, self._life.refresh_s, aim, self._watch
        )
        self._findings.runs += 1
        self._watch()
        if run.code == -9:
            self._findings.kills[run.phase or "ended"] += 1
        problems = [f"hung: in {run.phase}"] if run.hung else []
        if run.code not in (-9, 0, 1):
            problems.append(f"code: {run.code}: {(self._folder / 'err').read_text('utf-8')[-500:]}")
        # The server is asked first: no run is active, and a late batch has an open attempt.
        made = truth.made(self._server.world)
        rows = truth.rows_of(self._database, self._server.world)
        problems += truth.judge(rows, made)
        problems += truth.judge_setups(rows, self._server.world)
        if run.code in (0, 1):
            text = self._ledger.read_text("utf-8")
            in_file, _ = truth.read_file(text, self._life.wanted, self._server.world)
            problems += truth.differences(in_file, rows)
            all_created = bool(rows) and all(row.is_done for row in rows)
            followed = any(row.setup == "requested" for row in rows)  # and not ready in time
            if (run.code == 0) != all_created and not (all_created and followed):
                problems.append(
                    f"code: {run.code}, and the rows are"
                    f" {Counter((row.status, row.setup) for row in rows)}"
                )
        if self._verbose:
            self._findings.events += [
                f"-- aim {aim}, ended {run}: {Counter(row.status for row in rows)},"
                f" {len(made.by_id)}"
            ]
            self._findings.events += (self._folder / "err").read_text("utf-8").splitlines()
        self._problems([*problems, *self._watch.problems])
        self._watch.problems.clear()
        return run.code

    def _end(self, rows: list[truth.Row]) -> None:
        findings = self._findings
        findings.made, findings.looks = self._server.world.made, self._watch.looks
        findings.statuses.update(row.status for row in rows)
        problems = truth.uncounted(rows, self._server.world)
        unset = [row.setup for row in rows if row.status == "created" and not row.is_done]
        if self._life.all_made and unset and not findings.problems:
            findings.stuck = f"setups {Counter(unset)} after {LAST_RUNS} runs"
        open_rows = (
            findings.statuses["pending"] + findings.statuses["unknown"] + findings.statuses["sent"]
        )
        if (
            self._life.all_made
            and (open_rows or findings.statuses["failed"])
            and not findings.problems
        ):
            errors = Counter(
                row["error"] for row in read_ledger(self._ledger) if row["status"] != "created"
            )
            if not any("may be that of a page" in error for error in errors):
                findings.stuck = (
                    f"{findings.statuses} after {LAST_RUNS} runs: {errors.most_common(3)}"
                )
        if len(rows) != self._life.wanted:
            problems.append(f"rows: {len(rows)} of {self._life.wanted}")
        expected = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "job.csv"}
        if left := truth.left_over(self._folder / "ledgers", expected):
            problems.append(f"left over: {left}")
        self._problems(problems)

    def _problems(self, problems: list[str]) -> None:
        self._findings.problems += [
            problem for problem in problems if problem not in self._findings.problems
        ]
