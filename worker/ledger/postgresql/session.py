"""The session of a run that has the seat of a ledger on PostgreSQL: its connections, and the signs
of life, which come from a thread. What it does is in `worker.ledger.session`."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from worker.ledger import session
from worker.ledger.engine import Engine
from worker.ledger.handle import Writer
from worker.ledger.postgresql import database
from worker.ledger.postgresql.connection import TimedConnection
from worker.ledger.postgresql.engine import ServerEngine
from worker.ledger.postgresql.lineage import Lineage, current, refuse_unsafe
from worker.ledger.seat import SIGN_EVERY_S, Holder
from worker.ledger.steps import T, run_blocking
from worker.model.process import is_running
from worker.model.server_address import ServerAddress


class Session(session.Session):
    """A session on the server at `address`."""

    engine: ServerEngine
    _connection: TimedConnection
    lineage: Lineage

    def __init__(self, address: ServerAddress) -> None:
        super().__init__()
        self.address = address
        self._ended = threading.Event()
        self._connection = self._connect()
        self.engine = ServerEngine(self._connection, address, self.enter, self.confirm)

    @property
    def place(self) -> str:
        """The address, without a password."""
        return str(self.address)

    def acquire_seat_blocking(self, wait_s: float) -> None:
        """Take the seat (see `acquire_seat`), and show signs of life from now on."""
        run_blocking(self.acquire_seat(wait_s))
        threading.Thread(target=self._beat, name="signs of life", daemon=True).start()

    def transact_blocking(
        self, writer: Writer, operation: Callable[[], T], keep_trying: Callable[[float], bool]
    ) -> T:
        """`transact`, in this thread."""
        return run_blocking(self.transact(writer, operation, keep_trying))

    def read_blocking(self, operation: Callable[[], T], keep_trying: Callable[[float], bool]) -> T:
        """`read`, in this thread."""
        return run_blocking(self.read(operation, keep_trying))

    def _beat(self) -> None:
        while not self._ended.wait(SIGN_EVERY_S / 5):
            self.keep_alive()

    def _reopen(self) -> None:
        if not self._ended.is_set():
            super()._reopen()

    def end(self) -> None:
        """Leave the seat, and close the connection."""
        self._ended.set()
        super().end()

    def _check_server(self, engine: Engine) -> None:
        """Check the server after reconnecting (see the base class). Record its lineage if it is
        another one."""
        assert isinstance(engine, ServerEngine)
        refuse_unsafe(engine, self.address)
        now = current(engine, self.address)
        if now != self.lineage:
            was = {"was_system": self.lineage.system, "was_timeline": self.lineage.timeline}
            engine.execute("keep_lineage", {"epoch": self.epoch, **was, **now._asdict()})
            self.lineage = now

    def accept_server(self) -> None:
        """Record that a person says that the server lacks no commit."""
        self.engine.execute("accept_lineage", {"epoch": self.epoch, **self.lineage._asdict()})

    # -- what the server, and this machine, are asked

    def _connect(self) -> TimedConnection:
        return database.opened(self.address, writes=True, explains=self.epoch < 0)

    def _plain(self, connection: session.Connection) -> ServerEngine:
        assert isinstance(connection, TimedConnection)
        return ServerEngine(connection, self.address)

    def _use(self, connection: session.Connection) -> None:
        assert isinstance(connection, TimedConnection)
        self.engine.connection = connection

    def _prepare(self, engine: Engine) -> Mapping[str, object]:
        present = database.version(self._connection, self.address)
        database.refuse_newer(present, self.address)
        if present == 0:
            database.refuse_without_temporary(engine, self.address)
            database.migrate(self._connection, self.address)
        row = engine.execute("ledger_number", {"schema": self.address.schema}).fetchone()
        return {"space": database.SPACE, "ledger": int(row[0])}

    def _migrate(self) -> None:
        database.migrate(self._connection, self.address)

    def _identity(self, engine: Engine) -> Mapping[str, object]:
        assert isinstance(engine, ServerEngine)
        refuse_unsafe(engine, self.address)
        self.lineage = current(engine, self.address)
        us = {"host": socket.gethostname(), "machine": machine(), "process": os.getpid()}
        return {**us, **self.lineage._asdict()}

    def _is_dead(self, holder: Holder) -> bool:
        return holder.machine == machine() and not is_running(holder.process)


def machine() -> str:
    """A text that identifies this host since its start, and the namespace of its process ids:
    containers of one host do not see each other's processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {os.getpid()}"  # then nobody can tell that it died
