"""People who start a run in the wrong way: under another name, or with another ledger. The real
guards check it. This module knows whether they should stop it, and what they should name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.simulation.jobs import DAY, MemoryJob
from tests.simulation.scenario import Accident, Run
from worker.accidents import facts, rules
from worker.accidents.rules import OtherLedger, Renamed, Situation
from worker.job.plan import planned
from worker.ledger.handle import Reader
from worker.model.errors import AccidentError
from worker.run.question import Question

KNOWN = """
SELECT count(*) FILTER (WHERE i.status = 'created'),
       count(*) FILTER (WHERE i.status IN ('created', 'unknown', 'sent'))
FROM plan.staged AS s JOIN items AS i USING (source_id, template, upload_new_dataset, copy)
JOIN campaigns AS c ON c.id = i.campaign_id WHERE c.name = ?
"""


class Careless:
    """A wrong start of `right`. Its job is in `folder`, beside the `database` that contains its
    campaign."""

    def __init__(
        self, right: Run, accident: Accident, job: MemoryJob, folder: Path, database: Path
    ) -> None:
        self.accident = accident
        self._right = right
        self._right_database = database
        # What is lost lies in no folder near the job, so the job lies where nothing else does.
        place = folder / "alone" if accident is Accident.LOST else folder
        moved = accident in (Accident.MOVED, Accident.LOST)
        campaign = right.campaign if moved else f"{right.campaign} again"
        self.run = replace(
            right, campaign=campaign, crash_points=None, crash_at=None, disk_full=0.0, accident=None
        )
        self.job = replace(job, path=place / f"{campaign}.csv")
        self.database = folder / "elsewhere" / "ledger.db" if moved else database

    def would_double(self) -> bool:
        """Whether a run would create something again. For a lost ledger: so much of it that the
        names in the workspace must show it."""
        if not self._right_database.exists():
            return False
        with (
            planned(self.job, self._right.campaign, DAY) as plan,
            closing(sqlite3.connect(self._right_database)) as known,
        ):
            known.execute("ATTACH ? AS plan", (str(plan.file),))
            try:
                created, may_exist = known.execute(KNOWN, (self._right.campaign,)).fetchone()
            except sqlite3.OperationalError:  # the first run died before it had made the tables
                return False
            return bool(2 * created >= plan.items if self.accident is Accident.LOST else may_exist)

    def situation(self, reader: Reader, api_url: str) -> Situation:
        """What the worker knows before its first request."""
        with planned(self.job, self.run.campaign, DAY) as plan:
            return facts.situation(
                reader, plan, self.job, self.run.campaign, DAY,
                named_on_purpose=False, new_each_day=False, retry_failed=False,
                database=self.database, api_url=api_url,
            )  # fmt: skip

    def wrong_advice(self, situation: Situation) -> str | None:
        """What is wrong with the finding that tells the person how to continue."""
        for found in rules.accidents(situation):
            match found:
                case Renamed(other) if other.campaign == self.run.campaign:
                    return f"bug: the message names {other.campaign}"
                case OtherLedger(other) if other.database != self._right_database:
                    return f"bug: the message names {other.database}"
        return None


async def nobody_to_ask(question: Question) -> bool:
    """What the command prints if nobody can be asked."""
    if question.accidents:
        raise AccidentError("these duplicates seem to exist already")
    return True
