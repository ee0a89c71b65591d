"""Which folders can keep a ledger. No files are opened here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_DEVICES: Final = ("/dev", "/proc")


def in_devices(path: Path) -> bool:
    """Whether `path` lies in /dev or /proc (/dev/stdin, /dev/fd/3), by its name or where links of its folder lead:
    what is written beside it is gone at the next boot."""
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - without following links
    return any(
        one == root or one.startswith(f"{root}/") for one in (folder, os.path.realpath(folder)) for root in _DEVICES
    )
