"""Handles signals: the first one lets requests in flight finish, the second one aborts them.

`watch_signals` does that during a run, `Interrupts` between the runs of one command."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import anyio

from worker.model.events import Emit, Event, StopReason
from worker.model.stop import Stop
from worker.model.stop_signals import HANGUP, HANGUP_TWICE_S, stop_signals


class Interrupts:
    """Within its block, a signal between two runs asks the next one to stop, through `stop`.
    Further ones change nothing: no request is under way."""

    def __init__(self) -> None:
        self.stop = Stop()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in stop_signals()}
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) != signal.SIG_IGN:  # see `ignore_late_hangup`
                signal.signal(number, handler or signal.SIG_DFL)

    def renew(self) -> Stop:
        """The `stop` of the next run; it is asked already if a signal came since the last one."""
        before, self.stop = self.stop, Stop()
        if before.signal is not None:
            self.stop.signal = before.signal
            self.stop.ask(StopReason.SIGNAL)
        return self.stop

    def listen(self) -> None:
        """Handle signals here (again: a run's event loop handles them until it ends)."""
        for number in self._before:
            signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        if self.stop.signal is None:
            self.stop.signal = number
            self.stop.ask(StopReason.SIGNAL)


def interrupted(*, began: bool) -> KeyboardInterrupt:
    """Ctrl-C while no run handles signals, with its message; `began` says whether one had begun."""
    if began:
        return KeyboardInterrupt(
            "interrupted; what was sent is recorded, and the same command continues"
        )
    return KeyboardInterrupt("interrupted; nothing was sent")


async def watch_signals(
    stop: Stop,
    emit: Emit,
    in_flight: Callable[[], int],
    abort: Callable[[], None],
    interrupts: Interrupts | None = None,
) -> None:
    """Ask the run to stop at the first signal, and `abort` it at the second. Returns only if it is
    cancelled; `interrupts` listens from then on."""
    try:
        await _watch(stop, emit, in_flight, abort)
    finally:
        if interrupts is not None:
            interrupts.listen()


async def _watch(
    stop: Stop, emit: Emit, in_flight: Callable[[], int], abort: Callable[[], None]
) -> None:
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
            stop.ask(StopReason.SIGNAL)
            fields = {"signal": signal.Signals(number).name, "in_flight": in_flight()}
            emit(Event("run.interrupted", "warning", fields))


def ignore_late_hangup(stop: Stop) -> None:
    """After a hangup, ignore further ones, so that the shell's own does not interrupt the end of
    the run."""
    if HANGUP is not None and stop.signal == HANGUP:
        signal.signal(HANGUP, signal.SIG_IGN)
