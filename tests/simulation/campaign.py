"""Lets a scenario happen: run after run of the worker's real code on one database, each in a process of its own."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zlib import crc32

import anyio

from tests.simulation import oracle
from tests.simulation.api import SimulatedApi
from tests.simulation.database import Crasher, FragileConnection, InlineDatabase
from tests.simulation.jobs import DAY
from tests.simulation.loop import Crash, SimulatedLoop, StuckError
from tests.simulation.scenario import Meddling, Run, Scenario, source_id
from tests.simulation.world import COLLEAGUE, STRANGER, Kind, World
from worker.campaign import Campaign, Options, Question, Result
from worker.clock import iso
from worker.errors import UsageError
from worker.events import Event
from worker.job.names import render_name
from worker.job.plan import planned
from worker.ledger import views
from worker.ledger.database import open_for_writing
from worker.ledger.forms import other_files
from worker.ledger.records import RunStart
from worker.ledger.restore import restore
from worker.ledger.store import Ledger
from worker.stop import Stop

API = "https://api.prolific.com"
CALM_S = 900.0
"""A run at a healthy API takes no longer, whatever was left to it."""

BEGAN = datetime(2026, 3, 1, 20, 0, tzinfo=UTC).timestamp()


@dataclass(slots=True)
class Told:
    """What came of one scenario: its findings, the oracle's verdicts, and counts for the report."""

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
    simulated_s: float = 0.0
    trace: int = 0
    """A digest of what happened: the same for the same seed."""
    events: list[str] = field(default_factory=list)


class _Clock:
    """The process's clocks: the loop's time, and a date that is as wrong as machines' dates are."""

    def __init__(self, loop: SimulatedLoop, world: World, wrong_by: float) -> None:
        self._loop = loop
        self._world = world
        self._wrong_by = wrong_by

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self._world.now() + self._wrong_by, UTC)


