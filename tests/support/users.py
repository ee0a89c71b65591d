"""Tests of what a user may not see, also if root runs them: root sees everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def not_root() -> Iterator[None]:
    """Be a user without rights meanwhile, if this process is root's (Linux only)."""
    if not hasattr(os, "setresuid") or os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)  # 0: the way back
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
