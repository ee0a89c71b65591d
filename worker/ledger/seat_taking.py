"""How a run takes the seat of a shared ledger: it gets the lock, waits until no request of the last
holder can leave any more, and writes itself into the seat's row. The rules are in
`worker.ledger.seat`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from worker.ledger.engine import ConnectionLostError, Engine, ServerError
from worker.ledger.seat import (
    POLL_S,
    SIGN_EVERY_S,
    Holder,
    LockSession,
    is_silent,
    leaves_for,
    may_be_ended,
)
from worker.ledger.seat_statements import LedgerLock, SeatRow, read_seat
from worker.ledger.steps import Steps
from worker.model.errors import BusyError, UsageError


class SeatTaking(NamedTuple):
    """One try to take the seat.

    place      the ledger, for messages
    lock       its lock, through our connection
    deadline   until when to wait for a run that has the seat, by `monotonic`
    monotonic  the clock of this machine, in seconds
    identity   the values of `take`: who this process is, and what the server is
    is_dead    whether a holder was a process of this machine that has ended
    """

    place: str
    lock: LedgerLock
    deadline: float
    monotonic: Callable[[], float]
    identity: Callable[[Engine], Mapping[str, object]]
    is_dead: Callable[[Holder], bool]

    def take(self) -> Steps[tuple[int, datetime]]:
        """Take the seat. Returns its epoch, and since when it is taken. Raises BusyError, which
        names the run that has the seat."""
        engine = self.lock.engine
        while True:
            yield from self._acquire_lock()
            seat = read_seat(engine)
            if not (yield from self._holder_lives(seat)):
                seen = {"epoch": seat.epoch, "alive_at": seat.alive_at}
                taken = engine.execute("take", {**seen, **self.identity(engine)}).fetchone()
                if taken is not None:
                    return int(taken["epoch"]), taken["since"]
            # The holder lives: its connection broke, and it needs the lock to continue.
            self.lock.release()
            if self.monotonic() >= self.deadline:
                raise self._busy(seat.holder)
            yield SIGN_EVERY_S

    def _acquire_lock(self) -> Steps[None]:
        """Wait for the lock, and end the session that has it if it is silent."""
        seen, since, was_free = None, self.monotonic(), False
        while not self.lock.try_acquire():
            session, seat = self.lock.session(), read_seat(self.lock.engine)
            if session is None and not was_free:
                was_free = True  # its session ended after our try
                continue
            holder = seat.holder
            its_seat = (
                session is not None and holder is not None and session.number == holder.session
            )
            shown = (session, seat.alive_at if its_seat else None)
            if seen != shown:
                seen, since = shown, self.monotonic()
            watched_s = self.monotonic() - since
            if session is not None and may_be_ended(holder, session, seat.now, watched_s):
                self._end_silent(session)
            elif self.monotonic() >= self.deadline and not (
                session is not None and is_silent(holder, session, seat.now)
            ):
                raise self._busy(holder)
            yield POLL_S

    def _holder_lives(self, before: SeatRow) -> Steps[bool]:
        """Whether the holder, by this row of the seat, shows life although its lock is free. If it
        does not, waits until its requests cannot leave any more."""
        dead = before.holder is not None and self.is_dead(before.holder)
        until = self.monotonic() + leaves_for(before.holder, before.now, certainly_dead=dead)
        while (left := until - self.monotonic()) > 0:
            yield min(POLL_S, left)
            now = read_seat(self.lock.engine)
            if (now.epoch, now.alive_at) != (before.epoch, before.alive_at):
                return True
        return False

    def _end_silent(self, session: LockSession) -> None:
        try:
            self.lock.end_session(session)
        except ConnectionLostError:
            raise
        except ServerError as error:
            raise UsageError(
                f"{self.place}: the run that holds this ledger is silent, and its session cannot be"
                f" ended: {error}",
                hint="Nothing was sent. Use the same role on all machines, or grant it"
                " pg_signal_backend (docs/shared-ledger.md).",
            ) from error

    def _busy(self, holder: Holder | None) -> BusyError:
        started = holder is None or holder.released is not None
        described = "it started a moment ago" if started else str(holder)
        return BusyError(
            f"another run holds {self.place}: {described}",
            hint="Wait for it to end, or give --wait SECONDS.",
        )
