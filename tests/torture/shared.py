"""Scenarios on a shared ledger: two folders are two machines, whose runs are killed, stopped, cut
off from the server, or begun at the same moment, and whose server is killed. The waits are scaled
(see `scaled`)."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.command import environment, write_job
from tests.support.postgresql import Server, running_server
from tests.support.proxy import Proxy
from tests.support.sandbox_thread import SandboxThread
from tests.torture import truth
from tests.torture.runner import Run, Runner
from tests.torture.scaled import LEFT_AFTER_S, SILENT_S
from tests.torture.scenario import Aim, Scenario, scenario
from tests.torture.torturer import LAST_RUNS, Findings, Watch
from worker.model.server_address import ServerAddress

KINDS = ("kill", "server", "network", "stop", "double")
"""What happens: a worker is killed and the other machine takes over; the server is killed and
started again; connections are cut, frozen or slow; a machine stops and continues after a take-over;
both machines start at the same moment."""

WAIT_S = "30"
HOLDING = ("looking", "sending", "recording", "settling", "setting", "writing")
"""Phases in which a run has the seat and will use it again."""

TAKEN = "another machine has taken over"


class Cluster:
    """What a process needs for any number of scenarios: a server, and a warm process for each
    machine."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # Warm processes first: they fork, and must inherit no handle of the server's.
        self.runners = [self._stack.enter_context(Runner()) for _ in range(2)]
        self.server: Server = self._stack.enter_context(running_server())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


class _Machine:
    """A folder, a warm process, and a proxy on the way to the server."""

    def __init__(
        self, name: str, folder: Path, runner: Runner, address: ServerAddress, life: Scenario,
        api: SandboxThread, proxy: Proxy | None,
    ) -> None:  # fmt: skip
        self.name = f"{name} of scenario {life.seed}"
        self.folder, self.runner, self.proxy = folder, runner, proxy
        self._life, self._api = life, api
        port = address.conninfo.rpartition(":")[2].partition("/")[0]
        self.database = str(address).replace(f":{port}/", f":{proxy.port}/") if proxy else address
        (folder / "tmp").mkdir(parents=True)
        write_job(folder / "job.csv", life.rows)
        self.ledger = folder / "ledgers" / "job.csv"
        self.watch = Watch(self.ledger, life.wanted, api)

    def start(self, aim: Aim | None, act: Callable[[], None] | None = None) -> Future[Run]:
        """Start a run in a thread."""
        environ = environment(
            self.folder, self._api.url, self._api.token, TMPDIR=str(self.folder / "tmp")
        )
        arguments = (
            *self._life.arguments, "--database", str(self.database), "--wait", WAIT_S
        )  # fmt: skip
        found: Future[Run] = Future()

        def run() -> None:
            try:
                ended = self.runner.run(
                    arguments, self.folder, environ, self._life.refresh_s, aim, self.watch,
                    self.name, act,
                )  # fmt: skip
                self.watch()
            except BaseException as error:
                found.set_exception(error)
            else:
                found.set_result(ended)

        threading.Thread(target=run, name=self.name, daemon=True).start()
        return found

    @property
    def log(self) -> str:
        """What its last run said."""
        return (self.folder / "err").read_text("utf-8")


def torture_shared(seed: int, kind: str, cluster: Cluster, *, verbose: bool = False) -> Findings:
    """Play the scenario of a seed, of one of KINDS."""
    life = scenario(seed)
    findings = Findings(seed, life.weather, shared=kind)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as name,
        SandboxThread(life.options) as api,
        ExitStack() as stack,
    ):
        address = cluster.server.address()
        proxies = [
            stack.enter_context(Proxy(cluster.server.port)) if kind == "network" else None
            for _ in range(2)
        ]
        machines = [
            _Machine(word, Path(name) / word, runner, address, life, api, proxy)
            for word, runner, proxy in zip(("one", "two"), cluster.runners, proxies, strict=True)
        ]
        _SharedLife(life, kind, cluster.server, address, api, machines, findings, verbose).play()
    findings.took_s = time.monotonic() - began
    return findings


