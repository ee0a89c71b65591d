"""Stops a run early: the reason, and waits that end when the run is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from worker.model.events import StopReason

SEVERE = (StopReason.SIGNAL, StopReason.TOKEN)
"""Reasons that decide the exit code."""


class Stop:
    """A request to stop, seen by everything that waits. The first reason stays, except that a
    signal or a refused token replaces a milder reason, because it decides the exit code."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.signal: int | None = None
        self._event = anyio.Event()
        self._listeners: list[Callable[[], None]] = []

    def on_ask(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a stop is requested."""
        self._listeners.append(listener)

    def ask(self, reason: StopReason) -> None:
        """Let nothing new begin, because of `reason`."""
        if self.reason is None or (reason in SEVERE and self.reason not in SEVERE):
            self.reason = reason
        self._event.set()
        for listener in self._listeners:
            listener()

    @property
    def asked(self) -> bool:
        """Whether a stop was requested, so that nothing new may begin."""
        return self.reason is not None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A block that is cancelled when a stop is requested; the code after it continues."""
        with anyio.CancelScope() as scope:
            self._listeners.append(scope.cancel)
            try:
                if self.asked:
                    scope.cancel()
                yield
            finally:
                self._listeners.remove(scope.cancel)

    async def wait(self, seconds: float) -> None:
        """Wait `seconds`, or until a stop is requested."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
