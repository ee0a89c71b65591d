"""The session of a run that has the seat of a shared ledger: it takes the seat, shows signs of
life, and opens a connection that broke again. The rules are in `worker.ledger.seat`."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from worker.ledger.engine import ConnectionLostError, ServerError
from worker.ledger.handle import Writer
from worker.ledger.postgresql import database
from worker.ledger.postgresql.connection import TimedConnection
from worker.ledger.postgresql.engine import ServerEngine
from worker.ledger.seat import SIGN_EVERY_S, Holder, is_silent, leaves_for
from worker.model.errors import BusyError, UsageError
from worker.model.server_address import ServerAddress

POLL_S = 0.2
"""Seconds between two tries to get the seat."""

REACHED_WITHIN_S = 10.0
"""Seconds in which the server must be reached at the start, if --wait is shorter."""


class SeatLostError(ServerError):
    """Another machine has taken the seat, so this run must not send anything new."""


class Session:
    """This process's hold of a shared ledger. All statements of its ledger run through `engine`,
    one transaction at a time (`lock`)."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.lock = threading.RLock()
        self.epoch = -1
        self._ledger_number = 0
        self._expected = 0
        self._committed_at = time.monotonic()
        self._ended = threading.Event()
        self._connection = database.opened(address)
        self.engine = ServerEngine(self._connection, address, self._enter)

    # -- taking the seat

    def take(self, wait_s: float) -> None:
        """Take the seat. Waits up to `wait_s` seconds for the run that has it. Raises BusyError,
        which names that run."""
        deadline = time.monotonic() + wait_s
        database.migrate(self._connection, self.address)
        reading = ServerEngine(self._connection, self.address)
        row = reading.execute("ledger_number", {"schema": self.address.schema}).fetchone()
        self._ledger_number = int(row[0])
        while not self._try_lock(reading):
            holder, now = _holder(reading)
            if holder is not None and is_silent(holder, now):
                self._end_holders_session(reading)
                continue
            if time.monotonic() >= deadline:
                described = "it started a moment ago" if holder is None else str(holder)
                raise BusyError(
                    f"another run holds {self.address}: {described}",
                    hint="Wait for it to end, or give --wait SECONDS.",
                )
            time.sleep(POLL_S)
        holder, now = _holder(reading)
        time.sleep(leaves_for(holder, now, certainly_dead=_is_dead(holder)))
        server = reading.execute("server", {}).fetchone()
        with self._connection.exchange() as raw, raw.transaction():
            taken = reading.execute(
                "take",
                {
                    "host": socket.gethostname(),
                    "machine": machine(),
                    "process": os.getpid(),
                    "system": server["system"],
                    "timeline": server["timeline"],
                },
            ).fetchone()
        self.epoch, self._expected = int(taken["epoch"]), 0
        threading.Thread(target=self._beat, name="signs of life", daemon=True).start()

    def _try_lock(self, engine: ServerEngine) -> bool:
        keys = {"space": database.SPACE, "ledger": self._ledger_number}
        return bool(engine.execute("lock", keys).fetchone()[0])

    def _end_holders_session(self, engine: ServerEngine) -> None:
        keys = {"space": database.SPACE, "ledger": self._ledger_number}
        row = engine.execute("holder_session", keys).fetchone()
        if row is not None:
            try:
                engine.execute("end_session", {"session": row["pid"]})
            except ServerError as error:
                raise UsageError(
                    f"{self.address}: the run that holds this ledger is silent, and its session"
                    f" cannot be ended: {error}",
                    hint="Nothing was sent. Use the same role on all machines, or grant it"
                    " pg_signal_backend (docs/shared-ledger.md).",
                ) from error
            time.sleep(POLL_S)

    # -- transactions

    def _enter(self, engine: ServerEngine) -> None:
        """Begin a transaction of the holder: refuse it if the seat was taken."""
        row = engine.execute("enter", {"epoch": self.epoch}).fetchone()
        if row is None:
            raise SeatLostError(self._taken_text(engine))
        self._expected = int(row["commits"])
        self._committed_at = time.monotonic()

    def _taken_text(self, engine: ServerEngine) -> str:
        holder, _ = _holder(engine)
        return f"another machine has taken over this ledger: {holder}"

    def durably(self, operation: Callable[[], Any], patient: Callable[[float], bool]) -> Any:
        """Run an operation that is one transaction, also if the connection breaks meanwhile: then
        the connection is opened again, and what was not committed is done again.

        `patient` is asked, with the seconds since it broke, whether to try further. Raises
        ConnectionLostError if not, and SeatLostError if another machine has taken the seat."""
        with self.lock:
            if self._connection.raw.closed or self._connection.raw.broken:
                self._restore(patient)
            while True:
                before = self._expected
                kept: list[Any] = []
                try:
                    self.engine.begin()
                    kept.append(operation())
                    self.engine.commit()
                    return kept[0]
                except ConnectionLostError:
                    self._restore(patient)
                    # The number says whether the commit whose answer was lost took place.
                    if kept and self._expected > before and self._is_committed():
                        return kept[0]
                except BaseException:
                    if self.engine.in_transaction:
                        with suppress(ServerError):
                            self.engine.roll_back()
                    raise

    def _is_committed(self) -> bool:
        row = self.engine.execute("own_commits", {"epoch": self.epoch}).fetchone()
        if row is None:
            raise SeatLostError(self._taken_text(self.engine))
        return int(row["commits"]) >= self._expected

    def _restore(self, patient: Callable[[float], bool]) -> None:
        """Open the connection again and take the seat back at the same epoch."""
        began, pause = time.monotonic(), 0.1
        old = self._connection.session
        self._connection.close()
        while True:
            try:
                self._reopen(old)
                return
            except SeatLostError:
                raise
            except (UsageError, ServerError) as error:
                away = time.monotonic() - began
                if not patient(away):
                    raise ConnectionLostError(str(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _reopen(self, old: int) -> None:
        connection = TimedConnection(self.address)
        try:
            reading = ServerEngine(connection, self.address)
            keys = {"space": database.SPACE, "ledger": self._ledger_number}
            row = reading.execute("holder_session", keys).fetchone()
            if row is not None and row["pid"] == old:
                # The server has not noticed that our connection broke.
                reading.execute("end_session", {"session": old})
            state = reading.execute("seat", {}).fetchone()
            if state is None or int(state["epoch"]) != self.epoch:
                raise SeatLostError(self._taken_text(reading))
            if not self._try_lock(reading):
                raise ServerError("the session that broke still has its lock")
            if reading.execute("retake", {"epoch": self.epoch}).fetchone() is None:
                raise SeatLostError(self._taken_text(reading))
        except BaseException:
            connection.close()
            raise
        self._connection = self.engine.connection = connection

    # -- signs of life

    def _beat(self) -> None:
        """Write a sign of life when nothing else was written for a while."""
        while not self._ended.wait(SIGN_EVERY_S / 5):
            if time.monotonic() - self._committed_at < SIGN_EVERY_S:
                continue
            if not self.lock.acquire(blocking=False):
                continue
            try:
                if not self.engine.in_transaction:
                    self.engine.begin()
                    self.engine.commit()
            except ServerError:
                self._committed_at = time.monotonic()  # whoever uses it next sees the error
            finally:
                self.lock.release()

    # -- ending

    def end(self) -> None:
        """Leave the seat, and close the connection."""
        self._ended.set()
        with self.lock:
            with suppress(ServerError):
                if self.epoch >= 0 and not self._connection.raw.closed:
                    self.engine.execute("release", {"epoch": self.epoch})
            self._connection.close()


class _HeldServer:
    """A shared ledger whose seat is held."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def open(self, api_url: str | None, *, checked: bool = True) -> Writer:
        """Open the ledger for the API at `api_url` (see `worker.ledger.database.Held`)."""
        engine, address = self.session.engine, self.session.address
        try:
            if api_url is not None:
                engine.execute("bind_to_api", {"api_url": api_url})
                database.refuse_other_api(engine, address, api_url)
        except ServerError as error:
            raise database.unusable(address, error) from error
        return SeatedWriter(self.session)


class SeatedWriter(Writer):
    """A ledger on the session of a seat. Closing it leaves the session open: a command may open the
    ledger several times."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.engine)
        self.session = session

    def close(self) -> None:
        """Nothing to close."""


@contextmanager
def hold_server(address: ServerAddress, wait_s: float) -> Iterator[_HeldServer]:
    """Hold the seat of the ledger at `address` within the block. Waits up to `wait_s` seconds for
    the run that has it.

    Raises BusyError, which names that run, and UsageError if the server cannot be reached in time
    or refuses."""
    session = _reached(address, max(wait_s, REACHED_WITHIN_S))
    try:
        session.take(wait_s)
    except ServerError as error:
        session.end()
        raise database.unusable(address, error) from error
    except BaseException:
        session.end()
        raise
    try:
        yield _HeldServer(session)
    finally:
        session.end()


def _reached(address: ServerAddress, within_s: float) -> Session:
    deadline = time.monotonic() + within_s
    while True:
        try:
            return Session(address)
        except UsageError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.5)


def _holder(engine: ServerEngine) -> tuple[Holder | None, Any]:
    """The last holder (None: nobody ever was), and the server's time."""
    row = engine.execute("seat", {}).fetchone()
    if row["host"] is None:
        return None, row["now"]
    holder = Holder(
        row["host"],
        row["machine"],
        row["process"],
        row["session"],
        row["since"],
        row["alive_at"],
        row["released"],
    )
    return holder, row["now"]


def machine() -> str:
    """A text that identifies this host since its start, and the namespace of its process ids:
    containers of one host do not see each other's processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
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
