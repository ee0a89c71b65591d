"""Replaces a file at once: readers never see half of it. It is written beside its path and then
renamed."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def beside(path: Path) -> Path:
    """The temporary file for `path`: next to the file itself if `path` is a link."""
    place = Path(os.path.realpath(path))
    return place.with_name(f".{place.name}.{os.getpid()}.tmp")


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A temporary file that replaces `path` when the block ends. If the block raises, the temporary
    file is removed."""
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            temporary.chmod(place.stat().st_mode & 0o7777)
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
    """Remove temporary files that killed runs left beside `path`. The caller has the lock."""
    place = Path(os.path.realpath(path))
    for leftover in place.parent.glob(f".{glob.escape(place.name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()
