"""Every command with a ledger on a server, by the real command: it does and prints what it does
with a SQLite file, and a password in the address is nowhere to be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import Ended, environment, source_id
from tests.support.engines import server as postgresql
from tests.support.postgresql import Server
from tests.support.sandbox_thread import SandboxThread
from tests.whole.conftest import Place
from worker.model.server_address import server_address
from worker.sandbox.options import SandboxOptions
from worker.text import shell_word

__all__ = ["postgresql"]

PASSWORD = "pa55-w0rd"


@dataclass(frozen=True)
class Night(Place):
    """A folder whose settings name this database."""

    database: str = ""

    @property
    def environ(self) -> dict[str, str]:
        more = {"DUPLICATE_BATCHES_DATABASE": self.database} if self.database else {}
        return environment(
            self.folder, self.server.url, self.server.token, DUPLICATE_BATCHES_TIMEOUT="4", **more
        )

    @property
    def shown(self) -> str:
        """The database as it is shown."""
        return str(server_address(self.database) or self.folder / "ledgers" / "ledger.db")

    def comparable(self, text: str) -> str:
        """A text of a command without what differs between two machines or two moments."""
        for what, name in (
            (shell_word(self.shown), "DATABASE"),
            (self.shown, "DATABASE"),
            (str(self.folder), "FOLDER"),
            (self.server.url, "API"),
        ):
            text = text.replace(what, name)
        for pattern, name in (
            (r"\x1b\[[0-9;]*m", ""),
            (r"\d{8}T\d{6}\w*-\w+", "RUN"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?", "TIME"),
            (r"\d\d:\d\d(:\d\d)?( UTC)?", "TIME"),
            (r'"pid": \d+|process \d+', "PROCESS"),
            (r"rename its schema \(ALTER SCHEMA [^)]+\)", "move the old copy away"),
            (r"move it to DATABASE \([^)]+\), or name it", "name it"),  # nobody moves a schema
            (r'"duration_s": [\d.]+', "DURATION"),
            (r"(under )?\d+(\.\d+)? ?(ms|s|seconds?|KiB|MiB)\b", "AMOUNT"),
            (r"\d+\.\d+", "NUMBER"),
            (r" {2,}|─+|━+|-{3,}", " "),
        ):
            text = re.sub(pattern, name, text)
        return text


class Pair:
    """Two nights that do the same, one with a file and one with a server."""

    def __init__(self, file: Night, server: Night) -> None:
        self.file, self.server = file, server

    def __iter__(self) -> Iterator[Night]:
        return iter((self.file, self.server))

    def job(self, *rows: dict[str, object], name: str = "job.csv") -> None:
        for night in self:
            night.job(*rows, name=name)

    def both(self, *arguments: object, code: int | None = 0) -> tuple[Ended, Ended]:
        """The same command for both: it ends and prints alike."""
        here, there = self.any(*arguments)
        for ended in (here, there):
            assert ended.code == code or code is None, ended
        assert self.file.comparable(here.out) == self.server.comparable(there.out)
        assert self._said(self.file, here) == self._said(self.server, there)
        return here, there

    def any(self, *arguments: object) -> tuple[Ended, Ended]:
        """The same command for both."""
        here, there = (night.command(*arguments) for night in self)
        assert PASSWORD not in there.out + there.err
        assert here.code == there.code, (here, there)
        return here, there

    @staticmethod
    def _said(night: Night, ended: Ended) -> list[str]:
        """Standard error; log lines of batches come in any order."""
        return sorted(night.comparable(ended.err).splitlines())


@pytest.fixture
def pair(tmp_path: Path, postgresql: Server) -> Iterator[Pair]:
    address = postgresql.address()
    secret = address.conninfo.replace("worker@", f"worker:{PASSWORD}@")
    options = SandboxOptions(latency=0, seed=3)
    with SandboxThread(options) as one, SandboxThread(options) as two:
        made = Pair(
            Night(tmp_path / "file", one),
            Night(tmp_path / "server", two, f"{secret}?schema={address.schema}"),
        )
        for night in made:
            night.folder.mkdir()
        yield made
    # Whatever the commands wrote: no file has the password.
    for path in made.server.folder.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path


ROWS: list[dict[str, object]] = [
    {"batch_id": source_id(n), "name": f"Row {n} of {{source_name}}", "x_note": n} for n in range(5)
]
RUN = ("run", "job.csv", "--yes", "--rate", "unlimited", "--max-in-flight", 1)


def test_a_night_and_everything_that_is_asked_about_it(pair: Pair) -> None:
    pair.job(*ROWS)
    pair.both("check", "job.csv")
    pair.both("check", "job.csv", "--json")
    pair.both("run", "job.csv", "--rate", "unlimited", code=2)  # nobody can be asked
    told = ("--metrics-file", "night.prom", "--on-finish", "cat > finish.json", "--report")
    _, there = pair.both(*RUN, "--limit", 3, "--json", "--log-file", "run.log", *told, code=1)
    assert there.summary["database"] == pair.server.shown
    assert there.summary["counts"] == {"created": 3, "failed": 0, "unknown": 0, "pending": 2}
    for name in ("night.prom", "finish.json"):
        file, server = (
            night.comparable((night.folder / name).read_text("utf-8")) for night in pair
        )
        assert re.sub(r"\d{9,}", "TIME", file) == re.sub(r"\d{9,}", "TIME", server)
    pair.both(*RUN, "--json")
    pair.both(*RUN)
    pair.both(*RUN, "--quiet")
    pair.both("check", "job.csv")
    for line in ("", "--format json", "--format table", "--since 2026-01-01"):
        pair.both("ledger", *line.split())
        pair.both("ledger", "--campaign", "job", *line.split())
        pair.both("ledger", "job.csv", *line.split())
    for line in (
        "--format csv",
        "--format job",
        "--status created,failed",
        f"--source {source_id(1)}",
        "--run nothing",
        "--all",
    ):
        pair.both("ledger", "job.csv", *line.split())
    pair.both("ledger", "job.csv", "--ledger", "copy.xlsx")
    pair.both("ledger", "other.csv", code=2)
    pair.both("ledger", "job.csv", "--refresh")
    pair.both("report", "job.csv")
    pair.both("report", "job.csv", "--output", "page.html")
    file, server = (
        night.comparable((night.folder / "page.html").read_text("utf-8")) for night in pair
    )
    assert len(file.splitlines()) == len(server.splitlines())
    pair.both("batches")
    pair.both("batches", "--format", "json")
    pair.both("settle")
    pair.both("settle", "job.csv")
    pair.both("settle", "job.csv", "--json")
    pair.both("ledger", "--forget", "--before", "2026-01-01")
    backup = pair.server.command("ledger", "--backup", "copy.db")
    assert backup.code == 2
    assert "pg_dump" in backup.err
    assert pair.file.world.made == pair.server.world.made == 5


def test_unknown_duplicates_are_settled_and_decided_alike(pair: Pair) -> None:
    pair.job(*ROWS)
    for night in pair:
        night.server.sandbox.misbehave({"drop-answer": 1.0, "list-short": 1.0})
    pair.any(*RUN, "--settle-after", 0.1, "--timeout", 1)
    pair.both("settle", "job.csv", "--settle-after", 0.1, code=1)
    pair.both("ledger", "job.csv", "--format", "table")
    pair.both("settle", "job.csv", "--proposals", "sheet.csv", code=1)
    pair.both("settle", "job.csv", "--proposals", "sheet.xlsx", code=1)
    for night in pair:
        night.server.sandbox.misbehave({})
        made = {str(copy["source_batch_id"]): str(copy["id"]) for copy in night.world.duplicates}
        assigned = night.command("settle", "job.csv", "--assign", f"2={made[source_id(0)]}")
        assert assigned.code == 1, assigned.err
    pair.both("settle", "job.csv", "--absent", "3", code=1)
    pair.both("settle", "job.csv", "--absent", "3", code=2)  # it is not unknown any more
    for night in pair:
        sheet = night.folder / "sheet.csv"
        proposed = night.command("settle", "job.csv", "--proposals", sheet, "--json")
        assert proposed.code in (1, 2), proposed
    pair.both("settle", "job.csv", "--decisions", "sheet.csv", code=None)
    pair.both("settle", "--settle-after", 0.1, code=1)
    pair.both("settle", "job.csv", "--settle-after", 0.1, code=1)
    pair.any(*RUN, "--json", "--settle-after", 0.1)
    pair.both("ledger", "job.csv", "--format", "table")


def test_accidents_are_refused_alike(pair: Pair) -> None:
    pair.job(*ROWS)
    pair.any(*RUN)
    pair.job(*ROWS, name="renamed.csv")
    pair.both("check", "renamed.csv", code=1)
    pair.both("run", "renamed.csv", "--yes", code=2)
    _, there = pair.both("run", "renamed.csv", "--yes", "--json", code=2)
    assert "--campaign job" in there.err
    # The ledger is lost: the names exist in the workspace on batches that nobody knows.
    for night in pair:
        (night.folder / "ledgers" / "job.csv").unlink()
    lose(pair)
    pair.both("check", "job.csv", code=1)
    pair.both(*RUN, code=2)
    assert pair.file.world.made == pair.server.world.made == 5


def test_what_the_campaign_or_another_one_has_sent_is_refused_alike(pair: Pair) -> None:
    pair.job({"batch_id": source_id(1), "name": "Wave {n}", "copies": 4})
    pair.any(*RUN)
    wave: dict[str, object] = {"batch_id": source_id(1)}
    pair.job(*(wave | {"name": f"Wave {n}"} for n in range(1, 5)))
    pair.both("check", "job.csv", code=1)
    pair.both(*RUN, code=2)
    pair.job(wave | {"name": "wave {n:02}", "copies": 4})
    pair.both("check", "job.csv", code=1)
    _, there = pair.both(*RUN, code=2)
    assert "such as 'wave 01' for 'Wave 1'" in there.err
    pair.job(*(wave | {"name": f"Other {n}"} for n in range(1, 5)))
    pair.any(*RUN, "--campaign", "other")
    pair.both(*RUN, code=2)
    assert pair.file.world.made == pair.server.world.made == 8
    pair.any(*RUN, "--allow-existing", "--limit", "1")
    _, there = pair.any(*RUN)
    assert there.code == 0, "it is agreed to once"
    pair.job(wave | {"name": "OTHER {n:02}", "copies": 4}, name="saved.csv")
    pair.both("check", "saved.csv", code=1)
    pair.both("run", "saved.csv", "--yes", code=2)
    assert pair.file.world.made == pair.server.world.made == 12


def test_several_jobs_are_run_alike(pair: Pair) -> None:
    for number in (1, 2):
        pair.job(ROWS[number], name=f"job{number}.csv")
    pair.both("check", ".", "--json")
    pair.both("run", ".", "--yes", "--json", "--rate", "unlimited")
    pair.both("run", ".", "--yes", "--rate", "unlimited")
    pair.both("ledger")


def lose(pair: Pair) -> None:
    """Both databases are lost."""
    for file in (pair.file.folder / "ledgers").glob("ledger.db*"):
        file.unlink()
    execute(pair.server, "DROP SCHEMA {} CASCADE")


def execute(night: Night, statement: str) -> None:
    import psycopg  # noqa: PLC0415 - only with a server

    address = server_address(night.database)
    assert address is not None
    with psycopg.connect(address.conninfo, autocommit=True) as connection:
        connection.execute(statement.format(address.schema).encode())


def test_a_lost_ledger_is_noticed_and_restored_alike(pair: Pair) -> None:
    pair.job(*ROWS)
    pair.any(*RUN, "--limit", 3)
    lose(pair)
    for command in ("ledger", "report", "settle"):
        _, there = pair.any(command, "job.csv")
        assert there.code == 2
        assert "there is no ledger database here (set by DUPLICATE_BATCHES_DATABASE)" in there.err
        assert "rebuild it from the ledger file" in there.err
        assert "--restore" in there.err
    _, there = pair.both(*RUN, code=2)
    assert "is newer than the database" in there.err
    pair.both("ledger", "job.csv", "--restore", "ledgers/job.csv")
    pair.any(*RUN, "--settle-after", 0.3)
    pair.both("ledger", "job.csv", "--format", "table")
    assert pair.file.world.made == pair.server.world.made == 5


def test_an_old_dump_put_back_is_noticed_alike(pair: Pair, postgresql: Server) -> None:
    pair.job(*ROWS)
    pair.any(*RUN, "--limit", 2)
    assert pair.file.command("ledger", "--backup", "old.db").code == 0
    dump = postgresql.run("pg_dump", *connecting(pair.server))
    assert PASSWORD not in dump
    pair.any(*RUN)
    lose(pair)
    (pair.file.folder / "old.db").rename(pair.file.folder / "ledgers" / "ledger.db")
    postgresql.run("psql", *connecting(pair.server)[:-1], text=dump)
    for command in (
        RUN,
        ("settle", "job.csv"),
        ("settle", "job.csv", "--absent", "3"),
        ("settle", "job.csv", "--review"),
        ("ledger", "job.csv"),
        ("ledger", "job.csv", "--refresh"),
    ):
        _, there = pair.both(*command, code=2)
        if "--review" not in command:  # there is no terminal
            assert "is newer than the database" in there.err, command
    for night in pair:
        assert all(row["status"] == "created" for row in night.ledger()), "no older row is written"
    # Commands that only read say so, and answer.
    _, there = pair.both("check", "job.csv", code=1)
    assert "`run` refuses this database, which may not be the newest" in there.out
    assert "is newer than the database" in there.out
    reading: tuple[tuple[str, ...], ...] = (
        ("ledger",),
        ("ledger", "job.csv", "--format", "table"),
        ("ledger", "job.csv", "--ledger", "older.csv"),
        ("settle", "job.csv", "--proposals", "sheet.csv"),
        ("report", "job.csv"),
    )
    for asked in reading:
        _, there = pair.both(*asked)
        assert "warning: " in there.err, asked
        assert "is newer than the database" in there.err, asked
    # A report that exists may be newer.
    _, there = pair.both("report", "job.csv", code=2)
    assert "may be newer, and was not replaced" in there.err
    pair.both("report", "job.csv", "--output", "older.html")
    for night in pair:
        doctor = night.command("doctor")
        assert "✗ outdated: " in doctor.out, doctor
        assert "is newer than the database" in doctor.out
    assert pair.file.world.made == pair.server.world.made == 5


def connecting(night: Night) -> list[str]:
    """The options of PostgreSQL's programs for this ledger; the last one names its schema."""
    address = server_address(night.database)
    assert address is not None
    conninfo = address.conninfo.replace(f":{PASSWORD}", "")
    return ["--dbname", conninfo, f"--schema={address.schema}"]


