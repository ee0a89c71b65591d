"""Real sending to an API with a rate limit, in simulated time: how much of the limit is used, and
how much is rejected."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

import anyio

from tests.simulation.jobs import MemoryJob, Wanted
from tests.simulation.limiters import Limiter
from tests.simulation.loop import SimulatedLoop
from tests.support.ledgers import connection_of
from tests.support.no_setups import NoSetups
from worker.job.plan import planned
from worker.ledger.handle import Reader, Writer
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.store import Ledger
from worker.model.clock import ServerClock
from worker.model.records import Listed, RunStart, Timestamp
from worker.model.replies import Answer, Listing, Page, Quota, Reply
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.limits import Limits
from worker.run.sending import Sending

P = ParamSpec("P")
T = TypeVar("T")

SOURCE = "0192a3b4-5678-7abc-8def-000000000001"
NOW = "2026-03-01T12:00:00.000Z"
AT = 1_772_366_400.0


@dataclass(frozen=True)
class Case:
    """What is tried. `latency_s`: how long an answer takes on average. `retry_after_s`: what a 429
    asks for. `quota`: headers of each answer say how many requests of a window are left (how many,
    in how many seconds). `works_off`: the API handles this many requests a second, one after the
    other, so answers take longer if more are under way."""

    name: str
    limiter: Callable[[], Limiter]
    items: int = 1000
    in_flight: int = 16
    ceiling: float | None = None
    latency_s: float = 0.035
    retry_after_s: float | None = None
    quota: tuple[int, float] | None = None
    works_off: float | None = None


@dataclass
class Found:
    """The result: when each request left and whether it was accepted, in order of time; the paces
    that were allowed; how long each answer took; how long everything took, and how many requests
    the limit would have allowed in that time."""

    left: list[tuple[float, bool]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    seconds: float = 0.0
    allowed: float = 0.0
    items: int = 0

    @property
    def used(self) -> float:
        """The share of the limit that was used."""
        return self.items / self.allowed

    @property
    def rejected(self) -> float:
        """The share of requests that were rejected."""
        return sum(not ok for _, ok in self.left) / len(self.left)

    @property
    def under_way(self) -> float:
        """How many requests were under way, on average."""
        return sum(self.waited) / self.seconds


class _Api(NoSetups):
    """The API behind the limiter."""

    def __init__(self, case: Case, loop: SimulatedLoop, rng: random.Random, found: Found) -> None:
        self._case, self._loop, self._rng, self._found = case, loop, rng, found
        self._limiter = case.limiter()
        self._began = loop.time()
        self._window = (0.0, 0)
        self._free = 0.0

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        case, rng = self._case, self._rng
        left = self._loop.time() - self._began
        latency = case.latency_s * rng.uniform(0.6, 1.4)
        await anyio.sleep(latency / 2)
        ok = self._limiter.takes(self._loop.time() - self._began, rng)
        self._found.left.append((left, ok))
        if case.works_off is not None:
            here = self._loop.time() - self._began
            self._free = max(self._free, here) + 1.0 / case.works_off
            await anyio.sleep(self._free - here)
        await anyio.sleep(latency / 2)
        self._found.waited.append(self._loop.time() - self._began - left)
        now = AT + self._loop.time() - self._began
        if not ok:
            return Answer(429, {}, "too many", now, case.retry_after_s, self._quota())
        body = {"id": str(UUID(int=rng.getrandbits(128), version=4)), "name": name}
        return Answer(201, body, "", now, None, self._quota())

    def _quota(self) -> Quota | None:
        if self._case.quota is None:
            return None
        most, seconds = self._case.quota
        now = self._loop.time() - self._began
        begin, taken = self._window
        if now >= begin + seconds:
            begin, taken = now - now % seconds, 0
        self._window = (begin, taken + 1)
        return Quota(max(0, most - taken - 1), begin + seconds - now)

    async def me(self) -> Reply:
        return Answer(200, {"id": "me"}, "", AT, None)

    async def workspaces(self) -> Reply:
        raise AssertionError("sending looks nothing up")

    async def batch(self, batch_id: str) -> Reply:
        raise AssertionError("sending looks nothing up")

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        raise AssertionError("sending looks nothing up")


class _Inline:
    """The database, called inline: threads would change the order that a seed repeats."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def call(
        self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return operation(self._ledger, *args, **kwargs)

    transact = query = call

    async def read(
        self,
        operation: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run what only reads, inline too."""
        return operation(self._ledger, *args, **kwargs)


class _Clock:
    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> datetime:
        return datetime.fromtimestamp(AT + self._loop.time(), UTC)


def tried(case: Case, seed: int) -> Found:
    """Send the case's items. Returns what was found."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        database = open_for_writing(Path(name) / "ledger.db", "https://api.prolific.com")
        connection_of(database).execute("PRAGMA synchronous = OFF")
        try:
            return _tried(case, random.Random(seed), _ready(database, case.items))
        finally:
            database.close()


def _ready(database: Writer, items: int) -> Ledger:
    """A ledger with this many items to send. Their source is looked up already."""
    start = RunStart("run", "limits", "/job.csv", "/ledger.csv", "host", 1, NOW, 60.0, 30.0)
    rows = tuple(Wanted(SOURCE, f"Part {n}", False, min(10_000, items)) for n in range(1))
    with planned(MemoryJob(rows), "limits", date(2026, 3, 1)) as plan:
        ledger = Ledger(database, start)
        ledger.plan(plan.file, plan.extra_columns, retry_failed=False)
    ledger.queue_sources()
    number = ledger.begin_listing("workspace", Timestamp(NOW, AT, AT))
    source = Listed(SOURCE, "Signs", "READY", "workspace", NOW, "me", "details", "loose", ())
    ledger.add_listed(number, "workspace", [source])
    ledger.end_preflight()
    return ledger


def _tried(case: Case, rng: random.Random, ledger: Ledger) -> Found:
    loop = SimulatedLoop(start=1000.0)
    found = Found(items=case.items)
    clock, stop = _Clock(loop), Stop()

    async def main() -> None:
        pacer = Pacer(
            case.ceiling,
            case.in_flight,
            clock,
            rng,
            lambda _event: None,
            stop.wait,
            lambda: stop.asked,
        )
        api = _Api(case, loop, rng, found)
        limits = Limits(case.in_flight, None, None, 1e9)
        sending = Sending(
            _Inline(ledger), api, clock, ServerClock(), pacer, lambda _event: None, stop, limits
        )
        began = loop.time()
        async with anyio.create_task_group() as group:
            group.start_soon(_watch, pacer, loop, began, found)
            await sending.run()
            group.cancel_scope.cancel()
        found.seconds = loop.time() - began

    try:
        loop.drive(main())
    finally:
        loop.bury()
    limiter, steps = case.limiter(), max(1, int(found.seconds * 20))
    found.allowed = (
        sum(limiter.allowed(found.seconds * n / steps) for n in range(steps))
        * found.seconds
        / steps
    )
    return found


async def _watch(pacer: Pacer, loop: SimulatedLoop, began: float, found: Found) -> None:
    while True:
        rate = pacer.rate()
        if rate is not None:
            found.rates.append((loop.time() - began, rate if pacer.waiting_s() <= 0 else 0.0))
        await anyio.sleep(0.1)
