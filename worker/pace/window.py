"""How many requests may be under way at once: pure functions from a `Window` to a `Window`.

Without a ceiling it begins with two and grows with each answer, so that an API of which nobody has said how much may be
asked is met gently. It never shrinks: answers that take longer may have many reasons, and a run that slowed down for
each would not end.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 2.0
GROWTH = 0.2
"""By how much each answer widens it: by a fifth in each round trip."""

SMOOTH = 0.1
"""How much one answer counts for how long answers take."""


@dataclass(frozen=True, slots=True)
class Window:
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
    return Window(state.most, min(state.most, state.size + GROWTH), smooth)
