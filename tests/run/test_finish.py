"""How a run is finished if the database cannot be read as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from worker.export.commands import Invocation
from worker.model.clock import MachineClock
from worker.model.records import Counts
from worker.model.stop import Stop
from worker.run.finish import Ended, Final, Finish
from worker.run.limits import Limits, Tally
from worker.run.options import Options

BEFORE, NOW = Counts(created=1, pending=9), Counts(created=7, unknown=3)


class PartlyDamaged:
    """A database in which `damaged` reads fail."""

    def __init__(self, *damaged: str) -> None:
        self._damaged = damaged

    async def call(self, operation: Callable[..., Any], *_: Any) -> Any:
        name = operation.__name__
        if name in self._damaged:
            raise sqlite3.DatabaseError("database disk image is malformed")
        return Final(NOW) if name == "_final" else None


async def nothing() -> None:
    """Nothing to record, and nothing to write."""


@pytest.mark.parametrize(
    ("damaged", "counts"),
    [((), NOW), (("_explained",), NOW), (("_final",), BEFORE), (("_final", "_explained"), BEFORE)],
)
async def test_counts_are_true_although_their_reasons_cannot_be_read(
    damaged: tuple[str, ...], counts: Counts
) -> None:
    troubles: list[Exception] = []
    quiet = SimpleNamespace(
        salvage=nothing, write_last=nothing, changes=(), tally=Tally(),
        gate=SimpleNamespace(closed=None),
    )  # fmt: skip
    options = Options(
        "spring", Path("spring.csv"), None, Limits(1, None, None, 900.0), None, 0.0, Invocation()
    )
    finish = Finish(
        cast(Any, PartlyDamaged(*damaged)), MachineClock(), Stop(), options, cast(Any, quiet),
        cast(Any, quiet), cast(Any, quiet), troubles.append,
    )  # fmt: skip
    result = await finish.run(Ended(False, False, None, 0.0), BEFORE, [])
    assert (result.counts, len(troubles)) == (counts, len(damaged))
