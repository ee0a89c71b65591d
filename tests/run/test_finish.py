"""How a run is finished if the database cannot be read as a whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.ledgers import look_up, opened, uuid
from worker.export.commands import Invocation
from worker.ledger import views
from worker.ledger.threads import ThreadedDatabase
from worker.model.clock import MachineClock
from worker.model.records import Counts
from worker.model.stop import Stop
from worker.run.finish import Ended, Finish
from worker.run.limits import Limits, Tally
from worker.run.options import Options

BEFORE, NOW = Counts(pending=9), Counts(pending=3)


async def nothing() -> None:
    """Nothing to record, and nothing to write."""


@pytest.mark.parametrize(
    ("damaged", "counts"),
    [([], NOW), (["reasons"], NOW), (["differing"], NOW), (["counts"], BEFORE)],
)
async def test_counts_are_true_although_their_reasons_cannot_be_read(
    damaged: list[str], counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    for name in damaged:
        monkeypatch.setattr(views, name, unreadable)
    troubles: list[Exception] = []
    quiet = SimpleNamespace(
        salvage=nothing, write_last=nothing, changes=(), tally=Tally(),
        gate=SimpleNamespace(closed=None),
    )  # fmt: skip
    options = Options(
        "spring", Path("spring.csv"), None, Limits(1, None, None, 900.0), None, 0.0, Invocation()
    )
    with opened(tmp_path, "batch_id,name,copies", f"{uuid(1)},Wave,3") as ledger:
        look_up(ledger)
        finish = Finish(
            ThreadedDatabase(ledger), MachineClock(), Stop(), options, cast(Any, quiet),
            cast(Any, quiet), cast(Any, quiet), troubles.append,
        )  # fmt: skip
        result = await finish.run(Ended(False, False, None, 0.0), BEFORE, [])
    assert (result.counts, len(troubles)) == (counts, len(damaged))
