"""The ledger's named statements as PostgreSQL understands them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from worker.ledger.queries import read_statements

_HINT = re.compile(r"\s+INDEXED BY \w+")
_ORDERED_JOIN = re.compile(r"\bCROSS JOIN ((?:\w+\.)?\w+(?: AS \w+)?\s+ON\b)")
"""A join that SQLite must do in this order; PostgreSQL decides by itself."""
_DIFFERS = re.compile(r"\bIS NOT (?!NULL\b|DISTINCT\b)")
_SAME = re.compile(r"\bIS (?!NULL\b|NOT\b|DISTINCT\b)")
_ARRAY = re.compile(r"\bFROM json_each\((:\w+)\)(?: AS e\b)?")
"""The elements of a JSON array of texts or numbers. PostgreSQL gives them as texts, so numbers are
written CAST(value AS BIGINT)."""
_TEMPLATE = re.compile(r"(ON CONFLICT \(campaign_id, source_id, )template\b")
"""The key of an item. PostgreSQL indexes the hash of a name, which may be too long for an index."""
_NAMED = re.compile(r"(?<!:):([a-z]\w*)")
_NUMBERED = re.compile(r"\?(\d+)")


def translated(statement: str) -> str:
    """A statement that is written for SQLite, in PostgreSQL's words and with psycopg's
    placeholders."""
    found = _HINT.sub("", statement.replace("%", "%%"))
    found = _ORDERED_JOIN.sub(r"JOIN \1", found)
    found = _ARRAY.sub(
        r"FROM json_array_elements_text(CAST(\1 AS JSON)) WITH ORDINALITY AS e (value, key)", found
    )
    found = _SAME.sub("IS NOT DISTINCT FROM ", _DIFFERS.sub("IS DISTINCT FROM ", found))
    found = _TEMPLATE.sub(r"\1md5(template)", found)
    # What SQLite keeps in temporary tables belongs to the run here, and a plan to the session.
    found = found.replace("temp.", "").replace("plan.", "pg_temp.")
    return _NUMBERED.sub(r"%(v\1)s", _NAMED.sub(r"%(\1)s", found))


@cache
def statements() -> Mapping[str, str]:
    """Every statement by its name."""
    found = read_statements(
        ("worker.ledger", "queries.sql"), ("worker.ledger.postgresql", "queries.sql")
    )
    return {name: translated(body) for name, body in found.items()}


def sql(name: str) -> str:
    """The statement called `name` for PostgreSQL. Raises KeyError if there is none."""
    return statements()[name]
