"""Loads the named statements of `queries.sql`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

_PART = re.compile(r"<<(\w+)>>")
"""Where a statement contains another one."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements() -> Mapping[str, str]:
    """Every statement by its name."""
    text = (resources.files("worker.ledger") / "queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError("queries.sql: a name is used twice")
    # Without the comments, SQLite's statement cache compares less text.
    plain = {
        name: "\n".join(
            line for line in body.splitlines() if line and not line.startswith("--")
        ).rstrip(";")
        for name, body in zip(names, bodies, strict=True)
    }
    return {name: _PART.sub(lambda part: plain[part[1]], body) for name, body in plain.items()}


def sql(name: str) -> str:
    """The statement called `name`. Raises KeyError if there is none."""
    return statements()[name]
