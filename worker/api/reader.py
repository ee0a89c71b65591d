"""Looks things up: the token's owner, one batch, all batches of a workspace. It only reads, at
a low rate, and retries.

`verdicts` decides what a reply means; the callers (`preflight`, `settle`, `sending`) decide what to
do about it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple, Protocol, TypeVar

import anyio
from aiolimiter import AsyncLimiter

from worker.api.bodies import user_id
from worker.api.client import Api
from worker.api.verdicts import (
    SourceVerdict,
    StatusVerdict,
    TokenVerdict,
    message_of,
    source_verdict,
    status_verdict,
    token_verdict,
    workspaces_in,
)
from worker.model.batch import Workspace
from worker.model.clock import Clock, MachineClock, ServerClock, iso
from worker.model.errors import TokenRefusedError, WorkerError
from worker.model.events import Emit, Event, ignore
from worker.model.records import Timestamp
from worker.model.replies import Answer, Listing, Page, Reply
from worker.model.stop import Stop

LOOK_UPS_PER_S = 20.0
"""Maximum rate of look-ups, or the run's own maximum if that is higher. They are spaced evenly,
because high request volumes add latency for everyone in the workspace."""

TRIES = 3
"""How often a listing or a look-up that fails is requested (docs/settling.md, rule 7)."""

NAMES_S = 10.0
"""Seconds to wait for the names of workspaces: a run works without them."""

FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0


class ApiUnusableError(WorkerError):
    """The API gave no usable answer within the time that the run may wait."""


V = TypeVar("V", SourceVerdict, StatusVerdict)


class ListingLog(Protocol):
    """Records listings: `begin` numbers one before its request, `end` records how it ended (see
    `Listing`)."""

    async def begin(self, workspace_id: str, moment: Timestamp) -> int:
        """Record a listing before its request; returns its number."""

    async def end(self, number: int, listing: Listing) -> None:
        """Record how it ended."""


class UnrecordedListings:
    """Only numbers the listings, so that the pages of a failed one can be told from those of the
    next: for listings that settling does not use."""

    _number = 0

    async def begin(self, workspace_id: str, moment: Timestamp) -> int:
        """The number of the next listing."""
        self._number += 1
        return self._number

    async def end(self, number: int, listing: Listing) -> None:
        """Nothing is recorded."""


class ListingResult(NamedTuple):
    """The last try to list a workspace: its `number`, when its request left (monotonic seconds),
    how many batches it showed, why it is not complete (None: its count and length agree)."""

    number: int
    sent_at: float
    shown: int
    problem: str | None


class RetryingReader:
    """Looks things up for one run. `give_up_after_s` limits how long it retries if the API does not
    answer; `rate` is the run's maximum in requests a second (None: no maximum)."""

    def __init__(
        self,
        log: ListingLog,
        api: Api,
        clock: Clock,
        server: ServerClock,
        emit: Emit,
        stop: Stop,
        give_up_after_s: float,
        rate: float | None = LOOK_UPS_PER_S,
    ) -> None:
        self._log = log
        self._api = api
        self._clock = clock
        self._server = server
        self._emit = emit
        self._stop = stop
        self.give_up_after_s = give_up_after_s
        self._limiter: AbstractAsyncContextManager[None] = (
            nullcontext() if rate is None else AsyncLimiter(1, 1 / max(rate, LOOK_UPS_PER_S))
        )
        self._hold_until = -math.inf
        self._throttled: Answer | None = None
        """The 429 that asked for this."""
        self._pushed = 0

    async def me(self) -> Reply:
        """Get the token's owner; retry until the answer is clear. Raises ApiUnusableError if the
        run may not wait any longer."""
        deadline = self._clock.monotonic() + self.give_up_after_s
        wait = FIRST_BACK_OFF_S
        while True:
            reply = await self._ask(self._api.me, deadline)
            if token_verdict(reply) is not TokenVerdict.UNCLEAR:
                return reply
            asked = reply.retry_after_s if isinstance(reply, Answer) else None
            now = self._clock.monotonic()
            pause = max(asked or wait, self._hold_until - now)
            if self._stop.asked or now + pause >= deadline:
                raise ApiUnusableError(
                    f"the API gives no usable answer: {message_of(reply)}",
                    hint="The same command continues when the API is back.",
                )
            self._emit(Event("pace.slowed", "warning", {"why": message_of(reply), "wait_s": pause}))
            await self._stop.wait(pause)
            wait = min(LONGEST_BACK_OFF_S, wait * 2)

    async def owner(self) -> str:
        """The id of the token's owner. Raises TokenRefusedError if the API refuses the token, and
        ApiUnusableError if it gives no usable answer."""
        reply = await self.me()
        owner = user_id(reply.json) if isinstance(reply, Answer) and reply.status < 300 else None
        if owner is None:
            raise TokenRefusedError(
                f"the API refused the token: {message_of(reply)}",
                hint=(
                    "Nothing was sent. Put a new token from Prolific in PROLIFIC_TOKEN, or in the"
                    " token file."
                ),
            )
        return owner

    async def workspaces(self) -> list[Workspace]:
        """The workspaces that the token sees, by one request; none if the API does not list them in
        time. Only their names are needed, so this never fails."""
        found: list[Workspace] | None = None
        with self._stop.scope(), anyio.move_on_after(NAMES_S):
            async with self._limiter:
                found = workspaces_in(await self._api.workspaces())
        return found or []

    async def source(self, source_id: str) -> SourceVerdict:
        """Get one batch, in up to three tries if another may help."""
        return await self._tries(
            lambda: self._api.batch(source_id), lambda reply: source_verdict(reply, source_id)
        )

    async def status(self, batch_id: str) -> StatusVerdict:
        """Get the status of one batch, in up to three tries if another may help."""
        return await self._tries(lambda: self._api.status(batch_id), status_verdict)

    async def _tries(self, ask: Callable[[], Awaitable[Reply]], judge: Callable[[Reply], V]) -> V:
        """The verdict on the last reply, after as many tries as may help."""
        wait = FIRST_BACK_OFF_S
        deadline = self._clock.monotonic() + self.give_up_after_s
        for number in range(1, TRIES + 1):
            reply = await self._ask(ask, deadline)
            verdict = judge(reply)
            if not verdict.again or number == TRIES or self._stop.asked:
                break
            if self._held_too_long(deadline):
                break
            asked = reply.retry_after_s if isinstance(reply, Answer) else None
            await self._stop.wait(min(LONGEST_BACK_OFF_S, asked or wait))
            wait *= 2
        return verdict

    async def listing(
        self, workspace_id: str, take: Callable[[int, Page], Awaitable[None]]
    ) -> ListingResult:
        """List a workspace, in up to three tries if the listing is not complete (rule 7). Pages go
        to `take` with the listing's number; they count even if it is not complete.

        Three failures in an outage prove nothing, so `me` then tells an outage from a listing that
        fails. In an outage the tries continue until `give_up_after_s`; then this raises
        ApiUnusableError."""
        wait = FIRST_BACK_OFF_S
        number = 1
        deadline = self._clock.monotonic() + self.give_up_after_s
        while True:
            left = self._clock.monotonic()
            moment = Timestamp(
                iso(self._clock.wall()), self._server.now(left), self._server.earliest
            )
            listing = await self._log.begin(workspace_id, moment)

            async def hand_on(page: Page, listing: int = listing) -> None:
                if page:
                    await take(listing, page)

            ended = Listing(0, None, "the run was asked to stop")
            with self._stop.scope():  # a listing may take long
                ended = await self._api.listing(workspace_id, hand_on)
            self._server.observe(ended.date, self._clock.monotonic())
            await self._log.end(listing, ended)
            look = ListingResult(listing, left, ended.shown, ended.problem)
            if ended.problem is None or self._stop.asked:
                return look
            if number >= TRIES:
                began = self._clock.monotonic()
                await self.me()
                now = self._clock.monotonic()
                if now - began < FIRST_BACK_OFF_S or now >= deadline:
                    return look  # the API answers, so it is the listing that fails
                number = 0
            number += 1
            await self._stop.wait(min(LONGEST_BACK_OFF_S, ended.retry_after_s or wait))
            wait *= 2

    async def _ask(self, request: Callable[[], Awaitable[Reply]], deadline: float) -> Reply:
        """Send one look-up. After a 429 all look-ups wait, and this one is sent again until
        `deadline`. If the API asks for a wait that is too long, the reply is that 429."""
        while True:
            if self._throttled is not None and self._held_too_long(deadline):
                return self._throttled
            while (wait := self._hold_until - self._clock.monotonic()) > 0 and not self._stop.asked:
                await self._stop.wait(wait)
            left = self._clock.monotonic()
            async with self._limiter:
                reply = await request()
            now = self._clock.monotonic()
            if not isinstance(reply, Answer):
                return reply
            self._server.observe(reply.date, now)
            if reply.status != 429:
                self._pushed = 0
                return reply
            self._hold(reply, left, now)
            if self._stop.asked or self._hold_until >= deadline:
                return reply

    def _held_too_long(self, deadline: float) -> bool:
        """Whether the API asks to wait until after `deadline`, and for longer than a back-off."""
        longest = self._clock.monotonic() + LONGEST_BACK_OFF_S
        return self._hold_until > max(deadline, longest)

    def _hold(self, throttled: Answer, left: float, now: float) -> None:
        """Make all look-ups wait. A 429 to a request that was under way before the wait began does
        not lengthen it."""
        wait = throttled.retry_after_s
        if not wait:
            if left < self._hold_until:
                return
            wait = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2**self._pushed)
        self._pushed = min(self._pushed + 1, 10)
        if now + wait > self._hold_until:
            self._hold_until, self._throttled = now + wait, throttled
            self._emit(
                Event(
                    "pace.slowed",
                    "warning",
                    {"why": message_of(throttled), "wait_s": round(wait, 3)},
                )
            )


def reader_without_run(
    api: Api, log: ListingLog | None = None, rate: float | None = LOOK_UPS_PER_S
) -> RetryingReader:
    """A reader for a command that is no run: a person waits, so it gives up as soon as the API
    proves unusable, and it has no log. It records listings in `log` (None: nowhere); `rate` is as
    for `RetryingReader`."""
    return RetryingReader(
        log or UnrecordedListings(),
        api,
        MachineClock(),
        ServerClock(),
        ignore,
        Stop(),
        give_up_after_s=0.0,
        rate=rate,
    )
