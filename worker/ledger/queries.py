"""Loads the named statements of `queries.sql`, and of files that replace some of them.

The statements are written so that SQLite and PostgreSQL understand them. Where the two call the
same thing differently, the file has one form, and the engine's loader replaces it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

_PART = re.compile(r"<<(\w+)>>")
"""Where a statement contains another one."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

_COMPARING = re.compile(r"\b(greatest|least)\(")
"""PostgreSQL's names for SQLite's `max` and `min` of several values."""


def read_statements(*files: tuple[str, str]) -> Mapping[str, str]:
    """Every statement by its name. A file is a package and a name in it; a statement of a later
    file replaces one of the same name. Raises ValueError if a file has a name twice."""
    plain: dict[str, str] = {}
    for package, file in files:
        text = (resources.files(package) / file).read_text(encoding="utf-8")
        parts = _NAME.split(text)[1:]
        names, bodies = parts[::2], parts[1::2]
        if len(set(names)) != len(names):
            raise ValueError(f"{file}: a name is used twice")
        # Without the comments, SQLite's statement cache compares less text.
        plain |= {
            name: "\n".join(
                line for line in body.splitlines() if line and not line.lstrip().startswith("--")
            ).rstrip(";")
            for name, body in zip(names, bodies, strict=True)
        }
    return {name: _PART.sub(lambda part: plain[part[1]], body) for name, body in plain.items()}


@cache
def statements() -> Mapping[str, str]:
    """Every statement by its name, as SQLite understands it."""
    names = {"greatest": "max(", "least": "min("}
    return {
        name: _COMPARING.sub(lambda found: names[found[1]], body)
        for name, body in read_statements(("worker.ledger", "queries.sql")).items()
    }


def sql(name: str) -> str:
    """The statement called `name` for SQLite. Raises KeyError if there is none."""
    return statements()[name]
