"""Runs a scenario: one run after the other, with the worker's real code on one database, each in a
process of its own."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zlib import crc32

import anyio

from tests.simulation import oracle
from tests.simulation.accidents import Careless, nobody_to_ask
from tests.simulation.api import SimulatedApi
from tests.simulation.database import Crasher, FragileConnection, InlineDatabase
from tests.simulation.jobs import DAY, MemoryJob, with_copies_of
from tests.simulation.loop import Crash, SimulatedLoop, StuckError
from tests.simulation.losses import API, Losses
from tests.simulation.people import Copies, decide, meddle, suggested
from tests.simulation.scenario import Run, Scenario, Theme, source_id
from tests.simulation.weather import Sight
from tests.simulation.world import COLLEAGUE, STRANGER, World
from tests.support.ledgers import connection_of
from worker.accidents import rules
from worker.accidents.rules import Situation
from worker.export.commands import Invocation
from worker.job.plan import planned
from worker.ledger import setups, views
from worker.ledger.database import open_for_reading
from worker.ledger.handle import Writer
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import iso
from worker.model.events import Event, StopReason
from worker.model.records import RunKind, RunStart
from worker.model.run_id import FORM
from worker.model.stop import Stop
from worker.run.job_run import JobRun
from worker.run.options import Options
from worker.run.result import Result

CALM_S = 900.0
"""A run on a healthy API takes no longer than this, whatever it has to do."""

BEGAN = datetime(2026, 3, 1, 20, 0, tzinfo=UTC).timestamp()


@dataclass(slots=True)
class Findings:
    """The result of one scenario: problems that were found, the oracle's verdict, and counts."""

    seed: int
    theme: str
    runs: int = 0
    crashes: int = 0
    problems: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    made: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, int] = field(default_factory=dict)
    suggested: int = 0
    """Suggestions of all sheets, one sheet after each run."""
    simulated_s: float = 0.0
    trace: int = 0
    """A digest of what happened: the same for the same seed."""
    events: list[str] = field(default_factory=list)


class ProcessClock:
    """The clocks of a process: the loop's time, and a date that is wrong by `wrong_by` seconds."""

    def __init__(self, loop: SimulatedLoop, world: World, wrong_by: float) -> None:
        self._loop = loop
        self._world = world
        self._wrong_by = wrong_by

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self._world.now() + self._wrong_by, UTC)


