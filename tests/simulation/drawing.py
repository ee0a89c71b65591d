"""Draws a scenario from its seed: the theme, sources, jobs, faults and people.

What was added to the simulation later is drawn by a second generator, so that older seeds still
give the same scenarios."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.simulation import weather as w
from tests.simulation.guards import doubtful
from tests.simulation.jobs import (
    NAMES,
    PLAIN,
    SPECIAL,
    MemoryJob,
    edited,
    random_job,
    with_setups,
)
from tests.simulation.scenario import (
    Accident,
    Meddling,
    Run,
    Scenario,
    Sharing,
    Source,
    Theme,
    source_id,
)
from tests.simulation.weather import Sight, Weather, likely
from tests.simulation.world import COLLEAGUE, ME, STRANGER, WORKSPACES, Habits
from worker.run.limits import Limits

LATER = (Theme.ACCIDENTS, Theme.SETUPS, Theme.DOUBT, Theme.SHARED)
FIRST = tuple(theme for theme in Theme if theme not in LATER)
"""The themes that the simulation began with. Older seeds chose from them."""

STEPS_S = (-4000.0, -90.0, -2.0, 2.0, 90.0, 4000.0)
"""By how much the API's clock may be set, in seconds."""


def scenario(seed: int, theme: Theme | None = None) -> Scenario:
    """The scenario of this seed. The theme comes from the seed too, unless it is given."""
    rng = random.Random(f"scenario {seed}")
    drawn: Theme = rng.choice(FIRST)
    if random.Random(f"theme {seed}").random() < 1 / (len(FIRST) + 1):
        drawn = Theme.ACCIDENTS
    if random.Random(f"setup theme {seed}").random() < 1 / 10:
        drawn = Theme.SETUPS
    if random.Random(f"doubt theme {seed}").random() < 1 / 20:
        drawn = Theme.DOUBT
    if random.Random(f"shared theme {seed}").random() < 1 / 10:
        drawn = Theme.SHARED
    made = _Maker(seed, theme or drawn, rng).scenario()
    life = _with_renames(_with_setups(doubtful(made) if made.theme is Theme.DOUBT else made))
    return _on_two_machines(life) if life.theme is Theme.SHARED else life


def _on_two_machines(scenario: Scenario) -> Scenario:
    """The scenario with its runs on two machines, at the same time or one after the other."""
    rng = random.Random(f"machines {scenario.seed}")
    first = rng.choice((0.0, 0.0, 0.5, 20.0, 70.0, 200.0))

    def run(number: int) -> Run:
        one = scenario.runs[number % len(scenario.runs)]
        sharing = Sharing(
            machine=number % 2 if rng.random() < 0.8 else rng.randrange(2),
            # Cron starts both at the same minute, or somebody the next night.
            starts=0.0 if not number else rng.choice((first, 0.0, 10.0, 90.0, 3600.0)),
            wait_s=rng.choice((0.0, 30.0, 120.0, 600.0)),
            pauses=tuple(_pause(rng) for _ in range(rng.choice((0, 0, 1, 2)))),
            stalls=rng.choice((0.0, 0.0, 0.02, 0.1)),
            in_statement=rng.choice((0.0, 0.0, 0.001, 0.005)),
            in_commit=rng.choice((0.0, 0.0, 0.02, 0.1)),
            cuts=tuple(_cut(rng) for _ in range(rng.choice((0, 0, 1, 2)))),
            longest_s=rng.choice((1.0, 30.0, 90.0, 300.0)),
            connects_s=rng.choice((0.0, 0.0, 0.5, 8.0, 12.0)),
            commit_s=rng.choice((0.0, 0.0, 0.0, 0.3, 6.0)),
            power=rng.random() < 0.5,
            pooled=rng.random() < 0.25,
        )
        dies = rng.random()
        return replace(
            one,
            sharing=sharing,
            pause_s=0.0,
            crash_points=int(10 ** rng.uniform(1.0, 2.7)) if dies < 0.3 else None,
            crash_at=rng.uniform(0, 100) if 0.3 < dies < 0.4 else None,
            signal_at=rng.uniform(0, 100) * rng.random() if 0.4 < dies < 0.6 else None,
            only_settle=number > 0 and rng.random() < 0.1,
            retry_failed=rng.random() < 0.3,
        )

    calm = (
        replace(one, sharing=Sharing(machine=number % 2, wait_s=300.0))
        for number, one in enumerate(scenario.calm)
    )
    return replace(
        scenario,
        runs=tuple(run(number) for number in range(rng.randint(2, 6))),
        calm=tuple(calm),
        meddling=(),
    )


