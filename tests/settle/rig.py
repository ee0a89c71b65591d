"""A rig for settling: a world of batches behind a scripted API, one run's settling, and time that
is moved by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support import ledgers
from tests.support.clocks import HandClock, SkippingStop
from tests.support.ledgers import WORKSPACE, connection_of, opened, uuid
from tests.support.no_setups import NoSetups
from worker.api.bodies import read_batch
from worker.api.reader import RetryingReader
from worker.ledger.rows import ledger_rows
from worker.ledger.store import Ledger
from worker.ledger.threads import ListingNotes, ThreadedDatabase
from worker.model.batch import listed
from worker.model.clock import ServerClock, iso
from worker.model.events import Event
from worker.model.records import AttemptResult, Intent, Listed, Timestamp
from worker.model.replies import Answer, Listing, Page, Reply
from worker.run.preflight import Preflight
from worker.settle.settling import Settled, Settling

T0 = 1_772_366_400.0
OTHER = "64a0000000000000000000bb"
SOURCE = uuid(1)
HEADER = "batch_id,name,copies"
SETTLE_AFTER = 30.0


@dataclass
class Batch:
    """A batch of the world; `shown_from` is when listings begin to show it."""

    id: str
    name: str
    made: float
    shown_from: float
    workspace: str = WORKSPACE
    by: str = "me"
    details: Any = "task"
    datasets: tuple[str, ...] = ("data",)


@dataclass
class World(NoSetups):
    """What exists, as the API tells it. `listings` holds what happens to the next listings, by
    workspace: a problem, or a function of what would be shown; `gone` are ids that a GET denies;
    `stepped` is by how many seconds its clocks were set forward."""

    clock: HandClock
    batches: dict[str, Batch] = field(default_factory=dict)
    listings: dict[str, list[str | Callable[[list[Batch]], list[Batch]]]] = field(
        default_factory=dict
    )
    takes: float = 0.0
    gone: set[str] = field(default_factory=set)
    created_skew: float = 0.0
    stepped: float = 0.0
    tells_date: bool = True
    user: str = "me"
    asked: list[tuple[str, str, float]] = field(default_factory=list)
    on_listing: Callable[[], None] = lambda: None

    def now(self) -> float:
        return T0 + self.clock.now - 1000.0 + self.stepped

    @property
    def date(self) -> float | None:
        return float(int(self.now())) if self.tells_date else None

    def add(self, number: int, name: str, *, lag: float = 0.0, **changes: Any) -> str:
        """Make a batch now; its id."""
        made = self.now()
        self.batches[uuid(number)] = Batch(uuid(number), name, made, made + lag, **changes)
        return uuid(number)

    def shown(self, number: int) -> Listed:
        """The batch with this number as the API shows it."""
        batch = read_batch(self.body(self.batches[uuid(number)]))
        assert batch is not None
        return listed(batch)

    def body(self, batch: Batch) -> dict[str, Any]:
        created = datetime.fromtimestamp(batch.made + self.created_skew, UTC).isoformat()
        return {
            "id": batch.id, "name": batch.name, "status": "READY", "workspace_id": batch.workspace,
            "created_at": created, "created_by": batch.by, "task_details": batch.details,
            "datasets": [{"id": one} for one in batch.datasets],
        }  # fmt: skip

    async def me(self) -> Reply:
        self.asked.append(("me", "", self.clock.now))
        return Answer(200, {"id": self.user}, "", self.date, None)

    async def workspaces(self) -> Reply:
        return Answer(403, {}, "", self.date, None)

    async def batch(self, batch_id: str) -> Reply:
        self.asked.append(("batch", batch_id, self.clock.now))
        if batch_id in self.gone or batch_id not in self.batches:
            return Answer(404, {}, "not found", self.date, None)
        return Answer(200, self.body(self.batches[batch_id]), "", self.date, None)

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        raise AssertionError("settling creates nothing")

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        self.asked.append(("listing", workspace_id, self.clock.now))
        self.on_listing()
        shown = [
            batch
            for batch in self.batches.values()
            if batch.workspace == workspace_id and batch.shown_from <= self.now()
        ]
        self.clock.advance(self.takes)
        planned = self.listings.get(workspace_id) or [lambda shown: shown]
        what = planned.pop(0)
        if isinstance(what, str):
            return Listing(0, None, what, self.date)
        shown = what(shown)
        await take(
            [listed(batch) for one in shown if (batch := read_batch(self.body(one))) is not None]
        )
        return Listing(len(shown), len(shown), None, self.date)

    def listed_at(self, workspace_id: str = WORKSPACE) -> list[float]:
        return [at for kind, what, at in self.asked if kind == "listing" and what == workspace_id]


class Rig:
    """One run's settling, and the requests that it settles."""

    def __init__(self, ledger: Ledger, world: World) -> None:
        self.ledger, self.world, self.clock = ledger, world, world.clock
        self.stop = SkippingStop(self.clock)
        self.server = ServerClock()
        self.events: list[Event] = []
        self.database = ThreadedDatabase(ledger)
        self.reader = RetryingReader(
            ListingNotes(self.database),
            world,
            self.clock,
            self.server,
            self.events.append,
            self.stop,
            900.0,
            rate=None,
        )
        self.preflight = Preflight(self.database, self.reader, self.events.append, self.stop)
        self.settling = Settling(
            self.database,
            self.reader,
            self.clock,
            self.server,
            self.events.append,
            self.stop,
            SETTLE_AFTER,
        )
        self.began = self.clock.now
        self.given_up = self.clock.now
        self.under_way: list[Intent] = []

    async def look(self) -> None:
        await self.preflight.check_token()
        await self.preflight.look_up_sources()

    def timestamp(self) -> Timestamp:
        return Timestamp(
            iso(self.clock.wall()), self.server.now(self.clock.now), self.server.earliest
        )

    def intents(self, limit: int = 100) -> list[Intent]:
        intents = self.ledger.record_and_claim((), (), limit, self.timestamp())[1]
        self.under_way += intents
        return intents

    def ended(self, intent: Intent, outcome: str, left: float, answered: str | None = None) -> None:
        """Record how a request ended that left at `left` (monotonic)."""
        self.under_way.remove(intent)
        created = self.world.batches.get(answered or "")
        date = self.world.date if answered else None
        self.server.observe(date, self.clock.now)
        result = AttemptResult(
            intent,
            outcome,
            True,
            iso(self.clock.wall()),
            iso(self.clock.wall()),
            self.server.now(left),
            self.server.now(self.clock.now),
            date,
            self.clock.now - left,
            201 if answered else None,
            batch_id=answered,
            batch_name=created.name if created else None,
            created_at=None if created is None else self.world.body(created)["created_at"],
            created_by=created.by if created else None,
        )
        self.ledger.record_and_claim((result,), (), 0, self.timestamp())

    def lose(self, intents: list[Intent] | None = None, after: float = 60.0) -> None:
        """These leave now and are given up after `after` seconds; None: all that are under way or
        can be sent."""
        if intents is None:
            self.intents()
            intents = self.under_way
        assert intents, "nothing was sent"
        left = self.clock.now
        self.clock.advance(after)
        for intent in [*intents]:
            self.ended(intent, "unknown", left)
        self.given_up = self.clock.now

    def answer(self, intent: Intent, number: int, **changes: Any) -> str:
        """This leaves now and is answered in half a second, with a new batch."""
        left = self.clock.now
        self.clock.advance(0.2)
        made = self.world.add(number, intent.label, **changes)
        self.clock.advance(0.3)
        self.ended(intent, "created", left, made)
        return made

    async def round(self) -> Settled:
        return await self.settling.round(max(self.began, self.given_up))

    def rows(self, columns: str = "status, new_batch_id, settled_by") -> list[tuple[Any, ...]]:
        found = connection_of(self.ledger).execute(
            f"SELECT {columns} FROM items ORDER BY campaign_id, id"
        )
        return [tuple(row) for row in found]

    def statuses(self) -> list[str]:
        return [row[0] for row in self.rows()]

    def errors(self) -> list[str]:
        """What the ledger's rows say, in the order of items."""
        by_item = {}
        for number, name in connection_of(self.ledger).execute("SELECT id, name FROM campaigns"):
            for row in ledger_rows(self.ledger, number, name, dropped=True):
                by_item[row["item"]] = row["error"] or ""
        return [by_item[item] for item in sorted(by_item)]

    def settled_events(self) -> list[dict[str, object]]:
        return [dict(event.fields) for event in self.events if event.name == "batch.settled"]


def lose(folder: Path) -> None:
    """Lose the database."""
    ledgers.lose(folder)


@contextmanager
def run(folder: Path, world: World, *rows: str, **changes: Any) -> Iterator[Rig]:
    """A run of a job with these rows."""
    with opened(folder, *((HEADER, *rows) if rows else ()), **changes) as ledger:
        yield Rig(ledger, world)
