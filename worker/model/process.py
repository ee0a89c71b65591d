"""Whether a process of this computer is running."""

from __future__ import annotations

import os
import socket


def is_alive(host: str, pid: int) -> bool | None:
    """Whether another process, `pid` on `host`, is running; None if this computer cannot know.

    This process is not the one that is meant: it has the id of one that ended. In a container,
    every command is process 1."""
    if os.name != "posix" or host != socket.gethostname():
        return None
    return pid != os.getpid() and is_running(pid)


def is_running(pid: int) -> bool:
    """Whether the process `pid` of this computer is running (POSIX only)."""
    try:
        os.kill(pid, 0)  # signal 0 asks, and does nothing
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
