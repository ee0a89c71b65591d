"""Whole nights for reports to tell: the worker's own code against the simulated API, hours of it in
seconds, the same each time. No tests here."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.simulation.campaign import Simulation
from tests.simulation.jobs import MemoryJob, Wanted
from tests.simulation.scenario import Meddling, Run, Scenario, Source, Theme, source_id
from tests.simulation.weather import Fate, Weather
from tests.simulation.world import ME, WORKSPACES, Habits
from worker.export.commands import Commands
from worker.export.report.page import About
from worker.run.limits import Limits

SEED = 26
"""One whose machines' clocks are right for three runs."""

LONG_SEED = 91
"""The same for six runs."""

CAMPAIGN = "spring-wave"
JOB = "/srv/waves/spring-wave.csv"
MADE_AT = datetime(2026, 3, 3, 7, 30, tzinfo=UTC)

_SIGNS = (
    "Street signs",
    "Shop fronts",
    "Menus",
    "Timetables",
    "Handwriting",
    "Receipts",
    "Maps",
    "Captions",
)
_LANDS = ("Norway", "Spain", "India", "Japan", "Brazil", "Kenya")


def job(copies: int) -> MemoryJob:
    """So many copies of each of the sources."""
    many = len(_SIGNS) * len(_LANDS)
    wanted = [
        Wanted(source_id(n), "{source_name}, annotator {n:03}", False, copies) for n in range(many)
    ]
    return MemoryJob(tuple(wanted))


def good_night(folder: Path, copies: int = 40) -> Path:
    """A night in which all went well but for some lost answers; the database."""
    weather = Weather({Fate.LOST_AFTER: 0.002, Fate.THROTTLED: 0.004}, latency_s=(0.12, 1.8))
    return _night(
        folder, [Run(CAMPAIGN, job(copies), Limits(16, None, None, 900.0), weather, rate=0.5)]
    )


def bad_night(folder: Path, copies: int = 40, earlier: int = 0) -> Path:
    """So many `earlier` nights of the same job, each a campaign of its own; a small first run; a
    night with push-back, two outages, refusals, a colleague who makes some of the same batches by
    hand, twice, and an end before all was sent; then a look at what is unknown. The database."""
    first = Run(CAMPAIGN, job(copies), Limits(16, 12, None, 900.0), rate=0.5)
    weather = Weather(
        {
            Fate.THROTTLED: 0.03,
            Fate.LOST_AFTER: 0.004,
            Fate.SILENT_AFTER: 0.002,
            Fate.ERROR_BEFORE: 0.003,
            Fate.REFUSED: 0.008,
        },
        latency_s=(0.15, 6.0),
        down=((1500.0, 2300.0), (2900.0, 3700.0)),
    )
    night = replace(
        first, weather=weather, limits=Limits(16, None, None, 900.0), max_duration=5400.0
    )
    look = replace(first, only_settle=True, rate=None)
    meddling = tuple(
        Meddling(earlier + 1, at, "copy the latest", ME)
        for at in (1700.0, 1702.0, 1900.0, 1902.0, 2950.0, 2952.0)
    )
    calm = Weather({Fate.LOST_AFTER: 0.001, Fate.THROTTLED: 0.002}, latency_s=(0.12, 1.8))
    another = replace(first, limits=night.limits, weather=calm, pause_s=22.8 * 3600)
    before = [replace(another, campaign=f"winter-wave-{n}") for n in range(1, earlier + 1)]
    database = _night(
        folder, [*before, first, night, look], meddling, LONG_SEED if earlier else SEED
    )
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE runs SET job = ?", (JOB,))
    return database


def killed_night(folder: Path) -> Path:
    """A night with push-back whose process is killed after half an hour; the database."""
    weather = Weather({Fate.THROTTLED: 0.1}, latency_s=(0.15, 6.0))
    run = Run(CAMPAIGN, job(40), Limits(16, None, None, 900.0), weather, rate=0.5, crash_at=1800.0)
    return _night(folder, [run])


def about() -> About:
    """What a page says of itself, the same on every machine."""
    return About(
        "https://api.prolific.com", Path("/srv/waves/ledgers/ledger.db"), MADE_AT, sandbox=False
    )


COMMANDS = Commands(
    JOB, ("--config", "/srv/waves/config.toml", "--campaign", CAMPAIGN), ("--date", "2026-03-01")
)
"""The commands that a page names, the same on every machine."""


def _night(
    folder: Path, runs: list[Run], meddling: tuple[Meddling, ...] = (), seed: int = SEED
) -> Path:
    details = {"task_name": "Signs", "task_introduction": "<p>Look twice.</p>", "task_steps": ""}
    sources = [
        Source(f"{sign}, {land}", WORKSPACES[0], details, ("dataset",))
        for land in _LANDS
        for sign in _SIGNS
    ]
    scenario = Scenario(
        seed=seed,
        theme=Theme.ACCOUNT,
        habits=Habits(),
        sources=tuple(sources),
        missing_sources=0,
        runs=tuple(runs),
        calm=(),
        meddling=meddling,
        bystanders=9,
        date_skew=0.0,
        created_skew=0.0,
        most_late=10.0,
    )
    findings = Simulation(scenario, folder).run()
    # These nights end before all is sent, one in the middle of it, and no later run continues them.
    problems = [
        problem for problem in findings.problems if not re.search(": (left|unclosed): ", problem)
    ]
    assert not problems, problems
    return folder / "ledger.db"
