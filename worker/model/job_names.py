"""The name of a row as a job file writes it, so that a run of that file sends the same name.
Pure."""

from __future__ import annotations

from datetime import date

from worker.model.error_values import is_error_value
from worker.model.names import NameProblem, parse_name, render_name


def job_name(sent: str | None, template: str, copies: int) -> str:
    """What to write for a row whose name was `sent` so (None: not yet) and was made of `template`,
    of `copies`.

    Braces are doubled. A source's name that is not known yet, or that a job file cannot hold as
    text, stays `{source_name}`. Empty where the API is to name the batch."""
    if sent is not None and (written := _written(sent)) is not None:
        return written
    unknown = "\0"  # in no name: control characters are refused
    return literal(render_name(template, unknown, copies)).replace(unknown, "{source_name}")


def literal(name: str) -> str:
    """The name as a template that means just it."""
    return name.replace("{", "{{").replace("}", "}}")


def _written(name: str) -> str | None:
    """A name that was sent as a job file writes it; None where none could: a source's name may hold
    anything."""
    written = literal(name)
    if is_error_value(written):
        return None
    try:
        again = parse_name(written).identity(n=1, source_id="", campaign="", date=date.min)
    except NameProblem:
        return None
    return written if render_name(again, "", 1) == name else None
