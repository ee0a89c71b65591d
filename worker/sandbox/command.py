"""The sandbox as a command of its own: says how to use it, serves until a signal, says what was
made."""

from __future__ import annotations

import asyncio
import contextlib

from worker import __version__
from worker.model.stop_signals import stop_signals
from worker.sandbox.faults import FAULTS
from worker.sandbox.options import SandboxOptions
from worker.sandbox.server import Sandbox
from worker.terminal.output import is_lost, say

SOURCES = 6
"""Batches that the workspace has at first."""


def serve_forever(options: SandboxOptions) -> int:
    """Serve until a signal asks to stop, telling people about it; returns the exit code, 0.

    UsageError where the port cannot be had.
    """
    sandbox = Sandbox(options)
    # Where the loop takes no signal handlers, Ctrl-C comes as an exception.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sandbox))
    made = sandbox.world.made
    say(f"Made {made} duplicate{'' if made == 1 else 's'}; they are gone now.")
    return 0


async def _serve(sandbox: Sandbox) -> None:
    ended = _signalled()
    for number in range(1, SOURCES + 1):  # batches to list, before any is asked for
        sandbox.world.find(f"5a{number:06x}-0000-7000-8000-000000000000")
    url = await sandbox.start()
    try:
        say(_introduction(sandbox.options, url), end="", now=True)
        if not is_lost():  # nobody would know the address
            await ended.wait()
    finally:
        await sandbox.stop()


def _signalled() -> asyncio.Event:
    """Set once a signal asks to end; never where signals cannot be had (not on this system, or in a
    thread)."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in stop_signals():
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, ended.set)
    return ended


def _introduction(options: SandboxOptions, url: str) -> str:
    faults = [f"  {name}={options.faults[name]:g}: {FAULTS[name]}" for name in options.faults]
    lines = [
        f"duplicate-batches {__version__}: a stand-in for the API, where nothing is real.",
        "",
        f"export PROLIFIC_URL={url}",
        f"export PROLIFIC_TOKEN={options.token}",
        "",
        *(["Faults:", *faults] if faults else ["No faults."]),
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines) + "\n"
