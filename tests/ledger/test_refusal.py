"""A server that answers and refuses the role: said at once, with what to do."""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.postgresql import DATABASE, Server, free_port, needs_server, running_server
from worker.ledger.database import hold, open_for_reading
from worker.model.errors import UsageError
from worker.model.server_address import ServerAddress

pytest.importorskip("psycopg", reason="psycopg is an optional extra")

import psycopg
from psycopg.pq import Ping

from worker.ledger.postgresql import connection as connections
from worker.ledger.postgresql import refusal as refusals
from worker.ledger.postgresql.refusal import Database, Facts, refusal

LET_IN = Database(exists=True, is_open=True, may_connect=True)
REFUSED = Facts(Ping.OK, None, False, False, "night", "team", None)
USED = REFUSED._replace(used_password=True)


@pytest.mark.parametrize(
    ("facts", "what", "fix", "may_pass"),
    [
        (REFUSED._replace(ping=Ping.NO_ATTEMPT), "the address cannot be used: TEXT", "Correct", 0),
        (REFUSED._replace(needs_password=True), "asks for the password of role night", "pgpass", 0),
        (USED, "refuses role night with this password: TEXT", "Check the role's name", 0),
        (REFUSED, "the server refuses role night: TEXT", "pg_hba.conf", 1),
        (
            USED._replace(seen=LET_IN._replace(exists=False)),
            "there is no database team on this server",
            'createdb -O "night" -E UTF8 -T template0 "team"',
            0,
        ),
        (
            REFUSED._replace(seen=LET_IN._replace(is_open=False)),
            "the database team accepts no connections",
            'ALTER DATABASE "team" ALLOW_CONNECTIONS true;',
            0,
        ),
        (
            REFUSED._replace(seen=LET_IN._replace(may_connect=False)),
            "role night may not connect to the database team",
            'GRANT CONNECT ON DATABASE "team" TO "night";',
            0,
        ),
        (REFUSED._replace(seen=LET_IN), "the server refuses this connection: TEXT", "log", 1),
        (
            REFUSED._replace(ping=Ping.NO_RESPONSE, without_tls=Ping.OK),
            "the server answers, but not with TLS as sslmode demands: TEXT",
            "ssl = on",
            0,
        ),
    ],
)
def test_what_is_wrong_has_its_fix(facts: Facts, what: str, fix: str, may_pass: int) -> None:
    found = refusal(facts, "TEXT")
    assert found is not None
    assert what in found.what
    assert fix in found.fix
    assert found.may_pass == bool(may_pass)


@pytest.mark.parametrize(
    "facts",
    [
        REFUSED._replace(ping=Ping.NO_RESPONSE),
        REFUSED._replace(ping=Ping.REJECT),  # it is starting
        REFUSED._replace(ping=Ping.NO_RESPONSE, without_tls=Ping.NO_RESPONSE),
        REFUSED._replace(ping=Ping.REJECT, used_password=True),
    ],
)
def test_a_server_that_is_away_or_starting_does_not_refuse(facts: Facts) -> None:
    assert refusal(facts, "TEXT") is None


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    """A server that asks the role `night` for its password."""
    with running_server() as server:
        with psycopg.connect(server.address().conninfo, autocommit=True) as connection:
            for statement in (
                "CREATE ROLE night LOGIN PASSWORD 'secret'",
                "CREATE ROLE other LOGIN",
                "CREATE ROLE guest LOGIN",
                "CREATE DATABASE closed ALLOW_CONNECTIONS false",
                "CREATE DATABASE private",
                "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
                "CREATE SCHEMA taken AUTHORIZATION other",
            ):
                connection.execute(statement)
            rules = server.folder / "data" / "pg_hba.conf"
            rules.write_text(f"host all night all scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)
        yield server


@needs_server
@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("night@HOST/ledgers", "the server asks for the password of role night"),
        ("night:wrong@HOST/ledgers", "the server refuses role night with this password"),
        ("night:secret@HOST/missing", "there is no database missing on this server"),
        ("night:secret@HOST/closed", "the database closed accepts no connections"),
        ("night:secret@HOST/private", "role night may not connect to the database private"),
        ("night:secret@HOST/ledgers", "role night may not create the schema wave"),
        ("guest@HOST/ledgers?schema=taken", "the schema taken belongs to role other, not to guest"),
        ("guest@HOST/missing", "there is no database missing on this server"),
        ("guest@HOST/ledgers?sslmode=require", "the server answers, but not with TLS"),
        ("guest@HOST/ledgers?colour=red", "the address cannot be used"),
        ("guest@HOST/ledgers?sslmode=some", "the address cannot be used"),
    ],
)
def test_a_run_says_at_once_why_it_is_not_let_in(strict: Server, address: str, says: str) -> None:
    taken = "schema=taken" in address
    conninfo = address.replace("?schema=taken", "").replace("HOST", f"127.0.0.1:{strict.port}")
    named = ServerAddress(f"postgresql://{conninfo}", "taken" if taken else "wave")
    began = time.monotonic()
    with pytest.raises(UsageError) as refused, hold(named, 0):
        pass
    assert time.monotonic() - began < 8, "it is not tried for ten seconds"
    assert says in refused.value.message
    assert refused.value.hint.startswith("Nothing was sent. ")
    assert "wrong" not in str(refused.value)
    assert "secret" not in str(refused.value)
    if "schema" not in says or taken:  # who reads creates nothing
        with pytest.raises(UsageError) as unread, closing(open_for_reading(named)):
            pass
        assert says in unread.value.message


@needs_server
def test_too_many_connections_may_pass(strict: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.ledger.postgresql import hold as holding  # noqa: PLC0415 - an optional extra

    monkeypatch.setattr(holding, "REACHED_WITHIN_S", 2.0)
    named = strict.address("wave")
    with psycopg.connect(named.conninfo, autocommit=True) as connection:
        connection.execute("ALTER ROLE guest CONNECTION LIMIT 0")
        limited = ServerAddress(named.conninfo.replace("worker@", "guest@"), "wave")
        began = time.monotonic()
        with pytest.raises(UsageError, match="the server refuses role guest"), hold(limited, 0):
            pass
        connection.execute("ALTER ROLE guest CONNECTION LIMIT -1")
    assert time.monotonic() - began >= 2


class _Mute(socketserver.StreamRequestHandler):
    """Lets every role in and answers no statement, as a pooler that waits for its server."""

    def handle(self) -> None:
        while True:
            (length,) = struct.unpack("!i", self.rfile.read(4))
            if self.rfile.read(length - 4)[:4] == struct.pack("!i", 3 << 16):
                break
            self.wfile.write(b"N")  # no TLS
        self.wfile.write(b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!i", 5) + b"I")
        while self.rfile.read(1):
            pass


def test_a_server_that_lets_in_and_then_answers_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "CONNECT_S", 1)
    monkeypatch.setattr(refusals, "PROBE_S", 1)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mute) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        named = ServerAddress(f"postgresql://night@127.0.0.1:{port}/team?sslmode=disable")
        began = time.monotonic()
        with pytest.raises(UsageError, match="the server did not answer within 1 s"):
            open_for_reading(named)
        assert refusals._seen(named, "team") is None
        assert time.monotonic() - began < 6
        server.shutdown()


def test_a_server_that_is_not_there_cannot_be_reached() -> None:
    named = ServerAddress(f"postgresql://night@127.0.0.1:{free_port()}/{DATABASE}")
    with pytest.raises(UsageError, match="the ledger's server cannot be reached"):
        open_for_reading(named)