class _SharedLife:
    """One scenario."""

    def __init__(
        self, life: Scenario, kind: str, server: Server, address: ServerAddress,
        api: SandboxThread, machines: list[_Machine], findings: Findings, verbose: bool,
    ) -> None:  # fmt: skip
        self._life, self._kind, self._server, self._address = life, kind, server, address
        self._api, self._machines, self._findings = api, machines, findings
        self._verbose = verbose
        self._dice = random.Random(f"shared {life.seed}")

    def play(self) -> None:
        for row in self._life.rows:
            self._api.world.find(str(row["batch_id"]))
        events = {
            "kill": self._kill, "server": self._kill_server, "network": self._network,
            "stop": self._stop, "double": self._double,
        }  # fmt: skip
        most = {"kill": 6, "double": 2}.get(self._kind, 3)
        for aim in self._life.aims[:most]:
            one, other = self._dice.sample(self._machines, 2)
            events[self._kind](one, other, aim)
            if self._findings.problems:
                break
        rows: list[truth.Row] = []
        done: set[str] = set()
        for number in range(2 * LAST_RUNS if self._life.all_made else 4):
            machine = self._machines[number % 2]
            run = machine.start(None).result()
            rows = self._ended({machine: run}, alone=machine)
            if run.code == 0:
                done.add(machine.name)
            if len(done) == 2 or self._findings.problems:
                break
        self._end(rows)

    # -- what happens

    def _kill(self, one: _Machine, other: _Machine, aim: Aim) -> None:
        """A worker is killed; the other machine waits for it, or comes with the next aim."""
        waits = self._dice.random() < 0.5
        first = one.start(aim)
        ended = {one: first}
        if waits:
            time.sleep(self._dice.uniform(0, 0.3))
            ended[other] = other.start(None)
        runs = {machine: run.result() for machine, run in ended.items()}
        if runs[one].code == -9:
            self._findings.kills["kill"] += 1
        self._ended(runs, alone=None if waits else one)

    def _kill_server(self, one: _Machine, other: _Machine, aim: Aim) -> None:
        """The server is killed, and is back after a moment."""
        away = self._dice.choice((0.0, 0.3, 1.5))
        how = self._dice.choice(("kill", "immediate", "fast"))
        restarts: list[threading.Thread] = []

        def restart() -> None:
            if how == "kill":
                self._server.kill()
            else:
                self._server.stop(how)
            time.sleep(away)
            self._server.start()

        def act() -> None:
            thread = threading.Thread(target=restart, name="restart")
            restarts.append(thread)
            thread.start()

        ended = {one: one.start(aim, act)}
        if self._dice.random() < 0.4:
            ended[other] = other.start(None)
        runs = {machine: run.result() for machine, run in ended.items()}
        for thread in restarts:
            thread.join()
            self._findings.kills["server"] += 1
        self._ended(runs, alone=one if len(runs) == 1 else None, refusals=True)

    def _network(self, one: _Machine, other: _Machine, aim: Aim) -> None:
        """The connections of a machine are cut, frozen or slow."""
        proxy = one.proxy
        assert proxy is not None
        how = self._dice.choice(("cut", "cut", "refuse", "freeze", "freeze", "slow"))
        away = self._dice.choice((0.2, 0.8, 2.0, SILENT_S + LEFT_AFTER_S + 2.0))
        healed = threading.Event()

        def heal() -> None:
            time.sleep(away)
            proxy.refuses = False
            proxy.thaw()
            healed.set()

        def act() -> None:
            self._findings.kills[how] += 1
            match how:
                case "cut":
                    proxy.cut()
                case "refuse":
                    proxy.refuses = True
                    proxy.cut()
                case "freeze":
                    proxy.freeze()
                case "slow":
                    proxy.cut()
            threading.Thread(target=heal, name="heal").start()

        proxy.delay_s, proxy.jitter = (
            (0.004, self._dice.random() < 0.5) if how == "slow" else (0.0, False)
        )
        ended = {one: one.start(aim, act)}
        if self._dice.random() < 0.6:
            time.sleep(self._dice.uniform(0, 0.3))
            ended[other] = other.start(None)
        runs = {machine: run.result() for machine, run in ended.items()}
        proxy.delay_s, proxy.refuses = 0.0, False
        proxy.thaw()
        self._ended(runs, alone=one if len(runs) == 1 else None, refusals=True)

    def _stop(self, one: _Machine, other: _Machine, aim: Aim) -> None:
        """A machine stops, the other one takes over, and the first one continues."""
        stopped = threading.Event()

        def act() -> None:
            one.runner.order("stop")
            stopped.set()

        first = one.start(aim, act)
        while not (stopped.wait(0.02) or first.done()):
            pass
        if not stopped.is_set():
            self._ended({one: first.result()}, alone=one)
            return
        self._findings.kills["stop"] += 1
        held = self._seat()
        second = other.start(None)
        mine = held is not None and held["machine"] == one.name and held["released"] is None
        deadline = time.monotonic() + SILENT_S + LEFT_AFTER_S + 20
        taken = False
        while not second.done() and not taken and time.monotonic() < deadline:
            now = self._seat()
            taken = now is not None and now["machine"] == other.name and now != held
            time.sleep(0.05)
        if self._dice.random() < 0.5:
            time.sleep(self._dice.uniform(0, 0.5))
        elif not taken or self._dice.random() < 0.5:
            second.result()
        one.runner.order("continue")
        runs = {one: first.result(), other: second.result()}
        self._ended(runs, alone=None, refusals=True)
        after = self._seat()
        if mine and after is not None and held is not None and after["epoch"] > held["epoch"]:
            self._findings.kills["taken over"] += 1
            if runs[one].code != 1 or TAKEN not in one.log:
                self._findings.kills["ended otherwise"] += 1
                if runs[one].phase in HOLDING and runs[one].code == 0:
                    self._problems([f"untold: {runs[one]}: {one.log[-600:]}"])

    def _double(self, one: _Machine, other: _Machine, aim: Aim) -> None:
        """Both start at the same moment."""
        kills = self._dice.random() < 0.3
        started = {one: one.start(aim if kills else None), other: other.start(None)}
        runs = {machine: run.result() for machine, run in started.items()}
        self._findings.kills["double start"] += 1
        self._ended(runs, alone=None)

    # -- judging

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        import psycopg  # noqa: PLC0415 - an optional extra

        with psycopg.connect(self._address.conninfo, autocommit=True) as connection:
            connection.execute(f'SET search_path TO "{self._address.schema}"'.encode())
            yield connection

    def _seat(self) -> dict[str, Any] | None:
        import psycopg  # noqa: PLC0415 - an optional extra

        with self._connected() as connection:
            try:
                row = connection.execute("SELECT epoch, machine, released FROM seat").fetchone()
            except psycopg.errors.UndefinedTable:
                return None
        return (
            None if row is None else dict(zip(("epoch", "machine", "released"), row, strict=True))
        )

    def _ended(
        self, runs: dict[_Machine, Run], *, alone: _Machine | None, refusals: bool = False
    ) -> list[truth.Row]:
        """Judge while no run is active. The run of `alone` was the only one; with `refusals`, runs
        may have ended before they began, because the server was away."""
        findings, world = self._findings, self._api.world
        problems: list[str] = []
        made = truth.made(world)
        with self._connected() as connection:
            rows = truth.rows_on_server(connection, world)
        problems += truth.judge(rows, made)
        problems += truth.judge_setups(rows, world)
        for machine, run in runs.items():
            findings.runs += 1
            findings.statuses[f"code {run.code}"] += 1
            allowed = (-9, 0, 1, 2) if refusals else (-9, 0, 1)
            if run.hung:
                problems.append(f"hung: in {run.phase}: {machine.log[-500:]}")
            if run.code not in allowed:
                problems.append(f"code: {run.code}: {machine.log[-500:]}")
            if "a bug in duplicate-batches" in machine.log:
                problems.append(f"bug: {machine.log[-900:]}")
            if self._verbose:
                findings.events += [
                    f"-- {machine.name}: {run}: {Counter(row.status for row in rows)},"
                    f" {len(made.by_id)}",
                    *machine.log.splitlines(),
                ]
            problems += machine.watch.problems
            machine.watch.problems.clear()
        if alone is not None and runs[alone].code in (0, 1) and TAKEN not in alone.log:
            run = runs[alone]
            text = alone.ledger.read_text("utf-8") if alone.ledger.exists() else ""
            away = '"stopped_by": "database"' in alone.log
            if not away and text:
                in_file, _ = truth.read_file(text, self._life.wanted, world)
                problems += truth.differences(in_file, rows)
            all_created = bool(rows) and all(row.is_done for row in rows)
            followed = any(row.setup == "requested" for row in rows)
            if run.code == 0 and not all_created:
                problems.append(f"code: 0, and the rows are {Counter(r.status for r in rows)}")
            if run.code == 1 and all_created and not (followed or refusals):
                problems.append(f"code: 1, and everything is created: {alone.log[-500:]}")
        self._problems(problems)
        return rows

    def _end(self, rows: list[truth.Row]) -> None:
        findings = self._findings
        findings.made = self._api.world.made
        findings.looks = sum(machine.watch.looks for machine in self._machines)
        findings.statuses.update(row.status for row in rows)
        problems = truth.uncounted(rows, self._api.world)
        if len(rows) != self._life.wanted:
            problems.append(f"rows: {len(rows)} of {self._life.wanted}")
        if self._life.all_made and not findings.problems:
            still_open = Counter(row.status for row in rows if not row.is_done)
            if still_open:
                findings.stuck = f"{still_open} after {LAST_RUNS} runs"
        for machine in self._machines:
            if left := truth.left_over(machine.folder / "ledgers", {"job.csv"}):
                problems.append(f"left over: {left}")
        self._problems(problems)

    def _problems(self, problems: list[str]) -> None:
        self._findings.problems += [
            problem for problem in problems if problem not in self._findings.problems
        ]
