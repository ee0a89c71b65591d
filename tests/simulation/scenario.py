"""What a campaign consists of: sources, runs, faults, other people. Plain data; `drawing` draws
it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.simulation.jobs import MemoryJob
from tests.simulation.weather import Weather
from tests.simulation.world import ME, STRANGER, Habits
from worker.run.limits import Limits

CALM = Weather()


class Theme(StrEnum):
    """What a campaign mostly tests."""

    ORDINARY = "ordinary"
    CRASH = "crash"
    PEOPLE = "people"
    ACCOUNT = "account"
    SIGNALS = "signals"
    OUTAGE = "outage"
    LISTINGS = "listings"
    CLOCKS = "clocks"
    COPYING = "copying"
    SOURCES = "sources"
    TOKEN = "token"
    JOBS = "jobs"
    DISK = "disk"
    STORM = "storm"
    LOST = "lost"
    WILD = "wild"
    ACCIDENTS = "accidents"
    SETUPS = "setups"
    SHARED = "shared"
    DOUBT = "doubt"


MEANS = {
    Theme.ORDINARY: "lost answers, late effects, errors, push-backs, listings that lag or fail",
    Theme.CRASH: "… and processes that die anywhere",
    Theme.PEOPLE: (
        "… and people with other accounts who make alike batches, and some who decide what is"
        " unknown"
    ),
    Theme.ACCOUNT: (
        "… and people who do so with the same account, which may swap rows but double nothing"
    ),
    Theme.SIGNALS: "… and runs that are stopped: signals, limits, time",
    Theme.OUTAGE: "… and an API that is down for a while",
    Theme.LISTINGS: "… and listings that are cut, short, capped, refused, or count wrongly",
    Theme.CLOCKS: "… and clocks that differ and step, or no clock at all",
    Theme.COPYING: (
        "… and an API that changes names, rewrites details, or does not say who made a batch"
    ),
    Theme.SOURCES: (
        "… and sources that are alike, renamed, edited, moved, missing, or always answered with 500"
    ),
    Theme.TOKEN: "… and tokens of other people, who may see less, 401s, refusals",
    Theme.JOBS: (
        "… and jobs that are edited or copy our own copies, and two campaigns that want alike"
        " batches"
    ),
    Theme.DISK: "… and a disk that is full now and then",
    Theme.STORM: "much of what an API can do wrong, and gateways before it, at once",
    Theme.LOST: "… and crashes, and a database that is lost, or replaced by an old copy",
    Theme.WILD: "all of it but the same account",
    Theme.ACCIDENTS: "… and people who rename or copy jobs, or move ledgers",
    Theme.SETUPS: "… and crashes, and batches that are set up and followed, some by hand",
    Theme.SHARED: (
        "… and two machines that share a ledger: processes that are killed, stopped, or cut off"
        " from it, machines that sleep, and take-overs"
    ),
    Theme.DOUBT: "two sources that look alike, rows of one name, and many lost answers",
}
"""Every theme in words."""


class Accident(StrEnum):
    """What somebody did before a run."""

    RENAMED = "renamed the job"
    MOVED = "moved the defaults, and with them the ledger"
    LOST = "moved the ledger where nobody looks"
    COPIED = "copied the job"


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is at the beginning."""

    name: str
    workspace: str
    details: dict[str, str]
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a run uses a machine that shares its ledger with others. Times are seconds after the
    run's start. It `starts` this long after the run before it, and waits for the seat up to
    `wait_s`.

    Its `pauses` say when, for how long, and whether its machine sleeps (otherwise the process is
    stopped). It is also stopped after a commit with the probability `stalls`. Its line to the
    server breaks in a statement and in a COMMIT with two probabilities, and in `cuts`: when, for
    how long, and whether the server notices. Connecting to the API takes at most `connects_s`, and
    the answer to a COMMIT comes `commit_s` late. `power`: if the process dies, its machine does
    too. `pooled`: the line leads through a pooler; if the server ends a session, it gives the
    process another one, without the lock."""

    machine: int = 0
    starts: float = 0.0
    wait_s: float = 0.0
    pauses: tuple[tuple[float, float, bool], ...] = ()
    stalls: float = 0.0
    in_statement: float = 0.0
    in_commit: float = 0.0
    cuts: tuple[tuple[float, float, bool], ...] = ()
    longest_s: float = 300.0
    connects_s: float = 0.0
    commit_s: float = 0.0
    power: bool = False
    pooled: bool = False


ALONE = Sharing()


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Times are seconds after its start; `pause_s` is the time before it. Before it
    begins, the database may be lost, or replaced by a copy from before run `database_before`; the
    job may get `copies_of_copies` rows whose sources are batches that we created; and somebody may
    have an `accident`: they start it in the wrong way first. After it, somebody who knows the truth
    decides each unknown row with the probability `decides`."""

    campaign: str
    job: MemoryJob
    limits: Limits
    weather: Weather = CALM
    pause_s: float = 3600.0
    timeout_s: float = 60.0
    settle_after_s: float = 30.0
    rate: float | None = 5.0
    me: str = ME
    retry_failed: bool = False
    max_duration: float | None = None
    signal_at: float | None = None
    abort_at: float | None = None
    crash_points: int | None = None
    crash_at: float | None = None
    disk_full: float = 0.0
    only_settle: bool = False
    database_lost: bool = False
    database_before: int | None = None
    copies_of_copies: int = 0
    decides: float = 0.0
    accident: Accident | None = None
    database_s: float = 0.0
    follow: float = 0.0
    dies_at_setup: int | None = None
    sharing: Sharing = ALONE


@dataclass(frozen=True, slots=True)
class Meddling:
    """Somebody does something `at` this many seconds after the start of the run with this number
    (from 0; before it if negative). `copy`: copy a batch as our jobs want it, or nearly so, with
    the account `who`. `copy the latest`: the one that we asked for last. `set up`: some of our
    copies. `rename a copy`: the latest of ours that nothing has shown. `rename`, `edit`, `move` (to
    another workspace) or `remove`: a source. `edit for a while`: edit a source, and undo it after
    `seconds`. `step`: set the API's clock by `seconds`."""

    run: int
    at: float
    what: str
    who: str = STRANGER
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A campaign: `runs` with faults, then `calm` ones in which everything may settle. An effect
    comes at most `most_late` seconds after its request was given up; no run's `settle_after_s` is
    shorter."""

    seed: int
    theme: Theme
    habits: Habits
    sources: tuple[Source, ...]
    missing_sources: int
    runs: tuple[Run, ...]
    calm: tuple[Run, ...]
    meddling: tuple[Meddling, ...]
    bystanders: int
    date_skew: float
    created_skew: float
    most_late: float


def source_id(number: int) -> str:
    """The id of the scenario's source with this number. Those beyond the last do not exist."""
    return f"0192a3b4-5678-7abc-8def-{number:012x}"
