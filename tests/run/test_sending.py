"""Sending by itself: what leaves, what is taken back, and what a stop, a pause or a second signal
leaves behind."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import pytest

from tests.support.ledgers import connection_of, items, look_up, opened, uuid
from tests.support.no_setups import NoSetups
from worker.ledger.store import Ledger
from worker.ledger.threads import ThreadedDatabase
from worker.model.clock import MachineClock, ServerClock
from worker.model.events import Event
from worker.model.replies import Answer, Listing, Page, Reply
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run import group_commit
from worker.run.limits import Limits
from worker.run.sending import Sending

P = ParamSpec("P")
T = TypeVar("T")


class ScriptedApi(NoSetups):
    """An API whose duplicate requests are answered by `answer`, which is given their number from
    1."""

    def __init__(self, answer: Callable[[int], Awaitable[Reply]]) -> None:
        self.requests = self.asked_about_token = 0
        self._answer = answer

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        self.requests += 1
        return await self._answer(self.requests)

    async def me(self) -> Reply:
        self.asked_about_token += 1
        await anyio.sleep(0.05)
        return Answer(200, {"id": "me"}, "", time.time(), None)

    async def workspaces(self) -> Reply:
        raise AssertionError("sending looks nothing up")

    async def batch(self, batch_id: str) -> Reply:
        raise AssertionError("sending looks nothing up")

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        raise AssertionError("sending looks nothing up")


class Rig:
    """Sending over a real ledger, `in_flight` requests at a time."""

    def __init__(
        self,
        ledger: Ledger,
        answer: Callable[[int], Awaitable[Reply]],
        in_flight: int = 2,
        clock: MachineClock | None = None,
        database: ThreadedDatabase | None = None,
        ceiling: float | None = None,
    ) -> None:
        self.api = ScriptedApi(answer)
        self.stop = Stop()
        self.events: list[Event] = []
        self.database = database or ThreadedDatabase(ledger)
        clock = clock or MachineClock()
        pacer = Pacer(
            ceiling,
            in_flight,
            clock,
            random.Random(1),
            self.events.append,
            self.stop.wait,
            lambda: self.stop.asked,
        )
        self.sending = Sending(
            self.database, self.api, clock, ServerClock(), pacer, self.events.append, self.stop,
            Limits(in_flight, None, None, 900.0),
        )  # fmt: skip


def created(number: int) -> Answer:
    return Answer(201, {"id": uuid(100 + number), "name": "Wave"}, "", time.time(), None)


JOB = ("batch_id,name,copies", f"{uuid(1)},Wave,3")


async def test_many_401s_at_once_are_one_question_about_the_token(tmp_path: Path) -> None:
    async def answer(number: int) -> Reply:
        await anyio.sleep(0.001 * number)
        if number <= 8:
            return Answer(401, {"error": "no"}, "no", time.time(), None)
        return created(number)

    with opened(tmp_path, "batch_id,name,copies", f"{uuid(1)},Wave,8") as ledger:
        look_up(ledger)
        rig = Rig(ledger, answer, in_flight=8, ceiling=1000.0)
        await rig.sending.run()

        assert [status for (status,) in items(ledger, "status")] == ["created"] * 8
    # The first 401 asks, and then one for all that came while that question was under way.
    assert rig.api.asked_about_token <= 3


async def test_an_answer_that_had_come_is_recorded_though_a_second_signal_comes(
    tmp_path: Path,
) -> None:
    """It comes while the database is busy with something long, as a big ledger file."""

    under_way = anyio.Event()

    async def answer(number: int) -> Reply:
        under_way.set()
        await anyio.sleep(0.05)
        return created(number)

    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        rig = Rig(ledger, answer, in_flight=3)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(rig.sending.run)
                await under_way.wait()
                group.start_soon(rig.database.call, lambda _ledger: time.sleep(0.4))
                await anyio.sleep(0.2)
                scope.cancel()
        await rig.sending.salvage()
        assert [status for (status,) in items(ledger, "status")] == ["created"] * 3


@pytest.mark.parametrize("has_room_again", [True, False])
async def test_answers_that_could_not_be_recorded_are_recorded_at_the_end_or_logged(
    has_room_again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full until the run gives up."""
    is_full, both_left = False, anyio.Event()
    monkeypatch.setattr(group_commit, "RECORD_TRIES_S", (0.05,))

    async def answer(number: int) -> Reply:
        nonlocal is_full
        if number == 2:
            is_full = True
            both_left.set()
        await both_left.wait()
        if number == 2:
            return Answer(422, {"error": {"detail": "no"}}, "no", time.time(), None)
        return created(number)

    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        commit = ledger.commit

        def fails_if_full() -> None:
            if is_full:
                raise sqlite3.OperationalError("database or disk is full")
            commit()

        monkeypatch.setattr(ledger, "commit", fails_if_full)
        rig = Rig(ledger, answer)
        with pytest.raises(ExceptionGroup):
            await rig.sending.run()
        is_full = not has_room_again
        with suppress(sqlite3.OperationalError):
            await rig.sending.salvage()
        logged = [event.fields["text"] for event in rig.events if event.name == "note"]
        if has_room_again:
            statuses = [status for (status,) in items(ledger, "status")]
            assert (sorted(statuses), logged) == (["created", "failed", "pending"], [])
            assert rig.sending.tally.created == 1
        else:
            (text,) = logged
            assert "created, but the ledger cannot be written" in text
            assert f"new batch {uuid(101)}" in text


