"""The signals that ask this program to stop, where the system has them."""

from __future__ import annotations

import signal

HANGUP: int | None = getattr(signal, "SIGHUP", None)
"""What a process gets if its terminal is closed or its connection is lost. Windows has none."""

HANGUP_TWICE_S = 2.0
"""A hangup within so many seconds of the first signal is the same one: if a terminal is closed, the
shell and the system each send it. Only a later one asks to stop at once."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals to stop at; a hangup only if it is not ignored, as it is under `nohup`."""
    usual = signal.SIGINT, signal.SIGTERM
    if HANGUP is None or signal.getsignal(HANGUP) is signal.SIG_IGN:
        return usual
    return *usual, signal.Signals(HANGUP)
