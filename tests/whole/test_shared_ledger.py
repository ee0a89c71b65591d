"""A ledger on PostgreSQL, by the real command: two folders are two machines."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import finish, source_id, until
from tests.support.engines import server as postgresql
from tests.support.postgresql import Server
from tests.support.proxy import Proxy
from tests.support.sandbox_thread import SandboxThread
from tests.whole.conftest import Place
from worker.model.server_address import ServerAddress
from worker.sandbox.options import SandboxOptions

__all__ = ["postgresql"]

Machines = tuple[Place, Place]


def rows(number: int) -> list[dict[str, object]]:
    return [{"batch_id": source_id(n), "name": f"Row {n}"} for n in range(number)]


@pytest.fixture
def address(postgresql: Server) -> ServerAddress:
    return postgresql.address()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Two machines that duplicate in one workspace."""
    with SandboxThread(SandboxOptions()) as api:
        places = Place(tmp_path / "one", api), Place(tmp_path / "two", api)
        for place in places:
            place.folder.mkdir()
        yield places


def test_what_one_machine_created_another_does_not_create_again(
    machines: Machines, address: ServerAddress
) -> None:
    one, two = machines
    for place in machines:
        place.job(*rows(30))
    first = one.run("--database", address.conninfo + "?schema=" + address.schema)
    assert first.code == 0, first.err
    assert first.summary["counts"]["created"] == 30
    assert first.summary["database"] == str(address)
    second = two.run("--database", str(address))
    assert second.code == 0, second.err
    assert second.summary["created_this_run"] == 0
    assert one.world.made == 30
    assert [row["new_batch_id"] for row in two.ledger()] == [
        row["new_batch_id"] for row in one.ledger()
    ]


def test_a_second_machine_waits_or_says_who_works(
    machines: Machines, address: ServerAddress
) -> None:
    one, two = machines
    for place in machines:
        place.job(*rows(200))
    with one.start("--quiet", "--database", str(address), "--rate", "50/s") as running:
        until(lambda: one.world.made >= 5)
        refused = two.run("--database", str(address))
        assert refused.code == 75
        assert f"process {running.pid} on " in refused.err
        waited = two.run("--database", str(address), "--wait", "60")
        assert waited.code == 0, waited.err
        assert finish(running).code == 0
    assert one.world.made == 200


def test_when_a_machine_dies_another_settles_what_it_had_under_way_and_continues(
    machines: Machines, address: ServerAddress
) -> None:
    one, two = machines
    for place in machines:
        place.job(*rows(120))
    with one.start("--quiet", "--database", str(address), "--rate", "100/s") as running:
        until(lambda: one.world.made >= 20)
        running.send_signal(signal.SIGKILL)
    ended = two.run("--database", str(address), "--settle-after", "1")
    assert ended.code == 0, ended.err
    assert ended.summary["counts"]["created"] == 120
    assert one.world.made == 120


def test_a_run_whose_server_stays_away_gives_up_and_says_so(
    machines: Machines, postgresql: Server, address: ServerAddress
) -> None:
    one, two = machines
    for place in machines:
        place.job(*rows(300))
    with Proxy(postgresql.port) as proxy:
        through = postgresql.address(address.schema, proxy.port)
        arguments = ("--database", str(through), "--rate", "50/s", "--give-up-after", "2")
        with one.start("--quiet", *arguments) as running:
            until(lambda: one.world.made >= 10)
            proxy.refuses = True
            proxy.cut()
            ended = finish(running, 120)
    assert ended.code == 1, ended.err
    assert ended.summary["stopped_by"] == "database"
    assert "the ledger cannot be written" in ended.err
    last = two.run("--database", str(address), "--settle-after", "1")
    assert last.code == 0, last.err
    assert one.world.made == 300


def test_a_signal_ends_a_run_soon_while_its_server_is_away(
    machines: Machines, postgresql: Server, address: ServerAddress
) -> None:
    one, _ = machines
    one.job(*rows(300))
    with Proxy(postgresql.port) as proxy:
        through = postgresql.address(address.schema, proxy.port)
        with one.start("--quiet", "--database", str(through), "--rate", "50/s") as running:
            until(lambda: one.world.made >= 10)
            proxy.refuses = True
            proxy.cut()
            until(lambda: proxy.accepted >= 8)  # it tries to reach the server again
            running.send_signal(signal.SIGTERM)
            began = time.monotonic()
            ended = finish(running, 120)
    assert ended.code == 128 + signal.SIGTERM, ended.err
    assert time.monotonic() - began < 40


def test_a_run_continues_when_its_server_was_away_for_a_moment(
    machines: Machines, postgresql: Server, address: ServerAddress
) -> None:
    one, _ = machines
    one.job(*rows(150))
    with Proxy(postgresql.port) as proxy:
        through = postgresql.address(address.schema, proxy.port)
        arguments = ("--database", str(through), "--rate", "50/s", "--log-file", "run.log")
        with one.start("--quiet", *arguments) as running:
            until(lambda: one.world.made >= 10)
            proxy.refuses = True
            proxy.cut()
            time.sleep(1.0)
            proxy.refuses = False
            ended = finish(running)
    assert ended.code == 0, ended.err
    assert ended.summary["counts"]["created"] == one.world.made == 150
    lines = map(json.loads, (one.folder / "run.log").read_text("utf-8").splitlines())
    events = [line for line in lines if line["event"].startswith("ledger.")]
    assert [event["event"] for event in events] == ["ledger.disconnected", "ledger.reconnected"]
    assert events[0]["why"]
    assert 0.5 < events[1]["away_s"] < 30


def test_after_a_ledger_was_rebuilt_the_files_of_other_machines_stop_nobody(
    machines: Machines, address: ServerAddress
) -> None:
    """They name runs that the rebuilt ledger does not know, but nothing that it lacks."""
    import psycopg  # noqa: PLC0415 - an optional extra

    one, two = machines
    at = ("--database", str(address))
    for place in machines:
        place.job(*rows(3))
        assert place.run(*at).code == 0
    with psycopg.connect(address.conninfo, autocommit=True) as connection:
        connection.execute(f"ALTER SCHEMA {address.schema} RENAME TO {address.schema}_old")
    time.sleep(1.1)  # the ids of runs have whole seconds
    restored = one.command("ledger", "job.csv", "--restore", "ledgers/job.csv", *at)
    assert restored.code == 0, restored.err
    files = two.folder / "ledgers" / "job.csv"
    complete = files.read_text(encoding="utf-8")
    # A run that died may have sent what its file calls pending, and the restored file lacks.
    files.write_text(complete.replace(",created,", ",pending,", 1), encoding="utf-8")
    refused = two.run(*at)
    assert refused.code == 2
    assert "only the file contains run" in refused.err
    files.write_text(complete, encoding="utf-8")
    for place in (two, one):
        ended = place.run(*at)
        assert ended.code == 0, ended.err
        assert ended.summary["counts"]["created"] == 3
    assert one.world.made == 3


def test_what_one_machine_set_up_another_does_not_set_up_again(
    machines: Machines, address: ServerAddress
) -> None:
    one = machines[0]
    for place in machines:
        place.job(*({**row, "tasks_per_group": 5} for row in rows(3)))
    for place in machines:
        ended = place.run("--database", str(address))
        assert ended.code == 0, ended.err
        assert {row["setup_status"] for row in place.ledger()} <= {"requested", "ready"}
    assert one.world.requests["setup"] == 3
