"""Sets up the job's new batches in one run, and follows them. Called while no duplicate is sent or
settled.

`decisions` decides; this looks, sends and waits as it says, and records what was seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from worker.ledger import setups
from worker.ledger.threads import Database
from worker.model.clock import Clock, iso
from worker.model.events import Emit, Event, Level
from worker.model.setups import ERROR, Copy, Seen, SetupLabel, SetupResult, SetupStatus
from worker.model.stop import Stop
from worker.setup.decisions import Do, Step, is_set_up, next_step
from worker.setup.looking import Looking
from worker.setup.requests import Requests

PROOFS = 3
"""After so many requests without effect, a batch is not set up again in the same run."""

FIRST_POLL_S = 1.0
LONGEST_POLL_S = 30.0
"""Seconds between two looks of a follow: they double from the first to the longest."""

LISTED_WITHIN = 3
SINGLE = 10
"""After so many looks, a follow asks for so many batches one by one that its listings do not show:
they may be in another workspace, because their source was moved."""

OPEN = (SetupStatus.PENDING, SetupStatus.UNKNOWN)
FOLLOWED = (SetupStatus.REQUESTED, SetupStatus.UNKNOWN)


@dataclass(slots=True)
class SettingUp:
    """The setups of one run, which began at `began` (monotonic seconds). A request may take effect
    for `settle_after_s` seconds after it ended. With `retry_failed`, batches whose status was ERROR
    are looked at again; they are never set up again."""

    database: Database
    looking: Looking
    requests: Requests
    clock: Clock
    emit: Emit
    stop: Stop
    settle_after_s: float
    retry_failed: bool
    began: float
    waits_until: float | None = None
    """When the next look is (monotonic seconds), for people; None if it is not waiting."""
    _looks: defaultdict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    """What this run's looks showed, by batch."""
    _ended: dict[str, float] = field(default_factory=dict)
    """When this run's last request for a batch ended (monotonic seconds)."""
    _proofs: Counter[str] = field(default_factory=Counter)
    """How many requests for a batch had no effect, as looks have shown."""
    _refused: set[str] = field(default_factory=set)
    """Batches for which the ledger accepted no intent."""
    _quiet_since: float = 0.0
    """Since when no duplicate is sent (monotonic seconds)."""

    async def run(self) -> None:
        """Set up what is not set up, and find out what became of requests without an answer. Ends
        early if the run is asked to stop."""
        self._quiet_since = self.clock.monotonic()
        await self.database.call(setups.begin, iso(self.clock.wall()))
        if self.retry_failed:
            failed = await self.database.call(setups.copies, (SetupStatus.FAILED,))
            await self._look([copy for copy in failed if copy.status == ERROR])
        while not self.requests.closed() and await self._advance():
            pass

    async def follow(self, seconds: float) -> None:
        """Look again and again until every batch is READY or ERROR, for this many seconds."""
        deadline, wait, looks = self.clock.monotonic() + seconds, FIRST_POLL_S, 0
        while not self.stop.asked:
            followed = await self.database.call(setups.copies, FOLLOWED)
            left = deadline - self.clock.monotonic()
            if not followed or left <= 0:
                return
            await self._wait(self.clock.monotonic() + min(wait, left))
            if not self.stop.asked:
                await self._look(followed, most_single=SINGLE if looks >= LISTED_WITHIN else 0)
            looks += 1
            wait = min(LONGEST_POLL_S, wait * 2)

    def note(self, result: SetupResult, label: SetupLabel) -> None:
        """Hear of the result of a request that is recorded."""
        self._ended[result.intent.batch_id] = result.ended
        if result.outcome == "not_left":
            return
        level: Level = "info" if result.outcome == "accepted" else "warning"
        fields = {"http_status": result.http_status, "error": result.error}
        self._emit_setup("batch.set_up", label, level, fields)

    # -- one step of all batches

    async def _advance(self) -> bool:
        """Do what comes next for all batches that are not set up. Returns whether anything did."""
        steps = await self._steps()
        of = {do: [copy for copy, step in steps if step.do is do] for do in Do}
        if of[Do.LOOK]:
            await self._look(of[Do.LOOK])
        elif of[Do.SEND_AGAIN]:
            await self._void(of[Do.SEND_AGAIN])
        elif of[Do.SEND] and not (self.requests.paused and (of[Do.WAIT] or of[Do.LOOK_AGAIN])):
            await self._send(of[Do.SEND])
        elif of[Do.WAIT]:  # until all may be looked at together
            await self._wait(max(step.until for _, step in steps if step.do is Do.WAIT))
        elif of[Do.LOOK_AGAIN]:
            await self._look(of[Do.LOOK_AGAIN])
            self.requests.resume()
        else:
            return False
        return True

    async def _steps(self) -> list[tuple[Copy, Step]]:
        now = self.clock.monotonic()
        return [
            (copy, step)
            for copy in await self.database.call(setups.copies, OPEN)
            if (step := self._step(copy, now)).do is not Do.NOTHING
        ]

    def _step(self, copy: Copy, now: float) -> Step:
        batch_id = copy.batch_id
        if batch_id in self._refused or self._proofs[batch_id] >= PROOFS:
            return Step(Do.NOTHING)
        # A request of an earlier run left before that run died, so before this one began.
        last = self.began + copy.timeout_s if copy.sent else self._quiet_since
        if copy.status is None:  # the batch may have been created by this run
            last = max(last, self._quiet_since)
        ended = self._ended.get(batch_id, last)
        return next_step(copy, self._looks[batch_id], ended, self.settle_after_s, now)

    async def _send(self, copies: list[Copy]) -> None:
        before = {copy.batch_id for copy in copies}
        for batch_id in before:
            self._ended.pop(batch_id, None)
        await self.requests.run(copies)
        if not self.requests.closed():
            # What was not sent may not be sent, so it does not come up again.
            self._refused |= before - self._ended.keys() if not self.requests.paused else set()

    async def _void(self, copies: list[Copy]) -> None:
        for copy in copies:
            self._proofs[copy.batch_id] += 1
        await self.database.call(setups.void, [copy.setup for copy in copies if copy.setup])

    async def _look(self, copies: Iterable[Copy], *, most_single: int | None = None) -> None:
        """Look at these batches, and record and emit what has changed."""
        if not (copies := list(copies)):
            return
        seen = await self.looking.look(copies, most_single=most_single)
        for batch_id, one in seen.items():
            self._looks[batch_id].append(one)
        await self.record(seen)

    async def record(self, seen: Mapping[str, Seen]) -> None:
        """Record what was seen, and emit what has changed."""
        for label in await self.database.call(setups.saw, dict(seen)):
            if label.tasks_per_group is None:
                continue
            if label.status == SetupStatus.READY:
                self._emit_setup("batch.ready", label, "info", {})
            elif is_set_up(seen[label.batch_id].status):
                level: Level = "warning" if label.status == SetupStatus.FAILED else "info"
                self._emit_setup("batch.set_up", label, level, {"error": label.error})

    async def _wait(self, until: float) -> None:
        self.waits_until = until
        try:
            while (wait := until - self.clock.monotonic()) > 0 and not self.stop.asked:
                await self.stop.wait(wait)
        finally:
            self.waits_until = None

    def _emit_setup(
        self, event: str, label: SetupLabel, level: Level, more: Mapping[str, object]
    ) -> None:
        fields = {
            "line": label.line,
            "source_batch_id": label.source_id,
            "name": label.name,
            "attempt": label.sent,
            "copy": label.copy,
            "new_batch_id": label.batch_id,
            "tasks_per_group": label.tasks_per_group,
            "setup_status": label.status,
            **more,
        }
        self.emit(Event(event, level, fields))
