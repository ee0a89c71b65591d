"""The signals that ask this program to stop, as far as the system has them."""

from __future__ import annotations

import signal

HANGUP: int | None = getattr(signal, "SIGHUP", None)
"""The signal that a process gets if its terminal is closed or its connection is lost. Windows has
none."""

HANGUP_TWICE_S = 2.0
"""A hangup within this many seconds of the first signal is the same one: if a terminal is closed,
the shell and the system both send it. Only a later one asks to stop immediately."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals to stop at. A hangup is included only if it is not ignored; `nohup` ignores
    it."""
    usual = signal.SIGINT, signal.SIGTERM
    if HANGUP is None or signal.getsignal(HANGUP) is signal.SIG_IGN:
        return usual
    return *usual, signal.Signals(HANGUP)
