"""Which folders can keep a ledger. No files are opened here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_DEVICES: Final = ("/dev", "/proc")


def in_devices(path: Path) -> bool:
    """Whether the folder of `path` lies in /dev or /proc, as written or once its links are
    followed. What is written beside such a file (/dev/stdin, /dev/fd/3) is gone at the next
    boot."""
    written = Path(os.path.abspath(path)).parent  # noqa: PTH100 - without following links
    followed = written.resolve()
    return any(folder.is_relative_to(root) for folder in (written, followed) for root in _DEVICES)
