"""A shared ledger whose address demands TLS: only the server that it names, with a certificate that
is trusted, is used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from tests.support.postgresql import DATABASE, Server, needs_server, running_server
from worker.ledger.database import hold
from worker.model.errors import UsageError
from worker.model.server_address import ServerAddress

psycopg = pytest.importorskip("psycopg", reason="psycopg is an optional extra")

pytestmark = needs_server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> Iterator[Server]:
    """A server whose certificate is for `localhost`."""
    with running_server() as server:
        data = server.folder / "data"
        issued = authority.issue_cert("localhost")
        for name, pem in (
            ("server.crt", issued.cert_chain_pems[0]),
            ("server.key", issued.private_key_pem),
        ):
            pem.write_to_path(data / name)
            (data / name).chmod(0o600)
            os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
        with psycopg.connect(server.address().conninfo, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET ssl = on")
        server.stop()
        server.start()
        yield server


def verified(server: Server, host: str, trusted: trustme.CA, folder: Path) -> ServerAddress:
    """The address with `sslmode=verify-full`."""
    root = folder / "root.crt"
    trusted.cert_pem.write_to_path(root)
    query = f"sslmode=verify-full&sslrootcert={root}"
    return ServerAddress(f"postgresql://worker@{host}:{server.port}/{DATABASE}?{query}", "over_tls")


def test_a_ledger_is_held_over_tls_that_is_verified(
    tls: Server, authority: trustme.CA, tmp_path: Path
) -> None:
    with (
        hold(verified(tls, "localhost", authority, tmp_path), 0) as held,
        closing(held.open("https://api.example.org")) as ledger,
    ):
        assert ledger.execute("api_url").fetchone()[0] == "https://api.example.org"


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [("127.0.0.1", True), ("localhost", False)],
    ids=["a certificate of another name", "a certificate of an unknown authority"],
)
def test_another_server_is_refused_at_once(
    tls: Server, authority: trustme.CA, tmp_path: Path, host: str, is_trusted: bool
) -> None:
    trusted = authority if is_trusted else trustme.CA()
    with pytest.raises(UsageError) as refused, hold(verified(tls, host, trusted, tmp_path), 0):
        pass
    assert "the server answers, but not with TLS as sslmode demands" in refused.value.message
    assert refused.value.hint.startswith("Nothing was sent. ")
