"""How many requests may be under way at once: pure functions from a `Window` to a `Window`.

Without a ceiling it begins with two and grows with each answer, so that an API of which nobody has
said how much may be asked is met gently. It never shrinks: answers that take longer may have many
reasons, and a run that slowed down for each would not end."""

from __future__ import annotations

from typing import NamedTuple

FIRST = 2.0
GROWTH = 0.3
"""By how much each answer widens it at first: by somewhat less than a third in each round trip."""

NARROW = 6.0
MOST_NARROW = 8.0
USUAL_LIMIT = 100.0
FAST_GROWTH = 3.0
"""Once so many are under way that they make so many requests a second (at least `NARROW`, at most
`MOST_NARROW` of them), each answer widens it by so much. Most limits are met before that, and by
few requests too many."""

MOST_SPREAD_S = 0.01
"""Requests that leave together are answered together, and wait for each other. Where they left one
after the other, at most so many seconds apart, 32 senders made 2.5 % more of them (answers took 50
ms)."""

SMOOTH = 0.1
"""How much one answer counts for how long answers take."""


class Window(NamedTuple):
    """`size` requests may be under way, at most `most`. `latency` is how many seconds answers take
    (0: none came)."""

    most: float
    size: float
    latency: float = 0.0


def window(most: int, *, gently: bool) -> Window:
    """The window at the start: `gently` where nobody has said how much may be asked."""
    return Window(float(most), min(FIRST, float(most)) if gently else float(most))


def spread(state: Window) -> float:
    """Seconds between requests at least: a quarter of what they are apart where they leave
    evenly."""
    return min(MOST_SPREAD_S, state.latency / (4 * state.size))


def answered(state: Window, latency: float) -> Window:
    """A usable answer came after so many seconds."""
    smooth = state.latency + SMOOTH * (latency - state.latency) if state.latency else latency
    narrow = state.size < min(max(NARROW, USUAL_LIMIT * smooth), MOST_NARROW)
    growth = GROWTH if narrow else FAST_GROWTH
    return Window(state.most, min(state.most, state.size + growth), smooth)
