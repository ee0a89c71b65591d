"""Campaigns on a ledger that two machines share. Their processes run at the same time, each with
its own clocks and ledger files, and take the seat from each other.

The session is the worker's (`worker.ledger.session`), on the simulated server of `server`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import anyio

from tests.simulation.api import SimulatedApi
from tests.simulation.campaign import BEGAN, CALM_S, Findings, ProcessClock, Simulation
from tests.simulation.database import Crasher, FragileConnection, InlineDatabase
from tests.simulation.jobs import DAY
from tests.simulation.loop import Crash, SimulatedLoop, StuckError
from tests.simulation.losses import API
from tests.simulation.machines import Pause, Process, Timeline
from tests.simulation.scenario import Run, Scenario
from tests.simulation.server import (
    LEDGER,
    Cut,
    Line,
    SeatedEngine,
    Server,
    ServerConnection,
    make_seat,
)
from tests.simulation.world import World
from tests.support.ledgers import connection_of
from worker.job.plan import planned
from worker.ledger import views
from worker.ledger.engine import Engine, ServerError
from worker.ledger.handle import Reader, Writer
from worker.ledger.seat import SIGN_EVERY_S, Holder
from worker.ledger.session import Connection, Session
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.steps import Steps
from worker.ledger.store import Ledger
from worker.model.errors import BusyError, UsageError
from worker.model.stop import Stop
from worker.restore.lost_database import files_of, refuse_older_database
from worker.run.result import Result

P = ParamSpec("P")
T = TypeVar("T")

REACHED_WITHIN_S = 10.0
"""The same as in `worker.ledger.postgresql.hold`."""

PATIENCE_AT_END_S = 5.0
"""The same as in `worker.cli.run_session`."""

STALLS_S = (0.5, 5.0, 9.0, 15.0, 30.0, 100.0, 400.0)
"""For how long a process may be stopped after a commit."""


class Machine:
    """A machine: its folder, and how often it was started."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name = f"machine {number}"
        self.folder = folder
        self.starts = 1
        self.processes: dict[int, Process] = {}
        """Its processes by their numbers, also those that have ended."""
        folder.mkdir()


class SimulatedSession(Session):
    """A process's session, over its line to the server."""

    _connection: ServerConnection

    def __init__(
        self, server: Server, line: Line, database: FragileConnection, process: Process,
        machine: Machine, number: int,
    ) -> None:  # fmt: skip
        self._server, self._line, self._database = server, line, database
        self._process, self._machine, self._pid = process, machine, number
        super().__init__()
        self._connection = self._connect()
        self.engine: SeatedEngine = SeatedEngine(self._connection, self.enter, self.confirm)

    @property
    def place(self) -> str:
        return "the shared ledger"

    @property
    def connection(self) -> ServerConnection:
        """The connection in use."""
        return self._connection

    def _monotonic(self) -> float:
        return self._process.loop.time()

    def _connect(self) -> ServerConnection:
        return self._server.connect(self._line, self._database, self._process)

    def _plain(self, connection: Connection) -> SeatedEngine:
        assert isinstance(connection, ServerConnection)
        return SeatedEngine(connection)

    def _use(self, connection: Connection) -> None:
        assert isinstance(connection, ServerConnection)
        self.engine.session = connection

    def _prepare(self, engine: Engine) -> Mapping[str, object]:
        return LEDGER

    def _migrate(self) -> None:
        """The ledger always has the current version."""

    def _identity(self, engine: Engine) -> Mapping[str, object]:
        machine = f"{self._machine.name}, start {self._machine.starts}"
        return {
            "host": self._machine.name, "machine": machine, "process": self._pid,
            "system": "server", "timeline": 1,
        }  # fmt: skip

    def _check_server(self, engine: Engine) -> None:
        """Whether it is still the same server: always."""

    def _is_dead(self, holder: Holder) -> bool:
        if holder.machine != f"{self._machine.name}, start {self._machine.starts}":
            return False
        return self._machine.processes[holder.process].loop.over


