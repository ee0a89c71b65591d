"""Before anything is sent: is the token good, are the sources there, what do the workspaces show already.

One listing of each workspace answers for most sources and is the run's baseline; a source that no listing shows is
asked for by GET, and only its own 404 fails its rows. Everything here only reads from the API.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum, auto

import anyio
from aiolimiter import AsyncLimiter

from worker.clock import Clock, ServerClock, iso
from worker.database import Database
from worker.errors import TokenRefusedError, WorkerError
from worker.events import Emit, Event
from worker.ledger.records import Moment
from worker.ledger.store import Ledger
from worker.prolific.client import Api
from worker.prolific.models import Batch, listed, read_batch, read_user
from worker.prolific.reply import Answer, Page, Reply
from worker.stop import Stop

LOOK_UPS_PER_S = 20.0
"""The gentlest ceiling of look-ups, which only read; a run's own ceiling counts where it is higher. They are spread
evenly too: high request volumes add latency for everyone in the workspace."""

TRIES = 3
"""How often a listing or a look-up that fails is asked for (SETTLING rule 7)."""

FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0


class TokenVerdict(Enum):
    """What the API says of the token."""

    GOOD = auto()
    REFUSED = auto()
    UNCLEAR = auto()


class ApiUnusableError(WorkerError):
    """The API gave no usable answer for as long as the run may wait."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the preflight found: sources by fate, workspaces listed whole or not."""

    found: int
    missing: int
    unclear: int
    workspaces: tuple[str, ...]
    listings_not_whole: int


def token_verdict(reply: Reply) -> TokenVerdict:
    """What the reply to `me` says of the token. A 403 of the API's own (its JSON, not a gateway's page) is a refusal
    too: `me` needs no right but a valid token."""
    if isinstance(reply, Answer):
        if reply.status == 401 or (reply.status == 403 and reply.json is not None):
            return TokenVerdict.REFUSED
        if 200 <= reply.status < 300 and read_user(reply.json) is not None:
            return TokenVerdict.GOOD
    return TokenVerdict.UNCLEAR


@dataclass(frozen=True, slots=True)
class SourceVerdict:
    """What the reply to a GET says of a source: the batch, or `state` (`missing`, `unclear`) with the reason.

    `again` says whether asking once more may help."""

    batch: Batch | None = None
    state: str = ""
    http_status: int | None = None
    reason: str = ""
    again: bool = False


def source_verdict(reply: Reply, source_id: str) -> SourceVerdict:
    """What the reply to a GET of `source_id` says. Only a 404 of the API's own (its JSON, not a gateway's page) means
    that the batch is not there."""
    if not isinstance(reply, Answer):
        return SourceVerdict(None, "unclear", None, f"the source could not be looked up: {reply.words}", again=True)
    status, words = reply.status, reply.words
    if 200 <= status < 300:
        batch = read_batch(reply.json)
        if batch is not None and batch.id == source_id:
            return SourceVerdict(batch)
        return SourceVerdict(None, "unclear", status, "the source could not be looked up: an answer without it")
    if status == 404 and reply.json is not None:
        return SourceVerdict(
            None, "missing", status, f"the source batch does not exist, or this token may not see it: {words}"
        )
    again = status in (408, 425, 429) or status >= 500
    return SourceVerdict(
        None, "unclear", status, f"the source could not be looked up: HTTP {status}: {words}", again=again
    )


