"""Replaces a file at once: readers never see half of it. It is written beside its path and then
renamed."""

from __future__ import annotations

import glob
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LEFT_AFTER_S = 3600.0
"""Seconds after its last change for which a temporary file may still be written to: commands
without the lock, such as `report`, write files too."""


def beside(path: Path) -> Path:
    """A new name for a temporary file for `path`: next to the file itself if `path` is a link.

    No other process has this name, on any host: a process id would not be enough, because each
    container has its own process 1."""
    place = Path(os.path.realpath(path))
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def replaced(
    path: Path, before: Callable[[Path], object] = lambda temporary: None
) -> Iterator[BinaryIO]:
    """A temporary file that replaces `path` when the block ends. If the block raises, the temporary
    file is removed. `before` is called with the whole temporary file before it replaces `path`."""
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    file = temporary.open("xb")  # outside the block below: a file that exists is another's
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            temporary.chmod(place.stat().st_mode & 0o7777)
        before(temporary)
        temporary.replace(place)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut, if the system supports that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that killed commands left beside `path`: those that nobody has changed
    for `LEFT_AFTER_S`."""
    place = Path(os.path.realpath(path))
    before = time.time() - LEFT_AFTER_S
    for leftover in place.parent.glob(f".{glob.escape(place.name)}.*.tmp"):
        with suppress(OSError):
            if leftover.stat().st_mtime < before:
                leftover.unlink()
