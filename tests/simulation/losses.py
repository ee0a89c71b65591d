"""The database may be lost, or replaced by an old copy. The worker has to notice before it sends
anything. Then people rebuild it from the ledger files, or put the newer one back.

What was really lost follows from the world's requests. `refuse_older_database` is called as a run
calls it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.simulation.jobs import DAY, MemoryJob
from tests.simulation.scenario import Run
from tests.simulation.world import ItemKey, World
from tests.support.ledgers import connection_of
from worker.export import ledger_file as export
from worker.export.commands import Invocation
from worker.export.formats import ledgers_in
from worker.job.plan import planned
from worker.ledger.handle import Writer
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.store import Ledger
from worker.model.errors import UsageError
from worker.model.records import RunEnd, RunStart
from worker.restore.lost_database import files_of, refuse_older_database
from worker.restore.restore import Restored, restore

API = "https://api.prolific.com"

Start = Callable[[str, Run], RunStart]
"""What a run of this name says of itself when it begins now."""


class Losses:
    """The databases of one scenario, in `folder`: the one in use, and copies from before earlier
    runs."""

    def __init__(self, folder: Path, world: World, note: Callable[[str], None]) -> None:
        self.database = folder / "ledger.db"
        self.problems: list[str] = []
        self.forgiven: Counter[ItemKey] = Counter()
        """Requests that no ledger file contains, because the run that sent them had no time to
        write one."""
        self.restored = False
        self._folder = folder
        self._world = world
        self._note = note
        self._cut_short: set[str] = set()
        """Campaigns whose last run had no time to write its ledger file."""
        self._lost_rows: set[str] = set()
        """Campaigns with requests that reached the API and that the database in use does not
        contain."""
        self._struck: set[str] = set()
        """Campaigns whose ledger files may contain more than the database in use."""
        self._copies: dict[int, int] = {}
        """How many requests had reached the API before each run, by the run's number."""
        self._aside = folder / "newer.db"
        self._gone = folder / "lost.db"

    @property
    def behind(self) -> bool:
        """Whether the database in use lacks what the ledger files contain, so that it cannot be
        judged."""
        return bool(self._struck)

    # -- what happens

    def keep_copy(self, number: int) -> None:
        """Keep a copy of the database from before run `number`."""
        if self.behind:
            return
        self._copies[number] = len(self._world.requests)
        if self.database.exists():
            shutil.copyfile(self.database, self._folder / f"before-{number}.db")

    def ended(self, run: Run, whole: bool) -> None:
        """Note whether a run wrote its ledger file at its end."""
        (self._cut_short.discard if whole else self._cut_short.add)(run.campaign)

    def strike(self, run: Run) -> None:
        """Lose the database, or replace it by an old copy, if this run's scenario says so."""
        if not self.database.exists() or self._struck:
            return
        if run.database_lost:
            self.database.rename(self._gone)
            self._forget(0, "database lost")
        elif run.database_before is not None:
            old = self._folder / f"before-{run.database_before}.db"
            if old.exists():
                self.database.rename(self._aside)
                shutil.copyfile(old, self.database)
                self._forget(self._copies[run.database_before], "old database put back")

    def _forget(self, since: int, what: str) -> None:
        self._world.faults[what] += 1
        self._note(what)
        self._lost_rows = {request.item.campaign for request in self._world.requests[since:]}
        self._struck = {file.stem for file in self._folder.glob("*.csv")}

    # -- what the worker says of it

    def opened(self, run: Run, job: MemoryJob, start: Start) -> Writer | None:
        """The database as a run opens it. People repair it if the run refuses it. None if the run
        cannot begin."""
        if run.only_settle and not self._knows(run.campaign):
            return None
        database = open_for_writing(self.database, API)
        refusal = self._refusal(database, run.campaign)
        if refusal is None and run.campaign in self._lost_rows:
            self.problems.append(
                f"unnoticed: {run.campaign} is sent from a database that is not the newest"
            )
        elif refusal is not None and run.campaign not in self._struck:
            self.problems.append(f"bug: the database is refused, and is the newest: {refusal}")
        elif (
            refusal is not None or self._aside.exists()
        ):  # a copy that lacks nothing of this campaign is no reason
            database.close()
            self._world.faults["older database refused"] += refusal is not None
            self._mend(run, job, start)
            database = open_for_writing(self.database, API)
            if (refusal := self._refusal(database, run.campaign)) is not None:
                self.problems.append(f"bug: the database is refused still: {refusal}")
        self._go_on(run.campaign)
        return database

    def _knows(self, campaign: str) -> bool:
        """Whether the database exists and contains a run of this campaign, which `settle` needs."""
        if not self.database.exists():
            return False
        with closing(open_for_writing(self.database, API)) as database:
            return (
                connection_of(database)
                .execute("SELECT 1 FROM campaigns WHERE name = ?", (campaign,))
                .fetchone()
                is not None
            )

    def _refusal(self, database: Writer, campaign: str) -> str | None:
        files = files_of(str(self._folder / "{campaign}.csv"), campaign, self.database)
        try:
            refuse_older_database(database, files, campaign, str)
        except UsageError as error:
            return str(error)
        return None

    def _go_on(self, campaign: str) -> None:
        """From now on this campaign's rows are those of this database."""
        self._lost_rows.discard(campaign)
        self._struck.discard(campaign)

    # -- what people do

    def _mend(self, run: Run, job: MemoryJob, start: Start) -> None:
        """Put the newer database back if there is one; otherwise rebuild the campaign from its
        ledger file."""
        if self._aside.exists():
            self._aside.replace(self.database)
            self._note("the newer database was put back")
            self._lost_rows.clear()
            self._struck.clear()
            return
        file = self._folder / f"{run.campaign}.csv"
        database = open_for_writing(self.database, API)
        try:
            with planned(job, run.campaign, DAY) as plan:
                ledger = Ledger(
                    database, start(f"restore-{len(self._world.requests)}-{run.campaign}", run)
                )
                ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
            now = start("", run).now
            restored: Restored | UsageError = restore(
                ledger, file, run.campaign, ledgers_in(self._folder, self.database), now
            )
            ledger.end_run(RunEnd(now, None, 0, 0, 0, 0))
            export.write_ledger_file(database, ledger.campaign, run.campaign, file, Invocation())
        except UsageError as error:
            self.problems.append(f"bug: a ledger file of this job cannot be restored: {error}")
            restored = error
        finally:
            database.close()
        if isinstance(
            restored, UsageError
        ):  # told; the lost one is found again, so that the rest can be judged
            self._gone.replace(self.database)
            self._lost_rows.clear()
            self._struck.clear()
            return
        self.restored = True
        self._note(f"{run.campaign} was restored from its ledger file: {restored}")
        self._forgive(run.campaign)
        self._go_on(run.campaign)

    def _forgive(self, campaign: str) -> None:
        """Forgive what a file cannot contain: it was written before its run died, and more requests
        arrived."""
        if campaign not in self._cut_short:
            return
        self.forgiven.update(r.item for r in self._world.requests if r.item.campaign == campaign)
