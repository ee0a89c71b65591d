"""Work that has to wait, but does not wait by itself: a command sleeps, and a simulation lets its
own time pass."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[float, None, T]
"""Work that yields how many seconds to wait before its next step, and returns a result."""


def run_blocking(work: Steps[T]) -> T:
    """Do work that waits, and sleep in this thread meanwhile. Returns its result."""
    while True:
        try:
            seconds = next(work)
        except StopIteration as ended:
            result: T = ended.value
            return result
        time.sleep(seconds)
