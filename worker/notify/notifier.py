"""Notifies others about one command: at its start, and at its end with the summaries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

from worker.model.clock import MachineClock, iso
from worker.model.records import Notification, NotificationKind
from worker.notify.command import run_command
from worker.notify.heartbeat import ping

LONGEST_S = 10.0
"""Seconds by which notifications may delay the end of the command."""

NAMES = {
    NotificationKind.START: "heartbeat: ",
    NotificationKind.SUCCESS: "heartbeat: ",
    NotificationKind.FAIL: "heartbeat: ",
    NotificationKind.ON_FINISH: "--on-finish: ",
    NotificationKind.METRICS: "",  # its trouble begins with its path
}
"""What a message about a notification begins with."""


def complaint(sent: Notification) -> str | None:
    """The message about a notification that failed; None if it did not."""
    return None if sent.trouble is None else f"{NAMES[sent.kind]}{sent.trouble}"


class Notifier:
    """Pings `heartbeat_url` and runs `on_finish`, if they are not None. Raises nothing."""

    def __init__(self, heartbeat_url: str | None, on_finish: str | None) -> None:
        self._heartbeat_url, self._on_finish = heartbeat_url, on_finish
        self._sendings: list[_Sending] = []

    def started(self) -> None:
        """Notify of the start, without waiting for an answer."""
        if (address := self._heartbeat_url) is not None:
            self._begin(NotificationKind.START, lambda: ping(address, "start"))

    def finished(self, summaries: list[Mapping[str, Any]], exit_code: int) -> list[Notification]:
        """Notify of the end, and wait for at most ten seconds. Returns what was sent, the start
        included."""
        body = "\n".join(map(_line, summaries)).encode("utf-8", "replace")
        deadline = time.monotonic() + LONGEST_S
        if (command := self._on_finish) is not None:
            self._begin(NotificationKind.ON_FINISH, lambda: run_command(command, body))
        if (address := self._heartbeat_url) is not None:
            self._sendings[0].thread.join(LONGEST_S / 2)  # the ping of the start comes first
            kind = NotificationKind.FAIL if exit_code else NotificationKind.SUCCESS
            signal = "fail" if exit_code else ""
            self._begin(kind, lambda: ping(address, signal, body))
        for sending in self._sendings:
            sending.thread.join(max(0.0, deadline - time.monotonic()))
        return [sending.outcome() for sending in self._sendings]

    def _begin(self, kind: NotificationKind, notify: Callable[[], str | None]) -> None:
        self._sendings.append(_Sending(kind, notify))


class _Sending:
    """A notification that is being sent by a thread of its own."""

    def __init__(self, kind: NotificationKind, notify: Callable[[], str | None]) -> None:
        self._kind, self._notify = kind, notify
        self._at = iso(MachineClock().wall())
        self._trouble: str | None = "no answer yet"
        # A daemon: a name server that never answers must not keep the process.
        self.thread = Thread(target=self._run, name=kind, daemon=True)
        self.thread.start()

    def outcome(self) -> Notification:
        """How it went so far."""
        return Notification(self._kind, self._at, self._trouble)

    def _run(self) -> None:
        try:
            self._trouble = self._notify()
        except Exception as error:  # a thread would print a traceback
            self._trouble = type(error).__name__


def _line(summary: Mapping[str, Any]) -> str:
    """A summary as a line of JSON, the counts first: a monitor may keep only the beginning."""
    first = ("campaign", "exit_code", "counts", "stopped_by")
    ordered = {key: summary[key] for key in first if key in summary} | dict(summary)
    return json.dumps(ordered, ensure_ascii=False)
