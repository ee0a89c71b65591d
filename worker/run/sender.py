"""Sends one request, and decides from its reply what is recorded, how fast to continue, and whether
the run stops.

Nothing here knows the ledger, and nothing here sends a request twice."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import anyio

from worker.api.client import Api
from worker.api.outcome import NotSentReason, Outcome, OutcomeKind, classify, classify_setup
from worker.api.verdicts import TokenVerdict, token_verdict
from worker.model.batch import Batch
from worker.model.clock import Clock, ServerClock, iso
from worker.model.differences import Difference, differences
from worker.model.events import StopReason
from worker.model.records import AttemptResult, Intent
from worker.model.replies import Answer, Reply
from worker.model.setups import SetupIntent, SetupResult
from worker.rate.pacer import Pacer
from worker.run.limits import Gate, Limits, Tally


@dataclass(slots=True)
class Sender:
    """Sends the requests of one run. All of its concurrent senders share this object."""

    api: Api
    clock: Clock
    server: ServerClock
    pacer: Pacer
    gate: Gate
    limits: Limits
    tally: Tally
    last_unknown_at: float = -math.inf
    """When a request last ended with an unknown outcome (monotonic seconds)."""
    _refused: int = 0
    _unauthorised: Counter[tuple[str, int]] = field(default_factory=Counter)
    _token_lock: anyio.Lock = field(default_factory=anyio.Lock)
    _told: tuple[float, TokenVerdict] = (-math.inf, TokenVerdict.UNCLEAR)
    """When the API was last asked about the token, and what it said."""

    async def send(self, intent: Intent) -> AttemptResult:
        """Send the request of this intent. Returns how the attempt ended."""
        left = self.clock.monotonic()
        sent_at, left_server = iso(self.clock.wall()), self.server.now(left)
        self.tally.requests += 1
        reply = await self.api.duplicate(intent.source_id, intent.name, intent.upload_new_dataset)
        now = self.clock.monotonic()
        date = reply.date if isinstance(reply, Answer) else None
        self.server.observe(date, now)
        found = classify(reply, intent.source_id)
        if found.kind is OutcomeKind.UNKNOWN:
            self.last_unknown_at = now
        outcome, retry = await self._follow_up(("duplicate", intent.item_id), found, left)
        self._note_quota(reply)
        self._stop_at_limits(outcome)
        batch = outcome.batch
        return AttemptResult(
            intent=intent,
            outcome=outcome.kind.value,
            left=outcome.left,
            sent_at=sent_at,
            ended_at=iso(self.clock.wall()),
            left_server=left_server,
            ended_server=self.server.now(now),
            answer_date=date,
            latency_s=now - left,
            http_status=outcome.http_status,
            error=outcome.error,
            batch_id=batch.id if batch else None,
            batch_name=batch.name if batch else None,
            batch_status=batch.status if batch else None,
            created_at=batch.created_at if batch else None,
            created_by=batch.created_by if batch else None,
            retry=retry,
            differences=_differences(intent, batch),
        )

    async def set_up(self, intent: SetupIntent) -> SetupResult:
        """Send the setup request of this intent. Returns how it ended."""
        left = self.clock.monotonic()
        reply = await self.api.set_up(intent.batch_id, intent.tasks_per_group)
        now = self.clock.monotonic()
        self.server.observe(reply.date if isinstance(reply, Answer) else None, now)
        found = classify_setup(reply)
        outcome, retry = await self._follow_up(("setup", intent.item_id), found, left)
        self._note_quota(reply)
        self._stop_at_limits(outcome)
        return SetupResult(
            intent=intent,
            outcome=outcome.kind.value,
            at=iso(self.clock.wall()),
            ended=now,
            http_status=outcome.http_status,
            error=outcome.error,
            retry=retry,
        )

    def take_back(self, intent: Intent) -> AttemptResult:
        """The result of an attempt whose request never left."""
        at, now = iso(self.clock.wall()), self.server.now(self.clock.monotonic())
        return AttemptResult(intent, "not_left", False, at, at, None, now, None, 0.0, retry=True)

    async def _follow_up(
        self, what: tuple[str, int], outcome: Outcome, left: float
    ) -> tuple[Outcome, bool]:
        """Adjust the pace to this outcome of a request for `what` (an operation and an item).
        Returns the outcome to record, and whether to send again."""
        match outcome.kind:
            case OutcomeKind.NOT_SENT:
                return await self._after_not_sent(what, outcome, left)
            case OutcomeKind.UNKNOWN:
                self.pacer.unusable(left, outcome.retry_after_s, outcome.error or "", patient=True)
            case _:
                self.pacer.good(left)
        return outcome, False

    def _note_quota(self, reply: Reply) -> None:
        if isinstance(reply, Answer) and reply.quota is not None:
            self.pacer.observe_quota(reply.quota)

    def _stop_at_limits(self, outcome: Outcome) -> None:
        """Stop sending as soon as an answer reaches a limit. Until that answer is recorded, more
        requests would leave."""
        self._refused += outcome.kind is OutcomeKind.REFUSED
        if self.limits.max_failed is not None and self._refused >= self.limits.max_failed:
            self.gate.closed = self.gate.closed or StopReason.MAX_FAILED
        if self.pacer.unusable_for() >= self.limits.give_up_after_s:
            self.gate.stop.ask(StopReason.API)

    async def _after_not_sent(
        self, what: tuple[str, int], outcome: Outcome, left: float
    ) -> tuple[Outcome, bool]:
        """Handle an outcome that certainly created nothing. Returns the outcome to record, and
        whether to send again."""
        match outcome.why:
            case NotSentReason.THROTTLED:
                self.tally.throttled += 1
                self.pacer.throttled(left, outcome.retry_after_s)
            case NotSentReason.UNAUTHORISED:
                return await self._after_unauthorised(what, outcome, left)
            case _:
                self.pacer.unusable(left, outcome.retry_after_s, outcome.error or "", patient=False)
        return outcome, True

    async def _after_unauthorised(
        self, what: tuple[str, int], outcome: Outcome, left: float
    ) -> tuple[Outcome, bool]:
        """Handle a 401. It may mean a bad token, a batch that this token may not use, or a
        momentary error of the API, so ask `me` about the token."""
        match await self._token(self.clock.monotonic()):
            case TokenVerdict.REFUSED:
                self.gate.stop.ask(StopReason.TOKEN)
                return outcome, False
            case TokenVerdict.UNCLEAR:
                self.pacer.unusable(left, None, outcome.error or "", patient=False)
                return outcome, True
        self.pacer.good(left)
        self._unauthorised[what] += 1
        if self._unauthorised[what] < 2:
            return outcome, True
        # Rejected twice with a valid token: this token may not use this batch.
        return Outcome(OutcomeKind.REFUSED, True, outcome.error, outcome.http_status), False

    async def _token(self, since: float) -> TokenVerdict:
        """What the API said about the token after `since` (monotonic seconds). Senders ask one
        after another, and take the answer to a request that another one has sent since."""
        async with self._token_lock:
            if self.gate.stop.reason == StopReason.TOKEN:
                return TokenVerdict.REFUSED
            if self.gate.stop.asked:
                return TokenVerdict.UNCLEAR
            asked_at, verdict = self._told
            if asked_at < since:
                asked_at = self.clock.monotonic()
                verdict = token_verdict(await self.api.me())
                self._told = asked_at, verdict
            return verdict


def _differences(intent: Intent, batch: Batch | None) -> tuple[Difference, ...]:
    """Where the new batch differs from its source, as far as the answer shows it."""
    if batch is None:
        return ()
    return differences(intent.source, batch.content, upload_new_dataset=intent.upload_new_dataset)
