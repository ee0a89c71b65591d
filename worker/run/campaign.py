"""One run of one job, from what the ledger says is missing to what it says at the end.

The order is the promise: look before sending, write the ledger file before the first request, write
intents before requests, and whatever ends the run, record what came and say what is known.
Everything that differs between a night and a test (clock, chance, API, database, question) is
handed in."""

from __future__ import annotations

import random
import sqlite3
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio

from worker import open_files
from worker.accidents.rules import Accident, Situation, accidents, with_names
from worker.api.client import Api
from worker.api.reader import ApiUnusableError, LookUps
from worker.export import ledger_file as export
from worker.export.commands import Reach
from worker.ledger import settling as verbs
from worker.ledger import views
from worker.ledger.handle import Reader
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import Clock, ServerClock, iso
from worker.model.errors import AccidentError, DeclinedError, TokenRefusedError, WorkerError
from worker.model.events import Emit, Event
from worker.model.records import Counts, PaceChange, RunEnd
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.limits import Limits, Tally
from worker.run.preflight import Findings, Preflight
from worker.run.sending import Sending
from worker.settle.settling import Settled, Settling, Waiting
from worker.text import verb

T = TypeVar("T")

REFRESH_S = 30.0
"""How often the ledger file is refreshed while a run goes on."""


class Question(NamedTuple):
    """What a person is asked before anything is created: how many duplicates, in which workspaces,
    the first names, how many get a name that exists already (and one of those), how many rows have
    which status, how many of the campaign have left the job, and what looks like an accident."""

    create: int
    workspaces: tuple[str, ...]
    names: tuple[str, ...]
    names_taken: int
    taken_example: str | None
    counts: Counts
    left_job: int = 0
    accidents: tuple[Accident, ...] = ()


class Options(NamedTuple):
    """What a run goes by; durations in seconds, `rate` requests a second (None: no ceiling). With
    `only_settle` nothing is sent. Commands that the ledger file names go by `reach`. `situation` is
    what is known about accidents before the look-ups (None: nothing counts as one)."""

    campaign: str
    ledger: Path
    rate: float | None
    limits: Limits
    max_duration: float | None
    settle_after: float
    reach: Reach
    only_settle: bool = False
    situation: Situation | None = None


class Result(NamedTuple):
    """How a run ended. `troubles` are messages for people, each with what to do next; `undecided`
    of the unknown wait for a person; `refused` says why nothing was created, if it looked like an
    accident and nobody agreed to it."""

    counts: Counts
    tally: Tally
    reasons: tuple[tuple[str, int], ...]
    nothing_to_do: bool
    stopped_by: str | None
    exit_code: int
    duration_s: float
    troubles: tuple[str, ...]
    undecided: int
    refused: WorkerError | None = None


def names_taken(number: int) -> str:
    """That so many of the names to be sent exist, in words."""
    on = verb(number, "already exists on a batch", "already exist on batches")
    return f"{number:,} of the names {on} that this ledger does not know"


def exit_code(
    counts: Counts, stopped_by: str | None, signal: int | None, *, only_settle: bool = False
) -> int:
    """The exit code of a run that could begin (the contract's table); of `settle` where nothing was
    to be sent."""
    if signal is not None:
        return 128 + signal
    if stopped_by == "token":
        return TokenRefusedError.exit_code
    if stopped_by in ("api", "disk", "internal", "declined"):
        return 1
    if only_settle:
        return 1 if counts.unknown else 0
    return 0 if counts.created == counts.total else 1


def counts_since(known: Counts, then: Tally, now: Tally) -> Counts:
    """The counts of a ledger that was read as `known` when the tally was `then`."""
    created, refused = now.created - then.created, now.refused - then.refused
    unknown = now.unknown - then.unknown
    return Counts(
        known.created + created,
        known.failed + refused,
        known.unknown + unknown,
        max(0, known.pending - created - refused - unknown),
    )


