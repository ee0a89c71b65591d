"""The API as one process of the worker sees it: the operations of `worker.api.client.Api` on a
simulated world, with faults.

It reads bodies with the real client's code, and shares no rule with the worker."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio

from tests.simulation.database import Crasher, Labelled
from tests.simulation.loop import SimulatedLoop
from tests.simulation.weather import Fate, ListingResult, Shown, Sight, Weather, drawn
from tests.simulation.world import Asked, Batch, Kind, Request, SetupRequest, World
from worker.api.bodies import read_batch
from worker.ledger.seat import CONNECTS_WITHIN_S
from worker.model.batch import listed
from worker.model.replies import Answer, Listing, NoAnswer, Page, Reply

PAGE = 20
"""Batches of a listing that arrive together. Few, so that a crash can happen between two pages of a
small world."""

CAPS = (10, 20, 50, 100)
ODD_CAPS = (25, 25, *CAPS)
"""Lengths of pages. `CAPS` are also those of listings whose count says that a page is all."""


AFTER = (
    Fate.GOOD,
    Fate.LOST_AFTER,
    Fate.SILENT_AFTER,
    Fate.ERROR_AFTER,
    Fate.ODD_AFTER,
    Fate.GATEWAY_AFTER,
)
"""Fates of requests that take effect before anything is answered."""


@dataclass(frozen=True)
class CutShort(NoAnswer):
    """A 201 that was cut off: `begun` is the part of its body that arrived."""

    begun: str = ""


class SimulatedApi:
    """One process's connection to the world, with the token of `me`."""

    def __init__(
        self,
        world: World,
        weather: Weather,
        rng: random.Random,
        loop: SimulatedLoop,
        crasher: Crasher,
        me: str,
        timeout_s: float,
    ) -> None:
        self._world = world
        self._weather = weather
        self._rng = rng
        self._loop = loop
        self._crasher = crasher
        self._me = me
        self._timeout_s = timeout_s
        self._began = loop.time()
        self._began_at = world.now()
        self._under_way: list[Asked] = []
        self.asked = 0
        self._setups = 0
        self.dies_at_setup: int | None = None
        """The process dies around its setup request with this number (from 1)."""
        self.connects_s = 0.0
        """Seconds that connecting takes at most. The request is given up after `CONNECTS_WITHIN_S`,
        and also if connecting took longer than that by `clock`."""
        self.clock: Callable[[], float] = loop.time

    def crashed(self) -> None:
        """The process died: its requests may take effect for as long as it would have waited."""
        for request in self._under_way:
            self._left_alone(request)
        self._under_way.clear()

    # -- the operations

    async def me(self) -> Reply:
        """GET the token's owner."""
        if self._weather.me_s:
            self._world.faults["slow `me`"] += 1
            await self._pass(self._weather.me_s)
        return await self._look(
            lambda: self._answer(200, {"id": self._me, "email": "me@example.org"})
        )

    async def workspaces(self) -> Reply:
        """GET the workspaces. This token may not list any."""
        return self._answer(200, {"results": []})

    async def batch(self, batch_id: str) -> Reply:
        """GET one batch."""

        def look() -> Answer:
            batch = self._world.batches.get(batch_id)
            if batch is None or not self._sees(batch):
                return self._error(404, "no batch with this id")
            if batch_id in self._weather.stubborn_look:
                return self._error(500, "this one cannot be shown")
            return self._answer(200, self._world.body(batch))

        return await self._look(look)

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        """POST a duplicate request."""
        assert isinstance(batch_id, Labelled), (
            "the simulated database has not seen the intent of this request"
        )
        request = Request(
            batch_id.item, Kind(str(batch_id), name, upload_new_dataset), self._world.now()
        )
        self.asked += 1
        if self.connects_s and not await self._connects():
            return NoAnswer(left=False, message="connecting took too long")
        request.at = self._world.now()
        fate = self._fate(str(batch_id))
        if fate is not Fate.GOOD:
            self._world.faults[fate.value] += 1
        if fate in (Fate.NO_CONNECTION, Fate.PROXY):
            await self._pass(self._latency())
            if fate is Fate.PROXY:
                return self._error(407, "the proxy wants a password")
            return NoAnswer(left=False, message="connection refused")
        self._world.requests.append(request)
        self._under_way.append(request)
        try:
            reply = await self._duplicate(request, fate)
        except BaseException:
            if not self._loop.dead:  # a second signal; of a dead process `crashed` tells
                self._under_way.remove(request)
                self._left_alone(request)
            raise
        self._under_way.remove(request)
        self._world.given_up(request)
        return reply

    async def set_up(self, batch_id: str, tasks_per_group: int) -> Reply:
        """POST a setup request."""
        assert isinstance(batch_id, Labelled), (
            "the simulated database has not seen the intent of this request"
        )
        request = SetupRequest(batch_id.item, str(batch_id), self._world.now())
        self.asked += 1
        if self.connects_s and not await self._connects():
            return NoAnswer(left=False, message="connecting took too long")
        request.at = self._world.now()
        self._setups += 1
        if self._setups == self.dies_at_setup:
            self._crasher.arm(self._rng.randint(0, 8))
        fate = self._fate("")
        if fate is not Fate.GOOD:
            self._world.faults[f"setup: {fate.value}"] += 1
        if fate in (Fate.NO_CONNECTION, Fate.PROXY):
            await self._pass(self._latency())
            if fate is Fate.PROXY:
                return self._error(407, "the proxy wants a password")
            return NoAnswer(left=False, message="connection refused")
        self._overrides(str(batch_id))
        self._world.setups.append(request)
        self._under_way.append(request)
        try:
            reply = await self._set_up(request, fate)
        except BaseException:
            if not self._loop.dead:
                self._under_way.remove(request)
                self._left_alone(request)
            raise
        self._under_way.remove(request)
        self._world.given_up(request)
        return reply

    async def status(self, batch_id: str) -> Reply:
        """GET the status of one batch."""

        def look() -> Answer:
            self._world.now()  # an effect that was to come by now has
            batch = self._world.batches.get(batch_id)
            if batch is None or not self._sees(batch):
                return self._error(404, "no batch with this id")
            return self._answer(200, {"status": batch.status})

        return await self._look(look)

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        """GET a workspace's batches."""
        self.asked += 1
        look = self._look_fate()
        await self._pass(self._latency())
        if look is ListingResult.GOOD and self._weather.no_listing:
            self._world.faults["listing: 403"] += 1
            return Listing(0, None, "HTTP 403: you may not list this workspace", self._world.date())
        match look:
            case ListingResult.SILENT:
                await self._pass(self._timeout_s)
                return Listing(0, None, "cut short: no answer within the time limit")
            case ListingResult.LOST:
                return Listing(0, None, "cut short: the connection was closed")
            case ListingResult.ERROR | ListingResult.GATEWAY | ListingResult.THROTTLED:
                answer = self._unusable(look)
                problem = f"HTTP {answer.status}: {answer.message}"
                return Listing(0, None, problem, answer.date, answer.retry_after_s)
        shown = drawn(self._rng, self._weather.listing, Shown.WHOLE)
        if shown is not Shown.WHOLE:
            self._world.faults[shown.value] += 1
        batches = [batch for batch in self._world.listing(workspace_id) if self._sees(batch)]
        return await self._show(shown, batches, workspace_id, take)

    # -- duplicate requests

    def _fate(self, source_id: str) -> Fate:
        if source_id in self._weather.stubborn:
            return Fate.ERROR_BEFORE
        if source_id in self._weather.stubborn_after:
            return Fate.ERROR_AFTER
        if self._is_down():
            return self._rng.choice(
                (Fate.NO_CONNECTION, Fate.ERROR_BEFORE, Fate.LOST_BEFORE, Fate.SILENT)
            )
        if not self._weather.token:
            return Fate.UNAUTHORISED
        return drawn(self._rng, self._weather.duplicate, Fate.GOOD)

    async def _duplicate(self, request: Request, fate: Fate) -> Reply:
        """A duplicate request that arrives: its effect, if it has one, and what the answer says."""
        silent = fate in (Fate.SILENT, Fate.SILENT_AFTER, Fate.SILENT_LATE)
        whole = self._timeout_s if silent else min(self._latency(), self._timeout_s)
        await self._crasher.point(self._loop)
        source = self._world.batches.get(request.kind.source_id)
        missing = source is None or not self._sees(source)
        effect_in: float | None = None
        match fate:
            case _ if fate in AFTER:
                effect_in = whole * self._rng.random()
            case Fate.LATE | Fate.SILENT_LATE | Fate.ERROR_LATE:
                request.ends_by = self._world.now() + whole + self._world.most_late
                effect_in = whole + self._world.most_late * self._rng.random()
        if effect_in is not None and not missing:
            # It comes also where nobody waits for it any more.
            self._world.later(effect_in, self._effect(request), request)
        await self._pass(whole)
        if missing and fate in (Fate.GOOD, Fate.ODD_AFTER, Fate.ODD_BEFORE):
            return self._error(404, "no batch with this id")
        self._world.now()  # an effect that was to come by now has
        return self._reply_to(
            request, fate, self._world.batches[request.made[0]] if request.made else None
        )

    def _overrides(self, batch_id: str) -> None:
        """Note a setup of a batch that somebody else had set up: the worker must look first at
        batches that an earlier run created."""
        batch = self._world.batches.get(batch_id)
        if batch is None or batch.by_hand is None or batch.made_at >= self._began_at:
            return
        if batch.by_hand + self._world.habits.lag < self._began_at:
            self._world.overridden.append(batch_id)

    async def _set_up(self, request: SetupRequest, fate: Fate) -> Reply:
        """A setup request that arrives, like `_duplicate`."""
        silent = fate in (Fate.SILENT, Fate.SILENT_AFTER, Fate.SILENT_LATE)
        whole = self._timeout_s if silent else min(self._latency(), self._timeout_s)
        await self._crasher.point(self._loop)
        batch = self._world.batches.get(request.batch_id)
        missing = batch is None or not self._sees(batch)
        effect_in: float | None = None
        match fate:
            case _ if fate in AFTER:
                effect_in = whole * self._rng.random()
            case Fate.LATE | Fate.SILENT_LATE | Fate.ERROR_LATE:
                request.ends_by = self._world.now() + whole + self._world.most_late
                effect_in = whole + self._world.most_late * self._rng.random()
        if effect_in is not None and not missing:
            self._world.later(effect_in, self._effect(request), request)
        await self._pass(whole)
        if missing and fate in (Fate.GOOD, Fate.ODD_AFTER, Fate.ODD_BEFORE):
            return self._error(404, "no batch with this id")
        self._world.now()
        if fate is Fate.GOOD:
            return self._answer(202, self._rng.choice(({}, None)))
        if fate in (Fate.ODD_BEFORE, Fate.ODD_AFTER):
            return self._answer(self._rng.choice((200, 201)), {})
        return self._reply_to(Request(request.item, Kind("", None, False)), fate, None)

    def _effect(self, request: Asked) -> Callable[[], object]:
        if isinstance(request, SetupRequest):
            return lambda: self._world.set_up(request.batch_id, request)
        return lambda: self._world.copy(request.kind, self._me, request)

    def _left_alone(self, request: Asked) -> None:
        if isinstance(request, SetupRequest):
            self._world.left_alone(request, self._timeout_s, self._effect(request))
            return
        source = self._world.batches.get(request.kind.source_id)
        if source is not None and self._sees(source):
            self._world.left_alone(request, self._timeout_s, self._effect(request))

    def _reply_to(self, request: Request, fate: Fate, batch: Batch | None) -> Reply:
        rng = self._rng
        match fate:
            case Fate.GOOD if batch is not None:
                self._world.shown_ids.add(batch.id)
                return self._answer(rng.choice((201, 201, 201, 200)), self._world.body(batch))
            case Fate.LOST_AFTER if batch is not None:
                body = json.dumps(self._world.body(batch))
                return CutShort(
                    left=True,
                    message="the answer was cut short",
                    begun=body[: body.index(batch.id) + 20],
                )
            case Fate.LOST_BEFORE | Fate.LOST_AFTER | Fate.LATE:
                return NoAnswer(left=True, message="the connection was closed without an answer")
            case Fate.SILENT | Fate.SILENT_AFTER | Fate.SILENT_LATE:
                return NoAnswer(left=True, message="no answer within the time limit")
            case Fate.THROTTLED:
                after = rng.choice((None, None, 1.0, 5.0, 30.0))
                return self._error(429, "too many requests", retry_after_s=after)
            case Fate.UNAUTHORISED:
                return self._error(401, "authentication failed")
            case Fate.REFUSED:
                return self._error(
                    rng.choice((400, 403, 404, 405, 409, 422)), "this cannot be duplicated"
                )
            case Fate.ODD_BEFORE | Fate.ODD_AFTER:
                source = self._world.batches.get(
                    request.kind.source_id
                )  # it may be removed meanwhile
                itself = self._world.body(source) if source is not None else {}
                odds: tuple[Any, ...] = ({}, None, [], {"id": "7"}, {"status": "accepted"}, itself)
                return self._answer(rng.choice((200, 201, 202)), rng.choice(odds))
            case Fate.GATEWAY_BEFORE | Fate.GATEWAY_AFTER:
                return Answer(
                    rng.choice((302, 303, 403, 404, 413)),
                    None,
                    "Please come back later",
                    None,
                    None,
                )
        status = rng.choice((500, 502, 503, 504, 408, 425))
        if rng.random() < 0.3:
            return Answer(status, None, "Bad gateway", None, None)
        return self._error(
            status, "something went wrong", retry_after_s=rng.choice((None, None, None, 2.0, 20.0))
        )

    # -- looking

    def _look_fate(self) -> ListingResult:
        if self._is_down():
            fate = self._rng.choice(
                (ListingResult.LOST, ListingResult.GATEWAY, ListingResult.SILENT)
            )
        else:
            fate = drawn(self._rng, self._weather.look, ListingResult.GOOD)
        if fate is not ListingResult.GOOD:
            self._world.faults[fate.value] += 1
        return fate

    async def _look(self, answer: Callable[[], Answer]) -> Reply:
        self.asked += 1
        fate = self._look_fate()
        await self._pass(self._timeout_s if fate is ListingResult.SILENT else self._latency())
        match fate:
            case ListingResult.SILENT:
                return NoAnswer(left=True, message="no answer within the time limit")
            case ListingResult.LOST:
                return NoAnswer(left=True, message="the connection was closed without an answer")
            case ListingResult.ERROR | ListingResult.GATEWAY | ListingResult.THROTTLED:
                return self._unusable(fate)
        return answer() if self._weather.token else self._error(401, "authentication failed")

    def _unusable(self, look: ListingResult) -> Answer:
        match look:
            case ListingResult.THROTTLED:
                return self._error(
                    429, "too many requests", retry_after_s=self._rng.choice((None, 1.0, 10.0))
                )
            case ListingResult.GATEWAY:
                return Answer(self._rng.choice((404, 502, 503)), None, "Bad gateway", None, None)
        return self._error(self._rng.choice((500, 503, 504)), "something went wrong")

    async def _show(
        self,
        shown: Shown,
        batches: list[Batch],
        workspace_id: str,
        take: Callable[[Page], Awaitable[None]],
    ) -> Listing:
        """Pass on the batches of a listing, and how the listing ended."""
        date, count = self._world.date(), len(batches)
        picked, meta_count = self._picked(shown, batches)
        self._world.shown_ids.update(batch.id for batch in picked)
        pages = math.ceil(len(picked) / PAGE)
        for number in range(pages):
            page = picked[number * PAGE : (number + 1) * PAGE]
            read = [read_batch(self._world.body(batch, in_listing=True)) for batch in page]
            await self._pass(self._rng.uniform(0.0, 0.05))
            await take([listed(batch, workspace_id) for batch in read if batch is not None])
        if shown is Shown.CUT:
            return Listing(len(picked), None, "cut short: the answer was cut short")
        if shown is Shown.ODD:
            return Listing(len(picked), count, "1 of its entries have no batch id", date)
        if meta_count is None:
            return Listing(len(picked), None, "it does not say how many batches there are", date)
        if meta_count != len(picked):
            problem = f"it shows {len(picked)} batches and says that there are {meta_count}"
            return Listing(len(picked), meta_count, problem, date)
        return Listing(len(picked), meta_count, None, date)

    def _picked(self, shown: Shown, batches: list[Batch]) -> tuple[list[Batch], int | None]:
        """The batches that a listing shows, and the count that it states."""
        count = len(batches)
        cap = self._rng.choice(CAPS)
        match shown:
            case Shown.CUT:
                return batches[: self._rng.randrange(count + 1)], None
            case Shown.SHORT | Shown.ODD:
                return self._rng.sample(batches, max(0, count - self._rng.randint(1, 3))), count
            case Shown.NO_COUNT:
                return batches, None
            case Shown.CAPPED:
                return batches[:cap], count
            case Shown.LIE_OLDEST | Shown.LIE_NEWEST:
                page = min(self._rng.choice(ODD_CAPS), count)
                first, rest = (0, page) if shown is Shown.LIE_OLDEST else (count - page, count)
                hidden = batches[:first] + batches[rest:]
                # Where nothing that anybody knows of is hidden no listing could be trusted (see
                # docs/settling.md).
                return (
                    (batches[first:rest], page)
                    if {b.id for b in hidden} & self._world.shown_ids
                    else (batches, count)
                )
        return batches, count

    def _sees(self, batch: Batch) -> bool:
        """Whether the token may see this batch."""
        sight = self._weather.sight
        return sight is Sight.ALL or (sight is Sight.OWN and batch.created_by == self._me)

    # -- plumbing

    async def _pass(self, seconds: float) -> None:
        """Let time pass. The process may die before and after it."""
        await self._crasher.point(self._loop)
        await anyio.sleep(seconds)
        await self._crasher.point(self._loop)

    async def _connects(self) -> bool:
        """Connect, like a request that finds no open connection. Returns whether it was in time."""
        began = self.clock()
        takes = self.connects_s * self._rng.choice((0.0, 0.0, self._rng.random(), 1.0))
        await self._pass(min(takes, CONNECTS_WITHIN_S))
        return takes <= CONNECTS_WITHIN_S and self.clock() <= began + CONNECTS_WITHIN_S + 0.1

    def _latency(self) -> float:
        least, most = self._weather.latency_s
        # Mostly short, sometimes long.
        return least + (most - least) * self._rng.random() ** 3

    def _is_down(self) -> bool:
        since = self._loop.time() - self._began
        return any(start <= since < end for start, end in self._weather.down)

    def _answer(self, status: int, body: Any) -> Answer:
        return Answer(status, body, "", self._world.date(), None)

    def _error(self, status: int, detail: str, *, retry_after_s: float | None = None) -> Answer:
        body = {"error": {"status": status, "title": detail, "detail": detail}}
        return Answer(status, body, detail, self._world.date(), retry_after_s)
