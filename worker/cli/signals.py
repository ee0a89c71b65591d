"""Handles signals: the first one lets requests in flight finish, the second one aborts them."""

from __future__ import annotations

import signal
from collections.abc import Callable

import anyio

from worker.model.events import Emit, Event
from worker.model.stop import Stop
from worker.model.stop_signals import HANGUP, HANGUP_TWICE_S, stop_signals


async def watch_signals(
    stop: Stop, emit: Emit, in_flight: Callable[[], int], abort: Callable[[], None]
) -> None:
    """Ask the run to stop at the first signal, and `abort` it at the second. Returns only if it is
    cancelled."""
    began = 0.0
    try:
        receiver = anyio.open_signal_receiver(*stop_signals())
    except NotImplementedError:
        # Windows: Ctrl-C ends the process, and the ledger is as after any crash.
        return
    with receiver as signals:
        async for number in signals:
            if stop.signal is not None:
                if number == HANGUP and anyio.current_time() - began < HANGUP_TWICE_S:
                    continue
                abort()
                continue
            began = anyio.current_time()
            stop.signal = number
            stop.ask("signal")
            fields = {"signal": signal.Signals(number).name, "in_flight": in_flight()}
            emit(Event("run.interrupted", "warning", fields))


def ignore_late_hangup(stop: Stop) -> None:
    """After a hangup, ignore further ones, so that the shell's own does not interrupt the end of
    the run."""
    if HANGUP is not None and stop.signal == HANGUP:
        signal.signal(HANGUP, signal.SIG_IGN)
