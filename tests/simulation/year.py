"""A year of nights: the worker's real code on one real database, with several jobs each night, a
simulated clock, and everything that goes wrong in a year.

`Year._command` is what one command does in a night."""

from __future__ import annotations

import random
import sqlite3
import tracemalloc
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from tests.simulation import oracle
from tests.simulation.accidents import nobody_to_ask
from tests.simulation.api import SimulatedApi
from tests.simulation.calendar import BERLIN, FIRST, NIGHTS, WEATHERS, Night, Trouble, year
from tests.simulation.campaign import ProcessClock
from tests.simulation.database import Crasher, InlineDatabase
from tests.simulation.jobs import MemoryJob, Wanted
from tests.simulation.loop import Crash, SimulatedLoop
from tests.simulation.scenario import source_id
from tests.simulation.weather import Weather
from tests.simulation.work import CountingConnection
from tests.simulation.world import COLLEAGUE, ME, WORKSPACES, Habits, World
from tests.support.ledgers import API, connection_of
from worker.accidents import facts, rules
from worker.export.commands import Invocation
from worker.job.plan import planned
from worker.ledger import views
from worker.ledger.forget import compact, forget_before
from worker.ledger.handle import Writer
from worker.ledger.rows import ledger_rows
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.store import Ledger
from worker.model.clock import iso
from worker.model.records import RunKind, RunStart
from worker.model.run_id import FORM
from worker.model.stop import Stop
from worker.restore.lost_database import files_of, refuse_older_database
from worker.run.job_run import JobRun
from worker.run.limits import Limits
from worker.run.options import Options
from worker.run.result import Result

SETTLE_S, TIMEOUT_S, LATE_S = 30.0, 60.0, 20.0
MEASURED = (2, NIGHTS)
"""The nights that are compared."""

KEPT_DAYS = 60
"""On the first of each month, details of runs that are older than this are deleted."""

FOLLOW_S = 600.0

MOST_TRIES = 4
"""How often a person continues what a night left unfinished."""


@dataclass(frozen=True, slots=True)
class NightlyJob:
    """A job that cron runs each night. `campaign` may contain {date}."""

    name: str
    campaign: str
    rows: tuple[Wanted, ...]

    def campaign_on(self, day: date) -> str:
        return self.campaign.replace("{date}", day.isoformat())


JOBS = (
    NightlyJob("wave", "wave-{date}", (
        Wanted(source_id(0), "Wave {n}", False, 1, tasks=2),
        Wanted(source_id(1), "Wave", True, 1))),
    NightlyJob("panel", "panel", (
        Wanted(source_id(2), "Panel {n}, {date}", False, 1),
        Wanted(source_id(2), "Data {date}", True, 1))),
    NightlyJob("archive", "archive", (Wanted(source_id(3), "Archive {n}", False, 2),)),
)  # fmt: skip
"""A new campaign each night that is set up; one campaign with new names each night; and one that is
finished and grows only when somebody edits it."""


class Cost(NamedTuple):
    """What a night took: SQLite's steps before the first request and after it, by statement; how
    many duplicates it created; the peak of Python's memory in bytes."""

    start: Counter[str]
    work: Counter[str]
    created: int
    memory: int


