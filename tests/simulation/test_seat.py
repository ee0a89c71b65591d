"""The session of a seat on a simulated server: who gets the seat, and what becomes of a run whose
connection breaks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.database import Crasher, FragileConnection
from tests.simulation.loop import SimulatedLoop
from tests.simulation.losses import API
from tests.simulation.machines import Process
from tests.simulation.server import LEDGER, Cut, Line, Server, ServerConnection, make_seat
from tests.simulation.shared import Machine, SimulatedSession
from tests.support.ledgers import connection_of
from worker.ledger.engine import ConnectionLostError, Engine, SeatLostError, ServerError
from worker.ledger.handle import Writer
from worker.ledger.seat import LEFT_AFTER_S, POLL_S, SIGN_EVERY_S, SILENT_S, LockSession
from worker.ledger.seat_statements import LedgerLock
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.steps import Steps, T, run_blocking
from worker.model.errors import BusyError, UsageError


class Strict(SimulatedSession):
    """A session that asks the server wherever a real one does."""

    def _prepare(self, engine: Engine) -> Mapping[str, object]:
        engine.execute("seat", {})
        return super()._prepare(engine)

    def _identity(self, engine: Engine) -> Mapping[str, object]:
        engine.execute("seat", {})
        return super()._identity(engine)

    def _check_server(self, engine: Engine) -> None:
        engine.execute("seat", {})


class Rig:
    """Machines, and a server whose time is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.happened = folder, 1000.0, list[str]()
        self.server = Server(lambda: self.now, self.happened.append)
        self.machines: list[Machine] = []

    def session(self) -> Strict:
        """A session of a machine of its own."""
        number = len(self.machines)
        machine = Machine(number, self.folder / f"machine-{number}")
        self.machines.append(machine)
        loop = SimulatedLoop(self.now)
        machine.processes[1] = process = Process(machine.name, loop, self.now)
        database = connection_of(open_for_writing(self.folder / "ledger.db", API))
        make_seat(database)
        rng = random.Random(number)
        line = Line(lambda: self.now, rng, lambda: 5.0)
        fragile = FragileConnection(database, Crasher(None), 0.0, rng)
        return Strict(self.server, line, fragile, process, machine, 1)

    def done(self, work: Steps[T]) -> T:
        """The result of work that waits."""
        while True:
            try:
                self.now += next(work)
            except StopIteration as ended:
                result: T = ended.value
                return result
            for machine in self.machines:
                machine.processes[1].loop._now = self.now


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path)
    yield found
    for machine in found.machines:
        machine.processes[1].loop.close()


def seat(session: SimulatedSession) -> Any:
    """The row of the seat."""
    return session.engine.execute("seat", {}).fetchone()


def cut(rig: Rig, session: SimulatedSession, seconds: float, *, noticed: bool) -> None:
    rig.now += 0.5
    session.connection.line.cuts.append(Cut(rig.now, rig.now + seconds, noticed))


