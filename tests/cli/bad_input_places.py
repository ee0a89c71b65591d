"""Bad places: jobs, ledger files, databases and logs that are not there, are something else or lie
on each other."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.cli.bad_input import GOOD_JOB, SECRET, A, Case, option
from worker.ledger.sqlite.database import open_for_writing

OTHER_API = "https://other.example.org"

_LOCK = frozenset({"ledgers/ledger.db.lock"})


def ledger_database(folder: Path, api: str = OTHER_API) -> Path:
    """An empty ledger database where the commands look for it."""
    path = folder / "ledgers" / "ledger.db"
    open_for_writing(path, api).close()
    path.with_name("ledger.db.lock").touch()
    return path


def newer_database(folder: Path) -> None:
    with closing(sqlite3.connect(ledger_database(folder))) as connection:
        connection.execute("PRAGMA user_version = 99")


def foreign_database(folder: Path) -> None:
    (folder / "ledgers").mkdir()
    with closing(sqlite3.connect(folder / "ledgers" / "ledger.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def marked_database(folder: Path) -> None:
    """Another program's database, empty so far, but with its mark."""
    (folder / "ledgers").mkdir()
    with closing(sqlite3.connect(folder / "ledgers" / "ledger.db")) as connection:
        connection.execute("PRAGMA application_id = 42")
        connection.execute("VACUUM")


def damaged_table(folder: Path) -> None:
    """A ledger database that can be opened, but whose duplicates are lost."""
    path = ledger_database(folder, os.environ["PROLIFIC_URL"])
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'items'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = path.read_bytes()
    path.write_bytes(data[: (page - 1) * size] + b"\xff" * size + data[page * size :])


def _flipped(offset: int, length: int) -> Callable[[Path], None]:
    """Makes a database in which all bits of `length` bytes at `offset` are flipped."""

    def flip(folder: Path) -> None:
        path = ledger_database(folder)
        data = bytearray(path.read_bytes())
        data[offset : offset + length] = bytes(
            byte ^ 0xFF for byte in data[offset : offset + length]
        )
        path.write_bytes(data)

    return flip


def _database(
    what: str, prepare: Callable[[Path], object], *says: str, process: bool = False
) -> Case:
    """A database that is not fit, in its usual place."""
    return Case(what, says, prepare=prepare, leaves=_LOCK, process=process)


def _links(name: str, to: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).symlink_to(to)