def _pause(rng: random.Random) -> tuple[float, float, bool]:
    at = rng.choice((rng.uniform(0, 5), rng.uniform(0, 40), rng.uniform(0, 300)))
    return at, rng.choice((2.0, 9.0, 15.0, 50.0, 90.0, 200.0, 1200.0)), rng.random() < 0.5


def _cut(rng: random.Random) -> tuple[float, float, bool]:
    """A cut of the line. One without length only ends the session."""
    at = rng.choice((0.0, rng.uniform(0, 5), rng.uniform(0, 40), rng.uniform(0, 300)))
    return at, rng.choice((0.0, 1.0, 15.0, 50.0, 90.0, 300.0, 1200.0)), rng.random() < 0.5


def _with_setups(scenario: Scenario) -> Scenario:
    """The scenario with setups: always in the theme `setups`, and in some scenarios of other
    themes."""
    seed, theme = scenario.seed, scenario.theme
    rng = random.Random(f"with setups {seed}")
    if theme is not Theme.SETUPS and rng.random() < 0.6:
        return scenario
    share = rng.choice((0.5, 0.9))
    late = rng.random() < 0.3  # the job asks for setups only after its first run

    def run(number: int, one: Run) -> Run:
        sets_up = not (late and number == 0)
        follow = rng.choice((0.0, 0.0, 30.0, 120.0))
        job = with_setups(one.job, seed, share) if sets_up else one.job
        if theme is Theme.SETUPS and rng.random() < 0.5:
            one = replace(one, crash_points=None, dies_at_setup=rng.randint(1, 6))
        return replace(one, job=job, follow=follow)

    shortest = min(one.settle_after_s for one in (*scenario.runs, *scenario.calm))
    people = [
        Meddling(rng.randrange(len(scenario.runs)), rng.choice((-300.0, -1.0, 3.0, 40.0)), "set up")
        for _ in range(rng.choice((0, 0, 1, 3)))
    ]
    return replace(
        scenario,
        runs=tuple(run(number, one) for number, one in enumerate(scenario.runs)),
        calm=tuple(
            replace(one, job=with_setups(one.job, seed, share), follow=300.0)
            for one in scenario.calm
        ),
        meddling=(*scenario.meddling, *people),
        habits=replace(
            scenario.habits,
            processing=rng.choice((0.0, 3.0, 60.0)),
            errors=rng.choice((0.0, 0.0, 0.2)),
            copying=shortest * rng.choice((0.0, 0.0, 0.0, 0.3, 0.97)),
        ),
    )


def _with_renames(scenario: Scenario) -> Scenario:
    """The scenario with people who rename our copies before a listing has shown them, in half of
    the theme `people`. Nobody edits sources there: docs/settling.md assumes that nobody does
    both."""
    rng = random.Random(f"with renames {scenario.seed}")
    if scenario.theme is not Theme.PEOPLE or rng.random() < 0.5:
        return scenario
    people = [
        Meddling(
            rng.randrange(len(scenario.runs)),
            rng.choice((-300.0, -1.0, 3.0, 40.0)),
            "rename a copy",
        )
        for _ in range(rng.randint(1, 4))
    ]
    return replace(scenario, meddling=(*scenario.meddling, *people))


