"""The address of a ledger on a PostgreSQL server, as `--database` takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES = ("postgresql://", "postgres://")
"""What the address of a server begins with; anything else is the path of a file."""

SECRETS = ("password", "sslpassword")
"""The parameters of an address that nobody may see."""

OTHER_ADDRESS = (
    "is an address, but not of a PostgreSQL server; give the path of a file or"
    " postgresql://USER@HOST/NAME"
)
"""What is wrong with the address of any other database."""

DEFAULT_SCHEMA = "duplicate_batches"
"""The schema of an address that names none."""

_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

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
        shown = [(key, value) for key, value in parse_qsl(parts.query) if key not in SECRETS]
        if self.schema != DEFAULT_SCHEMA:
            shown.append(("schema", self.schema))
        netloc = user.partition(":")[0] + at + host
        return _joined(netloc, parts.path, urlencode(shown))

    def __repr__(self) -> str:
        return f"ServerAddress({str(self)!r})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords in the address, as written there and as they are, to be hidden wherever a
        text might contain them."""
        parts = urlsplit(self.conninfo)
        found = [value for key, value in parse_qsl(parts.query) if key in SECRETS]
        if parts.password:
            found += [parts.password, unquote(parts.password)]
        return tuple(sorted(set(found), key=len, reverse=True))


DatabaseLocation = Path | ServerAddress
"""Where a ledger database is: a file, or a schema on a server."""


def server_address(text: str) -> ServerAddress | None:
    """The address in `text`; None if it is the path of a file. Raises ValueError, with what is
    wrong, if it is an address that cannot be used. The message contains no password."""
    if not text.lower().startswith(("postgresql:", "postgres:")):
        return None
    try:
        if not text.startswith(SCHEMES):
            raise ValueError
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is no address of a server; write postgresql://USER@HOST/NAME") from None
    user = parts.netloc.rpartition("@")[0]
    if "@" in user + parts.path + parts.query or parts.fragment or _PERCENT.search(text):
        # Libpq would take a part of the password for another part, and show it in its message.
        raise ValueError(
            "has a character in its user name, password or name that must be written as % and its"
            " code: @ as %40, / as %2F, # as %23, ? as %3F, % as %25"
        )
    given = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(given).get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(
            "its schema may only contain small letters, digits and _, and begins with a letter"
        )
    rest = urlencode([(key, value) for key, value in given if key != "schema"], quote_via=quote)
    return ServerAddress(_joined(parts.netloc, parts.path, rest), schema)


def is_other_address(text: str) -> bool:
    """Whether `text` is the address of something that is neither a file nor a PostgreSQL server.
    Taken for a path, it would become folders that are named after its password."""
    return _ADDRESS.match(text.strip()) is not None and not text.startswith(SCHEMES)


def _joined(netloc: str, path: str, query: str) -> str:
    """The address of these parts; `urlunsplit` would drop the slashes of an empty host."""
    return f"postgresql://{netloc}{path}" + (f"?{query}" if query else "")
