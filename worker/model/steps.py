"""What a person can do next, as summary, workbook and report show it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Key = Literal["continue", "create", "decide", "refused", "setup", "nothing"]
"""Continue · create what settling left missing · decide what only a person can · look at what was
rejected · look at setups · there was nothing to do."""


class Command(NamedTuple):
    """A command (`line`), and what it is for (`purpose`; "" if the step has only one command)."""

    purpose: str
    line: str


class Step(NamedTuple):
    """What a person can do: its title, why (may be ""), what it does, and its commands."""

    key: Key
    title: str
    why: str
    text: str
    commands: tuple[Command, ...] = ()
