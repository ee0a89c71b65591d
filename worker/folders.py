"""Which folders can keep a ledger, whether a file is gone and when it changed, and where a user's
config files are. This module opens no files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_DEVICES: Final = ("/dev", "/proc")


def in_devices(path: Path) -> bool:
    """Whether the folder of `path` is in /dev or /proc, as written or after its links are followed.
    Files beside such a path (/dev/stdin, /dev/fd/3) are gone after the next boot."""
    written = Path(os.path.abspath(path)).parent  # noqa: PTH100 - without following links
    followed = written.resolve()
    return any(folder.is_relative_to(root) for folder in (written, followed) for root in _DEVICES)


def without_dots(path: Path) -> Path:
    """The same path without `..`, for messages. Links are only followed if it contains one."""
    return path.parent.resolve() / path.name if ".." in path.parts else path


def is_gone(file: Path) -> bool:
    """Whether this file does not exist any more. Another person's folder may be closed to us: then
    nobody can see that, and the file is taken to exist."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def changed_at(file: Path) -> float:
    """When this file changed last, in seconds since 1970; 0 if that cannot be seen."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def users_config_folder() -> Path:
    """The folder for this user's config files of this program; it may not exist."""
    from platformdirs import user_config_path  # noqa: PLC0415 - only where it is needed

    return user_config_path("duplicate-batches", appauthor=False)
