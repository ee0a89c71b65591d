"""What really exists: the batches, who created them and by which request, and what will happen
later.

It knows the item of each of our requests, also if its answer was lost. Runs are judged by that.
Nothing here decides as the worker does."""

from __future__ import annotations

import heapq
import html
import random
import unicodedata
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

WORKSPACES = ("64a0000000000000000000aa", "64a0000000000000000000bb")
ME, COLLEAGUE, STRANGER = (
    "64b000000000000000000001",
    "64b000000000000000000002",
    "64b00000000000000000000f",
)
"""Accounts: runs have the first's token, sometimes the second's, never the third's."""
OWNER = "64b0000000000000000000ff"
"""The account that owns the workspaces. Nobody here uses it."""


class ItemKey(NamedTuple):
    """One wanted duplicate, by what identifies it."""

    campaign: str
    source_id: str
    template: str
    upload_new_dataset: bool
    copy: int


class Kind(NamedTuple):
    """What two duplicates have in common if the API cannot tell them apart."""

    source_id: str
    name: str | None
    upload_new_dataset: bool


@dataclass(slots=True)
class Request:
    """One of our duplicate requests that reached the API, `at` the world's time. If its effect is
    still to come, it comes before `ends_by`."""

    item: ItemKey
    kind: Kind
    at: float = 0.0
    made: list[str] = field(default_factory=list)
    ends_by: float | None = None


@dataclass(slots=True)
class SetupRequest:
    """One of our setup requests that reached the API, like `Request`. `made` names its batch after
    it took effect."""

    item: ItemKey
    batch_id: str
    at: float = 0.0
    made: list[str] = field(default_factory=list)
    ends_by: float | None = None
    kind: None = None


Asked = Request | SetupRequest


@dataclass(slots=True)
class Batch:
    """A batch. Times are the world's, but `created_at` is the API's own. `request` is the request
    of ours that created it, if one did. Listings show each status of `listed` from its time on.
    `ours` counts our setups that took effect; `by_hand` is when somebody else set it up. Until
    `copied_at` it says PROCESSING."""

    id: str
    name: str
    workspace: str
    created_by: str
    created_at: float
    shown_from: float
    details: dict[str, str]
    datasets: tuple[str, ...]
    kind: Kind | None = None
    request: Request | None = None
    made_at: float = 0.0
    moved: bool = False
    status: str = "UNINITIALISED"
    listed: list[tuple[float, str]] = field(default_factory=list)
    ours: int = 0
    by_hand: float | None = None
    copied_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Habits:
    """What this API does to copies, and what it shows of them. `trims`: names lose spaces at their
    ends, and double spaces. `cuts`: names are cut to this length. `escapes`: names are kept as HTML
    writes them. `transliterates`: letters lose their accents. `cleans`: task details are rewritten.
    `hides_maker`: nothing says who created a batch. `names_owner`: every batch is said to be
    created by the workspace's owner. `dateless`: no answer has a `Date`. `lag`: for at most this
    many seconds, a listing lacks a new batch and shows an old status. A batch is processed for at
    most `processing` seconds, and ends in ERROR with the probability `errors`. A new copy says
    PROCESSING for at most `copying` seconds although nobody set it up."""

    trims: bool = False
    cuts: int | None = None
    escapes: bool = False
    transliterates: bool = False
    cleans: bool = False
    hides_maker: bool = False
    names_owner: bool = False
    dateless: bool = False
    lag: float = 0.0
    processing: float = 0.0
    errors: float = 0.0
    copying: float = 0.0

    def name(self, name: str) -> str:
        """A name as this API keeps it."""
        if self.trims:
            name = " ".join(name.split())
        if self.transliterates:
            name = "".join(
                c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)
            )
        if self.escapes:
            name = html.escape(name).replace("&#x27;", "&#39;")
        return name[: self.cuts]

    def details(self, details: dict[str, str]) -> dict[str, str]:
        """The task details that a copy gets."""
        if not self.cleans:
            return dict(details)
        # More than spaces, as an API that wraps or sanitises HTML does.
        return {
            key: f"<div>{value.replace(' />', '/>').strip()}</div>"
            for key, value in details.items()
        }


