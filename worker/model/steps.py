"""Something that a person can do next, as summary, workbook and report show it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Key = Literal["continue", "create", "decide", "refused", "nothing"]
"""Continue · create what settling left missing · decide what only a person can · look at what was
rejected · there was nothing to do."""


class Command(NamedTuple):
    """A command, and what it is for where a step has several (else empty)."""

    words: str
    line: str


class Step(NamedTuple):
    """Something that a person can do: its title, why it is to be done (may be empty), what it does,
    its commands."""

    key: Key
    title: str
    why: str
    text: str
    commands: tuple[Command, ...] = ()
