"""Setups of a whole run, with real parts: the sandbox over HTTP, a real database, real files."""

from __future__ import annotations

import csv
import random
import shutil
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.ledgers import run_start, uuid
from worker.api.connection import connected
from worker.export import ledger_file as export
from worker.export.commands import Invocation
from worker.job.plan import planned
from worker.job.read import open_job
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.store import Ledger
from worker.ledger.threads import ThreadedDatabase
from worker.model.clock import MachineClock
from worker.model.events import Event
from worker.model.setups import SetupCounts
from worker.model.stop import Stop
from worker.restore.restore import restore
from worker.run.finish import NOT_READY
from worker.run.job_run import JobRun
from worker.run.limits import Limits
from worker.run.options import Options
from worker.run.question import Question
from worker.run.result import Result
from worker.sandbox.batch import Batch
from worker.sandbox.options import SandboxOptions
from worker.sandbox.server import Sandbox

SOURCE = uuid(1)


class Rig:
    """A job in a folder, a sandbox, and real runs on them."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.sandbox = Sandbox(SandboxOptions(latency=0.0, seed=1, **options))
        self.url = ""
        self.events: list[Event] = []
        self.asked: list[Question] = []

    async def __aenter__(self) -> Rig:
        self.url = await self.sandbox.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sandbox.stop()

    async def run(self, job: str, *, agree: bool = True, **options: Any) -> Result:
        """One run of this job."""
        path = self.folder / "job.csv"
        path.write_text(job, encoding="utf-8")
        ledger_file = self.folder / "spring.csv"
        retry = bool(options.get("retry_failed"))

        async def confirm(question: Question) -> bool:
            self.asked.append(question)
            return agree

        async with connected(self.url, self.sandbox.options.token, 5.0, str) as client:
            with closing(open_for_writing(self.folder / "ledger.db", "x")) as database:
                ledger = Ledger(database, run_start(ledger=str(ledger_file), timeout_s=0.1))
                with planned(open_job(path), "spring", date(2026, 3, 1)) as plan:
                    ledger.plan(plan.file, (), retry_failed=retry)
                limits = Limits(8, options.pop("limit", None), None, 60.0)
                settings: dict[str, Any] = {"settle_after": 0.2, "max_duration": None} | options
                job_run = JobRun(
                    database=ThreadedDatabase(ledger),
                    api=client,
                    clock=MachineClock(),
                    rng=random.Random(1),
                    emit=self.events.append,
                    stop=Stop(),
                    options=Options(
                        campaign="spring",
                        ledger=ledger_file,
                        rate=None,
                        limits=limits,
                        invocation=Invocation(),
                        **settings,
                    ),
                    confirm=confirm,
                )
                return await job_run.run()

    @property
    def rows(self) -> list[dict[str, str]]:
        with (self.folder / "spring.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def statuses(self) -> list[tuple[str, str]]:
        return [(row["new_batch_status"], row["setup_status"]) for row in self.rows]

    @property
    def requests(self) -> dict[str, int]:
        return dict(self.sandbox.world.requests)

    @property
    def doubles(self) -> list[int]:
        return [number for number in self.sandbox.world.set_ups.values() if number > 1]


def job(copies: int, tasks: str = "5", name: str = "Wave {n}") -> str:
    return f"batch_id,name,copies,tasks_per_group\n{SOURCE},{name},{copies},{tasks}\n"


async def test_300_copies_are_set_up_and_followed_at_1_1_requests_for_each(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        result = await rig.run(job(300), follow=60.0)

        assert result.exit_code == 0
        assert result.setups == SetupCounts(ready=300)
        assert rig.statuses == [("READY", "ready")] * 300
        assert not rig.doubles
        made = rig.requests.pop("duplicate")
        assert made == 300
        beside = sum(number for name, number in rig.requests.items() if name != "duplicate")
        assert beside <= 330
        names = [event.name for event in rig.events]
        assert names.count("batch.set_up") == names.count("batch.ready") == 300


async def test_without_follow_an_accepted_setup_is_done_and_nothing_is_asked(
    tmp_path: Path,
) -> None:
    async with Rig(tmp_path) as rig:
        assert (await rig.run(job(2))).exit_code == 0
        assert rig.statuses == [("UNINITIALISED", "requested")] * 2
        before = rig.requests
        again = await rig.run(job(2))
        assert again.nothing_to_do
        assert rig.requests == before
        assert again.setups == SetupCounts(requested=2)


async def test_a_job_without_setups_asks_nothing_more(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        result = await rig.run(job(3, ""), follow=5.0)
        assert result.setups == SetupCounts()
        assert rig.requests == {"me": 1, "get": 1, "workspaces": 1, "list": 1, "duplicate": 3}


async def test_setups_added_to_a_finished_job_set_up_what_exists(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.run(job(3, ""))
        # Somebody set one up by hand, and it is ready before anybody looks.
        by_hand = rig.rows[1]["new_batch_id"]
        batch = rig.sandbox.world.find(by_hand)
        assert batch is not None
        rig.sandbox.world.set_up(batch, None, 1)
        batch.ready_after = 0.0
        result = await rig.run(job(3, "4"))

        assert result.exit_code == 0
        assert rig.requests["duplicate"] == 3
        assert rig.requests["setup"] == 2
        assert rig.requests["list"] == 2  # one for all that an earlier run created
        assert (rig.asked[-1].create, rig.asked[-1].set_up) == (0, 3)
        assert [status for _, status in rig.statuses] == ["requested", "ready", "requested"]
        assert not rig.doubles


async def test_nobody_agrees_nothing_is_set_up(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.run(job(1, ""))
        result = await rig.run(job(1), agree=False)
        assert (result.stopped_by, result.exit_code) == ("declined", 1)
        assert "setup" not in rig.requests


@pytest.mark.parametrize("fault", ["drop-answer", "drop-request", "error-500-after", "late"])
async def test_a_lost_answer_is_looked_up_before_it_is_sent_again(
    tmp_path: Path, fault: str
) -> None:
    async with Rig(tmp_path, late_by=(0.0, 0.1)) as rig:
        await rig.run(job(4, ""))
        rig.sandbox.misbehave({fault: 1.0})
        first = await rig.run(job(4), max_duration=2.5, settle_after=60.0)
        assert first.setups.unknown == 4
        assert first.exit_code == 1
        assert all(row["error"].startswith("setup: ") for row in rig.rows)
        rig.sandbox.misbehave({})
        result = await rig.run(job(4), follow=20.0)

        assert result.setups == SetupCounts(ready=4)
        assert not rig.doubles
        sent_again = fault == "drop-request"
        assert rig.requests["setup"] == (8 if sent_again else 4)


@pytest.mark.parametrize("said", ["PROCESSING", "READY"])
async def test_an_answer_that_shows_a_new_batch_set_up_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """As from an API that is still copying, or that answers with the source's status."""
    real = Batch.status

    def status(batch: Batch, now: float) -> str:
        is_new = batch.source_id is not None and now < batch.created_at + 0.1
        return said if is_new else real(batch, now)

    monkeypatch.setattr(Batch, "status", status)
    async with Rig(tmp_path) as rig:
        await rig.run(job(2, ""))
        assert rig.statuses == [(said, "")] * 2  # nobody asks for a setup
        result = await rig.run(job(4), follow=20.0)  # two of them exist

        assert (result.exit_code, result.setups) == (0, SetupCounts(ready=4))
        assert rig.requests["setup"] == 4
        assert not rig.doubles


