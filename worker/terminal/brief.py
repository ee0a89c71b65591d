"""Events → what a person at a terminal should know of them: one short line, or nothing. Pure.

The live display shows the rest, and the log file has all of it."""

from __future__ import annotations

from collections.abc import Collection

from worker.model.events import Event
from worker.text import human_duration, visible

MOST_CAUSES = 5
"""So many causes of slowing down are told: an API's words may hold a new number each time."""


def brief(event: Event, causes: Collection[str] = ()) -> str | None:
    """The line for a person, if there is one. `causes` of slowing down were told before."""
    told = event.fields
    match event.name:
        case "run.interrupted":
            number = told.get("in_flight") or 0
            requests = "1 request" if number == 1 else f"{number:,} requests"
            waiting = f": waiting for {requests}. " if number else ". "
            return f"Stopping{waiting}Press Ctrl-C again to stop at once."
        case "pace.slowed":
            why = cause(event) or "no usable answer"
            if why in causes or len(causes) >= MOST_CAUSES:
                return None
            return visible(f"Slowed down for {human_duration(told.get('wait_s') or 0.0)}: {why}")
        case "note" if event.level in ("warning", "error"):
            text = " ".join(str(told.get("text") or "").split())
            return visible(text[:1].upper() + text[1:]) or None
    return None


def cause(event: Event) -> str | None:
    """Why sending slowed down; None of any other event."""
    return str(event.fields.get("why")) if event.name == "pace.slowed" else None
