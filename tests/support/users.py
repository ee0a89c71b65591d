"""For tests of what a user may not see: root, who may run them, sees everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NOBODY = 65534

needs_closed_folders = pytest.mark.skipif(
    os.name != "posix", reason="a folder's mode closes it on POSIX systems only"
)

# Only root may become another user and come back.
needs_root = pytest.mark.skipif(
    not hasattr(os, "setresuid") or os.geteuid() != 0, reason="needs root to be two users (Linux)"
)


@contextmanager
def not_root(user: int = NOBODY) -> Iterator[None]:
    """Within the block, a process of root has the rights of another `user` (on Linux)."""
    if not hasattr(os, "setresuid") or os.geteuid() != 0:
        yield
        return
    os.setresuid(user, user, 0)  # 0: the way back
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
