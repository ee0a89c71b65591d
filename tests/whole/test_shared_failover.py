"""A server that may have lost what it confirmed: nothing is sent until that is cleared up."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import source_id
from tests.support.engines import server as postgresql
from tests.support.postgresql import DATABASE, Server, programs, running_server
from tests.support.sandbox_thread import SandboxThread
from tests.whole.conftest import Place
from worker.model.server_address import ServerAddress

__all__ = ["postgresql"]

psycopg = pytest.importorskip("psycopg")


def rows(number: int) -> list[dict[str, object]]:
    return [{"batch_id": source_id(n), "name": f"Row {n}"} for n in range(number)]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    """Two machines that duplicate in one workspace."""
    with SandboxThread() as api:
        places = Place(tmp_path / "one", api), Place(tmp_path / "two", api)
        for place in places:
            place.folder.mkdir()
            place.job(*rows(20))
        yield places


@pytest.fixture
def address(postgresql: Server) -> ServerAddress:
    return postgresql.address()


def execute(server: Server, statement: str) -> None:
    with psycopg.connect(server.address().conninfo, autocommit=True) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("setting", "fix"), [("synchronous_commit", "ALTER DATABASE"), ("fsync", "postgresql.conf")]
)
def test_a_server_that_may_lose_what_it_confirms_is_refused(
    place: Place, postgresql: Server, address: ServerAddress, setting: str, fix: str
) -> None:
    place.job(*rows(3))
    execute(postgresql, f"ALTER SYSTEM SET {setting} = off")
    try:
        with psycopg.connect(address.conninfo, autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        ended = place.run("--database", str(address))
    finally:
        execute(postgresql, f"ALTER SYSTEM RESET {setting}")
        execute(postgresql, "SELECT pg_reload_conf()")
    assert ended.code == 2, ended.err
    assert f"{setting} is off on this server" in ended.err
    assert "Nothing was sent" in ended.err
    assert fix in ended.err
    assert place.world.made == 0
    assert place.run("--database", str(address)).code == 0


def test_after_a_failover_nothing_is_sent_until_a_person_accepts_the_server(
    machines: tuple[Place, Place], postgresql: Server, address: ServerAddress
) -> None:
    one, two = machines
    assert one.run("--database", str(address), "--limit", 8).code == 1
    with running_server(postgresql) as replica:
        replica.start()
        replica.promote()
        there = str(replica.address(address.schema))
        refused = two.run("--database", there)
        assert refused.code == 2, refused.err
        assert "this database may lack the last duplicates" in refused.err
        assert "on timeline 1 of the server, which is on timeline 2 now" in refused.err
        assert "The last run that it knows is " in refused.err
        assert f"ledger --database '{there}' --accept-server" in refused.err
        assert two.command("settle", "--database", there).code == 0, "nothing is unknown"
        assert two.run("--database", there).code == 2, "nobody accepted it yet"
        assert two.world.made == 8
        # Reading works, and says the same.
        for command, code in (
            (("ledger",), 0),
            (("ledger", "job.csv"), 0),
            (("report", "job.csv"), 0),
            (("report", "job.csv"), 2),  # the one that exists may be newer
            (("settle", "job.csv", "--proposals", "sheet.csv"), 0),
            (("check", "job.csv"), 1),
        ):
            read = two.command(*command, "--database", there)
            assert read.code == code, read.err
            said = read.out if command[0] == "check" else read.err
            assert "this database may lack the last duplicates" in said, command
            assert f"ledger --database '{there}' --accept-server" in said, command
        absent = two.command("settle", "job.csv", "--absent", "20", "--database", there)
        assert absent.code == 2, absent.out
        assert "this database may lack the last duplicates" in absent.err
        accepted = two.command("ledger", "--database", there, "--accept-server")
        assert accepted.code == 0, accepted.err
        assert "Accepted: its last run was on timeline 1" in accepted.out
        assert "warning" not in two.command("report", "job.csv", "--database", there).err
        ended = two.run("--database", there)
        assert ended.code == 0, ended.err
    assert two.world.made == 20
    assert max(Counter(two.made_of()).values()) == 1


def test_if_a_ledger_file_knows_more_than_the_new_server_it_is_restored_from_it(
    machines: tuple[Place, Place], postgresql: Server, address: ServerAddress
) -> None:
    one, _ = machines
    assert one.run("--database", str(address), "--limit", 8).code == 1
    with running_server(postgresql) as replica:
        # The replica is behind: what the second run commits is lost.
        assert one.run("--database", str(address), "--limit", 5).code == 1
        assert one.world.made == 13
        replica.start()
        replica.promote()
        there = str(replica.address(address.schema))
        for refused in (
            one.run("--database", there),
            one.command("ledger", "--database", there, "--accept-server"),
        ):
            assert refused.code == 2
            assert "is newer than the database" in refused.err
            assert f"ALTER SCHEMA {address.schema} RENAME TO {address.schema}_old;" in refused.err
            assert "--restore" in refused.err
        assert one.world.made == 13
        execute(replica, f"ALTER SCHEMA {address.schema} RENAME TO {address.schema}_old")
        file = one.folder / "ledgers" / "job.csv"
        restored = one.command("ledger", "job.csv", "--database", there, "--restore", file)
        assert restored.code == 0, restored.err
        assert "13 duplicates created, 7 unknown" in restored.out
        ended = one.run("--database", there, "--settle-after", "0.3")
        assert ended.code == 0, ended.err
    assert one.world.made == 20
    assert max(Counter(one.made_of()).values()) == 1


def test_a_restored_dump_on_the_same_server_is_noticed(
    machines: tuple[Place, Place], postgresql: Server, address: ServerAddress, tmp_path: Path
) -> None:
    one, two = machines
    assert one.run("--database", str(address), "--limit", 8).code == 1
    folder, dump = programs(), tmp_path / "dump"
    assert folder is not None
    place = ["-h", "127.0.0.1", "-p", str(postgresql.port), "-U", "worker", "-d", DATABASE]
    subprocess.run(
        [folder / "pg_dump", *place, "--format=custom", "-n", address.schema, "-f", dump],
        check=True,
    )
    execute(postgresql, f"DROP SCHEMA {address.schema} CASCADE")
    subprocess.run([folder / "pg_restore", *place, dump], check=True)
    refused = two.run("--database", str(address))
    assert refused.code == 2, refused.err
    assert "its tables were created again since its last run, as a restored dump" in refused.err
    assert two.command("ledger", "--database", str(address), "--accept-server").code == 0
    assert two.run("--database", str(address)).code == 0
    assert two.world.made == 20


def test_the_old_state_itself_can_be_restored_so_that_all_that_may_exist_is_looked_for(
    machines: tuple[Place, Place], postgresql: Server, address: ServerAddress
) -> None:
    """The way that docs/shared-ledger.md gives if nobody knows what is missing."""
    one, two = machines
    assert one.run("--database", str(address), "--limit", 8).code == 1
    with running_server(postgresql) as replica:
        assert one.run("--database", str(address), "--limit", 5).code == 1
        shutil.rmtree(one.folder / "ledgers")
        replica.start()
        replica.promote()
        there = str(replica.address(address.schema))
        assert two.run("--database", there).code == 2
        old = two.command("ledger", "job.csv", "--database", there, "--format", "csv")
        assert old.code == 0, old.err
        (two.folder / "old.csv").write_text(old.out, encoding="utf-8")
        execute(replica, f"ALTER SCHEMA {address.schema} RENAME TO {address.schema}_old")
        restored = two.command("ledger", "job.csv", "--database", there, "--restore", "old.csv")
        assert restored.code == 0, restored.err
        assert "8 duplicates created, 12 unknown" in restored.out
        ended = two.run("--database", there, "--settle-after", "0.3")
        assert ended.code == 0, ended.err
    assert two.world.made == 20
    assert max(Counter(two.made_of()).values()) == 1


def test_a_role_that_may_not_ask_for_the_timeline_is_told_what_to_grant(
    place: Place, postgresql: Server, address: ServerAddress
) -> None:
    place.job(*rows(2))
    role = f"limited_{address.schema}"
    execute(postgresql, f"CREATE ROLE {role} LOGIN")
    execute(postgresql, f"GRANT CREATE ON DATABASE {DATABASE} TO {role}")
    execute(postgresql, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    limited = str(address).replace("worker@", f"{role}@")
    try:
        ended = place.run("--database", limited)
    finally:
        execute(postgresql, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
    assert ended.code == 2, ended.err
    assert "GRANT EXECUTE ON FUNCTION pg_control_system()" in ended.err
    assert place.run("--database", limited).code == 0