PLACES: tuple[Case, ...] = (
    # jobs
    Case("a job that is not there", ("no.csv: there is no such file",), "run no.csv", process=True),
    Case("a job without a name", ("JOB: is empty; give the path of a file or folder",), "run ''"),
    Case("a folder without jobs", ("home: there is no job file in this folder",), "run home"),
    # several jobs
    *(
        Case(f"{what}, {command}", says, f"{command} {argv}", files)
        for command in ("run", "check", "run --dry-run")
        for what, says, argv, files in (
            (
                "jobs of one campaign",
                ("job.csv and a/job.yaml: both jobs have the campaign job", "Rename one"),
                "job.csv a",
                {"a/job.yaml": f"- batch_id: {A}\n"},
            ),
            (
                "one campaign for several jobs in a config file",
                (
                    "both jobs have the campaign x",
                    "config.toml:1: campaign names one for all jobs; remove it",
                ),
                "job.csv b.csv",
                {"b.csv": GOOD_JOB, "config.toml": 'campaign = "x"\n'},
            ),
            (
                "one campaign for several jobs",
                ("--campaign: names one campaign, but there are several jobs",),
                "job.csv b.csv --campaign x",
                {"b.csv": GOOD_JOB},
            ),
            (
                "one ledger file for several jobs",
                ("config.toml:1: ledger: must contain {campaign}",),
                "job.csv b.csv",
                {"b.csv": GOOD_JOB, "config.toml": 'ledger = "all.csv"\n'},
            ),
            (
                "jobs of several databases",
                ("job.csv and a/b.csv: these jobs have different databases", "--database"),
                "job.csv a",
                {"a/b.csv": GOOD_JOB},
            ),
            (
                "a database that is one of several jobs",
                ("--database: is the same file as the job file",),
                "job.csv b.csv --database b.csv",
                {"b.csv": GOOD_JOB},
            ),
        )
    ),
    Case(
        "a job in a file",
        ("job.csv/job.csv: cannot be read: Not a directory",),
        "run job.csv/job.csv",
    ),
    Case("a job that is a device", ("/dev/zero: this is a pipe or device",), "run /dev/zero"),
    Case(
        "a job that is a pipe",
        ("pipe: this is a pipe or device; a job must be a file",),
        "run pipe",
        prepare=lambda folder: os.mkfifo(folder / "pipe"),
    ),
    Case(
        "a job in a place that goes away",
        (
            "/proc/self/cwd/job.csv: this is in /dev or /proc",
            "lost at the next boot; save the job as a file",
        ),
        "run /proc/self/cwd/job.csv --yes",
        process=True,
    ),
    Case(
        "a job in a place that goes away, checked",
        ("/proc/self/cwd/job.csv: this is in /dev or /proc",),
        "check /proc/self/cwd/job.csv",
    ),
    Case(
        "a job that is not readable even by root",
        ("/proc/self/mem: ",),
        "run /proc/self/mem --campaign a",
    ),
    Case(
        "a job that is a link to nothing",
        ("link: there is no such file",),
        "run link",
        prepare=_links("link", "no"),
    ),
    Case(
        "a job that is a link to itself",
        ("loop: ", "ymbolic links"),
        "run loop",
        prepare=_links("loop", "loop"),
    ),
    Case(
        "a job whose name is too long",
        ("a: cannot be read: File name too long",),
        f"run {'a' * 300}",
    ),
    Case("a job with a NUL in its name", ("cannot be read: embedded null byte",), "run 'a\0b'"),
    Case(
        "a job whose name is no text",
        ("wave.csv: ", "is not UTF-8"),
        "run \udcffwave.csv --campaign a",
        {"\udcffwave.csv": GOOD_JOB},
        process=True,
    ),
    # one file that is two things
    option("a ledger on the job", "--ledger job.csv", "--ledger: is the same file as the job file"),
    option(
        "a ledger on the job by a detour",
        "--ledger home/../job.csv",
        "--ledger: is the same file as the job file",
    ),
    option(
        "a database on the job",
        "--database job.csv",
        "--database: is the same file as the job file",
    ),
    option(
        "a log on the job",
        "--log-file ./job.csv",
        "--log-file: is the same file as the job file",
        process=True,
    ),
    option(
        "a ledger on the database",
        "--ledger a.db --database a.db",
        "--ledger: is the same file as --data",
    ),
    option(
        "a log on the ledger",
        "--ledger a.csv --log-file a.csv",
        "--log-file: is the same file as --ledger",
    ),
    option(
        "a log on the database",
        "--log-file ledgers/ledger.db",
        "--log-file: is the same file as --database",
    ),
    Case(
        "a log on the job by a link",
        ("--log-file: is the same file as the job file",),
        "run job.csv --log-file log",
        prepare=_links("log", "job.csv"),
    ),
    Case(
        "a log on the job by a second name",
        ("--log-file: is the same file as the job file",),
        "run job.csv --log-file log",
        prepare=lambda folder: (folder / "log").hardlink_to(folder / "job.csv"),
    ),
    Case(
        "a ledger on the database by a link to its folder",
        ("--ledger: is the same file as --database",),
        "run job.csv --ledger here/a.db --database a.db",
        prepare=_links("here", "."),
    ),
    Case(
        "a log on the config",
        ("--log-file: is the same file as the config file",),
        "run job.csv --log-file config.toml",
        {"config.toml": ""},
    ),
    Case(
        "a database on the token file",
        ("--database: is the same file as the token file",),
        "run job.csv --database secret",
        {"config.toml": 'token_file = "secret"\n', "secret": "s3cr3t\n"},
    ),
    option(
        "a ledger on the database's lock",
        "--ledger ledgers/ledger.db.lock",
        "--ledger: ",
        "is the same file as one that belongs to --database",
    ),
    option(
        "a log on the database's journal",
        "--log-file ledgers/ledger.db-wal",
        "--log-file: ",
        "is the same file as one that belongs to --database",
    ),
    # the ledger file
    Case(
        "a ledger on somebody's spreadsheet",
        ("mine.csv: this file is not a ledger file; it is left as it is",),
        "run job.csv --ledger mine.csv",
        {"mine.csv": "line,name\n1,x\n"},
        process=True,
    ),
    Case(
        "a ledger on an empty file",
        ("empty.csv: this file is not a ledger file",),
        "run job.csv --ledger empty.csv",
        {"empty.csv": ""},
    ),
    Case(
        "a ledger on a picture",
        ("mine.png: this file is not a ledger file",),
        "run job.csv --ledger mine.png",
        {"mine.png": b"\x89PNG\r\n\x1a\n\xff"},
    ),
    Case(
        "a ledger on a link to nothing",
        ("link.csv: this link leads to no file",),
        "run job.csv --ledger link.csv",
        prepare=_links("link.csv", "no"),
    ),
    Case(
        "somebody's file where the ledger belongs",
        ("job.csv: this file is not",),
        files={"ledgers/job.csv": GOOD_JOB},
    ),
    option("a ledger that is a folder", "--ledger home", "home: this is not a file"),
    option(
        "a ledger that is named as a folder",
        "--ledger out/",
        "--ledger: is a folder; give the path of a file",
    ),
    option("a ledger in a file", "--ledger job.csv/a.csv", "job.csv/a.csv: "),
    option("a ledger on a full device", "--ledger /dev/full", "/dev/full: this is not a file"),
    option(
        "a ledger where nothing can be made",
        "--ledger /proc/a/b.csv",
        "/proc/a/b.csv: the ledger file cannot be",
    ),
    Case(
        "somebody's file where a workbook belongs",
        ("mine.xlsx: this file is not a ledger file",),
        "run job.csv --ledger mine.xlsx",
        {"mine.xlsx": "PK\x03\x04 but no workbook"},
    ),
    option(
        "a ledger with a misspelt field",
        "--ledger '{campain}.csv'",
        "--ledger: unknown placeholder {campain}",
        "Did you",
    ),
    option("a ledger with a lone brace", "--ledger 'a{.csv'", "--ledger: contains a lone {"),
    option("a ledger with a NUL", "--ledger 'a\0.csv'", "--ledger: contains a NUL character"),
    option("a ledger whose name is too long", f"--ledger {'a' * 300}.csv", "File name too long"),
    option(
        "a ledger whose name is just too long", f"--ledger {'a' * 245}.csv", "File name too long"
    ),
    option(
        "a ledger in the home of nobody",
        "--ledger '~no-such-user/a.csv'",
        "--ledger: begins with ~ and a user",
    ),
    option(
        "a ledger whose name is no text",
        "--ledger \udcff.csv",
        "--ledger: ",
        "is not UTF-8",
        process=True,
    ),
    # the database
    Case(
        "a database that is text",
        ("ledger.db: this file is not a ledger database",),
        files={"ledgers/ledger.db": "not a database, but somebody's notes\n" * 40},
        process=True,
    ),
    _database(
        "a database of another program",
        foreign_database,
        "ledger.db: this is another program's database",
    ),
    _database(
        "an empty database of another program",
        marked_database,
        "ledger.db: this is another program's database",
    ),
    _database(
        "a database of a later version",
        newer_database,
        "(schema 99) was written by a newer version",
    ),
    _database(
        "a database of another API",
        ledger_database,
        f"this ledger database is for {OTHER_API}, but the API of this command is http://127.0.0.1",
        process=True,
    ),
    _database(
        "a database with flipped bits in its mark",
        _flipped(0, 16),
        "ledger.db: this file is not a ledger database",
    ),
    _database(
        "a database with flipped bits in its schema",
        _flipped(100, 400),
        "ledger.db: the ledger database is dam",
    ),
    _database(
        "a database with flipped bits in its tables",
        _flipped(4096, 2**20),
        "ledger.db: the ledger database is d",
    ),
    _database(
        "a database with a damaged table",
        damaged_table,
        "ledger.db: the ledger database is damaged",
    ),
    Case(
        "a database that is a folder",
        ("ledger.db: this folder is not a ledger database", "Nothing was changed."),
        files={"ledgers/ledger.db": None},
    ),
    Case(
        "a database that is another job",
        ("b.csv: this file is not a ledger database", "Nothing was changed."),
        "run job.csv --database b.csv",
        {"b.csv": GOOD_JOB, "ledgers": None},
    ),
    Case(
        "a lock that is a folder",
        ("ledger.db.lock: cannot be locked",),
        files={"ledgers/ledger.db.lock": None},
    ),
    Case(
        "a file for the ledgers' folder",
        ("the ledger file cannot be written there: ",),
        files={"ledgers": "mine"},
    ),
    Case(
        "a database in a file",
        ("job.csv/a.db.lock: cannot be locked: ",),
        "run job.csv --database job.csv/a.db",
        leaves=frozenset({"ledgers"}),
    ),
    Case(
        "a database where nothing can be made",
        ("/proc/a/a.db.lock: cannot be locked",),
        "run job.csv --database /proc/a/a.db",
        leaves=frozenset({"ledgers"}),
    ),
    option(
        "a database with a field",
        "--database '{campaign}.db'",
        "--database: must not contain {",
    ),
    option("a database without a name", "--database ''", "--database: is empty"),
    *(
        option(
            f"a database of {scheme}",
            f"--database {scheme}://u:{SECRET}@h/x",
            "--database: is an address, but not of a PostgreSQL server; give the path of a file or"
            " postgresql://USER@HOST/NAME",
        )
        for scheme in ("mysql", "sqlite", "postgresql+psycopg")
    ),
    *(
        option(
            f"an address of {scheme} for {flag}",
            f"{flag} {scheme}://u:{SECRET}@h/x",
            f"{flag}: is an address; give the path of a file",
        )
        for flag in ("--ledger", "--log-file", "--metrics-file", "--config")
        for scheme in ("https", "postgresql")
    ),
    option(
        "a database whose name is no text",
        "--database \udcff.db",
        "--database: ",
        "is not UTF-8",
        process=True,
    ),
    # settings
    Case(
        "a config by option that is not there",
        ("--config: there is no file no.toml",),
        "run job.csv --config no.toml",
    ),
    Case(
        "a config that is a folder",
        ("config.toml: cannot be read: Is a directory",),
        files={"config.toml": None},
    ),
    option(
        "a config that is a device",
        "--config /dev/full",
        "--config: /dev/full is in /dev or /proc",
        "would be lost at the next boot; save the settings as a file",
    ),
    option(
        "a config from a process",
        "--config /dev/fd/0",
        "--config: /dev/fd/0 is in /dev or /proc",
    ),
    Case(
        "a config without end",
        ("config.toml: is larger than 1,048,576 bytes; this is not a config file",),
        files={"config.toml": "#" * (1 << 21)},
    ),
    Case(
        "a config that is a link to itself",
        ("config.toml: cannot be read",),
        prepare=_links("config.toml", "config.toml"),
    ),
    option("a log without a name", "--log-file ''", "--log-file: is empty; give a path"),
    option("a log that is named as a folder", "--log-file logs/", "--log-file: is a folder"),
    Case(
        "a folder that is no text",
        ("is not UTF-8",),
        "run \udcff/job.csv",
        {"\udcff/job.csv": GOOD_JOB},
        process=True,
    ),
)
