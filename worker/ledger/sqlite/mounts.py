"""Whether a database file is mounted alone, without its folder, as `docker run -v` can do."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def is_mount_point(path: Path) -> bool:
    """Whether the file at `path` is a mount point itself. Only Linux tells; False elsewhere."""
    try:
        mountinfo = os.fsdecode(_MOUNTS.read_bytes())
    except OSError:
        return False
    return os.path.realpath(path) in mount_points(mountinfo)


def mount_points(mountinfo: str) -> frozenset[str]:
    """The mount points in the text of /proc/self/mountinfo: the fifth field of each line, in which
    spaces and the like are octal numbers (proc_pid_mountinfo(5))."""
    lines = (line.split(" ") for line in mountinfo.split("\n"))
    return frozenset(_unescaped(fields[4]) for fields in lines if len(fields) > 4)


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
