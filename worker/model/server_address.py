"""The address of a ledger on a PostgreSQL server, as `--database` takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

SCHEMES = ("postgresql://", "postgres://")
"""What the address of a server begins with; anything else is the path of a file."""

DEFAULT_SCHEMA = "duplicate_batches"
"""The schema of an address that names none."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, repr=False)
class ServerAddress:
    """A ledger on a server: `conninfo` is libpq's connection URI, `schema` the schema that contains
    the ledger's tables. As text it has no password."""

    conninfo: str
    schema: str = DEFAULT_SCHEMA

    def __str__(self) -> str:
        parts = urlsplit(self.conninfo)
        user, at, host = parts.netloc.rpartition("@")
        shown = [(key, value) for key, value in parse_qsl(parts.query) if key != "password"]
        if self.schema != DEFAULT_SCHEMA:
            shown.append(("schema", self.schema))
        netloc = user.partition(":")[0] + at + host
        return urlunsplit(("postgresql", netloc, parts.path, urlencode(shown), ""))

    def __repr__(self) -> str:
        return f"ServerAddress({str(self)!r})"

    @property
    def password(self) -> str | None:
        """The password in the address, to be masked wherever a text might contain it."""
        parts = urlsplit(self.conninfo)
        in_query = dict(parse_qsl(parts.query)).get("password")
        return in_query if parts.password is None else unquote(parts.password)


Place = Path | ServerAddress
"""Where a ledger database is: a file, or a schema on a server."""


def server_address(text: str) -> ServerAddress | None:
    """The address in `text`; None if it is the path of a file. Raises ValueError, with what is
    wrong, if it is an address that cannot be used. The message contains no password."""
    if not text.startswith(SCHEMES):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is no address of a server; write postgresql://USER@HOST/NAME") from None
    given = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(given).get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(
            "its schema may only contain small letters, digits and _, and begins with a letter"
        )
    rest = urlencode([(key, value) for key, value in given if key != "schema"], quote_via=quote)
    return ServerAddress(urlunsplit(("postgresql", parts.netloc, parts.path, rest, "")), schema)
