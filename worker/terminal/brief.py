"""Events → one short line for a person at a terminal, or nothing. Pure.

The live display shows the rest; the log file has every event."""

from __future__ import annotations

from collections.abc import Collection

from worker.model.events import Event
from worker.text import human_duration, visible

MOST_CAUSES = 5
"""Maximum number of causes of slowing down that are shown: an API's message may hold a new number
each time."""


def brief(event: Event, causes: Collection[str] = ()) -> str | None:
    """The line for a person; None if there is none. `causes` of slowing down were shown before."""
    fields = event.fields
    match event.name:
        case "run.interrupted":
            number = fields.get("in_flight") or 0
            requests = "1 request" if number == 1 else f"{number:,} requests"
            waiting = f": waiting for {requests}. " if number else ". "
            return f"Stopping{waiting}Press Ctrl-C again to stop at once."
        case "pace.slowed":
            why = cause(event) or "no usable answer"
            if why in causes or len(causes) >= MOST_CAUSES:
                return None
            return visible(f"Slowed down for {human_duration(fields.get('wait_s') or 0.0)}: {why}")
        case "ledger.disconnected":
            return visible(f"The connection to the ledger's server broke: {fields.get('why')}")
        case "ledger.reconnected":
            away = human_duration(fields.get("away_s") or 0.0)
            return f"The ledger's server is reached again, after {away}"
        case "note" if event.level in ("warning", "error"):
            text = " ".join(str(fields.get("text") or "").split())
            return visible(text[:1].upper() + text[1:]) or None
    return None


def cause(event: Event) -> str | None:
    """Why sending slowed down; None for any other event."""
    return str(event.fields.get("why")) if event.name == "pace.slowed" else None
