"""The address of a shared ledger: what it means, and that nobody sees its password."""

from __future__ import annotations

import pytest

from worker.model.server_address import DEFAULT_SCHEMA, ServerAddress, server_address

BASE = "postgresql://waves@db.example.org/ledgers"


@pytest.mark.parametrize(
    ("text", "conninfo", "schema"),
    [
        (BASE, BASE, DEFAULT_SCHEMA),
        ("postgres://db.example.org/a", "postgresql://db.example.org/a", DEFAULT_SCHEMA),
        (f"{BASE}?schema=two", BASE, "two"),
        (f"{BASE}?sslmode=require&schema=two", f"{BASE}?sslmode=require", "two"),
        ("postgresql:///?service=waves", "postgresql:///?service=waves", DEFAULT_SCHEMA),
        ("postgresql://", "postgresql://", DEFAULT_SCHEMA),
        ("postgresql://u:p%40ss@h:5433/n", "postgresql://u:p%40ss@h:5433/n", DEFAULT_SCHEMA),
    ],
)
def test_an_address_has_libpq_s_part_and_a_schema(text: str, conninfo: str, schema: str) -> None:
    assert server_address(text) == ServerAddress(conninfo, schema)


@pytest.mark.parametrize("text", ["ledger.db", "/srv/a.db", "postgres.db", "a/postgresql:b", ""])
def test_anything_else_is_the_path_of_a_file(text: str) -> None:
    assert server_address(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("postgresql:/u:s3cret@h/n", "is no address"),
        ("postgresql:u:s3cret@h/n", "is no address"),
        ("PostgreSQL://u:s3cret@h/n", "is no address"),
        ("postgresql://u@h:s3cret/n", "is no address"),
        ("postgresql://u:s3cret/x@h/n", "is no address"),
        ("postgresql://u:12/s3cret@h/n", "@ as %40"),
        ("postgresql://u:s3@cret@h/n", "@ as %40"),
        ("postgresql://u:12?s3cret@h/n", "@ as %40"),
        ("postgresql://u:12#s3cret@h/n", "# as %23"),
        ("postgresql://u:s3%cret@h/n", "% as %25"),
        (f"{BASE}?schema=s3cret;--", "its schema"),
        (f"{BASE}?schema=", "its schema"),
        (f"{BASE}?schema=Waves", "its schema"),
    ],
)
def test_one_that_cannot_be_used_is_refused_without_being_shown(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        server_address(text)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:s3cret@h/n",
        "postgresql://u:s3cret@h/n?schema=a&sslmode=require",
        "postgresql://u@h/n?password=s3cret",
        "postgresql://u@h/n?sslpassword=s3cret",
        "postgresql://u:%733cret@h/n",
    ],
)
def test_as_text_it_has_no_password(text: str) -> None:
    address = server_address(text)
    assert address is not None
    for shown in (str(address), repr(address), f"{address}"):
        assert "3cret" not in shown
        assert "u@h/n" in shown
    assert "s3cret" in address.secrets
    assert str(server_address(str(address))) == str(address)
