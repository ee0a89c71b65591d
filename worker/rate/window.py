"""How many requests may be under way at once: pure functions from a `Window` to a `Window`.

Without a ceiling it begins with two and grows with each answer. It never shrinks: answers that take
longer can have many causes, and a run that slowed down for each would not end."""

from __future__ import annotations

from typing import NamedTuple

FIRST = 2.0
GROWTH = 0.3
USUAL = 8.0
"""The first size, and its growth with each answer: less than a third in each round trip. Most
limits are met before the usual size; beyond it, the growth rises with the square of the size."""

MOST_SPREAD_S = 0.01
"""Requests that are sent together wait for each other's answers. At most this many seconds apart,
32 senders sent 2.5 % more (answers took 50 ms)."""

SMOOTH = 0.1
"""Weight of one answer in the average time that answers take."""


class Window(NamedTuple):
    """`size` requests may be under way, at most `most`. Answers take `latency` seconds (0: none
    came)."""

    most: float
    size: float
    latency: float = 0.0


def window(most: int, *, gently: bool) -> Window:
    """The window at the start, small if `gently`."""
    return Window(float(most), min(FIRST, float(most)) if gently else float(most))


def spread(state: Window) -> float:
    """Least seconds between requests: a quarter of the distance if they were spaced evenly."""
    return min(MOST_SPREAD_S, state.latency / (4 * state.size))


def answered(state: Window, latency: float) -> Window:
    """The window after a usable answer that took `latency` seconds."""
    smooth = state.latency + SMOOTH * (latency - state.latency) if state.latency else latency
    size = state.size + GROWTH * max(1.0, state.size / USUAL) ** 2
    return Window(state.most, min(state.most, size), smooth)
