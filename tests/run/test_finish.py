"""How a run is finished if the database cannot be read as a whole, or a last step fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.ledgers import look_up, opened, uuid
from worker.export.commands import Invocation
from worker.ledger import views
from worker.ledger.store import Ledger
from worker.ledger.threads import ThreadedDatabase
from worker.model.clock import MachineClock
from worker.model.events import StopReason
from worker.model.records import Counts
from worker.model.stop import Stop
from worker.run.finish import Ended, Finish
from worker.run.limits import Limits, Tally
from worker.run.options import Options
from worker.run.result import Result

BEFORE, NOW = Counts(pending=9), Counts(pending=3)


async def nothing() -> None:
    """Nothing to record, and nothing to write."""


async def finished(
    folder: Path, stop: Stop, write_last: Callable[[], Awaitable[None]] = nothing
) -> tuple[Result, list[Exception]]:
    """The result of a run of three duplicates, and what went wrong."""
    troubles: list[Exception] = []
    quiet = SimpleNamespace(
        salvage=nothing, write_last=write_last, changes=(), tally=Tally(),
        gate=SimpleNamespace(closed=None),
    )  # fmt: skip
    options = Options(
        "spring", Path("spring.csv"), None, Limits(1, None, None, 900.0), None, 0.0, Invocation()
    )
    with opened(folder, "batch_id,name,copies", f"{uuid(1)},Wave,3") as ledger:
        look_up(ledger)
        finish = Finish(
            ThreadedDatabase(ledger), MachineClock(), stop, options, cast(Any, quiet),
            cast(Any, quiet), cast(Any, quiet), troubles.append,
        )  # fmt: skip
        return await finish.run(Ended(False, False, None, 0.0), BEFORE, []), troubles


@pytest.mark.parametrize(
    ("damaged", "counts"),
    [([], NOW), (["causes"], NOW), (["differing"], NOW), (["counts"], BEFORE)],
)
async def test_counts_are_true_although_their_reasons_cannot_be_read(
    damaged: list[str], counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    for name in damaged:
        monkeypatch.setattr(views, name, unreadable)
    result, troubles = await finished(tmp_path, Stop())
    assert (result.counts, len(troubles)) == (counts, len(damaged))


@pytest.mark.parametrize(
    ("failing", "reason", "stopped_by", "code"),
    [
        ([], None, None, 0),
        (["end_run"], None, "disk", 1),
        (["end_run"], "limit", "disk", 1),
        (["end_run"], "token", "token", 3),
        (["write_last"], "limit", "disk", 1),
    ],
)
async def test_a_run_of_which_a_last_step_failed_does_not_end_with_0(
    failing: list[str], reason: str | None, stopped_by: str | None, code: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def unwritten() -> None:
        full()

    monkeypatch.setattr(views, "counts", lambda *_: Counts(created=3))
    if "end_run" in failing:
        monkeypatch.setattr(Ledger, "end_run", full)
    stop = Stop()
    if reason is not None:
        stop.ask(StopReason(reason))
    write_last = unwritten if "write_last" in failing else nothing
    result, troubles = await finished(tmp_path, stop, write_last)
    assert (result.stopped_by, result.exit_code, len(troubles)) == (stopped_by, code, len(failing))