class Simulation:
    """One scenario, in a folder of its own. With `verbose`, every event is kept as a line of text,
    to find the cause of a failure."""

    def __init__(self, scenario: Scenario, folder: Path, *, verbose: bool = False) -> None:
        self.findings = Findings(scenario.seed, scenario.theme.value)
        self._scenario = scenario
        self._folder = folder
        self._verbose = verbose
        self._rng = random.Random(f"simulation {scenario.seed}")
        self._world = World(
            random.Random(f"world {scenario.seed}"), BEGAN, scenario.habits, scenario.most_late
        )  # fmt: skip
        self._world.date_skew, self._world.created_skew = scenario.date_skew, scenario.created_skew
        self._wanted = self._wanted_copies()
        self._losses = Losses(folder, self._world, self._note)
        self._ours: dict[str, list[str]] = {}
        """By campaign, batches that we made and that its job wants copies of."""

    def run(self) -> Findings:
        """Run the scenario, and judge it."""
        findings, world = self.findings, self._world
        self._people_the_world()
        try:
            for number, run in enumerate((*self._scenario.runs, *self._scenario.calm)):
                for meddling in self._scenario.meddling:
                    if meddling.run == number:
                        at = max(0.0, run.pause_s + meddling.at)
                        world.later(at, partial(meddle, world, meddling, self._wanted))
                world.wait(run.pause_s)
                if any(later.database_before == number for later in self._scenario.runs):
                    self._losses.keep_copy(number)
                self._losses.strike(run)
                self._choose_sources(run)
                self._careless(run)
                ended = self._run(run)
                self._losses.ended(run, ended)
                self._judge(run if ended else None)
                self._decide(run)
            world.wait(86_400.0)
            self._judge(None, final=True)
        except StuckError as error:
            findings.problems.append(f"stuck: run {findings.runs}: {error}")
        findings.problems += [f"overridden: {batch}" for batch in world.overridden]
        findings.simulated_s = world.now() - BEGAN
        findings.faults = dict(world.faults)
        findings.made = sum(len(request.made) for request in world.requests)
        return findings

    # -- the world

    def _people_the_world(self) -> None:
        scenario, world = self._scenario, self._world
        for number, source in enumerate(scenario.sources):
            world.add(
                source.name, source.workspace, world.rng.choice((COLLEAGUE, STRANGER)),
                id=source_id(number), details=source.details, datasets=source.datasets,
            )  # fmt: skip
        for number in range(scenario.bystanders):
            like = world.rng.choice(scenario.sources)
            world.add(
                f"Bystander {number}",
                like.workspace,
                COLLEAGUE,
                details={"task_name": "else"},
                datasets=(),
            )
        world.wait(86_400.0)

    def _wanted_copies(self) -> list[Copies]:
        """What our jobs want (source, template, copies, flag). People may create the same
        elsewhere."""
        wanted: set[tuple[str, str, int, int]] = set()
        for run in self._scenario.runs:
            with planned(run.job, run.campaign, DAY) as plan:
                connection = sqlite3.connect(plan.file)
                wanted.update(
                    connection.execute(
                        "SELECT source_id, template, copies, upload_new_dataset FROM staged"
                    )
                )
                connection.close()
        return sorted(wanted)

    # -- people

    def _choose_sources(self, run: Run) -> None:
        """Add rows to the campaign's job whose sources are batches that we created, mostly those
        that are not a source yet."""
        made = [batch.id for batch in self._world.batches.values() if batch.request is not None]
        if not run.copies_of_copies or not made:
            return
        with closing(sqlite3.connect(self._losses.database)) as connection:
            try:
                owned = {row[0] for row in connection.execute("SELECT new_batch_id FROM items")}
            except sqlite3.OperationalError:  # no run has made the tables yet
                owned = set()
        lost = [batch_id for batch_id in made if batch_id not in owned]
        for _ in range(run.copies_of_copies):
            chosen = self._rng.choice(lost if lost and self._rng.random() < 0.7 else made)
            self._world.faults[
                "source is our lost copy" if chosen in lost else "source is our own copy"
            ] += 1
            self._ours.setdefault(run.campaign, []).append(chosen)

    def _file(self, run: Run) -> Path:
        """The run's ledger file."""
        return self._folder / f"{run.campaign}.csv"

    def _job(self, run: Run) -> MemoryJob:
        """The run's job, including copies of our own copies."""
        ours = self._ours.get(run.campaign)
        return (
            with_copies_of(random.Random(f"ours {self._scenario.seed}"), run.job, ours)
            if ours
            else run.job
        )

    def _careless(self, run: Run) -> None:
        """Somebody starts the run in the wrong way first. If the guards stop them, they continue as
        the message says, which is the next run. If not, whatever is created although it exists is a
        double."""
        if run.accident is None or self._losses.behind:
            return
        careless = Careless(run, run.accident, self._job(run), self._folder, self._losses.database)
        if not careless.would_double():
            return
        self._world.faults[f"people: {run.accident.value}"] += 1
        for _ in range(2):  # who is stopped tries once more
            self._start_carelessly(careless)

    def _start_carelessly(self, careless: Careless) -> None:
        self.findings.runs += 1
        before = len(self._world.requests)
        database = open_for_writing(careless.database, API)
        situation = careless.situation(database, API)
        if rules.accidents(situation):
            database.close()
            self._note(f"stopped at once: {situation}")
            self.findings.problems += filter(None, [careless.wrong_advice(situation)])
            return
        result = self._in_process(careless.run, careless.job, database, situation)
        made = sum(len(request.made) for request in self._world.requests[before:])
        if made or result is None or result.refused is None:
            self.findings.problems.append(
                f"double: {made} were created again: somebody {careless.accident.value}"
            )

    def _decide(self, run: Run) -> None:
        """Somebody who knows the truth decides some unknown rows."""
        if not run.decides or self._losses.behind or not self._losses.database.exists():
            return
        database = open_for_writing(self._losses.database, API)
        try:
            start = self._start(f"person-{self.findings.runs}", run)
            file = self._file(run)
            for said in decide(database, self._world, self._rng, run, start, file):
                self._note(f"a person says: {said}")
        finally:
            database.close()
        self._judge(None)

    # -- runs

    def _run(self, run: Run) -> bool:
        """One process, from its start to its end or death. Returns whether it could end
        normally."""
        self.findings.runs += 1
        self._count(run)
        database = self._losses.opened(run, self._job(run), self._start)
        if database is None:
            self._note("there is nothing to settle")
            return False
        result = self._in_process(run, self._job(run), database, None)
        return result is not None and self._ended(result)

    def _in_process(
        self, run: Run, job: MemoryJob, database: Writer, situation: Situation | None
    ) -> Result | None:
        """One process on an open database. Returns None if it died or could not begin."""
        loop = SimulatedLoop(start=self._rng.uniform(100.0, 1e6))
        self._world.follow(loop.time)
        crasher = Crasher(run.crash_points)
        rng = random.Random(f"run {self._scenario.seed} {self.findings.runs}")
        connection_of(database).execute(
            "PRAGMA synchronous = OFF"
        )  # a process that dies loses nothing of the system's cache
        fragile = FragileConnection(connection_of(database), crasher, run.disk_full, rng)
        api = SimulatedApi(
            self._world, run.weather, rng, loop, crasher, run.me, run.timeout_s
        )  # fmt: skip
        api.dies_at_setup = run.dies_at_setup
        try:
            result = self._process(run, job, loop, crasher, fragile, api, rng, situation)
            if result.stopped_by == "disk" and not run.disk_full:
                self.findings.problems.append(
                    f"bug: run {self.findings.runs}: no disk was full: {result.troubles}"
                )
            if (
                result.exit_code == 0
                and not run.only_settle
                and result.counts.created != result.counts.total
            ):
                self.findings.problems.append(
                    f"bug: run {self.findings.runs}: it ends 0 with {result.counts}"
                )
            return result
        except Crash:
            self.findings.crashes += 1
            self._note("the process died")
            api.crashed()
        except sqlite3.OperationalError as error:
            if "full" not in str(error):
                raise
            self._note(f"the run could not begin: {error}")
        finally:
            fragile.close()
            self._world.unfollow()
            loop.bury()
        return None

    def _start(self, name: str, run: Run, now: datetime | None = None) -> RunStart:
        """What a run, or a person's command, records when it begins. The clock of its machine may
        be wrong."""
        now = now or datetime.fromtimestamp(self._world.now(), UTC)
        return RunStart(
            run_id=f"{now:{FORM}}-{name}",
            campaign=run.campaign,
            job=f"/jobs/{run.campaign}.csv",
            ledger=str(self._file(run)),
            host="host",
            pid=self.findings.runs,
            now=iso(now),
            timeout_s=run.timeout_s,
            settle_after_s=run.settle_after_s,
            ceiling=run.rate,
            date=DAY.isoformat(),
            kind=RunKind.SETTLE if run.only_settle else RunKind.RUN,
        )

    def _count(self, run: Run) -> None:
        """Count the faults that concern the whole run."""
        faults, first = self._world.faults, self._scenario.runs[0]
        if run.weather.sight is not Sight.ALL:
            faults[run.weather.sight.value] += 1
        if self._scenario.habits.dateless:
            faults["run without any Date"] += 1
        if run.settle_after_s != first.settle_after_s:
            faults["another --settle-after"] += 1
        if run.timeout_s != first.timeout_s:
            faults["another --timeout"] += 1

    def _process(
        self,
        run: Run,
        job: MemoryJob,
        loop: SimulatedLoop,
        crasher: Crasher,
        fragile: FragileConnection,
        api: SimulatedApi,
        rng: random.Random,
        situation: Situation | None,
    ) -> Result:
        """What `worker.cli.run` does after it has read its job."""
        clock = ProcessClock(loop, self._world, rng.choice((0.0, 0.0, -7200.0, 86_400.0)))
        ledger_file = self._file(run)
        ledger = Ledger(
            fragile.ledger(), self._start(f"run-{self.findings.runs}", run, clock.wall())
        )
        if not run.only_settle:
            with planned(job, run.campaign, DAY) as plan:
                ledger.plan(plan.file, plan.extra_columns, retry_failed=run.retry_failed)
        counts = views.counts(fragile.ledger(), ledger.campaign)
        work = setups.work(fragile.ledger(), ledger.campaign)
        sets_up = work.open or (run.follow and work.requested) or (run.retry_failed and work.errors)
        idle = not counts.pending and not counts.unknown and not sets_up
        if run.crash_at is not None:
            loop.die_at(loop.time() + run.crash_at)
        began = loop.time()
        database = InlineDatabase(ledger, loop, crasher, run.database_s)
        result = loop.drive(
            self._async(run, Stop(), loop, database, clock, api, rng, ledger_file, situation)
        )
        if idle and api.asked and not run.only_settle:
            self.findings.problems.append(
                f"busy: run {self.findings.runs} had nothing to do and asked {api.asked} times"
            )
        if run in self._scenario.calm and (took := loop.time() - began) > CALM_S:
            self.findings.problems.append(
                f"slow: run {self.findings.runs} took {took:.0f} s at a healthy API"
            )
        return result

    async def _async(
        self,
        run: Run,
        stop: Stop,
        loop: SimulatedLoop,
        database: Database,
        clock: ProcessClock,
        api: SimulatedApi,
        rng: random.Random,
        ledger_file: Path,
        situation: Situation | None,
    ) -> Result:
        job_run = JobRun(
            database=database,
            api=api,
            clock=clock,
            rng=rng,
            emit=lambda event: None if loop.dead else self._emit(event),
            stop=stop,
            options=Options(
                campaign=run.campaign, ledger=ledger_file, rate=run.rate, limits=run.limits,
                max_duration=run.max_duration, settle_after=run.settle_after_s,
                invocation=Invocation(), only_settle=run.only_settle, situation=situation,
                follow=run.follow, retry_failed=run.retry_failed,
            ),
            confirm=nobody_to_ask,
        )  # fmt: skip
        async with anyio.create_task_group() as group:
            group.start_soon(_interrupt, run, stop, job_run)
            result = await job_run.run()
            group.cancel_scope.cancel()
        return result

    def _ended(self, result: Result) -> bool:
        """Note how a run ended, and whether it wrote its ledger file at the end."""
        reason = result.stopped_by or "by itself"
        self.findings.stopped[reason] = self.findings.stopped.get(reason, 0) + 1
        if result.stopped_by == "internal":
            self.findings.problems.append(f"bug: run {self.findings.runs}: {result.troubles}")
        return result.stopped_by not in (
            "disk",
            "signal",
        )  # a second signal leaves no time to write

    def _emit(self, event: Event) -> None:
        line = f"{event.name} {self._world.now():.6f} {sorted(event.fields.items())}"
        self.findings.trace = crc32(line.encode(), self.findings.trace)
        if event.fields.get("traceback"):
            self.findings.problems.append(f"bug: {event.fields['traceback']}")
        if self._verbose:
            self._note(f"{event.level} {event.name} {dict(event.fields)}")

    def _note(self, text: str) -> None:
        if self._verbose:
            at = self._world.now() - BEGAN - 86_400.0
            self.findings.events.append(f"{at:12.3f} run {self.findings.runs}: {text}")

    # -- judging

    def _counted(self) -> bool:
        """Whether the end of every request was recorded, so that the numbers of attempts are
        exact."""
        aborted = any(run.abort_at is not None for run in self._scenario.runs)
        full = (
            "disk" in self.findings.stopped
        )  # what could not be recorded, the next run takes for sent
        return not (self.findings.crashes or self._losses.restored or aborted or full)

    def _misled(self, connection: sqlite3.Connection) -> list[str]:
        """What the sheets for decisions suggest wrongly."""
        try:
            (candidates,) = connection.execute("SELECT count(*) FROM candidates").fetchone()
        except sqlite3.OperationalError:  # the first run died before it had made the tables
            return []
        if not candidates:
            return []
        with closing(open_for_reading(self._losses.database)) as reader:
            pairs = suggested(reader)
        self.findings.suggested += len(pairs)
        lenient = self._scenario.theme == "account"
        return oracle.misled(connection, self._world, pairs, lenient=lenient)

    def _judge(self, ended: Run | None, *, final: bool = False) -> None:
        """Judge the ledger, and the ledger file of the run that has just `ended`."""
        self.findings.problems += [
            f"after run {self.findings.runs}: {problem}" for problem in self._losses.problems
        ]
        self._losses.problems.clear()
        if self._losses.behind and not final:
            return
        connection = sqlite3.connect(self._losses.database)
        try:
            verdict = oracle.judge(
                connection, self._world,
                lenient=self._scenario.theme == "account",
                counted=self._counted(),
                forgiven=self._losses.forgiven,
                final=final,
            )  # fmt: skip
            problems = verdict.problems + self._misled(connection)
            if ended is not None:
                problems += oracle.unwritten(connection, ended.campaign, self._file(ended))
        finally:
            connection.close()
        fresh = [f"after run {self.findings.runs}: {problem}" for problem in problems]
        # The first of a sort tells most; later runs only repeat it.
        known = {sort_of(problem) for problem in self.findings.problems}
        self.findings.problems += [problem for problem in fresh if sort_of(problem) not in known]
        if final:
            self.findings.statuses, self.findings.reasons = verdict.statuses, verdict.reasons


