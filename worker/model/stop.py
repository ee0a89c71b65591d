"""Why a run ends early, and the waits that end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from worker.model.events import STOPPED_BY


class Stop:
    """Asked once, seen by everybody who waits. The first reason stands, but a signal's or a refused
    token's replaces a milder one: the exit code tells them."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.signal: int | None = None
        self._event = anyio.Event()
        self._listeners: list[Callable[[], None]] = []

    def on_ask(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever somebody asks."""
        self._listeners.append(listener)

    def ask(self, reason: str) -> None:
        """Let nothing new begin, because of `reason` (a key of `STOPPED_BY`)."""
        if reason not in STOPPED_BY:
            raise ValueError(reason)
        if self.reason is None or (
            reason in ("signal", "token") and self.reason not in ("signal", "token")
        ):
            self.reason = reason
        self._event.set()
        for listener in self._listeners:
            listener()

    @property
    def asked(self) -> bool:
        """Whether anything new may not begin."""
        return self.reason is not None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A block that is cancelled as soon as somebody asks; what follows it goes on."""
        with anyio.CancelScope() as scope:
            self._listeners.append(scope.cancel)
            try:
                if self.asked:
                    scope.cancel()
                yield
            finally:
                self._listeners.remove(scope.cancel)

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until somebody asks to stop."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
