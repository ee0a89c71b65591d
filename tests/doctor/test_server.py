"""What doctor says about a shared ledger's server, as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("psycopg")

from worker.doctor.check import Check
from worker.doctor.server import check_server
from worker.ledger.postgresql.inspection import ServerFacts
from worker.ledger.postgresql.lineage import Durability, Lineage, difference, unsafe
from worker.ledger.postgresql.rights import Rights
from worker.ledger.seat import Holder
from worker.model.server_address import ServerAddress

ADDRESS = ServerAddress("postgresql://night@db.example.org/team", "wave")
SINCE = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
HOLDER = Holder("lab1", "boot", 7, 42, SINCE, SINCE, SINCE)
RIGHTS = Rights(
    "night", "team", may_create=True, may_stage=True, owner="night", owns=True, not_ended=()
)
GOOD = ServerFacts("15.4", 14, 14, RIGHTS, (), False, 0.002, 0.1, HOLDER, False)
LIES = Durability("off", "off", "team", is_replica=False)


def checks(**different: Any) -> list[Check]:
    return list(check_server(ADDRESS, GOOD._replace(**different)))


def test_a_good_server_has_no_finding() -> None:
    found = {check.topic: check for check in checks()}
    assert not any(check.fix for check in found.values())
    assert found["database"].text == f"{ADDRESS}: PostgreSQL 15.4, schema 14"
    assert found["latency"].text == "a round trip takes 2.0 ms"
    assert found["seat"].text == (
        "free; the last run was process 7 on lab1, since 2026-03-01T02:00:00Z, until"
        " 2026-03-01T02:00:00Z"
    )
    assert found["backup"].text.endswith("--schema=wave --file=FILE team")


@pytest.mark.parametrize(
    ("different", "topic", "text", "fix"),
    [
        ({"schema": 15}, "database", "a newer version of duplicate-batches", "Update the program"),
        (
            {"rights": RIGHTS._replace(owner=None, may_create=False)},
            "rights",
            "role night may not create the schema wave",
            'CREATE SCHEMA wave AUTHORIZATION "night";',
        ),
        (
            {"rights": RIGHTS._replace(owner="other", owns=False)},
            "rights",
            "the schema wave belongs to role other",
            "Use the role other on all machines",
        ),
        (
            {"rights": RIGHTS._replace(may_stage=False)},
            "rights",
            "role night may not create temporary tables in the database team",
            'GRANT TEMPORARY ON DATABASE "team" TO "night";',
        ),
        (
            {"rights": RIGHTS._replace(not_ended=("other",))},
            "rights",
            "may not end a silent run of other",
            'GRANT pg_signal_backend TO "night";',
        ),
        (
            {"unsafe": tuple(unsafe(LIES))},
            "commits",
            "synchronous_commit is off",
            'ALTER DATABASE "team" SET synchronous_commit = on',
        ),
        (
            {"unsafe": tuple(unsafe(LIES._replace(synchronous_commit="on")))},
            "commits",
            "fsync is off",
            "Set fsync = on",
        ),
        (
            {"unsafe": tuple(unsafe(Durability("on", "on", "team", is_replica=True)))},
            "commits",
            "this server is a replica",
            "target_session_attrs=read-write",
        ),
        ({"pooled": True}, "connection", "would lose its lock", "pool_mode = session"),
        ({"latency_s": 0.08}, "latency", "takes 80.0 ms", "nearer to the server"),
        ({"ahead_s": -300.0}, "server's clock", "300 s behind this computer's", "NTP"),
        ({"ahead_s": 300.0}, "server's clock", "300 s ahead of this computer's", "NTP"),
    ],
)
def test_what_is_wrong_has_its_fix(
    different: dict[str, Any], topic: str, text: str, fix: str
) -> None:
    finding = next(check for check in checks(**different) if check.fix)
    assert finding.topic == topic
    assert text in finding.text
    assert fix in finding.fix


def test_the_seat_says_who_works_or_did_not_end() -> None:
    def seat(*, held: bool, released: datetime | None) -> str:
        holder = HOLDER._replace(released=released)
        return next(one.text for one in checks(held=held, holder=holder) if one.topic == "seat")

    assert seat(held=True, released=None).startswith("a run works now: process 7 on lab1")
    assert seat(held=False, released=None).startswith("the last run did not end by itself")
    assert "seat" not in {check.topic for check in checks(holder=None)}


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (None, Lineage("1/2", 1), ""),
        (Lineage("1/2", 1), Lineage("1/2", 1), ""),
        (
            Lineage("1/2", 1),
            Lineage("1/2", 2),
            "which is on timeline 2",
        ),
        (Lineage("1/2", 1), Lineage("1/3", 1), "its tables were created again"),
        (Lineage("1/2", 1), Lineage("9/2", 1), "used server 1, and this is server 9"),
    ],
)
def test_another_line_of_commits_is_a_doubt(
    before: Lineage | None, now: Lineage, says: str
) -> None:
    found = difference(before, now)
    assert says in found
    assert bool(found) == bool(says)
