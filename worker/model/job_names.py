"""Writes a row's name as a job file needs it, so that a run of that file sends the same name.
Pure."""

from __future__ import annotations

from datetime import date

from worker.model.error_values import is_error_value
from worker.model.names import NameProblem, parse_name, render_name


def job_name(sent: str | None, template: str, copies: int) -> str:
    """What to write as the name of a row: its duplicate was sent with the name `sent` (None: not
    yet sent), created from `template`, as one of `copies`.

    Braces are doubled. A source's name that is not known yet, or that a job file cannot contain as
    text, stays `{source_name}`. The result is empty if the API names the batch."""
    if sent is not None and (written := _written(sent)) is not None:
        return written
    unknown = "\0"  # not in any name: control characters are refused
    return literal(render_name(template, unknown, copies)).replace(unknown, "{source_name}")


def literal(name: str) -> str:
    """The name as a template that means exactly this name."""
    return name.replace("{", "{{").replace("}", "}}")


def _written(name: str) -> str | None:
    """A sent name as a job file writes it; None if a job file cannot: a source's name may contain
    anything."""
    written = literal(name)
    if is_error_value(written):
        return None
    try:
        again = parse_name(written).identity(n=1, source_id="", campaign="", date=date.min)
    except NameProblem:
        return None
    return written if render_name(again, "", 1) == name else None
