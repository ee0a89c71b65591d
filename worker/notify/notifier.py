"""Notifies others about one command: at its start, and at its end with the summaries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

from worker.notify.command import run_command
from worker.notify.heartbeat import ping

LONGEST_S = 10.0
"""Seconds by which notifications may delay the end of the command."""


class Notifier:
    """Pings `heartbeat_url` and runs `on_finish`, if they are not None. Raises nothing."""

    def __init__(self, heartbeat_url: str | None, on_finish: str | None) -> None:
        self._heartbeat_url, self._on_finish = heartbeat_url, on_finish
        self._threads: list[Thread] = []
        self._troubles: list[str] = []

    def started(self) -> None:
        """Notify of the start, without waiting for an answer."""
        if (address := self._heartbeat_url) is not None:
            self._begin("heartbeat", lambda: ping(address, "start"))

    def finished(self, summaries: list[Mapping[str, Any]], exit_code: int) -> list[str]:
        """Notify of the end, and wait for at most ten seconds. Returns what went wrong."""
        body = "\n".join(map(_line, summaries)).encode("utf-8", "replace")
        deadline = time.monotonic() + LONGEST_S
        if (command := self._on_finish) is not None:
            self._begin("--on-finish", lambda: run_command(command, body))
        if (address := self._heartbeat_url) is not None:
            self._threads[0].join(LONGEST_S / 2)  # the ping of the start comes first
            signal = "fail" if exit_code else ""
            self._begin("heartbeat", lambda: ping(address, signal, body))
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = [f"{thread.name}: no answer yet" for thread in self._threads if thread.is_alive()]
        return [*self._troubles, *late]

    def _begin(self, name: str, notify: Callable[[], str | None]) -> None:
        def run() -> None:
            try:
                trouble = notify()
            except Exception as error:  # a thread would print a traceback
                trouble = type(error).__name__
            if trouble:
                self._troubles.append(f"{name}: {trouble}")

        # A daemon: a name server that never answers must not keep the process.
        thread = Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)


def _line(summary: Mapping[str, Any]) -> str:
    """A summary as a line of JSON, the counts first: a monitor may keep only the beginning."""
    first = ("campaign", "exit_code", "counts", "stopped_by")
    ordered = {key: summary[key] for key in first if key in summary} | dict(summary)
    return json.dumps(ordered, ensure_ascii=False)
