"""Lets async code call the ledger's verbs: one at a time, in a thread, so that no fsync holds up a sender.

A simulation hands in one that calls inline, because a thread would break the order that a seed repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import anyio
import anyio.to_thread

from worker.ledger.store import Ledger

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """Where database work runs."""

    async def call(self, verb: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one verb, as in `call(Ledger.set_me, "…")`; it is run whole even if the caller is cancelled meanwhile."""


class ThreadedDatabase:
    """Runs every verb in a worker thread, one after the other."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._one = anyio.CapacityLimiter(1)

    async def call(self, verb: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one verb of the ledger."""
        return await anyio.to_thread.run_sync(partial(verb, self._ledger, *args, **kwargs), limiter=self._one)