class Simulation:
    """One scenario, in a folder of its own. With `tell` every event is kept as a line, for a person who looks for the
    cause of a failure."""

    def __init__(self, scenario: Scenario, folder: Path, *, tell: bool = False) -> None:
        self.told = Told(scenario.seed, scenario.theme.value)
        self._scenario = scenario
        self._folder = folder
        self._tell = tell
        self._lost = False
        self._rng = random.Random(f"simulation {scenario.seed}")
        self._world = World(
            random.Random(f"world {scenario.seed}"), BEGAN, scenario.habits, scenario.most_late
        )  # fmt: skip
        self._world.date_skew, self._world.created_skew = scenario.date_skew, scenario.created_skew
        self._wanted = self._wanted_copies()

    def run(self) -> Told:
        """Let it happen and judge it."""
        told, world = self.told, self._world
        self._people_the_world()
        try:
            for number, run in enumerate((*self._scenario.runs, *self._scenario.calm)):
                for meddling in self._scenario.meddling:
                    if meddling.run == number:
                        world.later(max(0.0, run.pause_s + meddling.at), partial(self._meddle, meddling))
                world.wait(run.pause_s)
                if run.database_lost:
                    self._lose_database(number)
                ended = self._run(run)
                self._judge(run if ended else None)
            world.wait(86_400.0)
            self._judge(None, final=True)
        except StuckError as error:
            told.problems.append(f"stuck: run {told.runs}: {error}")
        told.simulated_s = world.now() - BEGAN
        told.faults = dict(world.faults)
        told.made = sum(len(request.made) for request in world.requests)
        return told

    # -- the world --------------------------------------------------------------------------------------------

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
                f"Bystander {number}", like.workspace, COLLEAGUE, details={"task_name": "else"}, datasets=()
            )  # fmt: skip
        world.wait(86_400.0)

    def _wanted_copies(self) -> list[tuple[str, str, int, int]]:
        """What our jobs want (source, template, copies, flag), which people elsewhere might make too."""
        wanted: set[tuple[str, str, int, int]] = set()
        for run in self._scenario.runs:
            with planned(run.job, run.campaign, DAY) as plan:
                connection = sqlite3.connect(plan.file)
                wanted.update(connection.execute("SELECT source_id, template, copies, upload_new_dataset FROM staged"))
                connection.close()
        return sorted(wanted)

    def _alike(self) -> Kind:
        """A copy as one of our jobs wants it, or nearly so."""
        rng = self._world.rng
        source_id, template, copies, flag = rng.choice(self._wanted)
        source = self._world.batches.get(source_id)
        kind = Kind(source_id, render_name(template, source.name if source else None, copies) or None, bool(flag))
        if rng.random() < 0.6:
            return kind
        name = kind.name or ""
        names = (name, None, name.swapcase(), f"{name}0", f" {name}", name[:5])
        return Kind(rng.choice(self._wanted)[0], rng.choice(names) or None, rng.random() < 0.5)

    def _meddle(self, meddling: Meddling) -> None:
        world = self._world
        if meddling.what == "step":
            world.date_skew += meddling.seconds
            world.created_skew += meddling.seconds
            world.faults["clock stepped"] += 1
            return
        kind = self._alike()
        source = world.batches.get(kind.source_id)
        if source is None:
            return
        world.faults[f"people: {meddling.what}"] += 1
        match meddling.what:
            case "copy":
                world.copy(kind, meddling.who)
            case "rename":
                source.name = world.rng.choice((f"{source.name} 2", source.name.swapcase(), "Wave"))
            case "edit":
                source.details = source.details | {"task_steps": f"<ol>{world.rng.random():.3f}</ol>"}
            case "remove":
                del world.batches[source.id]

    # -- runs -------------------------------------------------------------------------------------------------

    def _run(self, run: Run) -> bool:
        """One process, from its start to its end or death; whether it could end as it should."""
        self.told.runs += 1
        loop = SimulatedLoop(start=self._rng.uniform(100.0, 1e6))
        self._world.follow(loop.time)
        crasher = Crasher(run.crash_points)
        rng = random.Random(f"run {self._scenario.seed} {self.told.runs}")
        connection = open_for_writing(self._folder / "ledger.db", API)
        connection.execute("PRAGMA synchronous = OFF")  # a process that dies loses nothing of the system's cache
        fragile = FragileConnection(connection, crasher, run.disk_full, rng)
        api = SimulatedApi(
            self._world, run.weather, rng, loop, crasher, run.me, self._scenario.timeout_s
        )  # fmt: skip
        try:
            result = self._process(run, loop, crasher, fragile, api, rng)
            if result.stopped_by == "disk" and not run.disk_full:
                self.told.problems.append(f"bug: run {self.told.runs}: no disk was full: {result.troubles}")
            if result.exit_code == 0 and not run.only_settle and result.counts.created != result.counts.total:
                self.told.problems.append(f"bug: run {self.told.runs}: it ends 0 with {result.counts}")
            return self._ended(result)
        except Crash:
            self.told.crashes += 1
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
        return False

    def _process(
        self, run: Run, loop: SimulatedLoop, crasher: Crasher, fragile: FragileConnection, api: SimulatedApi,
        rng: random.Random,
    ) -> Result:  # fmt: skip
        """What `worker.cli.run` does once its job is read."""
        clock = _Clock(loop, self._world, rng.choice((0.0, 0.0, -7200.0, 86_400.0)))
        ledger_file = self._folder / f"{run.campaign}.csv"
        start = RunStart(
            run_id=f"run-{self.told.runs}", campaign=run.campaign, job=f"/jobs/{run.campaign}.csv",
            ledger=str(ledger_file), host="host", pid=self.told.runs, now=iso(clock.wall()),
            timeout_s=self._scenario.timeout_s, settle_after_s=self._scenario.settle_after_s,
            ceiling=run.rate, date=DAY.isoformat(),
        )  # fmt: skip
        with planned(run.job, run.campaign, DAY) as plan:
            ledger = Ledger(fragile.ledger(), start)
            ledger.plan(plan.file, plan.extra_columns, retry_failed=run.retry_failed)
        counts = views.counts(fragile.ledger(), ledger.campaign)
        idle = not counts.pending and not counts.unknown
        if run.crash_at is not None:
            loop.die_at(loop.time() + run.crash_at)
        began = loop.time()
        result = loop.drive(self._async(run, loop, crasher, ledger, clock, api, rng, ledger_file))
        if idle and api.asked and not run.only_settle:
            self.told.problems.append(f"busy: run {self.told.runs} had nothing to do and asked {api.asked} times")
        if run in self._scenario.calm and (took := loop.time() - began) > CALM_S:
            self.told.problems.append(f"slow: run {self.told.runs} took {took:.0f} s at a healthy API")
        return result

    async def _async(
        self, run: Run, loop: SimulatedLoop, crasher: Crasher, ledger: Ledger, clock: _Clock, api: SimulatedApi,
        rng: random.Random, ledger_file: Path,
    ) -> Result:  # fmt: skip
        stop = Stop()
        campaign = Campaign(
            database=InlineDatabase(ledger, loop, crasher, run.database_s),
            api=api,
            clock=clock,
            rng=rng,
            emit=lambda event: None if loop.dead else self._emit(event),
            stop=stop,
            options=Options(
                campaign=run.campaign, ledger=ledger_file, rate=run.rate, limits=run.limits,
                max_duration=run.max_duration, settle_after=self._scenario.settle_after_s, only_settle=run.only_settle,
            ),
            confirm=_agree,
        )  # fmt: skip
        async with anyio.create_task_group() as group:
            group.start_soon(_interrupt, run, stop, campaign)
            result = await campaign.run()
            group.cancel_scope.cancel()
        return result

    def _ended(self, result: Result) -> bool:
        """Note how a run ended; whether it has written its ledger file last."""
        reason = result.stopped_by or "by itself"
        self.told.stopped[reason] = self.told.stopped.get(reason, 0) + 1
        if result.stopped_by == "internal":
            self.told.problems.append(f"bug: run {self.told.runs}: {result.troubles}")
        return result.stopped_by not in ("disk", "signal")  # a second signal leaves no time to write

    def _emit(self, event: Event) -> None:
        line = f"{event.name} {self._world.now():.6f} {sorted(event.fields.items())}"
        self.told.trace = crc32(line.encode(), self.told.trace)
        if event.fields.get("traceback"):
            self.told.problems.append(f"bug: {event.fields['traceback']}")
        if self._tell:
            self._note(f"{event.level} {event.name} {dict(event.fields)}")

    def _note(self, text: str) -> None:
        if self._tell:
            at = self._world.now() - BEGAN - 86_400.0
            self.told.events.append(f"{at:12.3f} run {self.told.runs}: {text}")

    def _lose_database(self, before: int) -> None:
        """The database is gone, and is rebuilt from the ledger files; `before` is the number of the run to come.

        A file that no job matches any longer is refused; then people put the old database back."""
        files = sorted(self._folder.glob("*.csv"))
        fresh = self._folder / "fresh.db"
        if not files:
            return
        connection = open_for_writing(fresh, API)
        try:
            for file in files:
                self._restore(connection, file, before)
        except UsageError as error:
            self._note(f"not restored: {error}")
            return
        finally:
            connection.close()
        self._lost = True
        for old in self._folder.glob("ledger.db*"):
            old.unlink()
        for new in self._folder.glob("fresh.db*"):
            new.rename(self._folder / new.name.replace("fresh", "ledger"))
        self._note(f"the database was lost, and restored from {len(files)} files")

    def _restore(self, connection: sqlite3.Connection, file: Path, before: int) -> None:
        runs = (*self._scenario.runs, *self._scenario.calm)[:before]
        run = [run for run in runs if run.campaign == file.stem][-1]
        now = datetime.fromtimestamp(self._world.now(), UTC)
        start = RunStart(
            run_id=f"restore-{self.told.runs}-{file.stem}", campaign=run.campaign, job=f"/jobs/{run.campaign}.csv",
            ledger=str(file), host="host", pid=0, now=iso(now),
            timeout_s=self._scenario.timeout_s, settle_after_s=self._scenario.settle_after_s,
        )  # fmt: skip
        with planned(run.job, run.campaign, DAY) as plan:
            ledger = Ledger(connection, start)
            ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
        restore(ledger, file, run.campaign, other_files(file), iso(now))

    # -- judging ----------------------------------------------------------------------------------------------

    def _counted(self) -> bool:
        """Whether every request's end was recorded, so that attempts are exact."""
        aborted = any(run.abort_at is not None for run in self._scenario.runs)
        return not (self.told.crashes or self._lost or aborted)

    def _judge(self, ended: Run | None, *, final: bool = False) -> None:
        """Judge the ledger, and the file of the run that has just `ended`."""
        connection = sqlite3.connect(self._folder / "ledger.db")
        try:
            verdict = oracle.judge(
                connection, self._world,
                lenient=self._scenario.theme == "account",
                counted=self._counted(),
                final=final,
            )  # fmt: skip
            problems = verdict.problems
            if ended is not None:
                problems += oracle.unwritten(connection, ended.campaign, self._folder / f"{ended.campaign}.csv")
        finally:
            connection.close()
        fresh = [f"after run {self.told.runs}: {problem}" for problem in problems]
        # The first of a sort tells most; later runs only repeat it.
        known = {sort_of(problem) for problem in self.told.problems}
        self.told.problems += [problem for problem in fresh if sort_of(problem) not in known]
        if final:
            self.told.statuses, self.told.reasons = verdict.statuses, verdict.reasons


def sort_of(problem: str) -> str:
    """The sort of a problem, as `after run 2: double: …` has it."""
    return next((part for part in problem.split(": ") if not part.startswith("after run")), problem)


async def _agree(_question: Question) -> bool:
    return True


async def _interrupt(run: Run, stop: Stop, campaign: Campaign) -> None:
    """A first signal, and perhaps a second one."""
    if run.signal_at is None:
        return
    await anyio.sleep(run.signal_at)
    stop.signal = 15
    stop.ask("signal")
    if run.abort_at is not None:
        await anyio.sleep(run.abort_at - run.signal_at)
        campaign.abort()


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder for one scenario's files, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    before = tempfile.tempdir
    tempfile.tempdir = str(memory) if memory.is_dir() else before  # plans are staged there too
    folder = Path(tempfile.mkdtemp(prefix="simulation-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        tempfile.tempdir = before


def simulate(scenario: Scenario, *, tell: bool = False) -> Told:
    """Let one scenario happen."""
    with quick_folder() as folder:
        return Simulation(scenario, folder, tell=tell).run()
