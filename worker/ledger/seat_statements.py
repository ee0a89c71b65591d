"""The seat and the lock of a shared ledger as the server shows them: typed values in place of rows
and statement names. The rules are in `worker.ledger.seat`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from worker.ledger.engine import Engine
from worker.ledger.seat import Holder, LockSession


class SeatRow(NamedTuple):
    """The row of the seat when it was read.

    epoch     how often the seat was taken
    holder    who has it, or had it last; None: nobody ever had
    alive_at  the last sign of life; None: there was none
    now       the server's time
    """

    epoch: int
    holder: Holder | None
    alive_at: datetime | None
    now: datetime


def read_seat(engine: Engine) -> SeatRow:
    """The row of the seat now."""
    row = engine.execute("seat", {}).fetchone()
    holder = None
    if row["host"] is not None:
        holder = Holder(**{field: row[field] for field in Holder._fields})
    return SeatRow(row["epoch"], holder, row["alive_at"], row["now"])


def session_of(engine: Engine) -> LockSession:
    """The session that the server has for this connection."""
    row = engine.execute("own_session", {}).fetchone()
    return LockSession(row["pid"], row["backend_start"], None)


class LedgerLock(NamedTuple):
    """The ledger's lock on the server, through one connection. `key` has the values that name it.
    The session that has the lock may try to take the seat."""

    engine: Engine
    key: Mapping[str, object]

    def try_acquire(self) -> bool:
        """Get the lock if no session has it. Returns whether this session has it now."""
        return bool(self.engine.execute("lock", self.key).fetchone()[0])

    def release(self) -> None:
        """Give the lock back."""
        self.engine.execute("unlock", self.key).fetchall()

    def session(self) -> LockSession | None:
        """The session that has the lock; None: none has it."""
        row = self.engine.execute("holder_session", self.key).fetchone()
        return (
            None if row is None else LockSession(row["pid"], row["backend_start"], row["active_at"])
        )

    def end_session(self, session: LockSession) -> None:
        """End this session if it still has the lock. Raises ServerError if the role may not."""
        which = {"session": session.number, "began": session.began}
        self.engine.execute("end_session", {**self.key, **which}).fetchall()
