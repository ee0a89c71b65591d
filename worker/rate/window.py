"""How many requests may be under way at once: pure functions from a `Window` to a `Window`.

Without a ceiling it begins with few and grows with each answer. It never shrinks: answers that take
longer can have many causes, and a run that slowed down for each would not end."""

from __future__ import annotations

from typing import NamedTuple

from worker.rate.slots import MOMENT_S

FIRST = 2.0
"""How many may be under way before an answer has come: a burst of them may use up a limit."""

GROWTH = 0.3
"""How many more each answer lets in: in each round trip, it grows by less than a third."""


class Window(NamedTuple):
    """`size` requests may be under way, at most `most`. Answers take `latency` seconds (0: none
    came), averaged over about as many as are under way."""

    most: float
    size: float
    latency: float = 0.0


def spread(state: Window) -> float:
    """Least seconds between requests, because those that are sent together wait for each other's
    answers: a quarter of the distance if they were spaced evenly."""
    return min(MOMENT_S, state.latency / (4 * state.size))


def answered(state: Window, latency: float) -> Window:
    """The window after a usable answer that took `latency` seconds."""
    before = state.latency or latency
    average = before + (latency - before) / state.size
    return Window(state.most, min(state.most, state.size + GROWTH), average)
