"""The session of a run that has the seat of a shared ledger: it takes the seat, shows signs of
life, and opens a connection that broke again. The rules are in `worker.ledger.seat`.

Nothing here knows the engine or waits by itself: waits are yielded, in seconds. A command sleeps
(`slept`), and a simulation lets its own time pass."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Protocol, TypeVar

from worker.ledger.engine import ConnectionLostError, Engine, Row, ServerError
from worker.ledger.handle import Writer
from worker.ledger.seat import (
    LEFT_AFTER_S,
    SIGN_EVERY_S,
    Holder,
    is_silent,
    last_sign,
    leaves_for,
)
from worker.model.errors import BusyError, UsageError

T = TypeVar("T")

Waits = Generator[float, None, T]
"""Work that yields how many seconds to wait before it goes on."""

POLL_S = 0.2
"""Seconds between two tries to get the seat."""


class SeatLostError(ServerError):
    """Another machine has taken the seat, so this run must not send anything new."""


class Connection(Protocol):
    """A connection to the server."""

    @property
    def session(self) -> int:
        """The number of this connection on the server."""

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be asked through this connection any more."""

    def close(self) -> None:
        """Close the connection, without waiting for the server."""


class SeatedEngine(Engine, Protocol):
    """The engine of a holder: each of its transactions begins with `Session.enter`."""

    def show_life(self) -> None:
        """Do a transaction in which nothing is written but the sign of life."""


