"""The session of a run that has the seat of a shared ledger: it takes the seat, shows signs of
life, and opens a connection that broke again. The rules are in `worker.ledger.seat`."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from worker.ledger.engine import ConnectionLostError, ServerError
from worker.ledger.handle import Writer
from worker.ledger.postgresql import database, lineage
from worker.ledger.postgresql.engine import ServerEngine
from worker.ledger.seat import SIGN_EVERY_S, Holder, is_silent, leaves_for
from worker.model.errors import BusyError, UsageError
from worker.model.server_address import ServerAddress

T = TypeVar("T")

POLL_S = 0.2
"""Seconds between two tries to get the seat."""


class SeatLostError(ServerError):
    """Another machine has taken the seat, so this run must not send anything new."""


class Session:
    """This process's hold of a shared ledger. All statements of its ledger run through
    `engine`."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.epoch = -1
        self._ledger_number = 0
        self._number = 0
        """The number of the last transaction that has begun."""
        self._committed = 0
        """The number of the last transaction that is known to be committed."""
        self._entered_at = time.monotonic()
        self._ended = threading.Event()
        self._connection = database.opened(address)
        self.engine = ServerEngine(self._connection, address, self._enter)
        self.doubt = ""
        """What shows that the server may lack commits of earlier runs; empty if nothing does."""

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
        lineage.refuse_unsafe(reading, self.address)
        self.lineage = lineage.current(reading, self.address)
        self.doubt = lineage.difference(lineage.recorded(reading), self.lineage)
        with self._connection.exchange() as raw, raw.transaction():
            taken = reading.execute(
                "take",
                {
                    "host": socket.gethostname(),
                    "machine": machine(),
                    "process": os.getpid(),
                    **self.lineage._asdict(),
                },
            ).fetchone()
        self.epoch = int(taken["epoch"])
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
        self._number = int(row["commits"])
        self._entered_at = time.monotonic()

    def _taken_text(self, engine: ServerEngine) -> str:
        holder, _ = _holder(engine)
        return f"another machine has taken over this ledger: {holder}"

    def durably(
        self, writer: Writer, operation: Callable[[], T], patient: Callable[[float], bool]
    ) -> T:
        """Run an operation as one transaction of `writer`, also if the connection breaks meanwhile:
        then the connection is opened again, and what was not committed is done again.

        `patient` is asked, with the seconds since it broke, whether to try further. Raises
        ConnectionLostError if not, and SeatLostError if another machine has taken the seat."""
        if self._connection.is_broken:
            self._restore(patient)
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
                self._restore(patient)
                # The number of commits says whether the one whose answer was lost took place.
                if done and self._committed == number:
                    return done[0]
            except BaseException:
                writer.roll_back()
                raise

    def _restore(self, patient: Callable[[float], bool]) -> None:
        """Open the connection again, and take the seat back at the same epoch."""
        began, pause = time.monotonic(), 0.1
        self._connection.close()
        while True:
            try:
                self._reopen()
                return
            except SeatLostError:
                raise
            except (UsageError, ServerError) as error:
                if not patient(time.monotonic() - began):
                    raise ConnectionLostError(str(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _reopen(self) -> None:
        connection = database.opened(self.address)
        try:
            engine = ServerEngine(connection, self.address)
            keys = {"space": database.SPACE, "ledger": self._ledger_number}
            row = engine.execute("holder_session", keys).fetchone()
            if row is not None and row["pid"] == self._connection.session:
                # The server has not noticed that our connection broke.
                engine.execute("end_session", {"session": row["pid"]})
            state = engine.execute("seat", {}).fetchone()
            if int(state["epoch"]) > self.epoch:
                raise SeatLostError(self._taken_text(engine))
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
            self._keep_lineage(engine)
        except BaseException:
            connection.close()
            raise
        self._connection = self.engine.connection = connection

    def _keep_lineage(self, engine: ServerEngine) -> None:
        """Record that the server is another one, on which none of this run's commits is missing."""
        lineage.refuse_unsafe(engine, self.address)
        now = lineage.current(engine, self.address)
        if now != self.lineage:
            was = {"was_system": self.lineage.system, "was_timeline": self.lineage.timeline}
            engine.execute("keep_lineage", {"epoch": self.epoch, **was, **now._asdict()})
            self.lineage = now

    def accept_server(self) -> None:
        """Record that a person says that the server lacks no commit."""
        self.engine.execute("accept_lineage", {"epoch": self.epoch, **self.lineage._asdict()})
        self.doubt = ""

    # -- signs of life

    def _beat(self) -> None:
        """Write a sign of life when nothing else was written for a while."""
        while not self._ended.wait(SIGN_EVERY_S / 5):
            if time.monotonic() - self._entered_at < SIGN_EVERY_S:
                continue
            self._entered_at = time.monotonic()  # the next try is not at once
            with suppress(ServerError):  # whoever uses the connection next sees the error
                self.engine.show_life()

    # -- ending

    def end(self) -> None:
        """Leave the seat, and close the connection."""
        self._ended.set()
        with suppress(ServerError):
            if self.epoch >= 0 and not self._connection.is_broken:
                self.engine.execute("release", {"epoch": self.epoch})
        self._connection.close()


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
