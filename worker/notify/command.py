"""Runs the command of `--on-finish`, with the summary on its standard input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

TIME_LIMIT_S = 9.0


def run_command(command: str, summary: bytes) -> str | None:
    """Run `command` in the shell. Its output goes to standard error, and the token is not in its
    environment. Returns what went wrong; None if it ended with 0. It is killed after nine
    seconds."""
    environ = {key: value for key, value in os.environ.items() if key != "PROLIFIC_TOKEN"}
    try:
        process = subprocess.Popen(  # noqa: S602 - the user's own command line, with its pipes
            command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            env=environ,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"the command cannot be started: {getattr(error, 'strerror', None) or error}"
    try:
        process.communicate(summary, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"the command was killed after {TIME_LIMIT_S:g} seconds"
    code = process.returncode
    if code < 0:
        return f"the command was ended by signal {-code}"
    return f"the command ended with exit code {code}" if code else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command with everything that it started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
