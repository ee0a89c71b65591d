"""The session of a run that has the seat of a shared ledger: it takes the seat, shows signs of
life, and reconnects if the connection breaks. The rules are in `worker.ledger.seat`.

What a real server and a simulated one do differently is in the abstract methods of `Session`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Protocol

from worker.ledger.commit_log import CommitLog
from worker.ledger.engine import ConnectionLostError, Engine, SeatLostError, ServerError
from worker.ledger.handle import Writer
from worker.ledger.seat import POLL_S, SIGN_EVERY_S, Holder, LockSession, is_silent
from worker.ledger.seat_statements import LedgerLock, read_seat, session_of
from worker.ledger.seat_taking import SeatTaking
from worker.ledger.steps import Steps, T
from worker.model.errors import UsageError
from worker.model.events import Emit, Event, ignore

FIRST_PAUSE_S = 0.1
"""Seconds before the second try to open the connection again, or to repeat an operation. Each pause
is twice as long as the one before."""

LONGEST_PAUSE_S = 5.0
"""The longest of these pauses, in seconds."""


class ThreadLock(AbstractContextManager[object], Protocol):
    """A lock between the threads of this process, such as `threading.RLock`. The thread that has it
    may take it again."""

    def acquire(self, blocking: bool = True) -> bool:
        """Take it. Returns whether it was taken."""

    def release(self) -> None:
        """Give it back."""


class Connection(Protocol):
    """A connection to the server."""

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be asked through this connection any more."""

    def close(self) -> None:
        """Close the connection, without waiting for the server."""


class SeatedEngine(Engine, Protocol):
    """The engine of a holder: each of its transactions begins with `Session.enter`, and
    `Session.confirm` follows its COMMIT."""

    @property
    def thread_lock(self) -> ThreadLock:
        """Held within a transaction, and within a statement outside one."""

    def write_sign_of_life(self) -> None:
        """Do a transaction in which nothing is written but the sign of life, unless another thread
        has the lock."""


class _LockedError(ServerError):
    """The server is there, but another session has the lock."""


class _Breaks:
    """The breaks of the connection in one operation, which began at `since`, by the session's
    clock. `keep_trying` gets the seconds since then."""

    def __init__(self, keep_trying: Callable[[float], bool]) -> None:
        self.keep_trying = keep_trying
        self.since: float | None = None
        self.pause_s = 0.0
        """How long to wait after the next reconnection before the operation is run again."""


