"""A year of nights with several jobs: nothing is created or set up twice, every ledger is true, and
night 365 costs what night 2 did."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from tests.simulation.calendar import NIGHTS, Trouble, year
from tests.simulation.campaign import quick_folder
from tests.simulation.weather import Fate
from tests.simulation.year import MEASURED, Year

MOST = 1.5
"""How much more the last night may take than the second."""


def test_the_year_has_a_leap_day_and_both_clock_changes() -> None:
    nights = list(year())
    starts = {night.day: [n for n in nights if n.day == night.day] for night in nights}

    assert len(starts) == NIGHTS
    assert date(2028, 2, 29) in starts
    assert [day for day, some in starts.items() if len(some) > 1] == [date(2028, 10, 29)]
    (spring,) = starts[date(2028, 3, 26)]
    assert datetime.fromtimestamp(spring.at, UTC).hour == 1, "half past two does not exist"
    assert {night.trouble for night in nights} == set(Trouble)


@pytest.mark.prove
def test_a_year_of_nights_keeps_every_promise_and_never_gets_slower() -> None:
    with quick_folder() as folder:
        one = Year(folder)
        one.run()

    assert not one.problems, "\n".join(one.problems[:20])
    second, last = (one.costs[night] for night in MEASURED)
    assert second.created == last.created > 0
    assert total(last.start) <= MOST * total(second.start), grown(second.start, last.start)
    assert total(last.work) <= MOST * total(second.work), grown(second.work, last.work)
    assert last.memory <= MOST * second.memory
    for what in ("crashes", "full disks", "forgotten", "ended: token", "ended: api"):
        assert one.happened[what], one.happened
    assert len(one.world.setups) > 300
    assert one.world.faults[f"setup: {Fate.LOST_AFTER.value}"], one.world.faults


def total(steps: Counter[str]) -> int:
    return steps.total()


def grown(before: Counter[str], after: Counter[str]) -> str:
    """The statements that take more steps than before, those that grew most first."""
    more = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    lines = sorted(more, key=lambda name: -more[name])[:8]
    return "\n".join(f"{name}: {before[name]:,} to {after[name]:,} steps" for name in lines)
