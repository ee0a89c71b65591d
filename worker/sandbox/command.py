"""The command `sandbox`: prints how to use the server, serves until a signal, and prints how many
duplicates it created."""

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
    """Print how to use the server, and serve until a signal. Returns the exit code, 0.

    Raises UsageError if the server cannot listen on the port.
    """
    sandbox = Sandbox(options)
    # If the loop cannot handle signals, Ctrl-C comes as an exception.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sandbox))
    made = sandbox.world.made
    say(f"Created {made} duplicate{'' if made == 1 else 's'}. Nothing was saved.")
    return 0


async def _serve(sandbox: Sandbox) -> None:
    ended = _signalled()
    for number in range(1, SOURCES + 1):  # batches to list, before any is asked for
        sandbox.world.find(f"5a{number:06x}-0000-7000-8000-000000000000")
    url = await sandbox.start()
    try:
        say(_introduction(sandbox.options, url), end="", now=True)
        if not is_lost():  # otherwise nobody knows the address
            await ended.wait()
    finally:
        await sandbox.stop()


def _signalled() -> asyncio.Event:
    """An event that a signal to stop sets. It is never set if signals cannot be handled: on some
    systems, and in a thread."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in stop_signals():
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, ended.set)
    return ended


def _introduction(options: SandboxOptions, url: str) -> str:
    faults = [f"  {name}={options.faults[name]:g}: {FAULTS[name]}" for name in options.faults]
    lines = [
        f"duplicate-batches {__version__}: a local stand-in for the API. Nothing in it is real.",
        "",
        f"export PROLIFIC_URL={url}",
        f"export PROLIFIC_TOKEN={options.token}",
        "",
        *(["Faults:", *faults] if faults else ["No faults."]),
        "Press Ctrl-C to stop it.",
    ]
    return "\n".join(lines) + "\n"
