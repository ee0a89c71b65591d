"""Everybody who is told about one command: at its start, and with the summaries at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

from worker.notify.command import run_command
from worker.notify.heartbeat import body_of, ping

LONGEST_S = 10.0
"""Seconds that telling about the end may delay the command."""


class Notifier:
    """Pings `heartbeat_url` and runs `on_finish`; both may be None. Raises nothing."""

    def __init__(self, heartbeat_url: str | None, on_finish: str | None) -> None:
        self._heartbeat_url, self._on_finish = heartbeat_url, on_finish
        self._threads: list[Thread] = []
        self._troubles: list[str] = []

    def started(self) -> None:
        """Tell that the command started, without waiting for an answer."""
        if self._heartbeat_url is not None:
            address = self._heartbeat_url
            self._begin("heartbeat", lambda: ping(address, "start"))

    def finished(self, summaries: list[Mapping[str, Any]], exit_code: int) -> list[str]:
        """Tell how it ended, and wait for that at most ten seconds. Returns what went wrong."""
        body = body_of(summaries)
        deadline = time.monotonic() + LONGEST_S
        if self._heartbeat_url is not None:
            address, signal = self._heartbeat_url, "fail" if exit_code else ""
            self._wait(deadline - LONGEST_S / 2)  # its start comes before its end
            self._begin("heartbeat", lambda: ping(address, signal, body))
        if self._on_finish is not None:
            command = self._on_finish
            self._begin("--on-finish", lambda: run_command(command, body))
        self._wait(deadline)
        late = ["no answer yet"] if any(thread.is_alive() for thread in self._threads) else []
        return [*self._troubles, *(f"notification: {text}" for text in late)]

    def _begin(self, what: str, tell: Callable[[], str | None]) -> None:
        def run() -> None:
            if trouble := tell():
                self._troubles.append(f"{what}: {trouble}")

        # A daemon: a name server that never answers must not keep the process.
        thread = Thread(target=run, name=what, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _wait(self, deadline: float) -> None:
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