class Preflight:
    """Looks things up for one run. `give_up_after_s` bounds how long an API that does not answer is asked; `rate` is
    the run's ceiling in requests a second (None: none), `at_once` how many look-ups are under way together."""

    def __init__(
        self,
        database: Database,
        api: Api,
        clock: Clock,
        server: ServerClock,
        emit: Emit,
        stop: Stop,
        give_up_after_s: float,
        rate: float | None = LOOK_UPS_PER_S,
        at_once: int = 8,
    ) -> None:
        self._database = database
        self._api = api
        self._clock = clock
        self._server = server
        self._emit = emit
        self._stop = stop
        self._give_up_after_s = give_up_after_s
        self._limiter: AbstractAsyncContextManager[None] = (
            nullcontext() if rate is None else AsyncLimiter(1, 1 / max(rate, LOOK_UPS_PER_S))
        )
        self._at_once = at_once
        self._hold_until = -math.inf
        self._pushed = 0
        self._listed: set[str] = set()
        self._not_whole = 0
        self._found = self._missing = self._unclear = 0

    async def check_token(self) -> str:
        """The id of the token's owner. Raises TokenRefusedError, or ApiUnusableError after `give_up_after_s`."""
        deadline = self._clock.monotonic() + self._give_up_after_s
        wait = FIRST_BACK_OFF_S
        while True:
            reply = await self._ask(self._api.me, deadline)
            match token_verdict(reply):
                case TokenVerdict.GOOD if isinstance(reply, Answer) and (user := read_user(reply.json)):
                    await self._database.call(Ledger.set_me, user.id)
                    return user.id
                case TokenVerdict.REFUSED:
                    raise TokenRefusedError(
                        f"the API refused the token: {_words(reply)}",
                        hint="Nothing was sent. Make a new token on Prolific and put it in PROLIFIC_TOKEN.",
                    )
            asked = reply.retry_after_s if isinstance(reply, Answer) else None
            now = self._clock.monotonic()
            pause = max(asked or wait, self._hold_until - now)
            if self._stop.asked or now + pause >= deadline:
                raise ApiUnusableError(
                    f"the API gives no usable answer: {_words(reply)}",
                    hint="Nothing was sent in this run. The same command goes on when the API is back.",
                )
            self._emit(Event("pace.slowed", "warning", {"why": _words(reply), "wait_s": pause}))
            await self._stop.wait(pause)
            wait = min(LONGEST_BACK_OFF_S, wait * 2)

    async def look_up_sources(self) -> Findings:
        """Look up every source of what the run may send, list each workspace once, and let the ledger know."""
        await self._database.call(Ledger.want_sources)
        size = 1  # the first answer names a workspace, whose listing mostly answers for all others
        while not self._stop.asked and (page := await self._database.call(Ledger.wanted_sources, size)):
            workspaces = await self._look_up(page)
            for workspace in workspaces:
                await self._list(workspace)
            size = 100
        if not self._stop.asked:
            await self._database.call(Ledger.end_preflight)
        return Findings(self._found, self._missing, self._unclear, tuple(sorted(self._listed)), self._not_whole)

    async def _look_up(self, sources: list[str]) -> list[str]:
        """GET these sources; the workspaces that were new."""
        new: set[str] = set()
        gate = anyio.Semaphore(self._at_once)

        async def one(source_id: str) -> None:
            async with gate:
                if self._stop.asked:
                    return
                verdict = await self._get(source_id)
            if verdict.batch is not None:
                self._found += 1
                record = listed(verdict.batch)
                await self._database.call(Ledger.found_source, record)
                if record.workspace_id and record.workspace_id not in self._listed:
                    new.add(record.workspace_id)
                return
            if verdict.state == "missing":
                self._missing += 1
            else:
                self._unclear += 1
            await self._database.call(Ledger.lost_source, source_id, verdict.state, verdict.http_status, verdict.reason)

        async with anyio.create_task_group() as group:
            for source_id in sources:
                group.start_soon(one, source_id)
        return sorted(new)

    async def _get(self, source_id: str) -> SourceVerdict:
        wait = FIRST_BACK_OFF_S
        for number in range(1, TRIES + 1):
            reply = await self._ask(lambda: self._api.batch(source_id))
            verdict = source_verdict(reply, source_id)
            if not verdict.again or number == TRIES or self._stop.asked:
                break
            asked = reply.retry_after_s if isinstance(reply, Answer) else None
            await self._stop.wait(min(LONGEST_BACK_OFF_S, asked or wait))
            wait *= 2
        return verdict

    async def _list(self, workspace_id: str) -> None:
        """List a workspace; what was shown counts even where the listing is not whole."""
        self._listed.add(workspace_id)
        wait = FIRST_BACK_OFF_S
        for number in range(1, TRIES + 1):
            before = self._clock.monotonic()
            moment = Moment(iso(self._clock.wall()), self._server.now(before), self._server.last_date)
            listing = await self._database.call(Ledger.begin_listing, workspace_id, moment)

            async def take(page: Page, listing: int = listing) -> None:
                if page:
                    self._found += await self._database.call(Ledger.add_listed, listing, workspace_id, page)

            ended = await self._api.listing(workspace_id, take)
            self._server.tell(ended.date, self._clock.monotonic())
            await self._database.call(Ledger.end_listing, listing, ended.meta_count, ended.shown, ended.problem)
            if ended.problem is None:
                return
            if number == TRIES or self._stop.asked:
                break
            await self._stop.wait(min(LONGEST_BACK_OFF_S, ended.retry_after_s or wait))
            wait *= 2
        self._not_whole += 1
        text = (
            f"workspace {workspace_id} could not be listed whole ({ended.problem}); the run goes on with what was shown"
        )
        self._emit(Event("note", "warning", {"text": text}))

    async def _ask(self, request: Callable[[], Awaitable[Reply]], deadline: float | None = None) -> Reply:
        """Ask once; 'too many requests' is no answer, so all look-ups wait and this one asks again, until the run may
        not wait any longer (`deadline`; None: `give_up_after_s` from now)."""
        if deadline is None:
            deadline = self._clock.monotonic() + self._give_up_after_s
        while True:
            while (wait := self._hold_until - self._clock.monotonic()) > 0 and not self._stop.asked:
                await self._stop.wait(wait)
            left = self._clock.monotonic()
            async with self._limiter:
                reply = await request()
            now = self._clock.monotonic()
            if not isinstance(reply, Answer):
                return reply
            self._server.tell(reply.date, now)
            if reply.status != 429:
                self._pushed = 0
                return reply
            self._hold(reply, left, now)
            if self._stop.asked or self._hold_until >= deadline:
                return reply

    def _hold(self, pushed_back: Answer, left: float, now: float) -> None:
        """Make all look-ups wait; the answers to those that were under way already do not count once more."""
        wait = pushed_back.retry_after_s
        if not wait:
            if left < self._hold_until:
                return
            wait = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2**self._pushed)
        self._pushed = min(self._pushed + 1, 10)
        if now + wait > self._hold_until:
            self._hold_until = now + wait
            self._emit(Event("pace.slowed", "warning", {"why": _words(pushed_back), "wait_s": round(wait, 3)}))


def _words(reply: Reply) -> str:
    return f"HTTP {reply.status}: {reply.words}" if isinstance(reply, Answer) else reply.words