async def test_what_waits_to_be_sent_again_is_sent_once_after_a_pause(tmp_path: Path) -> None:
    """Too much is unknown while a push-back waits for its turn: after settling both are pending."""

    async def answer(number: int) -> Reply:
        if number <= 8:
            return Answer(500, {}, "oops", time.time(), None)
        if number == 9:
            return Answer(429, {}, "too many", time.time(), 0.01)
        return created(number)

    with opened(tmp_path, "batch_id,name,copies", f"{uuid(1)},Wave {{n}},12") as ledger:
        look_up(ledger)
        rig = Rig(ledger, answer)
        for _ in range(6):
            await rig.sending.run()
            await rig.sending.resume()
        assert rig.stop.reason is None, rig.stop.reason
        statuses = [status for (status,) in items(ledger, "status")]
        assert sorted(statuses) == ["created"] * 4 + ["unknown"] * 8
        assert rig.api.requests == 13


async def test_a_run_that_is_cancelled_while_it_claims_ends_by_that_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is whole, but its senders are gone: what it claimed is left to `salvage`."""
    claiming = threading.Event()

    async def silent(number: int) -> Reply:
        await anyio.sleep(60)
        return created(number)

    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        commit = ledger.commit

        def slow() -> None:
            claiming.set()
            time.sleep(0.05)
            commit()

        monkeypatch.setattr(ledger, "commit", slow)
        rig = Rig(ledger, silent)
        async with anyio.create_task_group() as group:
            group.start_soon(rig.sending.run)
            await anyio.to_thread.run_sync(claiming.wait, 10)
            group.cancel_scope.cancel()
        await rig.sending.salvage()
        assert {status for (status,) in items(ledger, "status")} == {"unknown", "pending"}


async def test_an_intent_that_waited_too_long_is_taken_back_and_does_not_leave(
    tmp_path: Path,
) -> None:
    """What a crash leaves behind has left soon after its intent or never: settling counts on
    that."""
    left: list[float] = []

    async def answer(number: int) -> Reply:
        left.append(clock.monotonic())
        return created(number)

    class SlowDatabase(ThreadedDatabase):
        """Its first commit takes longer than an intent may wait."""

        async def transact(
            self, operation: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs
        ) -> T:
            result = await super().transact(operation, *args, **kwargs)
            if operation is Ledger.record_and_claim and args[2] and not clock.slept:
                clock.slept = INTENT_EXPIRES_AFTER_S + 1.0
            return result

    class Clock(MachineClock):
        slept = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.slept

    clock = Clock()
    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        rig = Rig(ledger, answer, clock=clock, database=SlowDatabase(ledger))
        await rig.sending.run()
        assert len(left) == 3
        attempts = (
            connection_of(ledger).execute("SELECT outcome FROM attempts ORDER BY id").fetchall()
        )
        assert [row[0] for row in attempts][:2] == ["not_left", "not_left"]
        assert items(ledger, "status, attempts") == [("created", 1)] * 3
