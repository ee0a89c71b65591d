"""The session of a seat on a simulated server: what it does when its connection breaks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.database import Crasher, FragileConnection
from tests.simulation.loop import SimulatedLoop
from tests.simulation.losses import API
from tests.simulation.machines import Process
from tests.simulation.server import Cut, Line, Server, make_seat
from tests.simulation.shared import Machine, SimulatedSession
from tests.support.ledgers import connection_of
from worker.ledger.engine import ConnectionLostError
from worker.ledger.handle import Writer
from worker.ledger.seat import LEFT_AFTER_S, SILENT_S
from worker.ledger.session import T, Waits
from worker.ledger.sqlite.database import open_for_writing
from worker.model.errors import BusyError


class Rig:
    """Machines, and a server whose time is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.happened = folder, 1000.0, list[str]()
        self.server = Server(lambda: self.now, self.happened.append)
        self.machines: list[Machine] = []

    def session(self) -> SimulatedSession:
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
        return SimulatedSession(self.server, line, fragile, process, machine, 1)

    def done(self, work: Waits[T]) -> T:
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


def cut(rig: Rig, session: SimulatedSession, seconds: float, *, noticed: bool) -> None:
    rig.now += 0.5
    session.connection.line.cuts.append(Cut(rig.now, rig.now + seconds, noticed))


def test_after_a_commit_of_unknown_fate_nothing_more_is_recorded(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.taking(0.0))
    session.connection.line.in_commit = 1.0
    with pytest.raises(ConnectionLostError):
        rig.done(session.doing(Writer(session.engine), lambda: 1, lambda away_s: away_s < 1))
    session.connection.line.in_commit = 0.0
    rig.now += 60.0
    with pytest.raises(ConnectionLostError, match="cannot be reached"):
        rig.done(session.doing(Writer(session.engine), lambda: 2, lambda _away_s: True))


def test_a_free_lock_is_left_to_a_holder_that_returns(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.taking(0.0))
    cut(rig, first, 5.0, noticed=True)
    waits = second.taking(0.0)
    for _ in range(30):  # six seconds
        rig.now += next(waits)
    work = first.doing(Writer(first.engine), lambda: 1, lambda _away_s: True)
    next(work)  # it finds the lock taken, and shows life
    with pytest.raises(BusyError, match="process 1 on machine 0"):
        rig.done(waits)
    assert rig.done(work) == 1


def test_a_free_lock_is_taken_once_nothing_can_leave_any_more(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.done(first.taking(0.0))
    cut(rig, first, 1e6, noticed=True)
    began = rig.now
    rig.done(second.taking(0.0))
    assert second.epoch == first.epoch + 1
    assert rig.now - began == pytest.approx(LEFT_AFTER_S, abs=1.0)


def test_a_session_that_died_before_it_took_a_new_seat_is_ended(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    first.engine.execute("lock", {})
    cut(rig, first, 1e6, noticed=False)
    with pytest.raises(BusyError, match="a moment ago"):
        rig.done(second.taking(10.0))
    rig.done(rig.session().taking(SILENT_S))


def test_a_sign_of_life_opens_a_connection_that_broke(rig: Rig) -> None:
    session = rig.session()
    rig.done(session.taking(0.0))
    cut(rig, session, 3.0, noticed=True)
    for _ in range(3):
        rig.now += 6.0
        rig.machines[0].processes[1].loop._now = rig.now
        session.show_life()
    assert not session.connection.is_broken
    with pytest.raises(BusyError):
        rig.done(rig.session().taking(0.0))


def test_a_holder_that_goes_on_without_the_lock_keeps_its_seat(rig: Rig) -> None:
    """A pooler has given it another session, and it has not noticed."""
    first, second = rig.session(), rig.session()
    rig.done(first.taking(0.0))
    first.connection.line.pooled = True
    cut(rig, first, 0.0, noticed=True)
    waits, number = second.taking(0.0), 0
    with pytest.raises(BusyError, match="process 1 on machine 0"):
        while True:
            rig.now += next(waits)
            rig.machines[1].processes[1].loop._now = rig.now
            number += 1
            if number % 20 == 0:  # every four seconds
                rig.done(first.doing(Writer(first.engine), lambda: 1, lambda _away_s: True))
    assert rig.done(first.doing(Writer(first.engine), lambda: 2, lambda _away_s: True)) == 2
