"""The columns of a job, the same for every format, and what is wrong with any other column."""

from __future__ import annotations

import re
from typing import Final

from worker.text import closest, quoted

COLUMNS: Final = ("batch_id", "name", "upload_new_dataset", "copies", "tasks_per_group")

_EXTRA_NAME: Final = re.compile(r"x_[^\x00-\x1f\x7f-\x9f]+")


def column_problem(column: str, noun: str, known: tuple[str, ...] = COLUMNS) -> str:
    """What is wrong with `column` as the name of a `noun` ("column", "key"); "" if it is valid."""
    if column in known or _EXTRA_NAME.fullmatch(column):
        return ""
    this = f"{noun} {quoted(column)}"
    if column == "x_":
        return f'{this} needs a name after "x_"'
    if column.startswith("x_"):
        return f"{this} contains a control character"
    own = f", and {noun}s of your own that begin with x_"
    return f"unknown {this}; {_meant(column, known)}use {', '.join(known)}{own}"


def _meant(column: str, known: tuple[str, ...]) -> str:
    if re.match(r"[xX][_\- ].", column):
        return f"did you mean {quoted('x_' + column[2:])}? "
    close = closest(column, known)
    return f'did you mean "{close}"? ' if close else ""
