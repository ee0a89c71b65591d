"""One thing that was checked."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """What was checked (`topic`), what was found, and how to fix it (`fix`; empty: it is fine)."""

    topic: str
    text: str
    fix: str = ""
