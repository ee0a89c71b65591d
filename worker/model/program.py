"""The first words of every command that people are shown: how to call this program.

`program` reads the process's state; `command_prefix` is the rule and is pure."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

PROGRAM = "duplicate-batches"

Program = tuple[str, ...]
"""The words before the name of a command."""


def program(stream: TextIO | None = None) -> Program:
    """The words for people who read `stream`. None: for a file, which people may read from any
    folder."""
    terminal = stream is not None and stream.isatty()
    return command_prefix(
        sys.argv[0], sys.orig_argv, sys.executable, shutil.which, terminal=terminal
    )


def command_prefix(
    called: str,
    command_line: Sequence[str],
    interpreter: str,
    which: Callable[[str], str | None],
    *,
    terminal: bool,
) -> Program:
    """The words for a program that was called as `called`, with the full `command_line`.

    On a `terminal`, people paste commands into the shell that they used before, so the words stay
    short. Anywhere else they must work in every folder and without this shell's PATH."""
    path = Path(called)
    if path.parts[-2:] == ("worker", "__main__.py"):
        if terminal and "-m" in command_line:
            return tuple(command_line[: command_line.index("-m") + 2])
        return (interpreter, "-m", "worker")
    if path.stem != PROGRAM:
        return (PROGRAM,)  # called from another program, which has its own name
    found = which(path.name)
    if terminal and found and os.path.abspath(found) == os.path.abspath(called):  # noqa: PTH100 - resolve() would leave the venv
        return (path.stem,)
    if path.name == called:  # Windows may leave out the folder
        return (called if terminal else found or called,)
    return (called if terminal else os.path.abspath(called),)  # noqa: PTH100 - links stay
