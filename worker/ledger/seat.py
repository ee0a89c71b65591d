"""The rules of the seat: which run may work in a ledger that several machines share. Pure.

A run has the seat from its start to its end, and shows signs of life meanwhile. The seat's epoch
rises each time that somebody takes it, and every transaction of a run reads it first: a run whose
seat was taken can record no intent, so it sends nothing new."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

SIGN_EVERY_S = 5.0
"""Seconds after its last transaction in which a holder writes a sign of life."""

POLL_S = 0.2
"""Seconds between two tries to get the seat."""

SILENT_S = 60.0
"""Seconds without a sign of life after which a holder that still has its lock is taken over."""

CONNECTS_WITHIN_S = 8.0
"""Seconds that connecting to the API may take in a run whose ledger is shared."""

LEFT_AFTER_S = 20.0
"""Seconds after the last transaction of a holder that may still be alive in which its requests may
still leave: until an intent expires (`worker.model.sending_bounds`), then the time for connecting,
and two seconds to spare."""


class Holder(NamedTuple):
    """Who has the seat, or had it last. Times are by the database's clock.

    machine   identifies the host since its start
    process   the process id
    session   the number of the connection on the server
    since     when it took the seat
    alive_at  its last sign of life
    released  when it left; None: it has the seat, or it died
    """

    host: str
    machine: str
    process: int
    session: int
    since: datetime
    alive_at: datetime
    released: datetime | None

    def __str__(self) -> str:
        since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"process {self.process} on {self.host}, since {since}"


class LockSession(NamedTuple):
    """The session on the server that has the ledger's lock.

    number     the number of its process on the server
    began      when it was opened; None: not to be seen by this role
    active_at  when it last did something (now, if the server is working for it): planning a big job
               is one long transaction, whose sign of life nobody sees before its end; None as above
    """

    number: int
    began: datetime | None
    active_at: datetime | None


def may_be_ended(
    holder: Holder | None, session: LockSession, now: datetime, watched_s: float
) -> bool:
    """Whether the session that has the lock may be ended, although it is there: it is silent by the
    server's clock, and nothing has changed in the `watched_s` seconds that we have watched by our
    own clock. The server's clock may have been set meanwhile, so alone it ends nobody, and it
    protects nobody for ever."""
    if watched_s >= SILENT_S:
        return True
    return watched_s >= LEFT_AFTER_S and is_silent(holder, session, now)


def is_silent(holder: Holder | None, session: LockSession, now: datetime) -> bool:
    """Whether the session that has the lock was silent too long by the server's clock. `holder` is
    who the seat names; somebody else has the lock for the moment before it takes the seat."""
    signs = [] if session.active_at is None else [session.active_at]
    if holder is not None and (session.number == holder.session or not signs):
        signs.append(holder.alive_at)
    return bool(signs) and (now - max(signs)).total_seconds() >= SILENT_S


def leaves_for(holder: Holder | None, now: datetime, *, certainly_dead: bool) -> float:
    """For how many more seconds requests of the last holder may leave, after its lock is free. What
    it had under way counts as given up only then.

    A free lock does not show that the holder is dead: its connection may have broken while the
    holder, which has not noticed yet, sends what it recorded a moment ago."""
    if holder is None or holder.released is not None or certainly_dead:
        return 0.0
    ago = (now - holder.alive_at).total_seconds()
    return max(0.0, LEFT_AFTER_S - max(0.0, ago))  # the server's clock may have been set back