class _Maker:
    """Draws one scenario. `_has` says whether a theme takes part in it."""

    def __init__(self, seed: int, theme: Theme, rng: random.Random) -> None:
        self._seed = seed
        self._theme = theme
        self._rng = rng
        self._more = random.Random(f"more {seed}")
        self._settle_after_s = rng.choice((5.0, 30.0, 30.0))
        self._timeout_s = rng.choice((10.0, 60.0, 60.0))
        self._most = rng.choice((0.05, 0.2, 0.5))

    def _has(self, theme: Theme) -> bool:
        if self._theme is Theme.WILD:
            return theme is not Theme.ACCOUNT and self._rng.random() < 0.5
        return self._theme is theme

    def _takes(self, theme: Theme) -> bool:
        """The same for themes that were added later."""
        return self._theme is theme or (self._theme is Theme.WILD and self._more.random() < 0.5)

    def scenario(self) -> Scenario:
        rng = self._rng
        sources = self._sources()
        missing = 1 if self._has(Theme.SOURCES) and rng.random() < 0.3 else 0
        wanted = [source_id(number) for number in range(len(sources) + missing)]
        names = PLAIN if self._theme is Theme.ORDINARY else NAMES
        # A name that becomes exactly another lost row's is what settling cannot see: SPECIAL has
        # none that does.
        escapes, transliterates = self._cleaned_names()
        if escapes or transliterates:
            names = SPECIAL + SPECIAL + names
        jobs = {"spring": random_job(rng, wanted, names)}
        if self._has(Theme.JOBS) or (self._theme is not Theme.ORDINARY and rng.random() < 0.2):
            jobs["autumn"] = rng.choice((jobs["spring"], random_job(rng, wanted)))
        runs: list[Run] = []
        for number in range(
            rng.choice((1, 1, 2, 3)) if self._theme is Theme.ORDINARY else rng.randint(1, 5)
        ):
            campaign = rng.choice(tuple(jobs))
            if number and self._has(Theme.JOBS) and rng.random() < 0.6:
                jobs[campaign] = edited(rng, jobs[campaign], wanted)
            runs.append(self._beset(self._run(campaign, jobs[campaign], wanted), number))
        return Scenario(
            seed=self._seed,
            theme=self._theme,
            habits=replace(
                self._habits(),
                escapes=escapes,
                transliterates=transliterates,
                dateless=self._dateless(),
                names_owner=self._owned(),
            ),
            sources=sources,
            missing_sources=missing,
            runs=tuple(runs),
            calm=tuple(
                self._calm(campaign, job) for _ in range(2) for campaign, job in jobs.items()
            ),
            meddling=tuple(self._meddling(len(runs))),
            bystanders=rng.choice((0, 3, 9, 30)),
            date_skew=rng.uniform(-300, 300) if self._has(Theme.CLOCKS) else 0.0,
            created_skew=rng.choice((-40.0, -2.0, 0.4, 7.0, 900.0))
            if self._has(Theme.CLOCKS)
            else 0.0,
            most_late=self._settle_after_s * rng.choice((0.1, 0.5, 0.97)),
        )

    def _sources(self) -> tuple[Source, ...]:
        rng = self._rng
        sources: list[Source] = []
        for number in range(rng.randint(1, 5)):
            if sources and self._has(Theme.SOURCES) and rng.random() < 0.6:
                twin = rng.choice(sources)
                sources.append(
                    rng.choice(
                        (twin, replace(twin, name=twin.name.upper()), replace(twin, datasets=()))
                    )
                )
                continue
            details = {
                "task_name": f"Signs {number}",
                "task_introduction": "<p>Look  twice.</p> ",
                "task_steps": "",
            }
            datasets: tuple[str, ...] = rng.choice(
                ((f"dataset-{number}",), (f"dataset-{number}", "dataset-of-all"))
            )
            if self._theme is not Theme.ORDINARY and rng.random() < 0.3:
                datasets = ()  # a copy with a new dataset looks like one that shares none
            name = rng.choice(
                (f"Street signs {number}", "Street signs", "Wave", f" Caf\u00e9  {number} ")
            )
            sources.append(
                Source(name, rng.choice((WORKSPACES[0], *WORKSPACES)), details, datasets)
            )
        return tuple(sources)

    def _habits(self) -> Habits:
        rng = self._rng
        lag = self._settle_after_s * rng.choice((0.0, 0.3, 0.97))
        if not self._has(Theme.COPYING):
            return Habits(lag=lag)
        return Habits(
            trims=rng.random() < 0.5,
            cuts=rng.choice((None, 20, 8)),
            cleans=rng.random() < 0.5,
            # Where nothing says who made a batch, another's copy of the same source cannot be told
            # from ours.
            hides_maker=self._theme is Theme.COPYING and rng.random() < 0.3,
            lag=lag,
        )

    def _cleaned_names(self) -> tuple[bool, bool]:
        """Whether the API escapes names, and whether it transliterates them."""
        if not self._takes(Theme.COPYING):
            return False, False
        return self._more.random() < 0.3, self._more.random() < 0.3

    def _owned(self) -> bool:
        """Whether every batch is said to be from the same person, so that nobody can tell whose it
        is."""
        return self._theme is Theme.COPYING and self._more.random() < 0.15

    def _dateless(self) -> bool:
        return self._takes(Theme.CLOCKS) and self._more.random() < 0.1

    def _run(self, campaign: str, job: MemoryJob, sources: list[str]) -> Run:
        rng = self._rng
        crash = self._has(Theme.CRASH) and rng.random() < 0.9
        signals = self._has(Theme.SIGNALS)
        # A limit leaves something to do for the runs that follow.
        limited = self._theme is not Theme.ORDINARY and rng.random() < 0.3
        signal_at = rng.uniform(0, 20) if signals and rng.random() < 0.5 else None
        return Run(
            campaign=campaign,
            job=job,
            limits=Limits(
                max_in_flight=rng.choice((1, 2, 8, 16)),
                limit=rng.randint(1, 10) if limited else None,
                max_failed=rng.randint(1, 3) if signals and rng.random() < 0.2 else None,
                give_up_after_s=rng.choice((60.0, 900.0)),
            ),
            weather=self._weather(sources),
            pause_s=rng.choice((0.5, 20.0, 3600.0, 86_400.0)),
            timeout_s=self._timeout_s,
            settle_after_s=self._settle_after_s,
            rate=rng.choice((2.0, 5.0, 50.0, None)),
            me=rng.choice((ME, COLLEAGUE)) if self._has(Theme.TOKEN) else ME,
            retry_failed=rng.random() < 0.3,
            max_duration=rng.uniform(1, 60) if signals and rng.random() < 0.3 else None,
            signal_at=signal_at,
            abort_at=signal_at + rng.uniform(0, 5)
            if signal_at is not None and rng.random() < 0.5
            else None,
            crash_points=int(10 ** rng.uniform(0.3, 2.1)) if crash and rng.random() < 0.8 else None,
            crash_at=rng.uniform(0, 200) * rng.random() if crash and rng.random() < 0.4 else None,
            database_s=rng.choice((0.0, 0.0, 0.01, 0.4)),
            # A ledger file does not tell what a job wanted once: a restored database cannot know
            # it, and where jobs are edited that would be judged as lost. So `wild` loses no
            # database.
            database_lost=self._theme is Theme.LOST and rng.random() < 0.5,
            only_settle=self._theme is not Theme.ORDINARY and rng.random() < 0.1,
            disk_full=rng.choice((0.02, 0.2))
            if self._has(Theme.DISK) and rng.random() < 0.8
            else 0.0,
        )

    def _calm(self, campaign: str, job: MemoryJob) -> Run:
        """A run on a healthy API, long after all others."""
        return Run(
            campaign, job, Limits(8, None, None, 900.0), pause_s=7200.0, timeout_s=self._timeout_s,
            settle_after_s=self._settle_after_s, rate=50.0, retry_failed=True,
        )  # fmt: skip

    def _beset(self, run: Run, number: int) -> Run:
        """The run with what was added to the simulation later. `number` counts runs from 0."""
        rng = self._more
        if self._theme is Theme.ORDINARY:
            return run
        run = replace(
            run,
            timeout_s=rng.choice((self._timeout_s, self._timeout_s, 10.0, 60.0)),
            settle_after_s=self._settle_after_s * rng.choice((1, 1, 1, 2, 4)),
            weather=self._worse(run.weather, run.me),
        )
        if self._takes(Theme.JOBS) and number:
            run = replace(run, copies_of_copies=rng.choice((0, 0, 1, 1, 2)))
        if self._takes(Theme.PEOPLE):
            run = replace(run, decides=rng.choice((0.0, 0.5, 1.0)))
        if self._takes(Theme.LOST) and number and not run.database_lost and rng.random() < 0.4:
            run = replace(run, database_before=rng.randrange(number))
        if self._theme is Theme.ACCIDENTS and number and rng.random() < 0.7:
            accident = rng.choice(tuple(Accident))
            run = replace(run, accident=accident, only_settle=False)
            if accident is Accident.LOST:  # what the listing must show has to be there
                run = replace(run, weather=Weather(), pause_s=3600.0)
        if self._theme is Theme.ACCIDENTS and rng.random() < 0.3:
            run = replace(run, crash_points=int(10 ** rng.uniform(1.5, 2.5)))
        if self._theme is Theme.LOST and rng.random() < 0.4:
            run = replace(run, crash_points=int(10 ** rng.uniform(1.5, 2.5)))
        if run.crash_points is not None and rng.random() < 0.5:  # while it sends
            run = replace(run, crash_points=int(10 ** rng.uniform(1.5, 2.5)))
        return run

    def _worse(self, weather: Weather, me: str) -> Weather:
        rng = self._more
        if self._takes(Theme.TOKEN) and me == COLLEAGUE and rng.random() < 0.5:
            weather = replace(weather, sight=rng.choice((Sight.OWN, Sight.NOTHING)))
        if self._takes(Theme.LISTINGS) and rng.random() < 0.15:
            weather = replace(weather, no_listing=True, me_s=rng.choice((0.0, 0.0, 5.0)))
        if self._takes(Theme.STORM):
            weather = replace(
                weather, duplicate={**weather.duplicate, **likely(rng, w.PAGES, self._most / 2)}
            )
        return weather

    def _weather(self, sources: list[str]) -> Weather:
        rng = self._rng
        most = self._most
        storm = self._has(Theme.STORM)
        fates = likely(rng, w.LOST, most * (2 if storm else 1)) | likely(rng, w.NOT_SENT, most / 2)
        if storm:
            fates |= likely(rng, w.ODD, most / 2)
        if self._has(Theme.TOKEN):
            fates |= likely(rng, (w.Fate.UNAUTHORISED, w.Fate.REFUSED), most)
        listing = likely(rng, w.HONEST, 0.1 if self._theme is Theme.ORDINARY else 0.3)
        if self._has(Theme.LISTINGS):
            listing = likely(rng, w.HONEST, 0.6) | likely(rng, w.LIES, 0.4)
        stubborn = self._some(sources) if self._has(Theme.SOURCES) else frozenset()
        return Weather(
            duplicate=fates,
            look=likely(rng, w.LOOKS, 0.5 if storm else 0.1),
            listing=listing,
            latency_s=rng.choice(((0.02, 0.3), (0.3, 2.0), (0.1, 15.0))),
            down=self._outages() if self._has(Theme.OUTAGE) else (),
            token=not (self._has(Theme.TOKEN) and rng.random() < 0.15),
            stubborn=stubborn,
            stubborn_after=self._some(sources) - stubborn
            if self._has(Theme.SOURCES)
            else frozenset(),
            stubborn_look=self._some(sources) if self._has(Theme.SOURCES) else frozenset(),
        )

    def _outages(self) -> tuple[tuple[float, float], ...]:
        """Times without any answer: from the start or from some time on, for seconds or for
        hours."""
        rng = self._rng
        begins = [
            rng.choice((0.0, rng.uniform(0, 10), rng.uniform(0, 120)))
            for _ in range(rng.randint(1, 2))
        ]
        return tuple(
            (begin, begin + rng.choice((5.0, 60.0, 600.0, 7200.0)) * rng.random())
            for begin in begins
        )

    def _some(self, sources: list[str]) -> frozenset[str]:
        """No source, or one of them."""
        return frozenset(self._rng.sample(sources, 1)) if self._rng.random() < 0.4 else frozenset()

    def _meddling(self, runs: int) -> list[Meddling]:
        rng = self._rng
        found: list[Meddling] = []

        def add(times: int, *whats: str, who: str = STRANGER, seconds: float = 0.0) -> None:
            found.extend(
                Meddling(rng.randrange(runs), self._some_time(), rng.choice(whats), who, seconds)
                for _ in range(times)
            )

        if self._has(Theme.PEOPLE):
            add(rng.randint(1, 12), "copy")
        if self._has(Theme.ACCOUNT):
            add(rng.randint(1, 12), "copy", who=ME)
        if self._has(Theme.SOURCES):
            add(rng.randint(0, 3), "rename", "edit", "edit", "remove")
        if self._has(Theme.CLOCKS):
            for _ in range(rng.randint(0, 2)):
                add(1, "step", seconds=rng.choice(STEPS_S))
        if self._takes(Theme.SOURCES):
            for _ in range(self._more.randint(0, 2)):
                what, at = (
                    self._more.choice(("move", "edit for a while")),
                    self._more.choice((-0.3, 0.3, 1.0, 9.0)),
                )
                found.append(
                    Meddling(
                        self._more.randrange(runs), at, what, seconds=self._more.uniform(0.5, 20.0)
                    )
                )
        return found

    def _some_time(self) -> float:
        """A time before a run, during it, or after it."""
        rng = self._rng
        return rng.choice((-1.0, rng.uniform(0, 5), rng.uniform(0, 60), rng.uniform(0, 5000)))