class Campaign:
    """One run. `run` is called once; `progress` may be asked for at any time."""

    def __init__(
        self,
        *,
        database: Database,
        api: Api,
        clock: Clock,
        rng: random.Random,
        emit: Emit,
        stop: Stop,
        options: Options,
        confirm: Callable[[Question], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._tell = emit
        self._paces: list[PaceChange] = []
        self._stop = stop
        self._options = options
        self._confirm = confirm
        self._started = clock.monotonic()
        self._troubles: list[str] = []
        self._refused: WorkerError | None = None
        self._scope = anyio.CancelScope()
        self._file = anyio.Lock()  # two never write the ledger file at once
        server = ServerClock()
        emit = self._emit  # whoever slows down tells it through here
        self.phase = "starting"
        self._known = (Counts(), Tally())  # replaced whole: the display's thread reads it
        self._sent_s = 0.0
        self._sending_since: float | None = None
        most = options.limits.max_in_flight
        self.pacer = Pacer(options.rate, most, clock, rng, emit, stop.wait, self._sending_is_over)
        look_ups = LookUps(
            database, api, clock, server, emit, stop, options.limits.give_up_after_s, options.rate
        )
        self._preflight = Preflight(
            database, look_ups, emit, stop, at_once=options.limits.max_in_flight
        )
        self._sending = Sending(
            database, api, clock, server, self.pacer, emit, stop, options.limits
        )
        self._settling = Settling(
            database, look_ups, clock, server, emit, stop, options.settle_after
        )

    def _sending_is_over(self) -> bool:
        return self._sending.gate.is_closed

    @property
    def tally(self) -> Tally:
        """What sending has come to so far."""
        return self._sending.tally

    @property
    def counts(self) -> Counts:
        """How the job's duplicates stand now: as read from the ledger last, and as sent since."""
        known, then = self._known
        return counts_since(known, then, self.tally)

    @property
    def waiting(self) -> Waiting | None:
        """What settling waits for; None while it does not."""
        return self._settling.waiting

    def looks_in_s(self) -> float | None:
        """Seconds until settling looks again; None if it looks now, or is not under way."""
        looks_at = waiting.looks_at if (waiting := self.waiting) else None
        return None if looks_at is None else max(0.0, looks_at - self._clock.monotonic())

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock.monotonic() - self._started

    def created_per_s(self) -> float:
        """Duplicates created in a second of sending, without look-ups, question and settling; no
        more than the ceiling, which the first one alone would seem to pass."""
        since = self._sending_since
        sent_s = self._sent_s + (0.0 if since is None else self._clock.monotonic() - since)
        rate = self.tally.created / sent_s if sent_s > 0 else 0.0
        return rate if self._options.rate is None else min(rate, self._options.rate)

    def abort(self) -> None:
        """Stop at once: requests under way are not awaited."""
        self._scope.cancel()

    def _emit(self, event: Event) -> None:
        """Hand an event on, and keep in mind when and why all senders wait: a report tells it."""
        if event.name in ("pace.slowed", "pace.recovered"):
            told = event.fields
            at = iso(self._clock.wall())
            self._paces.append(
                PaceChange(at, told.get("wait_s"), told.get("rate"), told.get("why"))
            )
        self._tell(event)

    async def run(self) -> Result:
        """Make what is missing. Never raises for what a night can bring: the result says what
        happened."""
        nothing_to_do = False
        await self._recount()
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._end_in_time)
                    group.start_soon(self._refresh)
                    nothing_to_do = not await self._work()
                    group.cancel_scope.cancel()
        except* Exception as errors:  # a run tells how it ended, whatever happened
            for error in _leaves(errors):
                self._trouble(error)
        return await self._finish(nothing_to_do)

    async def _work(self) -> bool:
        """The phases of a run; whether there was anything to do."""
        sends = not self._options.only_settle
        if sends and not (self.counts.pending or self.counts.unknown):
            return False
        if not sends and not await self._database.call(verbs.any_open):
            return False
        self.phase = "looking up sources"
        await self._preflight.check_token()
        if sends:
            findings = await self._preflight.look_up_sources()
            question = await self._question()
            self._counted(question.counts)  # what is not there has failed meanwhile
            self._tell_preflight(findings, question)
            if self._stop.asked or not (question.create or question.counts.unknown):
                return True
            # What is unknown was agreed to by the run that sent it.
            if question.create and not await self._confirm(question):
                self._stop.ask("declined")
                return True
            await self._database.call(Ledger.sign)
            await self._write_ledger_file()
        await self._send_and_settle(send=sends)
        return True

    async def _send_and_settle(self, *, send: bool) -> None:
        """Send until nothing is left or too much is unknown, find out, and send what surely was not
        made."""
        while True:
            if send:
                self.phase = "sending"
                await self._send()
            if self._stop.asked or (send and not await self._database.call(verbs.own_unknown)):
                return
            self.phase = "settling"
            # What an earlier run gave up counts as given up when this one began.
            settled = await self._settling.round(max(self._started, self._sending.last_unknown_at))
            self._count(settled)
            await self._recount()
            if (
                not (settled.absent or self._sending.paused)
                or self._sending.gate.is_closed
                or not send
            ):
                return
            await self._sending.resume()

    async def _send(self) -> None:
        self._sending_since = self._clock.monotonic()
        try:
            await self._sending.run()
        finally:
            self._sent_s += self._clock.monotonic() - self._sending_since
            self._sending_since = None

    def _count(self, settled: Settled) -> None:
        self.tally.settled += settled.created + settled.absent
        self.tally.absent += settled.absent

    async def _recount(self) -> None:
        """Read the counts again, while nothing is under way."""
        self._counted(await self._database.call(_counts))

    def _counted(self, counts: Counts) -> None:
        self._known = (counts, replace(self.tally))

    async def _question(self) -> Question:
        return await self._database.call(
            _question, self._options.limits.limit, self._options.situation
        )

    def _tell_preflight(self, findings: Findings, question: Question) -> None:
        fields = {
            "to_create": question.create,
            "sources_found": findings.found,
            "sources_missing": findings.missing,
            "sources_unclear": findings.unclear,
            "workspaces": list(findings.workspaces),
            "names_taken": question.names_taken,
        }
        self._emit(Event("preflight.done", "info", fields))
        if question.names_taken and not self._stop.asked:
            text = (
                f"{names_taken(question.names_taken)}, such as {question.taken_example!r}; the new "
                f"{verb(question.names_taken, 'batch', 'batches')} will have the same "
                f"{verb(question.names_taken, 'name', 'names')}"
            )
            self._emit(Event("note", "warning", {"text": text}))

    async def _end_in_time(self) -> None:
        if self._options.max_duration is not None:
            await anyio.sleep(
                max(0.0, self._options.max_duration - (self._clock.monotonic() - self._started))
            )
            self._stop.ask("max_duration")

    async def _refresh(self) -> None:
        """Refresh the ledger file now and then, while sending goes on; what hinders it, the end of
        the run tells."""
        pause = REFRESH_S
        while True:
            await anyio.sleep(pause)
            began = self._clock.monotonic()
            try:
                async with self._file:
                    await self._database.read(_refresh_ledger_file, self._options)
            except (OSError, sqlite3.Error, WorkerError) as error:
                self._emit(
                    Event(
                        "note",
                        "warning",
                        {"text": f"the ledger file could not be refreshed: {error}"},
                    )
                )
            await self._keep_paces()
            # A ledger of a million rows takes its time, and the processor, which senders should not
            # share often.
            pause = max(REFRESH_S, 20 * (self._clock.monotonic() - began))

    async def _keep_paces(self) -> None:
        """Write down when the run waited; what cannot be written now is tried again with the run's
        end."""
        some = tuple(self._paces)
        with suppress(sqlite3.Error):  # senders meet the same disk, and tell
            if some:
                await self._database.call(Ledger.add_paces, some)
            del self._paces[: len(some)]

    async def _write_ledger_file(self) -> None:
        """Write it from all that is recorded, before the first request: nothing is sent
        meanwhile."""
        async with self._file:
            await self._database.call(_write_ledger_file, self._options, going_on=True)

    async def _finish_ledger_file(self) -> str | None:
        """The same at the end, where it is not true already; the file's stamp."""
        async with self._file:
            return await self._database.call(_finish_ledger_file, self._options)

    def _trouble(self, error: Exception) -> None:
        """Note why a run ends early, in words and as its reason to stop."""
        match error:
            case TokenRefusedError():
                self._stop.ask("token")
            case ApiUnusableError():
                self._stop.ask("api")
            case AccidentError() | DeclinedError():
                self._stop.ask("declined")
                self._refused = error
            case sqlite3.Error() | OSError() if open_files.are_spent(error):
                self._stop.ask("disk")
                error = WorkerError(
                    "too many open files: the ledger cannot be written",
                    hint=(
                        "Nothing new was sent after that. Raise the limit with ulimit -n 1024, or"
                        " lower --max-in-flight; then run the same command again."
                    ),
                )
            case sqlite3.Error() | OSError():
                self._stop.ask("disk")
                error = WorkerError(
                    f"the ledger cannot be written: {error}",
                    hint=(
                        "Nothing new was sent after that. Make room, or mend the folder; the same"
                        " command goes on."
                    ),
                )
            case _:
                self._stop.ask("internal")
                told = "".join(traceback.format_exception(error))
                self._emit(Event("note", "debug", {"text": "internal error", "traceback": told}))
                error = WorkerError(
                    f"a bug in duplicate-batches: {type(error).__name__}: {error}",
                    hint=(
                        "Please report it, with the log that --log-file writes. The same command"
                        " goes on."
                    ),
                )
        if str(error) not in self._troubles:
            self._troubles.append(str(error))

    async def _finish(self, nothing_to_do: bool) -> Result:
        """Record what came, write the ledger file, close the run."""
        self.phase = "finishing"
        aborted = self._scope.cancelled_caught
        await self._attempt(self._sending.salvage())
        # A disk that cannot be written can mostly be read, and the summary must not tell what was
        # before the run.
        await self._attempt(self._recount())
        counts = self.counts
        reasons: list[tuple[str, int]] = []
        undecided = 0
        if counts.created < counts.total:
            reasons = await self._attempt(self._database.call(_reasons)) or []
            undecided = await self._attempt(self._database.call(_undecided)) or 0
        written = None
        if (
            not aborted and self._refused is None
        ):  # a second signal asks to stop at once, and a long file takes long
            written = await self._attempt(self._finish_ledger_file())
        stopped_by = self._stop.reason or (self._sending.gate.closed if counts.pending else None)
        code = exit_code(
            counts, stopped_by, self._stop.signal, only_settle=self._options.only_settle
        )
        code = code if self._refused is None else self._refused.exit_code
        tally = self._sending.tally
        end = RunEnd(
            iso(self._clock.wall()),
            stopped_by,
            code,
            tally.created,
            tally.requests,
            tally.throttled,
            written,
        )
        await self._attempt(self._database.call(Ledger.end_run, end, tuple(self._paces)))
        result = Result(
            counts=counts,
            tally=tally,
            reasons=tuple(reasons),
            nothing_to_do=nothing_to_do,
            stopped_by=stopped_by,
            exit_code=code,
            duration_s=self._clock.monotonic() - self._started,
            troubles=tuple(self._troubles),
            undecided=undecided,
            refused=self._refused,
        )
        fields = {
            "counts": counts._asdict(),
            "created_this_run": tally.created,
            "settled_this_run": tally.settled,
            "requests": tally.requests,
            "throttled": tally.throttled,
            "duration_s": round(result.duration_s, 3),
            "exit_code": code,
            "stopped_by": stopped_by,
        }
        self._emit(Event("run.finished", "info", fields))
        self.phase = "ended"
        return result

    async def _attempt(self, work: Awaitable[T]) -> T | None:
        """Do one thing of the run's end, so that one that fails hinders no other; None where it
        failed."""
        try:
            return await work
        except (sqlite3.Error, OSError) as error:
            self._trouble(error)
            return None


def _counts(ledger: Ledger) -> Counts:
    return views.counts(ledger, ledger.campaign)


def _reasons(ledger: Ledger) -> list[tuple[str, int]]:
    return views.reasons(ledger, ledger.campaign)


def _undecided(ledger: Ledger) -> int:
    return views.undecided(ledger, ledger.campaign)


def _write_ledger_file(ledger: Ledger, options: Options, *, going_on: bool) -> None:
    _refresh_ledger_file(ledger, options, going_on=going_on)


def _refresh_ledger_file(reader: Reader, options: Options, *, going_on: bool = True) -> None:
    campaign = views.campaign_id(reader, options.campaign)
    if campaign is None:
        raise AssertionError("a run always has a campaign")
    export.write_ledger_file(
        reader, campaign, options.campaign, options.ledger, options.reach, going_on=going_on
    )


def _finish_ledger_file(ledger: Ledger, options: Options) -> str | None:
    """Write the ledger file, if anything is to be told that it does not tell; its stamp."""
    if not ledger.finished():
        _write_ledger_file(ledger, options, going_on=False)
    return export.stamp(options.ledger)


def _question(ledger: Ledger, limit: int | None, situation: Situation | None) -> Question:
    reader, campaign, run = ledger, ledger.campaign, ledger.run
    names = views.names_taken(reader, campaign, run)
    create = views.claimable(reader, campaign, run)
    if limit is not None:
        create = min(limit, create)
    return Question(
        create=create,
        workspaces=tuple(views.sources_found(reader, run)),
        names=tuple(views.first_names(reader, campaign, run, min(3, create))),
        names_taken=names.own_taken,
        taken_example=names.example,
        counts=views.counts(reader, campaign),
        left_job=views.count_left(reader, campaign),
        accidents=() if situation is None else accidents(with_names(situation, names)),
    )


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The single exceptions in a group of groups."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
