"""How many requests may be under way at once: pure functions from a `Window` to a `Window`.

Without a ceiling it begins with two and grows with each answer, so that an API of which nobody has said how much may be
asked is met gently. It never shrinks: answers that take longer may have many reasons, and a run that slowed down for
each would not end.
"""

from __future__ import annotations

from typing import NamedTuple

FIRST = 2.0
GROWTH = 0.28
"""By how much each answer widens it at first: by somewhat more than a quarter in each round trip."""

NARROW = 8.0
FAST_GROWTH = 1.0
"""Once it is so wide each answer widens it by so much: it doubles in each round trip. Most limits are met before that,
and by few requests too many."""

SMOOTH = 0.1
"""How much one answer counts for how long answers take."""


class Window(NamedTuple):
    """`size` requests may be under way, at most `most`. `latency` is how many seconds answers take (0: none came)."""

    most: float
    size: float
    latency: float = 0.0


def window(most: int, *, gently: bool) -> Window:
    """The window at the start: `gently` where nobody has said how much may be asked."""
    return Window(float(most), min(FIRST, float(most)) if gently else float(most))


def answered(state: Window, latency: float) -> Window:
    """A usable answer came after so many seconds."""
    smooth = state.latency + SMOOTH * (latency - state.latency) if state.latency else latency
    growth = GROWTH if state.size < NARROW else FAST_GROWTH
    return Window(state.most, min(state.most, state.size + growth), smooth)