class World:
    """Everything that exists at the API. `now` follows the loop of the active run."""

    def __init__(self, rng: random.Random, start: float, habits: Habits, most_late: float) -> None:
        self.rng = rng
        self.setup_rng = random.Random(f"setups {rng.getstate()[1][:4]}")
        self.habits = habits
        self.most_late = most_late
        self.date_skew = 0.0
        self.created_skew = 0.0
        self.batches: dict[str, Batch] = {}
        self.requests: list[Request] = []
        self.faults: Counter[str] = Counter()
        self.setups: list[SetupRequest] = []
        self.overridden: list[str] = []
        """Batches that somebody else had set up before a run that set them up again."""
        self.shown_ids: set[str] = set()
        """Batches that an answer has named or a listing has shown."""
        self.held: dict[str, ItemKey] = {}
        """The row that each batch had when a ledger that had it was last judged."""
        self._now = start
        self._clock: Callable[[], float] | None = None
        self._coming: list[tuple[float, int, Asked | None, Callable[[], object]]] = []
        self._numbers = 0

    # -- time

    def follow(self, time: Callable[[], float]) -> None:
        """From now on, the time is that of a process's loop, whose clock begins at its own zero."""
        offset = self._now - time()
        self._clock = lambda: time() + offset

    def unfollow(self) -> None:
        """The process is gone. Time stands until `wait` or the next process."""
        self._now = self.now()
        self._clock = None

    def wait(self, seconds: float) -> None:
        """Let time pass without a process."""
        self._now += seconds
        self.now()

    def now(self) -> float:
        """Seconds since 1970. Everything that was due by now has happened."""
        now = self._now if self._clock is None else self._clock()
        while self._coming and self._coming[0][0] <= now:
            at, _, request, happen = heapq.heappop(self._coming)
            if request is not None and request.ends_by is not None and at > request.ends_by:
                self._put(request.ends_by, request, happen)
                continue
            self._now, clock, self._clock = at, self._clock, None
            happen()
            self._now, self._clock = now, clock
        return now

    def later(
        self, seconds: float, happen: Callable[[], object], request: Asked | None = None
    ) -> None:
        """Let something happen in this many seconds, even if the process dies. The effect of a
        `request` comes by the time limit of its client at the latest."""
        self._put(self.now() + seconds, request, happen)

    def _put(self, at: float, request: Asked | None, happen: Callable[[], object]) -> None:
        self._numbers += 1
        heapq.heappush(self._coming, (at, self._numbers, request, happen))

    def given_up(self, request: Asked) -> None:
        """Nobody waits for this request's answer any more: it takes effect within `most_late`, or
        not at all."""
        if request.ends_by is None and any(of is request for _, _, of, _ in self._coming):
            request.ends_by = self.now() + self.rng.uniform(0.0, self.most_late)
            # What is to come is ordered by its time, and this has a new one.
            self._coming = [
                (min(at, request.ends_by) if of is request else at, number, of, happen)
                for at, number, of, happen in self._coming
            ]
            heapq.heapify(self._coming)

    def left_alone(self, request: Asked, timeout_s: float, effect: Callable[[], object]) -> None:
        """Nobody awaited this request's end because its process died. If it takes effect, it does
        so within its own time limit after it was sent, and `most_late` more: however long the
        process was stopped before it died, the request had left."""
        now, last = self.now(), request.at + timeout_s + self.most_late
        if request.made or now > last or self.rng.random() < 0.3:
            return
        self._coming = [coming for coming in self._coming if coming[2] is not request]
        heapq.heapify(self._coming)
        request.ends_by = last
        self._put(self.rng.uniform(now, request.ends_by), request, effect)
        self.faults["effect after its process was gone"] += 1

    def coming(self, kind: Kind) -> bool:
        """Whether a request of this kind (in effect) may still have its effect."""
        kind = self.in_effect(kind)
        return any(
            of is not None and of.kind is not None and self.in_effect(of.kind) == kind
            for _, _, of, _ in self._coming
        )

    @property
    def effects_to_come(self) -> bool:
        """Whether some request may still have its effect."""
        return any(of is not None for _, _, of, _ in self._coming)

    def in_effect(self, kind: Kind) -> Kind:
        """The kind of what such a request creates: if a source has no datasets, copies with and
        without them are the same."""
        source = self.batches.get(kind.source_id)
        of_it = [b for b in self.batches.values() if b.kind and b.kind.source_id == kind.source_id]
        # Of a source that was removed, its copies tell.
        has_data = any(batch.datasets for batch in ([source] if source is not None else of_it))
        return kind._replace(upload_new_dataset=kind.upload_new_dataset and has_data)

    def date(self) -> float | None:
        """The API's `Date`, if it has one."""
        return None if self.habits.dateless else float(int(self.now() + self.date_skew))

    # -- batches

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def add(self, name: str, workspace: str, created_by: str, **more: Any) -> Batch:
        """Create a batch that exists from now on."""
        batch = Batch(
            id=more.pop("id", None) or self.new_id(),
            name=name,
            workspace=workspace,
            created_by=created_by,
            created_at=self.now() + self.created_skew,
            shown_from=self.now(),
            details=more.pop("details"),
            datasets=more.pop("datasets"),
            made_at=self.now(),
            **more,
        )
        self.batches[batch.id] = batch
        return batch

    def copy(self, kind: Kind, created_by: str, request: Request | None = None) -> Batch | None:
        """A copy as the API creates it now. None if its source does not exist."""
        source = self.batches.get(kind.source_id)
        if source is None:
            return None
        name = f"{source.name} (Copy)" if kind.name is None else kind.name
        kept = self.habits.name(name)
        if kept != name:
            self.faults["name changed"] += 1
        batch = self.add(
            kept, source.workspace, created_by, kind=kind, request=request,
            details=self.habits.details(source.details),
            datasets=() if kind.upload_new_dataset else source.datasets,
        )  # fmt: skip
        batch.shown_from += self.rng.choice((0.0, self.rng.random(), 1.0)) * self.habits.lag
        if self.habits.copying:
            batch.copied_at = self.now() + self.habits.copying * self.setup_rng.random()
        if request is not None:
            request.made.append(batch.id)
        return batch

    def set_up(self, batch_id: str, request: SetupRequest | None = None) -> None:
        """Set a batch up now, by `request` or by somebody else. What a second setup does is not
        known: it is only counted."""
        batch = self.batches.get(batch_id)
        if batch is None:
            return
        if request is not None:
            request.made.append(batch_id)
            batch.ours += 1
        elif batch.by_hand is None:
            batch.by_hand = self.now()
        if batch.status != "UNINITIALISED":
            return
        rng, habits = self.setup_rng, self.habits
        end = "ERROR" if rng.random() < habits.errors else "READY"
        takes = habits.processing * rng.choice((0.0, rng.random(), 1.0))
        self._shows(batch, "PROCESSING" if takes else end)
        if takes:
            self.later(takes, lambda: self._shows(batch, end))

    def _shows(self, batch: Batch, status: str) -> None:
        lag = self.setup_rng.choice((0.0, self.setup_rng.random(), 1.0)) * self.habits.lag
        batch.status = status
        batch.listed.append((self.now() + lag, status))

    def listing(self, workspace: str) -> list[Batch]:
        """What a listing of this workspace shows now, the oldest first."""
        now = self.now()
        return [
            batch
            for batch in self.batches.values()
            if batch.workspace == workspace and batch.shown_from <= now
        ]

    def body(self, batch: Batch, *, in_listing: bool = False) -> dict[str, Any]:
        """A batch as JSON. A listing may show an older status."""
        now = self.now()
        shown = [status for at, status in batch.listed if at <= now]
        status = (shown[-1] if shown else "UNINITIALISED") if in_listing else batch.status
        if now < batch.copied_at and status == "UNINITIALISED":
            status = "PROCESSING"
            self.faults["copy says PROCESSING"] += 1
        created = datetime.fromtimestamp(batch.created_at, UTC).isoformat().replace("+00:00", "Z")
        body: dict[str, Any] = {
            "id": batch.id,
            "name": batch.name,
            "status": status,
            "created_at": created,
            "workspace_id": batch.workspace,
            "task_details": dict(batch.details),
            "total_task_count": 0,
            "datasets": [{"id": dataset, "total_datapoint_count": 3} for dataset in batch.datasets],
        }
        if self.habits.hides_maker:
            return body
        return body | {"created_by": OWNER if self.habits.names_owner else batch.created_by}
