"""The session of a run that has the seat of a shared ledger: it takes the seat, shows signs of
life, and opens a connection that broke again. The rules are in `worker.ledger.seat`."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from worker.ledger.engine import ConnectionLostError, SeatLostError, ServerError
from worker.ledger.handle import Writer
from worker.ledger.postgresql import database
from worker.ledger.postgresql.engine import ServerEngine
from worker.ledger.seat import (
    SIGN_EVERY_S,
    Holder,
    LockSession,
    is_silent,
    leaves_for,
    may_be_ended,
)
from worker.model.errors import BusyError, UsageError
from worker.model.server_address import ServerAddress

T = TypeVar("T")

POLL_S = 0.2
"""Seconds between two tries to get the seat."""

LONGEST_PAUSE_S = 5.0
"""The longest pause, in seconds, between two tries to open the connection again."""


class _LockedError(ServerError):
    """The server is there, but another session has the lock."""


class Session:
    """This process's hold of a shared ledger. All statements of its ledger run through
    `engine`.

    Two threads use the connection: the one that works, and the one that shows signs of life. What
    they share changes only while one has the engine's turn."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.epoch = -1
        self._since: datetime | None = None
        """When the seat was taken. With the epoch it names this hold, also if a server that lost
        commits counts epochs a second time."""
        self._ledger_number = 0
        self._number = 0
        """The number of the last transaction that has begun."""
        self._committed = 0
        """The number of the last transaction that is known to be committed."""
        self._in_doubt: int | None = None
        """The number of a transaction whose COMMIT was not answered, until it is known whether it
        took place."""
        self._took_place = False
        """Whether the last transaction in doubt took place."""
        self._lost: ServerError | None = None
        """Why nothing more can be written, if so."""
        self._entered_at = time.monotonic()
        self._ended = threading.Event()
        self._connection = database.opened(address)
        self._own: LockSession | None = None
        self.engine = ServerEngine(self._connection, address, self._enter, self._confirm)

    # -- taking the seat

    def take(self, wait_s: float) -> None:
        """Take the seat. Waits up to `wait_s` seconds for the run that has it. Raises BusyError,
        which names that run."""
        deadline = time.monotonic() + wait_s
        database.migrate(self._connection, self.address)
        reading = ServerEngine(self._connection, self.address)
        row = reading.execute("ledger_number", {"schema": self.address.schema}).fetchone()
        self._ledger_number = int(row[0])
        taken = None
        while taken is None:
            self._await_lock(reading, deadline)
            state = reading.execute("seat", {}).fetchone()
            if not self._shows_life(reading, state):
                keys = {"epoch": state["epoch"], "alive_at": state["alive_at"]}
                server = reading.execute("server", {}).fetchone()
                us = {
                    "host": socket.gethostname(),
                    "machine": machine(),
                    "process": os.getpid(),
                    "system": server["system"],
                    "timeline": server["timeline"],
                }
                with self._connection.exchange() as raw, raw.transaction():
                    taken = reading.execute("take", keys | us).fetchone()
            if taken is None:
                # The holder lives: its connection broke, and it needs the lock to continue.
                reading.execute("unlock", self._lock_keys).fetchall()
                if time.monotonic() >= deadline:
                    raise self._busy(_holder(state))
                time.sleep(SIGN_EVERY_S)
        self.epoch, self._since = int(taken["epoch"]), taken["since"]
        self._own = _own_session(reading)
        threading.Thread(target=self._beat, name="signs of life", daemon=True).start()

    def _await_lock(self, reading: ServerEngine, deadline: float) -> None:
        """Wait for the lock, and end the session that has it if it is silent."""
        seen, since = None, time.monotonic()
        while not self._try_lock(reading):
            session = self._lock_session(reading)
            state = reading.execute("seat", {}).fetchone()
            holder = _holder(state)
            its_seat = session is not None and session.number == state["session"]
            shown = (session, state["alive_at"] if its_seat else None)
            if seen != shown:
                seen, since = shown, time.monotonic()
            watched_s = time.monotonic() - since
            if session is not None and may_be_ended(holder, session, state["now"], watched_s):
                self._end_silent(reading, session)
            elif time.monotonic() >= deadline and not (
                session is not None and is_silent(holder, session, state["now"])
            ):
                raise self._busy(holder)
            time.sleep(POLL_S)

    def _shows_life(self, reading: ServerEngine, state: Any) -> bool:
        """Whether the holder by this row of the seat shows life, although its lock is free. Waits
        until its requests cannot leave any more, if it does not."""
        holder = _holder(state)
        wait_s = leaves_for(holder, state["now"], certainly_dead=_is_dead(holder))
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(POLL_S, left))
            now = reading.execute("seat", {}).fetchone()
            if (now["epoch"], now["alive_at"]) != (state["epoch"], state["alive_at"]):
                return True
        return False

    def _busy(self, holder: Holder | None) -> BusyError:
        described = "it started a moment ago" if holder is None else str(holder)
        return BusyError(
            f"another run holds {self.address}: {described}",
            hint="Wait for it to end, or give --wait SECONDS.",
        )

    @property
    def _lock_keys(self) -> dict[str, object]:
        return {"space": database.SPACE, "ledger": self._ledger_number}

    def _try_lock(self, engine: ServerEngine) -> bool:
        return bool(engine.execute("lock", self._lock_keys).fetchone()[0])

    def _lock_session(self, engine: ServerEngine) -> LockSession | None:
        row = engine.execute("holder_session", self._lock_keys).fetchone()
        return None if row is None else LockSession(*row)

    def _end_session(self, engine: ServerEngine, session: LockSession) -> None:
        keys = {"session": session.number, "began": session.began}
        engine.execute("end_session", self._lock_keys | keys).fetchall()

    def _end_silent(self, engine: ServerEngine, session: LockSession) -> None:
        try:
            self._end_session(engine, session)
        except ConnectionLostError:
            raise
        except ServerError as error:
            raise UsageError(
                f"{self.address}: the run that holds this ledger is silent, and its session"
                f" cannot be ended: {error}",
                hint="Nothing was sent. Use the same role on all machines, or grant it"
                " pg_signal_backend (docs/shared-ledger.md).",
            ) from error

    # -- transactions

    def _enter(self, engine: ServerEngine) -> None:
        """Begin a transaction of the holder: refuse it if the seat was taken."""
        row = engine.execute("enter", {"epoch": self.epoch, "since": self._since}).fetchone()
        if row is None:
            raise SeatLostError(self._taken_text(engine))
        self._number = int(row["commits"])
        self._entered_at = time.monotonic()

    def _confirm(self) -> None:
        """Note that the transaction that began last is committed."""
        self._committed = self._number

    def _taken_text(self, engine: ServerEngine) -> str:
        holder = _holder(engine.execute("seat", {}).fetchone())
        return f"another machine has taken over this ledger: {holder}"

    def durably(
        self, writer: Writer, operation: Callable[[], T], patient: Callable[[float], bool]
    ) -> T:
        """Run an operation as one transaction of `writer`, also if the connection breaks meanwhile:
        then the connection is opened again, and what was not committed is done again.

        `patient` is asked, with the seconds since it broke, whether to try further. Raises
        ConnectionLostError if not, and SeatLostError if another machine has taken the seat; from
        then on, nothing more is tried."""
        if self._connection.is_broken:
            self._restore(patient)
        while True:
            if self._lost is not None:
                raise self._lost
            done: list[T] = []
            try:
                writer.begin()
                done.append(operation())
                writer.commit()
                return done[0]
            except ConnectionLostError:
                if done:  # so this is still our turn
                    self._in_doubt = self._number
                writer.roll_back()
                self._restore(patient)
                if done and self._took_place:
                    return done[0]
            except BaseException:
                writer.roll_back()
                raise

    def _restore(self, patient: Callable[[float], bool]) -> None:
        """Open the connection again, and take the seat back at the same epoch."""
        began, pause = time.monotonic(), 0.1
        while self._lost is None:
            try:
                with self.engine.turn:
                    self._reopen()
                return
            except SeatLostError:
                break
            except (UsageError, ServerError) as error:
                again_at = time.monotonic() + pause
                while (now := time.monotonic()) < again_at:
                    if not patient(now - began):
                        # Whether a transaction in doubt took place is not known now, so that it
                        # must not be done again later.
                        self._lost = ConnectionLostError(str(error))
                        raise self._lost from error
                    time.sleep(min(POLL_S, again_at - now))
                pause = (
                    POLL_S if isinstance(error, _LockedError) else min(2 * pause, LONGEST_PAUSE_S)
                )
        assert self._lost is not None
        raise self._lost

    def _reopen(self) -> None:
        """Try once to open the connection again, unless the other thread has. Raises SeatLostError
        if the seat was taken, otherwise UsageError or ServerError."""
        if not self._connection.is_broken:
            return
        self._connection.close()
        connection = database.opened(self.address)
        try:
            engine = ServerEngine(connection, self.address)
            session = self._lock_session(engine)
            state = engine.execute("seat", {}).fetchone()
            if state["epoch"] > self.epoch:
                raise SeatLostError(self._taken_text(engine))
            own = self._own is not None and session is not None and session[:2] == self._own[:2]
            if session is not None and (own or is_silent(None, session, state["now"])):
                # The server has not noticed that our connection broke, or a run that waits has
                # stopped with the lock.
                self._end_session(engine, session)
            keys = {"epoch": self.epoch, "since": self._since}
            if not self._try_lock(engine):
                # A run that waits has it: it gives the lock back if it sees that we live.
                engine.execute("live", keys)
                raise _LockedError("another session has the ledger's lock")
            # Waits for a transaction of that session, if a pooler keeps it.
            taken = engine.execute("retake", keys).fetchone()
            if taken is None or int(taken["commits"]) < self._committed:
                raise SeatLostError(
                    "the server has lost commits of this run, as a failover to a replica that was"
                    " behind does"
                )
            now_own = _own_session(engine)
        except BaseException as error:
            connection.close()
            if isinstance(error, SeatLostError):
                self._lost = error
            raise
        self._committed = int(taken["commits"])
        if self._in_doubt is not None:
            # No session but ours could commit at our epoch, and the one that did has ended.
            self._took_place, self._in_doubt = self._committed >= self._in_doubt, None
        self._own = now_own
        self._connection = self.engine.connection = connection

    # -- signs of life

    def _beat(self) -> None:
        """Write a sign of life when nothing else was written for a while. If the connection broke
        while nobody uses it, open it again: a run that only waits must not lose its seat."""
        while not self._ended.wait(SIGN_EVERY_S / 5) and self._lost is None:
            if self._connection.is_broken:
                self._reopen_between()
            elif time.monotonic() - self._entered_at >= SIGN_EVERY_S:
                self._entered_at = time.monotonic()  # the next try is not at once
                with suppress(ServerError):  # whoever uses the connection next sees the error
                    self.engine.show_life()

    def _reopen_between(self) -> None:
        if not self.engine.turn.acquire(blocking=False):
            return
        try:
            # Within a transaction, the one whose it is must see that it broke.
            if not self.engine.in_transaction and not self._ended.is_set():
                self._reopen()
        except (UsageError, ServerError):
            pass  # whoever uses the connection next sees it too
        finally:
            self.engine.turn.release()

    # -- ending

    def end(self) -> None:
        """Leave the seat, and close the connection."""
        self._ended.set()
        with self.engine.turn:
            with suppress(ServerError):
                if self.epoch >= 0 and not self._connection.is_broken:
                    self.engine.execute("release", {"epoch": self.epoch, "since": self._since})
            self._connection.close()


def _own_session(engine: ServerEngine) -> LockSession:
    row = engine.execute("own_session", {}).fetchone()
    return LockSession(row["pid"], row["backend_start"], None)


def _holder(state: Any) -> Holder | None:
    """The last holder by the row of the seat (None: nobody ever was)."""
    if state["host"] is None:
        return None
    return Holder(
        state["host"],
        state["machine"],
        state["process"],
        state["session"],
        state["since"],
        state["alive_at"],
        state["released"],
    )


def machine() -> str:
    """A text that identifies this host since its start, and the namespace of its process ids:
    containers of one host do not see each other's processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {os.getpid()}"  # then nobody can tell that it died


def _is_dead(holder: Holder | None) -> bool:
    """Whether the last holder was a process of this machine that has ended."""
    if holder is None or holder.machine != machine():
        return False
    try:
        os.kill(holder.process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