async def test_a_rejected_setup_is_tried_again_only_if_somebody_asks(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        await rig.run(job(1, ""))
        rig.sandbox.misbehave({"refuse": 1.0})
        refused = await rig.run(job(1))
        assert (refused.exit_code, refused.setups) == (1, SetupCounts(failed=1))
        assert "cannot be set up" in rig.rows[0]["error"]
        assert rig.rows[0]["status"] == "created"
        rig.sandbox.misbehave({})
        assert (await rig.run(job(1))).nothing_to_do
        assert rig.requests["setup"] == 1
        result = await rig.run(job(1), retry_failed=True, follow=20.0)
        assert (result.exit_code, result.setups) == (0, SetupCounts(ready=1))


async def test_an_error_is_reported_and_never_set_up_again(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.sandbox.misbehave({"setup-error": 1.0})
        result = await rig.run(job(2), follow=20.0)
        assert (result.exit_code, result.setups) == (1, SetupCounts(failed=2))
        assert {row["error"] for row in rig.rows} == {"setup: the API shows ERROR"}
        again = await rig.run(job(2), retry_failed=True)
        assert (again.exit_code, again.setups) == (1, SetupCounts(failed=2))
        assert rig.requests["setup"] == 2


async def test_what_no_listing_shows_is_asked_for_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a source was moved: its copies are in another workspace than is known."""
    monkeypatch.setattr("worker.setup.setting_up.LISTED_WITHIN", 1)
    monkeypatch.setattr("worker.setup.setting_up.SINGLE", 2)
    async with Rig(tmp_path, listing_lag=3600, processing=0.0) as rig:
        result = await rig.run(job(3), follow=20.0)

        assert (result.exit_code, result.setups.ready) == (0, 3)
        assert rig.requests["status"] == 3
        assert rig.doubles == []


async def test_what_is_not_ready_in_time_makes_the_exit_code_1(tmp_path: Path) -> None:
    async with Rig(tmp_path, processing=60.0) as rig:
        result = await rig.run(job(1), follow=1.0)
        assert (result.exit_code, result.setups) == (1, SetupCounts(requested=1))
        assert rig.statuses == [("PROCESSING", "requested")]
        assert result.setup_reasons == ((NOT_READY, 1),)


async def test_what_a_limit_leaves_is_not_set_up_and_the_rest_is(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        result = await rig.run(job(3), limit=1, follow=20.0)
        assert (result.stopped_by, result.exit_code) == ("limit", 1)
        assert result.setups == SetupCounts(ready=1, pending=2)


def restored(folder: Path, file: Path, wanted: str) -> None:
    """The database is lost, and restored from a ledger file and this job."""
    (folder / "ledger.db").unlink()
    (folder / "job.csv").write_text(wanted, encoding="utf-8")
    with closing(open_for_writing(folder / "ledger.db", "x")) as database:
        ledger = Ledger(database, run_start(timeout_s=0.1))
        with planned(open_job(folder / "job.csv"), "spring", date(2026, 3, 1)) as plan:
            ledger.plan(plan.file, (), retry_failed=False)
        restore(ledger, file, "spring", (), "2026-03-01T12:00:00.000Z")
        export.write_ledger_file(
            database, ledger.campaign, "spring", folder / "spring.csv", Invocation()
        )


async def test_a_batch_that_was_being_copied_when_its_row_was_written_is_set_up_after_a_restore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restored job asks for no setups, the next one does."""
    real = Batch.status

    def status(batch: Batch, now: float) -> str:
        is_new = batch.source_id is not None and now < batch.created_at + 0.1
        return "PROCESSING" if is_new else real(batch, now)

    monkeypatch.setattr(Batch, "status", status)
    async with Rig(tmp_path) as rig:
        await rig.run(job(2, ""))
        shutil.copy(tmp_path / "spring.csv", tmp_path / "kept.csv")
        restored(tmp_path, tmp_path / "kept.csv", job(2, ""))
        assert rig.statuses == [("PROCESSING", "")] * 2
        result = await rig.run(job(2), follow=20.0)

        assert (result.exit_code, result.setups) == (0, SetupCounts(ready=2))
        assert rig.requests["setup"] == 2
        assert not rig.doubles


@pytest.mark.parametrize("of_earlier_version", [False, True])
async def test_a_restored_row_is_looked_at_first(tmp_path: Path, of_earlier_version: bool) -> None:
    async with Rig(tmp_path) as rig:
        await rig.run(job(2, ""))
        # This one was set up after the file was written: the file does not know.
        batch = rig.sandbox.world.find(rig.rows[0]["new_batch_id"])
        assert batch is not None
        rig.sandbox.world.set_up(batch, None, 5)
        file = tmp_path / "kept.csv"
        text = (tmp_path / "spring.csv").read_text(encoding="utf-8")
        if of_earlier_version:
            text = text.replace(",tasks_per_group,setup_status", "").replace(",,\n", "\n")
        file.write_text(text, encoding="utf-8")
        restored(tmp_path, file, job(2))
        assert [status for _, status in rig.statuses] == ["unknown"] * 2
        result = await rig.run(job(2), follow=20.0)
        assert result.setups == SetupCounts(ready=2)
        assert rig.requests["setup"] == 1
        assert not rig.doubles