def test_after_a_commit_of_unknown_fate_nothing_more_is_recorded(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    session.connection.line.in_commit = 1.0
    with pytest.raises(ConnectionLostError):
        rig.done(session.transact(Writer(session.engine), lambda: 1, lambda away_s: away_s < 1))
    session.connection.line.in_commit = 0.0
    rig.now += 60.0
    with pytest.raises(ConnectionLostError, match="cannot be reached"):
        rig.done(session.transact(Writer(session.engine), lambda: 2, lambda _away_s: True))


def test_a_read_whose_connection_breaks_is_done_again_and_commits_nothing(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    before = seat(session)["commits"]
    cut(rig, session, 3.0, noticed=True)
    read = session.read(lambda: seat(session)["epoch"], lambda _away_s: True)
    assert rig.done(read) == session.epoch
    assert seat(session)["commits"] == before


def test_a_run_whose_seat_was_taken_reads_nothing_more(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 60.0, noticed=True)
    rig.done(second.acquire_seat(0.0))
    for _ in range(2):
        with pytest.raises(SeatLostError):
            rig.done(first.read(lambda: seat(first), lambda _away_s: True))


def test_a_free_lock_is_left_to_a_holder_that_returns(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 5.0, noticed=True)
    waits = second.acquire_seat(0.0)
    for _ in range(30):  # six seconds
        rig.now += next(waits)
    work = first.transact(Writer(first.engine), lambda: 1, lambda _away_s: True)
    next(work)  # it finds the lock taken, and shows life
    with pytest.raises(BusyError, match="process 1 on machine 0"):
        rig.done(waits)
    assert rig.done(work) == 1


def test_a_free_lock_is_taken_once_nothing_can_leave_any_more(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 1e6, noticed=True)
    began = rig.now
    rig.done(second.acquire_seat(0.0))
    assert second.epoch == first.epoch + 1
    assert rig.now - began == pytest.approx(LEFT_AFTER_S, abs=1.0)


def test_a_session_that_died_before_it_took_a_new_seat_is_ended(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    first.engine.execute("lock", LEDGER)
    cut(rig, first, 1e6, noticed=False)
    with pytest.raises(BusyError, match="holds the shared ledger: it started a moment ago\n"):
        rig.done(second.acquire_seat(10.0))
    rig.done(rig.session().acquire_seat(SILENT_S))


def test_a_sign_of_life_opens_a_connection_that_broke(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    cut(rig, session, 3.0, noticed=True)
    for _ in range(3):
        rig.now += 6.0
        rig.machines[0].processes[1].loop._now = rig.now
        session.keep_alive()
    assert not session.connection.is_broken
    with pytest.raises(BusyError):
        rig.done(rig.session().acquire_seat(0.0))


def test_a_holder_that_goes_on_without_the_lock_keeps_its_seat(rig: Rig) -> None:
    """A pooler has given it another session, and it has not noticed."""
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    first.connection.line.pooled = True
    cut(rig, first, 0.0, noticed=True)
    waits, number = second.acquire_seat(0.0), 0
    with pytest.raises(BusyError, match="process 1 on machine 0"):
        while True:
            rig.now += next(waits)
            rig.machines[1].processes[1].loop._now = rig.now
            number += 1
            if number % 20 == 0:  # every four seconds
                rig.done(first.transact(Writer(first.engine), lambda: 1, lambda _away_s: True))
    assert rig.done(first.transact(Writer(first.engine), lambda: 2, lambda _away_s: True)) == 2


# -- taking the seat


def wait(rig: Rig, work: Steps[object], every_s: float, do: Callable[[], object]) -> None:
    """Do work that waits, and something else every few seconds meanwhile."""
    due = rig.now + every_s
    for seconds in work:
        rig.now += seconds
        for machine in rig.machines:
            machine.processes[1].loop._now = rig.now
        if rig.now >= due:
            due = rig.now + every_s
            do()


def test_without_patience_a_run_that_lives_is_named_at_once(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    began = rig.now
    with pytest.raises(BusyError) as raised:
        rig.done(second.acquire_seat(0.0))
    assert rig.now == began
    assert raised.value.message == (
        "another run holds the shared ledger: process 1 on machine 0, since 1970-01-01T00:16:40Z"
    )
    assert raised.value.hint == "Wait for it to end, or give --wait SECONDS."


def test_a_run_that_ends_leaves_its_seat_at_once(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    first.end()
    began = rig.now
    rig.done(second.acquire_seat(0.0))
    assert rig.now == began


def test_the_end_of_a_run_whose_connection_breaks_there_is_no_error(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    cut(rig, session, 5.0, noticed=True)
    session.end()
    assert session.connection.is_broken


def test_the_seat_of_a_process_that_certainly_died_is_free_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 1e6, noticed=True)
    monkeypatch.setattr(second, "_is_dead", lambda holder: holder.process == 1)
    began = rig.now
    rig.done(second.acquire_seat(0.0))
    assert rig.now == began


@pytest.mark.parametrize("hides", [False, True], ids=["same role", "another role"])
def test_a_run_that_is_silent_for_long_is_taken_over_even_without_patience(
    rig: Rig, hides: bool
) -> None:
    """Another role does not see what the session does: the seat's signs of life count."""
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 1e6, noticed=False)
    rig.server.hides = hides
    rig.now += SILENT_S
    rig.machines[1].processes[1].loop._now = began = rig.now
    rig.done(second.acquire_seat(0.0))
    assert second.epoch == first.epoch + 1
    assert LEFT_AFTER_S <= rig.now - began < LEFT_AFTER_S + 1.0


def test_signs_of_life_protect_a_session_that_another_role_does_not_see(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    rig.server.hides = True
    with pytest.raises(BusyError, match="process 1 on machine 0"):
        wait(rig, second.acquire_seat(2 * SILENT_S), 4.0, first.keep_alive)
    assert "a silent holder's session was ended" not in rig.happened


def test_a_long_transaction_is_no_silence(rig: Rig) -> None:
    """Its sign of life is not seen before its end, but the server works for the session."""
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))

    def works() -> None:
        first.connection.active_at = rig.now

    with pytest.raises(BusyError, match="process 1 on machine 0"):
        wait(rig, second.acquire_seat(2 * SILENT_S), 4.0, works)
    assert "a silent holder's session was ended" not in rig.happened


def test_a_silent_session_that_may_not_be_ended_is_an_error_with_a_remedy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 1e6, noticed=False)

    def refused(lock: LedgerLock, session: LockSession) -> None:
        raise ServerError("permission denied")

    monkeypatch.setattr(LedgerLock, "end_session", refused)
    with pytest.raises(UsageError) as raised:
        rig.done(second.acquire_seat(2 * SILENT_S))
    assert raised.value.message == (
        "the shared ledger: the run that holds this ledger is silent, and its session cannot be"
        " ended: permission denied"
    )
    assert raised.value.hint == (
        "Nothing was sent. Use the same role on all machines, or grant it pg_signal_backend"
        " (docs/shared-ledger.md)."
    )


def test_signs_of_a_holder_do_not_protect_a_dead_session_that_has_its_lock(rig: Rig) -> None:
    first, dead, second = rig.session(), rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    rig.server.unlock(first.connection)
    dead.engine.execute("lock", LEDGER)
    cut(rig, dead, 1e6, noticed=False)
    rig.machines[2].processes[1].loop._now = rig.now
    with pytest.raises(BusyError, match="process 1 on machine 0"):
        wait(rig, second.acquire_seat(2 * SILENT_S), 4.0, first.keep_alive)
    assert dead.connection.ended


# -- a connection that breaks


def test_its_own_session_that_the_server_still_keeps_is_ended_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never hears that the connection was closed."""
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    for _ in range(2):
        monkeypatch.setattr(session.connection, "close", lambda: None)
        cut(rig, session, 1.0, noticed=False)
        with pytest.raises(ConnectionLostError):
            session.engine.execute("seat", {})
        rig.now += 1.0
        rig.machines[0].processes[1].loop._now = began = rig.now
        assert rig.done(session.transact(Writer(session.engine), lambda: 1, lambda _: True)) == 1
        assert rig.now == began


def test_a_session_with_the_number_of_its_own_is_not_ended(rig: Rig) -> None:
    """A server that was started again counts from the beginning."""
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 1.0, noticed=True)
    with pytest.raises(ConnectionLostError):
        first.engine.execute("seat", {})
    rig.now += 1.0
    second.connection.session, second.connection.began = first.connection.session, rig.now
    second.engine.execute("lock", LEDGER)
    with pytest.raises(ConnectionLostError, match=r"^another session has the ledger's lock$"):
        rig.done(first.transact(Writer(first.engine), lambda: 1, lambda away_s: away_s < 5))
    assert not second.connection.ended


def tries(rig: Rig, session: Strict, seconds: float) -> list[float]:
    """When the session tries to connect again, within so many seconds since it began."""
    found: list[float] = []
    connect = session._connect

    def counted() -> ServerConnection:
        found.append(round(rig.now - began, 3))
        return connect()

    session._connect = counted  # type: ignore[method-assign] # it connects as before, and counts
    rig.machines[0].processes[1].loop._now = began = rig.now
    asked: list[float] = []

    def keep_trying(away_s: float) -> bool:
        asked.append(away_s)
        return away_s < seconds

    with pytest.raises(ConnectionLostError):
        rig.done(session.transact(Writer(session.engine), lambda: 1, keep_trying))
    assert asked[0] == 0.0, "it is asked with the time since the connection broke"
    assert seconds <= asked[-1] < seconds + POLL_S
    return found


def test_pauses_between_two_tries_grow_to_five_seconds(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    cut(rig, session, 1e6, noticed=True)
    with pytest.raises(ConnectionLostError):
        session.engine.execute("seat", {})
    assert tries(rig, session, 17.0) == pytest.approx(
        [0.0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3]
    )


def test_a_lock_that_another_run_has_is_asked_for_often(rig: Rig) -> None:
    """It gives the lock back soon, for a moment."""
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    cut(rig, first, 1.0, noticed=True)
    with pytest.raises(ConnectionLostError):
        first.engine.execute("seat", {})
    rig.now += 1.0
    second.engine.execute("lock", LEDGER)
    assert tries(rig, first, 0.85) == pytest.approx([0.0, 0.1, 0.3, 0.5, 0.7, 0.9])


class Chance(random.Random):
    """The line breaks in a COMMIT, after it took place or before."""

    def __init__(self, took_place: bool) -> None:
        super().__init__(0)
        self.drawn = [0.0, 0.0, 0.0 if took_place else 0.9]  # it breaks, and the server notices

    def random(self) -> float:
        return self.drawn.pop(0) if self.drawn else 0.0


def adding(rig: Rig, session: Strict, done: list[str]) -> Callable[[], str]:
    """An operation that adds a campaign with a name of its own."""

    def operation() -> str:
        done.append(f"number {len(done)}")
        Writer(session.engine).execute(
            "add_campaign", name=done[-1], now="2026-03-01T12:00:00.000Z"
        )
        return done[-1]

    return operation


def names(rig: Rig) -> list[str]:
    database = connection_of(open_for_writing(rig.folder / "ledger.db", API))
    return [row[0] for row in database.execute("SELECT name FROM campaigns ORDER BY id")]


@pytest.mark.parametrize("took_place", [True, False])
def test_a_commit_of_unknown_fate_is_neither_lost_nor_done_twice(
    rig: Rig, took_place: bool
) -> None:
    session, done = rig.session(), list[str]()
    rig.done(session.acquire_seat(0.0))
    writer, operation = Writer(session.engine), adding(rig, session, done)
    assert rig.done(session.transact(writer, operation, lambda _: True)) == "number 0"
    line = session.connection.line
    line.rng, line.in_commit = Chance(took_place), 1.0

    def keep_trying(_away_s: float) -> bool:
        line.in_commit = 0.0
        return True

    expected = "number 1" if took_place else "number 2"
    assert rig.done(session.transact(writer, operation, keep_trying)) == expected
    assert names(rig) == ["number 0", expected]
    # What was found out counts for that transaction alone.
    assert rig.done(session.transact(writer, operation, keep_trying)) == done[-1]
    assert names(rig) == ["number 0", expected, done[-1]]


def test_what_another_machine_has_shut_out_is_not_reported_as_done(rig: Rig) -> None:
    """Also if an earlier COMMIT of unknown fate had taken place."""
    session, other, done = rig.session(), rig.session(), list[str]()
    rig.done(session.acquire_seat(0.0))
    writer, operation = Writer(session.engine), adding(rig, session, done)
    line = session.connection.line

    def keep_trying(_away_s: float) -> bool:
        line.in_commit = 0.0
        return True

    line.rng, line.in_commit = Chance(took_place=True), 1.0
    assert rig.done(session.transact(writer, operation, keep_trying)) == "number 0"
    line.rng, line.in_commit = Chance(took_place=False), 1.0
    line.lasts = lambda: 2 * SILENT_S
    work = session.transact(writer, operation, keep_trying)
    next(work)
    rig.done(other.acquire_seat(2 * SILENT_S))
    taken = "another machine has taken over this ledger: process 1 on machine 1, since 1970"
    with pytest.raises(SeatLostError, match=taken):
        rig.done(work)
    assert names(rig) == ["number 0"]
    with pytest.raises(SeatLostError, match=taken):  # and nothing is tried after that
        rig.done(session.transact(writer, operation, keep_trying))


def test_the_fence_names_the_run_that_has_the_seat_now(rig: Rig) -> None:
    """The run was stopped while another one took its seat, and a pooler kept its session."""
    first, second = rig.session(), rig.session()
    rig.done(first.acquire_seat(0.0))
    rig.server.unlock(first.connection)
    rig.done(second.acquire_seat(0.0))
    with pytest.raises(SeatLostError, match="taken over this ledger: process 1 on machine 1"):
        rig.done(first.transact(Writer(first.engine), lambda: 1, lambda _: True))


@pytest.mark.parametrize("change", ["commits = commits - 1", "since = since + 1"])
def test_a_server_that_lost_commits_of_the_run_ends_it(rig: Rig, change: str) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    writer = Writer(session.engine)
    rig.done(session.transact(writer, lambda: 1, lambda _: True))
    cut(rig, session, 1.0, noticed=True)
    with pytest.raises(ConnectionLostError):
        session.engine.execute("seat", {})
    rig.now += 1.0
    database = connection_of(open_for_writing(rig.folder / "ledger.db", API))
    database.execute(f"UPDATE seat SET {change}")
    database.commit()
    for _ in range(2):  # its end is decided
        with pytest.raises(SeatLostError) as raised:
            rig.done(session.transact(writer, lambda: 2, lambda _: True))
        assert str(raised.value) == (
            "the server has lost commits of this run, as a failover to a replica that was behind"
            " does"
        )


# -- signs of life


def test_a_sign_of_life_is_written_five_seconds_after_the_last_transaction(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    rig.now += 1.0
    rig.machines[0].processes[1].loop._now = began = rig.now
    rig.done(session.transact(Writer(session.engine), lambda: 1, lambda _: True))
    signs = []
    for second in range(12):
        rig.now = began + second
        rig.machines[0].processes[1].loop._now = rig.now
        session.keep_alive()
        signs.append(session.engine.execute("seat", {}).fetchone()["alive_at"].timestamp() - began)
    assert sorted(set(signs)) == [0.0, SIGN_EVERY_S, 2 * SIGN_EVERY_S]


class Taken:
    """A lock that another thread has."""

    def acquire(self, blocking: bool = True) -> bool:
        assert not blocking, "signs of life wait for nobody"
        return False


def test_the_thread_that_shows_life_leaves_a_connection_in_use_alone(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.acquire_seat(0.0))
    cut(rig, session, 0.0, noticed=True)
    with pytest.raises(ConnectionLostError):
        session.engine.execute("seat", {})
    session.engine.thread_lock = Taken()  # type: ignore[assignment] # another thread always has it
    session.keep_alive()
    assert session.connection.is_broken


def test_a_command_sleeps_while_work_waits() -> None:
    def work() -> Steps[str]:
        yield 0.001
        return "done"

    assert run_blocking(work()) == "done"