class Session(ABC):
    """This process's hold of a shared ledger. All statements of its ledger run through `engine`.

    Two threads use the connection: the one that works, and the one that shows signs of life. What
    they share changes only while one has the engine's `thread_lock`."""

    engine: SeatedEngine
    _connection: Connection

    def __init__(self) -> None:
        self.epoch = -1
        self._since: datetime | None = None
        """When the seat was taken. With the epoch it names this hold, also if a server that lost
        commits counts epochs a second time."""
        self._lock_key: Mapping[str, object] = {}
        """The values that name the ledger's lock in statements."""
        self._commits = CommitLog()
        self._lost: ServerError | None = None
        """Why nothing more can be written, if so."""
        self._server_session: LockSession | None = None
        """The session that the server has for our connection."""
        self.emit: Emit = ignore
        """Receives the events of the connection, from either thread."""
        self._last_error = ""
        """The message of the last error of the connection."""
        self._away_since: float | None = None
        """When the connection was found broken; None: it is not."""
        self._entered_at = self._monotonic()

    # -- what a real server and a simulated one do differently

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
    def _prepare(self, engine: Engine) -> Mapping[str, object]:
        """Create the ledger if there is none. Returns the values that name its lock."""

    @abstractmethod
    def _migrate(self) -> None:
        """Bring a ledger of an earlier version to the current one."""

    @abstractmethod
    def _identity(self, engine: Engine) -> Mapping[str, object]:
        """The values of `take`: who this process is, and what the server is. Raises UsageError if
        nothing may be written to this server now."""

    @abstractmethod
    def _is_dead(self, holder: Holder) -> bool:
        """Whether a holder was a process of this machine that has ended."""

    def _monotonic(self) -> float:
        return time.monotonic()

    # -- taking the seat

    def acquire_seat(self, wait_s: float) -> Steps[None]:
        """Take the seat. Waits up to `wait_s` seconds for the run that has it. Raises BusyError,
        which names that run."""
        deadline = self._monotonic() + wait_s
        engine = self._plain(self._connection)
        self._lock_key = self._prepare(engine)
        taking = SeatTaking(
            self.place,
            LedgerLock(engine, self._lock_key),
            deadline,
            self._monotonic,
            self._identity,
            self._is_dead,
        )
        self.epoch, self._since = yield from taking.take()
        self._server_session = session_of(engine)
        # Only now: the run that had the seat may be one of the earlier version.
        self._migrate()
        self._entered_at = self._monotonic()

    # -- transactions

    def enter(self, engine: Engine) -> None:
        """Begin a transaction of the holder: refuse it if the seat was taken."""
        row = engine.execute("enter", {"epoch": self.epoch, "since": self._since}).fetchone()
        if row is None:
            raise SeatLostError(_taken_text(engine))
        self._commits.begin(int(row["commits"]))
        self._entered_at = self._monotonic()

    def confirm(self) -> None:
        """Note that the transaction that began last is committed."""
        self._commits.confirm()

    def transact(
        self, writer: Writer, operation: Callable[[], T], keep_trying: Callable[[float], bool]
    ) -> Steps[T]:
        """Run an operation as one transaction of `writer`. Returns its result. If the connection
        breaks, reconnect, and run the operation again unless it was committed.

        While the server is away, or the operation breaks each connection, `keep_trying` gets the
        seconds since the first break and says whether to try further. Raises ConnectionLostError if
        not, and SeatLostError if another machine has taken the seat; from then on, nothing more is
        tried."""
        breaks = _Breaks(keep_trying)
        if self._connection.is_broken:
            yield from self._reconnect(breaks)
        while True:
            if self._lost is not None:
                raise self._lost
            done: list[T] = []
            try:
                writer.begin()
                done.append(operation())
                writer.commit()
                return done[0]
            except ConnectionLostError as error:
                self._last_error = str(error)
                if done:  # the COMMIT broke. We have the thread lock, so it began last.
                    self._commits.doubt()
                writer.roll_back()
            except BaseException:
                writer.roll_back()
                raise
            yield from self._reconnect(breaks)
            if done and self._commits.took_place:
                return done[0]
            yield from self._wait_to_repeat(breaks)

    def read(self, operation: Callable[[], T], keep_trying: Callable[[float], bool]) -> Steps[T]:
        """Run an operation that only reads, outside a transaction: nothing is committed, so the
        server need not write to its disk. If the connection breaks, reconnect as `transact` does,
        and run the operation again from its beginning. Raises as `transact` does."""
        breaks = _Breaks(keep_trying)
        if self._connection.is_broken:
            yield from self._reconnect(breaks)
        while True:
            if self._lost is not None:
                raise self._lost
            try:
                return operation()
            except ConnectionLostError as error:
                self._last_error = str(error)
            yield from self._reconnect(breaks)
            yield from self._wait_to_repeat(breaks)

    def _reconnect(self, breaks: _Breaks) -> Steps[None]:
        """Open the connection again, and take the seat back at the same epoch. Raises as `transact`
        does."""
        pause = FIRST_PAUSE_S
        if breaks.since is None:
            breaks.since = self._monotonic()
        while self._lost is None:
            try:
                with self.engine.thread_lock:
                    self._reopen()
                return
            except SeatLostError:
                break
            except (UsageError, ServerError) as error:
                yield from self._wait(pause, breaks, str(error))
                pause = (
                    POLL_S if isinstance(error, _LockedError) else min(2 * pause, LONGEST_PAUSE_S)
                )
        assert self._lost is not None
        raise self._lost

    def _wait_to_repeat(self, breaks: _Breaks) -> Steps[None]:
        """Wait before an operation that broke the connection is run again: not after the first
        break, and longer after each further one. Raises as `transact` does."""
        yield from self._wait(breaks.pause_s, breaks, self._last_error)
        breaks.pause_s = min(max(FIRST_PAUSE_S, 2 * breaks.pause_s), LONGEST_PAUSE_S)

    def _wait(self, pause_s: float, breaks: _Breaks, why: str) -> Steps[None]:
        """Wait before the next try. Raises ConnectionLostError if there shall be none; `why` is
        what ended the last one."""
        assert breaks.since is not None
        again_at = self._monotonic() + pause_s
        while (now := self._monotonic()) < again_at:
            if not breaks.keep_trying(now - breaks.since):
                # Whether a transaction in doubt took place may not be known now, so that it must
                # not be done again later.
                self._lost = ConnectionLostError(why)
                raise self._lost
            yield min(POLL_S, again_at - now)

    def _reopen(self) -> None:
        """Try once to open the connection again, unless the other thread has. Raises SeatLostError
        if the seat was taken, otherwise UsageError or ServerError."""
        if not self._connection.is_broken:
            return
        if self._away_since is None:
            self._away_since = self._monotonic()
            self.emit(Event("ledger.disconnected", "warning", {"why": self._last_error}))
        self._connection.close()
        connection = self._connect()
        try:
            engine = self._plain(connection)
            lock = LedgerLock(engine, self._lock_key)
            session, seat = lock.session(), read_seat(engine)
            if seat.epoch > self.epoch:
                raise SeatLostError(_taken_text(engine))
            before = self._server_session
            ours = before is not None and session is not None and session[:2] == before[:2]
            if session is not None and (ours or is_silent(None, session, seat.now)):
                # The server has not noticed that our connection broke, or a run that waits has
                # stopped with the lock.
                lock.end_session(session)
            keys = {"epoch": self.epoch, "since": self._since}
            if not lock.try_acquire():
                # A run that waits has it: it gives the lock back if it sees that we live.
                engine.execute("live", keys)
                raise _LockedError("another session has the ledger's lock")
            # Waits for a transaction of that session, if a pooler keeps it.
            taken = engine.execute("retake", keys).fetchone()
            if taken is None or self._commits.are_lost(int(taken["commits"])):
                raise SeatLostError(
                    "the server has lost commits of this run, as a failover to a replica that was"
                    " behind does"
                )
            own = session_of(engine)
            self._check_server(engine)
        except BaseException as error:
            connection.close()
            if isinstance(error, SeatLostError):
                self._lost = error
            raise
        # No session but ours could commit at our epoch, and the one that did has ended.
        self._commits.resolve(int(taken["commits"]))
        self._server_session = own
        self._connection = connection
        self._use(connection)
        away_s = round(self._monotonic() - self._away_since, 3)
        self._away_since = None
        self.emit(Event("ledger.reconnected", "info", {"away_s": away_s}))

    @abstractmethod
    def _check_server(self, engine: Engine) -> None:
        """Check the server after reconnecting, once it is known that no commit of this run is
        missing. Raises UsageError if nothing may be written to this server."""

    # -- signs of life

    def keep_alive(self) -> None:
        """Write a sign of life if nothing else was written for a while. If the connection broke
        while nobody uses it, open it again: a run that only waits must not lose its seat."""
        if self._lost is not None:
            return
        if self._connection.is_broken:
            self._reopen_if_idle()
        elif self._monotonic() - self._entered_at >= SIGN_EVERY_S:
            self._entered_at = self._monotonic()  # the next try is not at once
            try:
                self.engine.write_sign_of_life()
            except ServerError as error:  # whoever uses the connection next sees it too
                self._last_error = str(error)

    def _reopen_if_idle(self) -> None:
        if not self.engine.thread_lock.acquire(blocking=False):
            return
        try:
            # Who has a transaction open must see that it broke.
            if not self.engine.in_transaction:
                self._reopen()
        except (UsageError, ServerError):
            pass  # whoever uses the connection next sees it too
        finally:
            self.engine.thread_lock.release()

    # -- ending

    def end(self) -> None:
        """Leave the seat, and close the connection."""
        with self.engine.thread_lock:
            with suppress(ServerError):
                if self.epoch >= 0 and not self._connection.is_broken:
                    self.engine.execute("release", {"epoch": self.epoch, "since": self._since})
                    # The server ends a session some time after its connection was closed. A run
                    # that follows at once must find the lock free.
                    LedgerLock(self.engine, self._lock_key).release()
            self._connection.close()


def _taken_text(engine: Engine) -> str:
    return f"another machine has taken over this ledger: {read_seat(engine).holder}"