class SharedDatabase(InlineDatabase):
    """Runs each operation as `worker.ledger.postgresql.threads` does. `committed` is called after
    each."""

    def __init__(
        self, ledger: Ledger, loop: SimulatedLoop, crasher: Crasher, takes_s: float,
        session: Session, keep_trying: Callable[[float], bool], committed: Callable[[], float],
    ) -> None:  # fmt: skip
        super().__init__(ledger, loop, crasher, takes_s)
        self._session, self._keep_trying, self._committed = session, keep_trying, committed

    async def _call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        work = partial(operation, self._ledger, *args, **kwargs)
        return await self._passed(self._session.transact(self._ledger, work, self._keep_trying))

    async def query(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run what only reads, outside a transaction."""
        work = partial(operation, self._ledger, *args, **kwargs)
        async with self._one:
            with anyio.CancelScope(shield=True):
                result = await self._passed(self._session.read(work, self._keep_trying))
            return result  # noqa: RET504 - a scope may swallow an exception, as mypy sees it

    async def _passed(self, work: Steps[T]) -> T:
        await self._crasher.point(self._loop)
        if self._takes_s:
            await anyio.sleep(self._takes_s)
        try:
            result = await passed(work)
            labelled = cast(T, self._labelled(result))
        except Crash:
            await self._loop.die()
        late = self._committed()
        if late:
            await anyio.sleep(late)
        await self._crasher.point(self._loop)
        return labelled

    async def read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run what only reads, beside the other operations."""
        try:
            return operation(self._ledger, *args, **kwargs)
        except Crash:
            await self._loop.die()


async def passed(work: Steps[T]) -> T:
    """Do work that waits, while time passes. Returns its result."""
    while True:
        try:
            seconds = next(work)
        except StopIteration as ended:
            result: T = ended.value
            return result
        await anyio.sleep(seconds)


@dataclass
class _Started:
    """A process that was started, and what it works with."""

    run: Run
    number: int
    machine: Machine
    process: Process
    clock: SharedClock
    crasher: Crasher
    fragile: FragileConnection
    line: Line
    api: SimulatedApi
    rng: random.Random
    session: SimulatedSession | None = None
    left: bool = False
    """Whether it sends nothing any more."""
    taken_over: bool = False
    """Whether another run got its seat before this one was over."""


class SharedSimulation(Simulation):
    """One scenario of two machines."""

    def __init__(self, scenario: Scenario, folder: Path, *, verbose: bool = False) -> None:
        super().__init__(scenario, folder, verbose=verbose)
        self._machines = [Machine(number, folder / f"machine-{number}") for number in (0, 1)]
        self._timeline = Timeline(self._world.now())
        self._server = Server(self._timeline.now, self._happened)
        self._exact = True
        """Whether every request's end was recorded, so far."""
        self._runs: list[_Started] = []
        """The runs that had the seat."""

    def run(self) -> Findings:
        """Run the scenario, and judge it."""
        findings, world, timeline = self.findings, self._world, self._timeline
        self._people_the_world()
        timeline.wait(world.now() - timeline.now())
        world.follow(timeline.now)
        try:
            at = timeline.now()
            for run in self._scenario.runs:
                at += run.sharing.starts
                timeline.at(at, partial(self._begin, run))
            timeline.run()
            self._judge(None)
            for run in self._scenario.calm:
                timeline.wait(run.pause_s)
                self._begin(run)
                timeline.run()
                self._judge(None)
            timeline.wait(86_400.0)
            self._judge(None, final=True)
        except StuckError as error:
            findings.problems.append(f"stuck: run {findings.runs}: {error}")
        findings.problems += self._server.problems
        findings.problems += [f"overridden: {batch}" for batch in world.overridden]
        findings.simulated_s = timeline.now() - BEGAN
        findings.faults = dict(world.faults)
        findings.made = sum(len(request.made) for request in world.requests)
        return findings

    def _happened(self, what: str) -> None:
        self._world.faults[what] += 1
        self._note(what)

    def _note(self, text: str) -> None:
        active = self._timeline.active
        super()._note(text if active is None else f"[{active.name}] {text}")

    def _file(self, run: Run) -> Path:
        return self._machines[run.sharing.machine].folder / f"{run.campaign}.csv"

    def _counted(self) -> bool:
        return self._exact

    # -- one process

    def _begin(self, run: Run) -> None:
        """Start a process."""
        self.findings.runs += 1
        number, machine, sharing = (
            self.findings.runs,
            self._machines[run.sharing.machine],
            run.sharing,
        )
        self._count(run)
        now = self._timeline.now()
        loop = SimulatedLoop(start=self._rng.uniform(100.0, 1e6))
        process = Process(f"process {number} on {machine.name}", loop, now)
        machine.processes[number] = process
        rng = random.Random(f"run {self._scenario.seed} {number}")
        for at, seconds, sleeps in sharing.pauses:
            process.pause(Pause(now + at, seconds, sleeps))
            self._world.faults["a machine sleeps" if sleeps else "a process is stopped"] += 1
        crasher = Crasher(run.crash_points)
        database = connection_of(open_for_writing(self._losses.database, API))
        database.execute("PRAGMA synchronous = OFF")
        make_seat(database)
        fragile = FragileConnection(database, crasher, 0.0, rng)
        line = Line(
            self._timeline.now, rng, lambda: sharing.longest_s * rng.random() ** 2,
            sharing.in_statement, sharing.in_commit, sharing.pooled,
        )  # fmt: skip
        line.cuts += [
            Cut(now + at, now + at + seconds, noticed) for at, seconds, noticed in sharing.cuts
        ]
        api = SimulatedApi(self._world, run.weather, rng, loop, crasher, run.me, run.timeout_s)
        api.dies_at_setup, api.connects_s = run.dies_at_setup, sharing.connects_s
        if run.crash_at is not None:
            loop.die_at(loop.time() + run.crash_at)
        clock = SharedClock(process, self._world, rng.choice((0.0, 0.0, -7200.0, 86_400.0)))
        api.clock = clock.monotonic
        one = _Started(run, number, machine, process, clock, crasher, fragile, line, api, rng)
        task = loop.begin(self._main(one))

        def ended() -> None:
            process.dead = True
            try:
                if not loop.dead:
                    task.result()
                else:
                    self._died(one)
            finally:
                fragile.close()
                loop.bury()

        self._timeline.add(process, ended)

    def _died(self, one: _Started) -> None:
        self.findings.crashes += 1
        self._exact = False
        self._note(f"{one.process.name} died")
        one.api.crashed()
        if one.run.sharing.power:
            one.machine.starts += 1
            self._happened("a machine is switched off")
            for other in one.machine.processes.values():
                other.loop.dead = True
        elif one.session is not None:
            one.session.connection.close()

    async def _main(self, one: _Started) -> None:
        """What a command does on a shared ledger."""
        run, session = one.run, None
        calm = run in self._scenario.calm
        try:
            one.session = session = await self._reached(one)
            await passed(session.acquire_seat(run.sharing.wait_s))
            self._note(f"has the seat, epoch {session.epoch}")
            self._seated(one)
        except (BusyError, UsageError, ServerError) as error:
            self._not_begun(error)
            if calm:
                self.findings.problems.append(f"blocked: {error}")
            if session is not None:
                session.end()
            return
        except Crash:
            await one.process.loop.die()
        began = one.process.loop.time()
        async with anyio.create_task_group() as group:
            group.start_soon(self._beat, one, session)
            try:
                await self._work(one, session)
            except (UsageError, ServerError) as error:
                self._not_begun(error)
            except Crash:
                await one.process.loop.die()
            group.cancel_scope.cancel()
        one.left = True
        try:
            session.end()
        except Crash:
            await one.process.loop.die()
        if calm and (took := one.process.loop.time() - began) > CALM_S:
            self.findings.problems.append(f"slow: run {one.number} took {took:.0f} s")

    def _seated(self, one: _Started) -> None:
        """Note whether a run that has not ended has lost its seat to this one."""
        self._runs.append(one)
        for other in self._runs[:-1]:
            if not other.process.loop.over and not other.left:
                self._happened("an active run was taken over")
                other.taken_over = True
                self._exact = False

    def _not_begun(self, error: Exception) -> None:
        """Note why a run could not begin."""
        self._note(f"the run could not begin: {type(error).__name__}: {error}")
        stopped, why = self.findings.stopped, f"at its start: {type(error).__name__}"
        stopped[why] = stopped.get(why, 0) + 1

    async def _reached(self, one: _Started) -> SimulatedSession:
        """The same as in `worker.ledger.postgresql.hold`."""
        loop = one.process.loop
        deadline = loop.time() + max(one.run.sharing.wait_s, REACHED_WITHIN_S)
        while True:
            try:
                return SimulatedSession(
                    self._server, one.line, one.fragile, one.process, one.machine, one.number
                )
            except UsageError:
                if loop.time() >= deadline:
                    raise
            await anyio.sleep(0.5)

    async def _beat(self, one: _Started, session: SimulatedSession) -> None:
        while True:
            await anyio.sleep(SIGN_EVERY_S / 5)
            try:
                session.keep_alive()
            except Crash:
                await one.process.loop.die()

    async def _work(self, one: _Started, session: SimulatedSession) -> None:
        """The run, after it has got the seat."""
        run, loop, writer = one.run, one.process.loop, Writer(session.engine)
        clock = one.clock
        if run.only_settle and views.campaign_id(writer, run.campaign) is None:
            return
        file = self._file(run)
        files = files_of(str(file), run.campaign, self._losses.database)
        try:
            refuse_older_database(writer, files, run.campaign, str)
        except UsageError as error:
            self.findings.problems.append(
                f"bug: the database is refused, and is the newest: {error}"
            )
        name = f"run-{one.number}"
        ledger = Ledger(writer, self._start(name, run, clock.wall()))
        if not run.only_settle:
            with planned(run.job, run.campaign, DAY) as plan:
                ledger.plan(plan.file, plan.extra_columns, retry_failed=run.retry_failed)
        stop, gave_up = Stop(), False

        def keep_trying(away_s: float) -> bool:
            nonlocal gave_up
            gave_up = gave_up or away_s >= run.limits.give_up_after_s
            return not gave_up and (away_s < PATIENCE_AT_END_S or not stop.asked)

        def committed() -> float:
            if one.rng.random() < run.sharing.stalls:
                seconds = one.rng.choice(STALLS_S)
                one.process.pause(Pause(self._timeline.now(), seconds, one.rng.random() < 0.5))
                self._happened("stopped after a commit")
            return run.sharing.commit_s * one.rng.random() if run.sharing.commit_s else 0.0

        database = SharedDatabase(
            ledger, loop, one.crasher, run.database_s, session, keep_trying, committed
        )
        result = await self._async(run, stop, loop, database, clock, one.api, one.rng, file, None)
        self._over(one, result)

    def _over(self, one: _Started, result: Result) -> None:
        """Judge a run that has ended, usually while it still has the seat."""
        whole = self._ended(result)
        self._note(f"ends with {result.exit_code}: {result.stopped_by}: {result.troubles}")
        if result.stopped_by == "disk":
            self.findings.problems.append(f"bug: run {one.number}: {result.troubles}")
        counts = result.counts
        if result.exit_code == 0 and not one.run.only_settle and counts.created != counts.total:
            self.findings.problems.append(f"bug: run {one.number}: it ends 0 with {counts}")
        # Of a run that was taken over while it ended, the file may be older than the database. The
        # run itself does not notice this if it was stopped between its last commit and its end.
        unwritten = (
            one.taken_over
            or result.stopped_by == "database"
            or any(
                why in text
                for text in result.troubles
                for why in ("the ledger cannot be written", "another machine has taken over")
            )
        )
        self._exact = self._exact and whole and not unwritten
        self._judge(one.run if whole and not unwritten else None)


class SharedClock(ProcessClock):
    """A process's clocks. The monotonic one counts sleep, like that of `worker.model.clock`."""

    def __init__(self, process: Process, world: World, wrong_by: float) -> None:
        super().__init__(process.loop, world, wrong_by)
        self._process = process

    def monotonic(self) -> float:
        return super().monotonic() + self._process.slept