class Year:
    """The year, in `folder`. `run` runs it; `problems` says what is wrong, with the day."""

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self.costs: dict[int, Cost] = {}
        self.happened: Counter[str] = Counter()
        self._runs = 0
        self._folder = folder
        begin = datetime.combine(FIRST, time(), BERLIN).timestamp() - 86_400.0
        self.world = World(random.Random("year"), begin, Habits(lag=5.0), LATE_S)
        for number in range(4):
            self.world.add(
                f"Source {number}", WORKSPACES[number // 2], COLLEAGUE,
                id=source_id(number), details={"task_name": f"{number}"}, datasets=(f"d{number}",),
            )  # fmt: skip
        self.database = self._folder / "ledgers" / "ledger.db"
        self._jobs = {job.name: job for job in JOBS}
        self._rng = random.Random("the year's nights")

    def run(self) -> None:
        """Run the whole year, and judge it at the end."""
        unfinished: list[date] = []
        for night in year():
            self.world.wait(max(0.0, night.at - self.world.now()))
            self.happened[night.trouble.value] += 1
            self._edit(night)
            if night.trouble is Trouble.OFF:
                continue
            number = (night.day - FIRST).days + 1
            fine = self._command(night, number)
            if not fine and night.trouble is Trouble.NONE:
                self.problems.append(f"{night.day}: a calm night is not finished")
            unfinished += [] if fine else [night.day]
            if unfinished and night.trouble is not Trouble.TOKEN:
                unfinished = self._continue(night, unfinished)
            if night.day.day == 1:
                self._forget(night.day)
            if night.day.day in (1, 30) or night.again:
                self._judge(night.day)
        self.world.wait(86_400.0)
        self._judge(FIRST + timedelta(days=NIGHTS), final=True)

    def _command(self, night: Night, number: int) -> bool:
        """What cron's line does: the jobs one after the other on one database. Returns whether
        everything was created and set up."""
        measured = number in MEASURED and not night.again
        if measured:
            tracemalloc.start()
        costs = [Counter[str](), Counter[str]()]
        before, fine = len(self.world.batches), True
        for job in self._jobs.values():
            result = self._process(job, night, costs)
            fine = fine and result is not None and result.exit_code == 0
        if measured:
            created = len(self.world.batches) - before
            peak = tracemalloc.get_traced_memory()[1]
            self.costs[number] = Cost(costs[0], costs[1], created, peak)
            tracemalloc.stop()
        if night.again and len(self.world.batches) != before:
            self.problems.append(f"{night.day}: the hour that came twice created something")
        return fine

    def _continue(self, night: Night, days: list[date]) -> list[date]:
        """At noon somebody runs the jobs of unfinished dates again (`--date`). Returns the dates
        that are still unfinished."""
        for _ in range(MOST_TRIES):
            self.world.wait(3 * 3600.0)
            days = [
                day
                for day in days
                if not self._command(replace(night, day=day, trouble=Trouble.NONE), 0)
            ]
        if days:
            self.problems.append(f"{night.day}: {days} cannot be finished")
        return []

    # -- one process

    def _process(self, job: NightlyJob, night: Night, costs: list[Counter[str]]) -> Result | None:
        """One job's run, from its start to its end. None if the process died or could not begin."""
        self._runs += 1
        loop = SimulatedLoop(start=self._rng.uniform(100.0, 1e6))
        self.world.follow(loop.time)
        dies = night.trouble is Trouble.CRASH
        crasher = Crasher(self._rng.randint(20, 250) if dies else None)
        full = 0.5 if night.trouble is Trouble.DISK else 0.0
        weather = WEATHERS.get(night.trouble, Weather())
        rng = random.Random(f"run {self._runs}")
        api = SimulatedApi(self.world, weather, rng, loop, crasher, ME, TIMEOUT_S)
        database = open_for_writing(self.database, API, checked=False)
        connection_of(database).execute("PRAGMA synchronous = OFF")
        counting = CountingConnection(
            connection_of(database), crasher, full, counts=tracemalloc.is_tracing()
        )
        try:
            ledger, options = self._begin(job, night, loop, counting)
            costs[0].update(counting.counted())
            counting.steps.clear()
            result = loop.drive(self._async(ledger, options, loop, crasher, api, rng))
        except Crash:
            self.happened["crashes"] += 1
            api.crashed()
            return None
        except sqlite3.OperationalError as error:
            if "full" not in str(error):
                raise
            self.happened["full disks"] += 1
            return None
        finally:
            costs[1].update(counting.counted())
            counting.close()
            self.world.unfollow()
            loop.bury()
        self.happened[f"ended: {result.stopped_by or 'by itself'}"] += 1
        self._judge_run(job.campaign_on(night.day), night, result)
        return result

    def _begin(
        self, job: NightlyJob, night: Night, loop: SimulatedLoop, counting: CountingConnection
    ) -> tuple[Ledger, Options]:
        """What `worker.cli` does before its first request: checks, and the plan."""
        campaign, database = job.campaign_on(night.day), counting.ledger()
        ledger_file = self.database.with_name(f"{campaign}.csv")
        memory = MemoryJob(job.rows, self._folder / f"{job.name}.csv")
        with planned(memory, campaign, night.day) as plan:
            situation = facts.situation(
                database, plan, memory, campaign, night.day,
                named_on_purpose="{date}" in job.campaign, new_each_day="{date}" in job.campaign,
                retry_failed=False, database=self.database, api_url=API,
            )  # fmt: skip
            if accidents := rules.accidents(situation):
                self.problems.append(f"{night.day}: {campaign} looks like an accident: {accidents}")
            written = str(self.database.with_name("{campaign}.csv"))
            files = files_of(written, campaign, self.database)
            refuse_older_database(database, files, campaign, str)
            ledger = Ledger(database, self._start(campaign, memory.path, ledger_file, night.day))
            ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
        views.unfinished_elsewhere(
            ledger, campaign, str(memory.path), dated="{date}" in job.campaign
        )
        options = Options(
            campaign=campaign, ledger=ledger_file, rate=5.0, limits=Limits(16, None, None, 900.0),
            max_duration=None, settle_after=SETTLE_S, invocation=Invocation(), only_settle=False,
            situation=situation, follow=FOLLOW_S,
        )  # fmt: skip
        return ledger, options

    def _start(self, campaign: str, job: Path, ledger_file: Path, day: date) -> RunStart:
        now = datetime.fromtimestamp(self.world.now(), UTC)
        return RunStart(
            run_id=f"{now:{FORM}}-{self._runs}", campaign=campaign, job=str(job),
            ledger=str(ledger_file), host="host", pid=self._runs, now=iso(now),
            timeout_s=TIMEOUT_S, settle_after_s=SETTLE_S, ceiling=5.0, date=day.isoformat(),
            kind=RunKind.RUN,
        )  # fmt: skip

    async def _async(
        self, ledger: Ledger, options: Options, loop: SimulatedLoop, crasher: Crasher,
        api: SimulatedApi, rng: random.Random,
    ) -> Result:  # fmt: skip
        return await JobRun(
            database=InlineDatabase(ledger, loop, crasher, 0.0),
            api=api,
            clock=ProcessClock(loop, self.world, 0.0),
            rng=rng,
            emit=lambda _event: None,
            stop=Stop(),
            options=options,
            confirm=nobody_to_ask,
        ).run()

    # -- people

    def _edit(self, night: Night) -> None:
        """Edit the jobs as somebody does before this night."""
        for name, job in self._jobs.items():
            original = next(one for one in JOBS if one.name == name).rows
            match night.edit:
                case "reorder":
                    rows = tuple(reversed(job.rows))
                case "more copies":
                    rows = (replace(original[0], copies=original[0].copies + 1), *original[1:])
                case "a row less":
                    rows = original[:1]
                case "as it was":
                    rows = original
                case _:
                    continue
            self.happened[f"edit: {night.edit}"] += 1
            self._jobs[name] = replace(job, rows=rows)

    def _forget(self, day: date) -> None:
        """What `ledger --forget --before` does."""
        before = datetime.combine(day - timedelta(days=KEPT_DAYS), time(), BERLIN)
        with closing(open_for_writing(self.database, None)) as database:
            forgotten = forget_before(database, iso(before))
            compact(database)
        self.happened["forgotten"] += sum(forgotten)

    # -- judging

    def _judge_run(self, campaign: str, night: Night, result: Result) -> None:
        """Judge the run's end and its ledger file."""
        if result.stopped_by == "internal":
            self.problems.append(f"{night.day}: {campaign}: bug: {result.troubles}")
        if result.exit_code == 0 and result.counts.created != result.counts.total:
            self.problems.append(f"{night.day}: {campaign} ends 0 with {result.counts}")
        if result.stopped_by == "disk":
            return
        with closing(open_for_writing(self.database, None, checked=False)) as database:
            self.problems += [
                f"{night.day}: {problem}" for problem in self._unwritten(database, campaign)
            ]

    def _unwritten(self, database: Writer, campaign: str) -> list[str]:
        """How the ledger file differs from the database and the world."""
        number = views.campaign_id(database, campaign)
        assert number is not None
        problems: list[str] = []
        for row in ledger_rows(database, number, campaign):
            batch = self.world.batches.get(row["new_batch_id"] or "")
            if row["status"] == "created" and (batch is None or batch.request is None):
                problems.append(f"false row: {campaign} line {row['line']}")
            if batch and batch.request and batch.request.item.campaign != campaign:
                problems.append(f"false row: {campaign} line {row['line']} is {batch.request.item}")
        path = self.database.with_name(f"{campaign}.csv")
        known = Counter(
            (row["source_batch_id"], row["status"], row["new_batch_id"] or "")
            for row in ledger_rows(database, number, campaign)
        )
        return problems + oracle.written_otherwise(path, known)

    def _judge(self, day: date, *, final: bool = False) -> None:
        """Judge the whole ledger by what really exists."""
        with closing(sqlite3.connect(self.database)) as connection:
            verdict = oracle.judge(
                connection, self.world, lenient=False, counted=False, forgiven=Counter(),
                final=final,
            )  # fmt: skip
        self.problems += [f"{day}: {problem}" for problem in verdict.problems]
        if final and set(verdict.statuses) != {"created"}:
            self.problems.append(f"at the end: {verdict.statuses}")
