"""`doctor` with a shared ledger on a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import source_id
from tests.support.engines import server as postgresql
from tests.support.postgresql import DATABASE, Server, free_port, running_server
from tests.whole.conftest import Place
from tests.whole.test_doctor_command import doctor, findings, ready, set_up
from worker.model.server_address import ServerAddress
from worker.sandbox.options import SandboxOptions

__all__ = ["postgresql", "ready"]

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def address(postgresql: Server) -> ServerAddress:
    return postgresql.address()


def execute(server: Server, *statements: str) -> None:
    with psycopg.connect(server.address().conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def texts(found: dict[str, Any]) -> dict[str, str]:
    return {check["topic"]: check["text"] for check in found["checks"]}


def test_a_shared_ledger_before_and_after_its_first_run(
    ready: Place, postgresql: Server, address: ServerAddress
) -> None:
    ended, found = doctor(ready, "--database", str(address))
    assert ended.code == 0, ended.out
    assert f"the first run creates the schema {address.schema}" in texts(found)["database"]
    assert texts(found)["rights"] == f"role worker may create the schema {address.schema}"
    assert ready.run("--database", str(address), PROLIFIC_TOKEN="").code == 0
    ended, found = doctor(ready, "--database", str(address))
    assert ended.code == 0, ended.out
    said = texts(found)
    assert said["database"].startswith(f"{address}: PostgreSQL ")
    assert said["database"].endswith(", schema 14")
    assert said["rights"] == f"role worker owns the schema {address.schema}"
    assert said["commits"] == "synchronous_commit and fsync are on"
    assert said["seat"].startswith("free; the last run was process ")
    assert "of campaign job ended with code 0" in said["last run"]
    assert "pg_dump" in said["backup"]
    assert float(said["latency"].split()[-2]) > 0


def test_a_password_that_cron_has_not_is_a_finding(ready: Place, address: ServerAddress) -> None:
    (ready.folder / "config.toml").write_text(f'database = "{address}"\n', encoding="utf-8")
    _, found = doctor(ready, PGPASSWORD="secret")
    assert "PGPASSWORD is set in this shell, and cron has no variables" in texts(found)["cron"]
    assert "secret" not in str(found)


def test_a_running_run_is_named_and_not_disturbed(ready: Place, address: ServerAddress) -> None:
    ready.job(*[{"batch_id": source_id(n), "name": f"Row {n}"} for n in range(60)])
    with ready.start("--quiet", "--database", str(address), "--rate", "20/s") as running:
        while ready.world.made < 5:
            time.sleep(0.05)
        _, found = doctor(ready, "--database", str(address))
        assert f"a run works now: process {running.pid} on " in texts(found)["seat"]
        assert running.wait() == 0


@pytest.mark.parametrize("on_server", [False, True])
def test_requests_under_way_are_unknown_only_after_their_run_was_killed(
    place_with: Callable[[SandboxOptions], Place], address: ServerAddress, *, on_server: bool
) -> None:
    place = set_up(place_with(SandboxOptions(latency=1.0)))
    place.job(*[{"batch_id": source_id(n), "name": f"Row {n}"} for n in range(60)])
    shared = ("--database", str(address)) if on_server else ()
    with place.start("--quiet", *shared, "--rate", "20/s", "--max-in-flight", "4") as running:
        while place.world.made < 5:
            time.sleep(0.05)
        _, alive = doctor(place, *shared)
        running.kill()
    assert texts(alive)["last run"].endswith(" of campaign job is under way")
    assert findings(alive, "unknown") == []
    _, killed = doctor(place, *shared)
    assert texts(killed)["last run"].endswith(" of campaign job has not ended")
    assert "may exist" in findings(killed, "unknown")[0]


def test_bad_nights_are_findings_as_for_a_file(ready: Place, address: ServerAddress) -> None:
    ready.job({"batch_id": source_id(1), "copies": 2})
    shared = ("--database", str(address))
    assert ready.run(*shared, "--limit", 1, PROLIFIC_TOKEN="").code == 1
    ended, found = doctor(ready, *shared)
    assert ended.code == 1
    assert findings(found, "failed")[0].startswith("the last run did not succeed: job (code 1)")


def test_a_server_that_cannot_be_reached_or_used_is_a_finding(
    ready: Place, postgresql: Server, address: ServerAddress
) -> None:
    ended, found = doctor(ready, "--database", f"postgresql://worker@127.0.0.1:{free_port()}/x")
    assert ended.code == 1
    assert "the ledger's server cannot be reached" in findings(found, "database")[0]
    execute(
        postgresql,
        f"CREATE DATABASE latin_{address.schema} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0",
    )
    latin = postgresql.address().conninfo.replace(DATABASE, f"latin_{address.schema}")
    _, found = doctor(ready, "--database", latin)
    assert "the encoding LATIN1; UTF8 is needed" in findings(found, "database")[0]
    assert "createdb --encoding UTF8" in findings(found, "database")[0]


def test_rights_that_are_missing_are_findings(
    ready: Place, postgresql: Server, address: ServerAddress
) -> None:
    role = f"other_{address.schema}"
    execute(postgresql, f"CREATE ROLE {role} LOGIN")
    other = str(address).replace("worker@", f"{role}@")
    _, found = doctor(ready, "--database", other)
    (finding,) = findings(found, "rights")
    assert f"role {role} may not create the schema" in finding
    execute(postgresql, f'CREATE SCHEMA {address.schema} AUTHORIZATION "{role}"')
    assert doctor(ready, "--database", other)[0].code == 0
    assert ready.run("--database", other, PROLIFIC_TOKEN="").code == 0
    # Another role gets rights on the tables, but neither may end the other's session.
    second = f"second_{address.schema}"
    execute(
        postgresql,
        f"CREATE ROLE {second} LOGIN",
        f"GRANT USAGE ON SCHEMA {address.schema} TO {second}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA {address.schema} TO {second}",
    )
    (finding,) = findings(doctor(ready, "--database", other)[1], "rights")
    assert f"may not end a silent run of {second}" in finding
    execute(postgresql, f"GRANT pg_signal_backend TO {role}")
    assert doctor(ready, "--database", other)[0].code == 0


def test_a_role_that_may_not_create_temporary_tables_hears_of_it_before_its_second_run(
    ready: Place, postgresql: Server, address: ServerAddress
) -> None:
    role = f"other_{address.schema}"
    grant = f'GRANT TEMPORARY ON DATABASE "{DATABASE}" TO "{role}";'
    other = str(address).replace("worker@", f"{role}@")
    execute(
        postgresql,
        f"CREATE ROLE {role} LOGIN",
        f"CREATE SCHEMA {address.schema} AUTHORIZATION {role}",
        f"REVOKE TEMPORARY ON DATABASE {DATABASE} FROM PUBLIC",
    )
    try:
        (finding,) = findings(doctor(ready, "--database", other)[1], "rights")
        assert f"role {role} may not create temporary tables in the database" in finding
        assert grant in finding
        first = ready.run("--database", other, PROLIFIC_TOKEN="")
        assert first.code == 2
        assert grant in first.err
        execute(postgresql, grant)
        assert doctor(ready, "--database", other)[0].code == 0
        assert ready.run("--database", other, PROLIFIC_TOKEN="").code == 0
        execute(postgresql, f"REVOKE TEMPORARY ON DATABASE {DATABASE} FROM {role}")
        ready.job({"batch_id": source_id(1), "copies": 2})
        later = ready.run("--database", other, PROLIFIC_TOKEN="")
        assert later.code == 2
        assert grant in later.err
    finally:
        execute(postgresql, f"GRANT TEMPORARY ON DATABASE {DATABASE} TO PUBLIC")


def test_commits_that_may_be_lost_are_findings(
    ready: Place, postgresql: Server, address: ServerAddress
) -> None:
    execute(postgresql, "ALTER ROLE worker SET synchronous_commit = off")
    try:
        ended, found = doctor(ready, "--database", str(address))
    finally:
        execute(postgresql, "ALTER ROLE worker RESET synchronous_commit")
    assert ended.code == 1
    assert "synchronous_commit is off" in findings(found, "commits")[0]


def test_a_replica_and_a_failover_are_findings(
    ready: Place, postgresql: Server, address: ServerAddress
) -> None:
    assert ready.run("--database", str(address), PROLIFIC_TOKEN="").code == 0
    with running_server(postgresql) as replica:
        replica.start()
        there = str(replica.address(address.schema))
        ended, found = doctor(ready, "--database", there)
        assert ended.code == 1
        assert "this server is a replica" in findings(found, "commits")[0]
        refused = ready.run("--database", there, PROLIFIC_TOKEN="")
        assert refused.code == 2
        assert "this server is a replica" in refused.err
        replica.promote()
        ended, found = doctor(ready, "--database", there)
        (finding,) = findings(found, "outdated")
        assert "which is on timeline 2 now" in finding
        assert f"--database '{there}' --accept-server" in finding


@contextmanager
def pooler(server: Server, folder: Path, mode: str) -> Iterator[int]:
    """PgBouncer before the server, in this mode; its port."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    port = free_port()
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text('"worker" ""\n', encoding="utf-8")
    settings.write_text(
        f"[databases]\n{DATABASE} = host=127.0.0.1 port={server.port} user=worker\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\n"
        "ignore_startup_parameters = extra_float_digits\n",
        encoding="utf-8",
    )
    for path in (*folder.parents, folder, users, settings):
        if path.is_relative_to(Path("/tmp/pytest-of-root")):
            path.chmod(0o755)
    user = "postgres" if os.geteuid() == 0 else None
    with subprocess.Popen(
        [program, str(settings)], user=user, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            time.sleep(1)
            assert process.poll() is None
            yield port
        finally:
            process.terminate()


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_that_changes_sessions_is_a_finding(
    ready: Place, postgresql: Server, address: ServerAddress, tmp_path: Path, mode: str
) -> None:
    folder = tmp_path / "pooler"
    folder.mkdir()
    with pooler(postgresql, folder, mode) as port:
        through = str(postgresql.address(address.schema, port))
        _, found = doctor(ready, "--database", through)
        if mode == "transaction":
            assert "pool_mode = session" in findings(found, "connection")[0]
        else:
            assert findings(found, "connection") == []
            assert ready.run("--database", through, PROLIFIC_TOKEN="").code == 0
