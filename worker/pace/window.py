"""How many requests may be under way at once: pure functions from a `Window` to a `Window`.

It begins with two and grows with each answer, so that an API whose limit is not known is met gently. When answers
take much longer than they did while few were under way, more requests only wait in the API's queue, and add latency
for everybody in the workspace: then it shrinks, as gradient limiters do, until they take about half as long again as
they would alone. That costs no throughput, since a queue still stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 2.0
GROWTH = 0.2
"""By how much each answer widens it at first: by a fifth in each round trip."""

TOLERANCE = 1.5
TOLERATED_S = 0.05
"""Answers may take this much longer than at first, by share and in seconds, before it shrinks."""

SMOOTH = 0.1
DRIFT = 0.0001
"""How much one answer counts: for how long answers take now, and for how long they take with few under way."""


@dataclass(frozen=True, slots=True)
class Window:
    """`size` requests may be under way, at most `most`. `latency` is what answers take now, `base` with few under way
    (0: none came yet); `shrunk`: it had to shrink, so it grows with care."""

    most: float
    size: float = FIRST
    latency: float = 0.0
    base: float = 0.0
    shrunk: bool = False


def window(most: int, *, gently: bool) -> Window:
    """The window at the start: `gently` where nobody has said how much may be asked."""
    return Window(float(most), min(FIRST, float(most)) if gently else float(most))


def answered(state: Window, latency: float) -> Window:
    """A usable answer came after so many seconds."""
    if not state.latency:
        return replace(state, latency=latency, base=latency, size=min(state.most, state.size + GROWTH))
    now = state.latency + SMOOTH * (latency - state.latency)
    base = min(now, state.base + DRIFT * (now - state.base))
    if now > TOLERANCE * base and now > base + TOLERATED_S:
        return Window(state.most, max(FIRST, state.size - 0.1), now, base, True)
    growth = 0.5 / state.size if state.shrunk else GROWTH
    return Window(state.most, min(state.most, state.size + growth), now, base, state.shrunk)
