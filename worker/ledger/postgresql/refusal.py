"""Why a server that answers refuses this role, so that nobody waits for it.

PostgreSQL's library gives no SQLSTATE of a connection that was refused, and its text may be in any
language. So this asks for facts: the library's ping says whether a server answers, the connection
whether a password was asked for, and the database `postgres`, if the role may connect there, what
is wrong with the one that was named."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from worker.ledger.engine import ServerError
from worker.ledger.postgresql.connection import TimedConnection
from worker.model.server_address import ServerAddress

PROBE_S = 3
"""Seconds that each of these questions may take."""


class Database(NamedTuple):
    """The database that was named, as the role sees it from another one: whether it exists, whether
    it accepts connections at all, and whether this role may connect."""

    exists: bool
    is_open: bool
    may_connect: bool


class Facts(NamedTuple):
    """What is known about a connection that was refused.

    ping            what answers there
    without_tls     the same without TLS, if TLS is demanded and nothing answers; None: not asked
    needs_password  whether the server asked for a password and there was none
    used_password   whether it asked for one and got it
    role, database  their names
    seen            the database as seen from another one; None: the role may not connect there
    """

    ping: pq.Ping
    without_tls: pq.Ping | None
    needs_password: bool
    used_password: bool
    role: str
    database: str
    seen: Database | None


class Refusal(NamedTuple):
    """What is wrong, and what to do next. `may_pass`: it may be over in a moment, as too many
    connections are."""

    what: str
    fix: str
    may_pass: bool = False


def refusal(facts: Facts, text: str) -> Refusal | None:
    """Why the connection was refused; None if no server answers, or if it is only starting. `text`
    is the library's message. Pure."""
    role, database = facts.role, facts.database
    if facts.ping is pq.Ping.NO_ATTEMPT:
        return Refusal(
            f"the address cannot be used: {text}", "Correct it: postgresql://USER@HOST/NAME."
        )
    if facts.without_tls is pq.Ping.OK:
        return Refusal(
            f"the server answers, but not with TLS as sslmode demands: {text}",
            "Set ssl = on in postgresql.conf and give the server a certificate that this machine"
            " trusts; read docs/shared-ledger.md.",
        )
    if facts.ping is not pq.Ping.OK:
        return None
    if facts.needs_password:
        return Refusal(
            f"the server asks for the password of role {role}, and there is none",
            "Save it in ~/.pgpass as HOST:PORT:DATABASE:ROLE:PASSWORD, and run chmod 600 on the"
            " file.",
        )
    if facts.seen is None:
        if facts.used_password:
            return Refusal(
                f"the server refuses role {role} with this password: {text}",
                "Check the role's name, and its password in ~/.pgpass, PGPASSWORD or the address.",
            )
        return Refusal(
            f"the server refuses role {role}: {text}",
            "Check the role's name, and the server's pg_hba.conf; read docs/shared-ledger.md.",
            may_pass=True,
        )
    if not facts.seen.exists:
        return Refusal(
            f"there is no database {database} on this server",
            f'Let an administrator run: createdb -O "{role}" -E UTF8 -T template0 "{database}", or'
            " correct the address.",
        )
    if not facts.seen.is_open:
        return Refusal(
            f"the database {database} accepts no connections",
            f'Let an administrator run: ALTER DATABASE "{database}" ALLOW_CONNECTIONS true;',
        )
    if not facts.seen.may_connect:
        return Refusal(
            f"role {role} may not connect to the database {database}",
            f'Let an administrator run: GRANT CONNECT ON DATABASE "{database}" TO "{role}";',
        )
    return Refusal(
        f"the server refuses this connection: {text}",
        "Read the server's log, and docs/shared-ledger.md.",
        may_pass=True,
    )


def facts_of(address: ServerAddress, error: BaseException | None) -> Facts | None:
    """What is known about the connection that `error` ended; None if nothing shows that a server
    answered: it was too slow, or the address names several servers, of which one may be away."""
    if not isinstance(error, psycopg.Error) or isinstance(error, psycopg.errors.ConnectionTimeout):
        return None
    if isinstance(error, psycopg.ProgrammingError):  # the address cannot be read
        return Facts(pq.Ping.NO_ATTEMPT, None, False, False, "", "", None)
    conninfo, tried = address.conninfo, error.pgconn
    if tried is None or "," in str(conninfo_to_dict(conninfo).get("host") or ""):
        return None
    ping = _ping(make_conninfo(conninfo, connect_timeout=PROBE_S))
    role, database = tried.user.decode(), tried.db.decode()
    without_tls = seen = None
    if ping is pq.Ping.NO_RESPONSE and conninfo_to_dict(conninfo).get("sslmode") in _TLS:
        # Without the role's name, which would be sent as it is.
        nobody = {"user": "ping", "dbname": "ping", "sslmode": "disable", "sslrootcert": ""}
        without_tls = _ping(make_conninfo(conninfo, connect_timeout=PROBE_S, **nobody))
    if ping is pq.Ping.OK and not tried.needs_password:
        seen = _seen(address, database)
        if seen is None:  # it may have stopped meanwhile
            ping = _ping(make_conninfo(conninfo, connect_timeout=PROBE_S))
    return Facts(ping, without_tls, tried.needs_password, tried.used_password, role, database, seen)


_TLS = ("require", "verify-ca", "verify-full")


def _ping(conninfo: str) -> pq.Ping:
    return pq.Ping(pq.PGconn.ping(conninfo.encode()))


def _seen(address: ServerAddress, database: str) -> Database | None:
    elsewhere = ServerAddress(make_conninfo(address.conninfo, dbname="postgres"), address.schema)
    try:
        with (
            closing(TimedConnection(elsewhere, within_s=PROBE_S)) as connection,
            connection.exchange(PROBE_S) as raw,
        ):
            row = raw.execute(
                "SELECT datallowconn, has_database_privilege(oid, 'CONNECT')"
                " FROM pg_database WHERE datname = %s",
                (database,),
            ).fetchone()
    except ServerError:
        return None
    return Database(False, False, False) if row is None else Database(True, *row)