def test_a_moved_ledger_is_used_in_its_new_place_only(pair: Pair) -> None:
    night = pair.file
    night.job(*ROWS)
    assert night.command(*RUN, "--limit", 3).code == 1
    moved = night.command("ledger", "--copy-to", pair.server.database)
    assert moved.code == 0, moved.err
    assert f"to {pair.server.shown}, and compared them" in moved.out
    assert PASSWORD not in moved.out + moved.err
    made = night.world.made
    for command in (
        RUN,
        ("check", "job.csv"),
        ("settle",),
        ("settle", "job.csv"),
        ("settle", "job.csv", "--absent", "3"),
        ("settle", "job.csv", "--proposals", "sheet.csv"),
        ("ledger", "job.csv", "--restore", "ledgers/job.csv"),
        ("ledger", "job.csv", "--refresh"),
        ("ledger", "--forget", "--before", "2026-01-01"),
        ("ledger", "--copy-to", "another.db"),
    ):
        ended = night.command(*command)
        assert ended.code == 2, (command, ended)
        assert f"this ledger was moved to {pair.server.shown}" in ended.err, command
    for command in (("ledger",), ("ledger", "job.csv", "--format", "csv"), ("report", "job.csv")):
        ended = night.command(*command)
        assert ended.code == 0, (command, ended)
        assert f"this ledger was moved to {pair.server.shown}" in ended.err, command
    doctor = night.command("doctor")
    assert f"this ledger was moved to {pair.server.shown}" in doctor.out + doctor.err
    assert night.world.made == made
    ended = night.command(*RUN, "--database", pair.server.database, "--json")
    assert ended.code == 0, ended.err
    assert ended.summary["created_this_run"] == 2
    old = night.command("report", "job.csv")
    assert old.code == 2, "the report that exists may be of the new place"
    assert f"the state before this ledger was moved to {pair.server.shown}" in old.err
    back = night.command("ledger", "--database", pair.server.database, "--copy-to", "back.db")
    assert back.code == 0, back.err
    ended = night.command(*RUN, "--database", pair.server.database)
    assert ended.code == 2
    assert f"this ledger was moved to {night.folder / 'back.db'}" in ended.err
    ended = night.command(*RUN, "--database", "back.db", "--json")
    assert ended.summary["counts"]["created"] == 5
    assert night.world.made == 5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"/ledgers": "/no_such_database"}, "there is no database", id="no database"),
        pytest.param({"worker:": "nobody:"}, "refuses role nobody", id="no role"),
        pytest.param({"127.0.0.1": "no-host.invalid"}, "cannot be reached", id="no host"),
        pytest.param({"?schema": "?colour=red&schema"}, "cannot be used", id="no parameter"),
        pytest.param({"?schema=": "?schema=X"}, "schema may only contain", id="no schema"),
        pytest.param({PASSWORD: f"{PASSWORD}@{PASSWORD}"}, "@ as %40", id="an @"),
        pytest.param({PASSWORD: f"{PASSWORD}%"}, "% as %25", id="a percent sign"),
        pytest.param({"://": ":/"}, "is no address of a server", id="a slash less"),
    ],
)
def test_an_address_that_does_not_work_is_refused_and_its_password_never_shown(
    pair: Pair, change: dict[str, str], problem: str
) -> None:
    night = pair.server
    night.job(*ROWS)
    address = night.database
    for old, new in change.items():
        address = address.replace(old, new)
    run = (*RUN, "--database", address, "--json")  # it tries for ten seconds
    for command in (
        ("ledger", "--database", address),
        ("check", "job.csv", "--database", address),
        *([run] if "nobody" in address else []),
        ("ledger", "--database", "copy.db", "--copy-to", address),
    ):
        ended = night.command(*command)
        assert ended.code == 2, ended
        assert PASSWORD not in ended.out + ended.err
    assert problem in night.command("ledger", "--database", address).err
    (night.folder / "config.toml").write_text(f'database = "{address}"\n', "utf-8")
    ended = night.command_with("ledger", DUPLICATE_BATCHES_DATABASE=address)
    assert (ended.code, PASSWORD in ended.out + ended.err) == (2, False)
    (night.folder / "config.toml").unlink()  # the only file that may have the password


def test_without_psycopg_it_says_what_to_install(pair: Pair, tmp_path: Path) -> None:
    night = pair.server
    night.job(*ROWS)
    (tmp_path / "psycopg.py").write_text("raise ImportError('no pq wrapper available')\n")
    for command in (RUN, ("check", "job.csv"), ("settle",), ("ledger",), ("report", "job.csv")):
        ended = night.command_with(*command, PYTHONPATH=str(tmp_path))
        assert ended.code == 2, ended
        assert "needs the package psycopg" in ended.err
        assert "pip install 'duplicate-batches[postgresql]'" in ended.err
    ended = night.command_with("ledger", "--copy-to", night.database, PYTHONPATH=str(tmp_path))
    assert ended.code == 2