class Session(ABC):
    """This process's hold of a shared ledger. All statements of its ledger run through
    `engine`."""

    engine: SeatedEngine
    _connection: Connection

    def __init__(self) -> None:
        self.epoch = -1
        self._keys: Mapping[str, object] = {}
        self._number = 0
        """The number of the last transaction that has begun."""
        self._committed = 0
        """The number of the last transaction that is known to be committed."""
        self._in_doubt = False
        """Whether the connection broke in a COMMIT and could not be opened again. Then nothing more
        is recorded: the same results would be recorded twice."""
        self._entered_at = self._monotonic()
        self._working = threading.Lock()
        """Held by an operation from its beginning to its end, reconnections included."""

    # -- what the server, and this machine, are asked

    @property
    @abstractmethod
    def place(self) -> str:
        """The ledger, for messages."""

    @abstractmethod
    def _connect(self) -> Connection:
        """A new connection. Raises UsageError if the server cannot be reached."""

    @abstractmethod
    def _plain(self, connection: Connection) -> Engine:
        """The statements of a connection, without `enter`."""

    @abstractmethod
    def _use(self, connection: Connection) -> None:
        """Let `engine` use this connection from now on."""

    @abstractmethod
    def _lock_keys(self, engine: Engine) -> Mapping[str, object]:
        """What the ledger's lock is called on the server. Creates the ledger if necessary."""

    @abstractmethod
    def _identity(self, engine: Engine) -> Mapping[str, object]:
        """The values of `take`: who this process is, and what the server is."""

    @abstractmethod
    def _is_dead(self, holder: Holder) -> bool:
        """Whether a holder was a process of this machine that has ended."""

    def _monotonic(self) -> float:
        return time.monotonic()

    # -- taking the seat

    def taking(self, wait_s: float) -> Waits[None]:
        """Take the seat. Waits up to `wait_s` seconds for the run that has it. Raises BusyError,
        which names that run."""
        deadline = self._monotonic() + wait_s
        engine = self._plain(self._connection)
        self._keys = self._lock_keys(engine)
        while True:
            locked_by = engine.execute("holder_session", self._keys).fetchone()
            seat, holder, now = _seat(engine)
            busy_at = deadline
            described = "it started a moment ago" if holder is None else str(holder)
            if locked_by is None:
                # The lock stays free meanwhile, so that a holder whose connection broke can return.
                dead = holder is not None and self._is_dead(holder)
                if leaves_for(holder, now, certainly_dead=dead) <= 0:
                    if self._take(engine, seat):
                        return
                else:
                    busy_at = deadline + LEFT_AFTER_S
            else:
                session, began = locked_by["pid"], locked_by["backend_start"]
                if is_silent(last_sign(holder, session, began), now):
                    self._end_session(engine, session)
                    yield POLL_S
                    continue
                if holder is not None and holder.session != session:
                    described = "it started a moment ago"
            if self._monotonic() >= busy_at:
                raise BusyError(
                    f"another run holds {self.place}: {described}",
                    hint="Wait for it to end, or give --wait SECONDS.",
                )
            yield POLL_S

    def _take(self, engine: Engine, seat: Row) -> bool:
        """Take the seat if it is still as it was read. Returns whether it was taken.

        A holder without the lock may have recorded intents meanwhile: a pooler or a failover has
        given it another session, and it has not noticed."""
        if not self._try_lock(engine):
            return False
        seen = {"seen_epoch": seat["epoch"], "seen_commits": seat["commits"]}
        taken = engine.execute("take", {**self._identity(engine), **seen}).fetchone()
        if taken is None:
            engine.execute("unlock", self._keys)
            return False
        self.epoch = int(taken["epoch"])
        return True

    def _try_lock(self, engine: Engine) -> bool:
        return bool(engine.execute("lock", self._keys).fetchone()[0])

    def _end_session(self, engine: Engine, session: int) -> None:
        try:
            engine.execute("end_session", {"session": session})
        except ServerError as error:
            raise UsageError(
                f"{self.place}: the run that holds this ledger is silent, and its session cannot be"
                f" ended: {error}",
                hint="Nothing was sent. Use the same role on all machines, or grant it"
                " pg_signal_backend (docs/shared-ledger.md).",
            ) from error

    # -- transactions

    def enter(self, engine: Engine) -> None:
        """Begin a transaction of the holder: refuse it if the seat was taken."""
        row = engine.execute("enter", {"epoch": self.epoch}).fetchone()
        if row is None:
            raise SeatLostError(_taken_text(engine))
        self._number = int(row["commits"])
        self._entered_at = self._monotonic()

    def doing(
        self, writer: Writer, operation: Callable[[], T], patient: Callable[[float], bool]
    ) -> Waits[T]:
        """Run an operation as one transaction of `writer`, also if the connection breaks meanwhile:
        then the connection is opened again, and what was not committed is done again.

        `patient` is asked, with the seconds since it broke, whether to try further. Raises
        ConnectionLostError if not, and SeatLostError if another machine has taken the seat."""
        self._working.acquire()
        try:
            return (yield from self._doing(writer, operation, patient))
        finally:
            self._working.release()

    def _doing(
        self, writer: Writer, operation: Callable[[], T], patient: Callable[[float], bool]
    ) -> Waits[T]:
        if self._in_doubt:
            raise ConnectionLostError("the connection broke, and nobody knows what was recorded")
        if self._connection.is_broken:
            yield from self._restoring(patient)
        while True:
            done: list[T] = []
            try:
                writer.begin()
                done.append(operation())
                writer.commit()
                self._committed = self._number
                return done[0]
            except ConnectionLostError:
                number = self._number
                writer.roll_back()
            except BaseException:
                writer.roll_back()
                raise
            try:
                yield from self._restoring(patient)
            except ConnectionLostError:
                self._in_doubt = bool(done)
                raise
            if done and self._took_place(number):
                return done[0]

    def _took_place(self, number: int) -> bool:
        """Whether the transaction with this number, in whose COMMIT the connection broke, was
        committed: the number of commits says so."""
        return self._committed == number

    def _restoring(self, patient: Callable[[float], bool]) -> Waits[None]:
        """Open the connection again, and take the seat back at the same epoch."""
        began, pause = self._monotonic(), 0.1
        self._connection.close()
        while True:
            try:
                self._reopen()
                return
            except SeatLostError:
                raise
            except (UsageError, ServerError) as error:
                if not patient(self._monotonic() - began):
                    raise ConnectionLostError(str(error)) from error
            yield pause
            pause = min(2 * pause, 5.0)

    def _reopen(self) -> None:
        connection = self._connect()
        try:
            engine = self._plain(connection)
            row = engine.execute("holder_session", self._keys).fetchone()
            if row is not None and row["pid"] == self._connection.session:
                # The server has not noticed that our connection broke.
                engine.execute("end_session", {"session": row["pid"]})
            state = engine.execute("seat", {}).fetchone()
            if int(state["epoch"]) > self.epoch:
                raise SeatLostError(_taken_text(engine))
            if not self._try_lock(engine):
                raise ServerError("the session that broke still has its lock")
            # Waits for a transaction of that session, if a pooler keeps it.
            taken = engine.execute("retake", {"epoch": self.epoch}).fetchone()
            if taken is None or int(taken["commits"]) < self._committed:
                raise SeatLostError(
                    "the server has lost commits of this run, as a failover to a replica that was"
                    " behind does"
                )
            self._committed = int(taken["commits"])
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._use(connection)

    # -- signs of life

    def show_life(self) -> None:
        """Write a sign of life if nothing else was written for a while. A connection that broke is
        opened again, since nobody else may do so for long."""
        if self._monotonic() - self._entered_at < SIGN_EVERY_S:
            return
        # While an operation goes on, only it knows what the number of commits means.
        if not self._working.acquire(blocking=False):
            return
        try:
            self._entered_at = self._monotonic()  # the next try is not at once
            with suppress(ServerError, UsageError):  # the next operation sees the error
                if not self._connection.is_broken:
                    self.engine.show_life()
                elif not self._in_doubt:
                    self._connection.close()
                    self._reopen()
        finally:
            self._working.release()

    # -- ending

    def end(self) -> None:
        """Leave the seat, and close the connection."""
        with suppress(ServerError):
            if self.epoch >= 0 and not self._connection.is_broken:
                self.engine.execute("release", {"epoch": self.epoch})
        self._connection.close()


def slept(work: Waits[T]) -> T:
    """Do work that waits, in this thread. Returns its result."""
    while True:
        try:
            time.sleep(next(work))
        except StopIteration as ended:
            result: T = ended.value
            return result


def _taken_text(engine: Engine) -> str:
    _, holder, _ = _seat(engine)
    return f"another machine has taken over this ledger: {holder}"


def _seat(engine: Engine) -> tuple[Row, Holder | None, datetime]:
    """The seat as it is, its last holder (None: nobody ever was), and the server's time."""
    row = engine.execute("seat", {}).fetchone()
    if row["host"] is None:
        return row, None, row["now"]
    holder = Holder(
        row["host"],
        row["machine"],
        row["process"],
        row["session"],
        row["since"],
        row["alive_at"],
        row["released"],
    )
    return row, holder, row["now"]
