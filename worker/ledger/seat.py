"""The rules of the seat: which run may work in a ledger that several machines share. Pure.

A run has the seat from its start to its end, and shows signs of life meanwhile. The seat's epoch
rises each time that somebody takes it, and every transaction of a run reads it first: a run whose
seat was taken can record no intent, so it sends nothing new."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

SIGN_EVERY_S = 5.0
"""Seconds after its last transaction in which a holder writes a sign of life."""

SILENT_S = 60.0
"""Seconds without a sign of life after which a holder that still has its lock is taken over."""

CONNECTS_WITHIN_S = 8.0
"""Seconds that connecting to the API may take in a run whose ledger is shared."""

LEFT_AFTER_S = 20.0
"""Seconds after the last transaction of a holder that may still be alive in which its requests may
still leave: ten for an intent (`worker.model.records.LEAVES_WITHIN_S`), then the time for
connecting, and two seconds to spare."""


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


def last_sign(holder: Holder | None, session: int, began: datetime | None) -> datetime | None:
    """The last sign of life of the session that has the lock, which `began` then (None: not known).
    None if there is none.

    It may have got the lock a moment ago, so that the seat still names another holder, or nobody;
    and it may have died at that moment."""
    if holder is None:
        return began
    if began is None or session == holder.session:
        return holder.alive_at
    return max(began, holder.alive_at)


def is_silent(last: datetime | None, now: datetime) -> bool:
    """Whether a holder that has its lock may be taken over, by its last sign of life."""
    return last is not None and (now - last).total_seconds() >= SILENT_S


def leaves_for(holder: Holder | None, now: datetime, *, certainly_dead: bool) -> float:
    """For how many more seconds requests of the last holder may leave, after its lock is free. What
    it had under way counts as given up only then.

    A free lock does not show that the holder is dead: its connection may have broken while the
    holder, which has not noticed yet, sends what it recorded a moment ago."""
    if holder is None or holder.released is not None or certainly_dead:
        return 0.0
    return max(0.0, LEFT_AFTER_S - (now - holder.alive_at).total_seconds())