def sort_of(problem: str) -> str:
    """The sort of a problem: `double` of `after run 2: double: …`."""
    return next((part for part in problem.split(": ") if not part.startswith("after run")), problem)


async def _interrupt(run: Run, stop: Stop, job_run: JobRun) -> None:
    """A first signal, and perhaps a second one."""
    if run.signal_at is None:
        return
    await anyio.sleep(run.signal_at)
    stop.signal = 15
    stop.ask(StopReason.SIGNAL)
    if run.abort_at is not None:
        await anyio.sleep(run.abort_at - run.signal_at)
        job_run.abort()


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder for one scenario's files, in memory if the system has such a place."""
    memory = Path("/dev/shm")
    before = tempfile.tempdir
    tempfile.tempdir = str(memory) if memory.is_dir() else before  # plans are staged there too
    folder = Path(tempfile.mkdtemp(prefix="simulation-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        tempfile.tempdir = before


def simulate(scenario: Scenario, *, verbose: bool = False) -> Findings:
    """Run one scenario. Returns what was found."""
    from tests.simulation.shared import SharedSimulation  # noqa: PLC0415 - it is built on this

    kind = SharedSimulation if scenario.theme is Theme.SHARED else Simulation
    with quick_folder() as folder:
        return kind(scenario, folder, verbose=verbose).run()
