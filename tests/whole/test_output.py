"""Standard output and standard error: in any encoding, on a full device, closed, and in a folder
that is gone.

Every command as a real process. Printing must never change what a command does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.support.command import PROGRAM, Ended, read_ledger, source_id
from tests.support.marks import few
from tests.support.systems import needs_full_device
from tests.whole.conftest import Place
from worker.cli.parser import COMMANDS
from worker.sandbox.options import SandboxOptions

if sys.platform == "win32":
    pytest.skip("needs /dev/full and POSIX pipes", allow_module_level=True)

from tests.whole.test_terminal import open_terminal

NAMES = ("ü", "日本語", "🎉 {source_name}")
FULL = "duplicate-batches: standard output cannot be written: No space left on device\n"

ENCODINGS: Mapping[str, Mapping[str, str]] = {
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "utf-8": {"PYTHONIOENCODING": "utf-8:strict"},
    "C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}

Commands = tuple[tuple[int, tuple[str, ...]], ...]

PRINTING: Commands = (
    (1, ("run", "job.csv", "--yes")),
    (1, ("run", "job.csv", "--yes", "--json")),
    (1, ("run", "job.csv", "--yes", "--log-format", "console")),
    (0, ("check", "job.csv")),
    (0, ("check", "job.csv", "--json")),
    (0, ("settle", "job.csv")),
    (0, ("settle", "job.csv", "--json")),
    (0, ("ledger", "job.csv")),
    *((0, ("ledger", "job.csv", "--format", form)) for form in ("table", "csv", "json", "job")),
    (0, ("ledger",)),
    (0, ("ledger", "--format", "json")),
    (0, ("report", "job.csv")),
    (0, ("--help",)),
    (0, ("--version",)),
    *((0, (command, "--help")) for command in COMMANDS),
)
"""Command lines that print something, with their exit codes, after a run of which one row
failed."""

FEW = (PRINTING[0], PRINTING[4], PRINTING[8], (0, ("run", "--help")))

each_printing = pytest.mark.parametrize(
    "commands",
    [pytest.param(FEW, id="few"), pytest.param(PRINTING, id="all", marks=pytest.mark.prove)],
)

WRONG: Commands = (
    (2, ("run",)),
    (2, ("run", "日本.csv")),
    (2, ("run", "job.csv", "--größe")),
    (2, ("ledger", "job.csv", "--source", "🎉", "--format", "xlsx", "--status", "ü")),
)
"""Command lines that are refused, with characters that not every encoding has."""

BESIDES = ("{", "campaign ")
"""How lines on standard error begin that tell no trouble: a log line, and whose rows a command
writes."""

WithOptions = Callable[[SandboxOptions], Place]


def after_a_run(place: Place) -> Place:
    """The place, with a job of which two rows are created and one has failed."""
    place.job(*({"batch_id": source_id(1), "name": name} for name in NAMES))
    place.run("--limit", 2)
    place.server.sandbox.misbehave({"refuse": 1})
    assert place.run().summary["counts"] == {"created": 2, "failed": 1, "unknown": 0, "pending": 0}
    return place


def process(
    place: Place,
    arguments: tuple[str, ...],
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[bytes]:
    environ = place.environ | {"DUPLICATE_BATCHES_DATABASE": "ledgers/ledger.db"} | dict(variables)
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=place.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        timeout=60,
        check=False,
    )


@each_printing
@pytest.mark.parametrize("encoding", few(ENCODINGS, "ascii"))
def test_every_command_prints_in_any_encoding(
    place: Place, encoding: str, commands: Commands
) -> None:
    after_a_run(place)
    for code, arguments in (*commands, *WRONG):
        ended = process(place, arguments, variables=ENCODINGS[encoding])
        said = (ended.stdout + ended.stderr).decode("latin-1")
        assert ended.returncode == code, (arguments, said)
        assert "Traceback" not in said, (arguments, said)
        assert "a bug" not in said, (arguments, said)
        assert bool(ended.stdout) is (code != 2), (arguments, said)
        if "--json" in arguments:
            assert json.loads(ended.stdout)["campaign"] == "job"
        if "table" in arguments:
            assert ended.stdout.count(b"created") == 2
            assert ("日本語".encode() in ended.stdout) is (encoding == "utf-8")
        if arguments == ("check", "job.csv", "--json"):
            assert json.loads(ended.stdout)["first_names"] == []


def test_what_an_encoding_does_not_have_is_replaced_and_json_is_exact(place: Place) -> None:
    place.job(*({"batch_id": source_id(1), "name": name} for name in NAMES))
    output = place.command_with("check", "job.csv", PYTHONIOENCODING="ascii:strict").out
    assert output.splitlines()[3:5] == ["    ?", "    ???"], output
    facts = json.loads(
        place.command_with("check", "job.csv", "--json", PYTHONIOENCODING="latin-1").out
    )
    assert facts["first_names"][:2] == ["ü", "日本語"]


@needs_full_device
@each_printing
def test_a_full_device_is_reported_by_every_command(place: Place, commands: Commands) -> None:
    after_a_run(place)
    with Path("/dev/full").open("wb") as full:
        for code, arguments in (*commands, (0, ("sandbox", "--port", "0"))):
            ended = process(place, arguments, full.fileno())
            *others, last = ended.stderr.decode().splitlines(keepends=True)
            assert (ended.returncode, last) == (code or 1, FULL), (arguments, others)
            assert all(
                line.startswith(BESIDES) or "--log-format" in arguments for line in others
            ), (arguments, others)
        assert process(place, ("run",), full.fileno()).returncode == 2


@each_printing
def test_a_reader_that_has_gone_changes_no_exit_code_and_is_not_told(
    place: Place, commands: Commands
) -> None:
    after_a_run(place)
    for code, arguments in commands:
        reader, writer = os.pipe()
        os.close(reader)
        ended = process(place, arguments, writer)
        os.close(writer)
        assert ended.returncode == code, arguments
        lines = [
            line for line in ended.stderr.decode().splitlines() if not line.startswith(BESIDES)
        ]
        assert not lines or "--log-format" in arguments, (arguments, lines)


def test_a_run_into_head_ends_with_its_own_code(place: Place) -> None:
    place.job({"batch_id": source_id(1), "name": "Row {n}", "copies": 3})
    reader, writer = os.pipe()
    os.close(reader)
    assert process(place, ("run", "job.csv", "--yes"), writer).returncode == 0
    os.close(writer)
    assert place.world.made == 3


def test_standard_error_that_nobody_can_read_changes_nothing(place: Place) -> None:
    place.job({"batch_id": source_id(1), "name": "Row {n}", "copies": 3})
    reader, writer = os.pipe()
    os.close(reader)
    streams = [writer] + ([os.open("/dev/full", os.O_WRONLY)] if Path("/dev/full").exists() else [])
    for stream in streams:
        for code, arguments in (
            (0, ("run", "job.csv", "--yes")),
            (2, ("run", "no.csv")),
            (2, ("run",)),
        ):
            ended = process(place, arguments, stderr=stream)
            assert ended.returncode == code, (arguments, ended)
            assert bool(ended.stdout) is not bool(code)
            if code == 0:
                assert process(place, arguments, stdout=stream, stderr=stream).returncode == (
                    stream != writer
                )
        os.close(stream)
    assert place.world.made == 3


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1", "0 1 2"])
def test_streams_that_were_closed_are_no_place_for_other_files(place: Place, closed: str) -> None:
    place.job({"batch_id": source_id(1), "name": "Row {n}", "copies": 3})
    closing = "".join(f" {number}>&-" for number in closed.split())
    line = f'exec "$@"{closing}'
    ended = subprocess.run(
        [
            "sh",
            "-c",
            line,
            "sh",
            *PROGRAM,
            "run",
            "job.csv",
            "--yes",
            "--log-file",
            "log",
            "--log-format",
            "json",
        ],
        cwd=place.folder,
        env=place.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert len(read_ledger(place.folder / "ledgers" / "job.csv")) == place.world.made == 3
    assert all(
        line.startswith("{") for line in (place.folder / "log").read_text("utf-8").splitlines()
    )


@pytest.mark.parametrize("form", ["csv", "json", "job", "xlsx"])
def test_data_that_is_lost_in_a_closed_standard_output_is_reported(place: Place, form: str) -> None:
    place.job({"batch_id": source_id(1), "name": "Row"})
    assert place.run().code == 0
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, "ledger", "job.csv", "--format", form],
        cwd=place.folder,
        env=place.environ,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    said = "duplicate-batches: standard output cannot be written: it is closed\n"
    assert (ended.returncode, ended.stderr) == (1, said)


GONE = """
import os, sys
os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
os.execv(sys.argv[1], sys.argv[1:])
"""


@each_printing
def test_a_current_folder_that_was_deleted_is_named_by_every_command_that_needs_it(
    place: Place, commands: Commands
) -> None:
    after_a_run(place)
    job, database = str(place.folder / "job.csv"), str(place.folder / "ledgers" / "ledger.db")
    for code, arguments in commands:
        given = [job if word == "job.csv" else word for word in arguments]
        ended = subprocess.run(
            [sys.executable, "-c", GONE, *PROGRAM, *given],
            cwd=place.folder,
            env=place.environ | {"DUPLICATE_BATCHES_DATABASE": database},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        finished = Ended(ended.returncode, ended.stdout, ended.stderr)
        if {"--help", "--version"} & set(arguments):
            assert (finished.code, finished.err) == (code, ""), arguments
        else:
            text = (
                "duplicate-batches: the current folder does not exist any more; change to another"
                " folder\n"
            )
            assert finished == Ended(2, "", text), arguments


def test_a_current_folder_that_is_deleted_during_a_run_hinders_nothing(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0.3))
    place.job(*({"batch_id": source_id(1), "name": f"Row {n}"} for n in range(6)))
    here = place.folder / "here"
    here.mkdir()
    started = subprocess.Popen(
        [*PROGRAM, "run", "../job.csv", "--yes", "--max-in-flight", "2", "--report"],
        cwd=here,
        env=place.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not place.world.requests["duplicate"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    here.rmdir()
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    assert "6 duplicates, all created" in out
    assert [row["status"] for row in place.ledger()] == ["created"] * 6


@pytest.mark.parametrize(
    "variables",
    [
        {"COLUMNS": "1", "LINES": "0"},
        {"COLUMNS": "many", "TERM": ""},
        {"HOME": ""},
        {"HOME": "/no/such/home", "XDG_CONFIG_HOME": "/no/such"},
        {"TMPDIR": "/no/such"},
        {"PYTHONIOENCODING": "utf-16"},
    ],
    ids=str,
)
def test_odd_surroundings_hinder_no_command(place: Place, variables: dict[str, str]) -> None:
    place.job({"batch_id": source_id(1), "name": "Row"})
    place.run()
    for arguments in (
        ("run", "job.csv", "--yes"),
        ("check", "job.csv"),
        ("ledger", "--format", "table"),
        ("--help",),
    ):
        ended = process(place, arguments, variables=variables)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout
        assert b"bug" not in ended.stderr


def test_an_answer_in_another_encoding_is_no(place: Place) -> None:
    place.job({"batch_id": source_id(1), "name": "Row"})
    terminal = open_terminal(place, "run", "job.csv")
    terminal.expect("[y/N]")
    os.write(terminal.master, b"\xff\xe9\n")
    assert terminal.end() == 1, terminal.seen
    assert "bug" not in terminal.seen
    assert "disk" not in terminal.seen
    assert place.world.requests["duplicate"] == 0


SMALL_FILES = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("size", "arguments", "says"),
    [
        (
            40_000,
            ("ledger", "job.csv", "--format", "xlsx"),
            "File too large\n  The operating system reports this.",
        ),
        (
            0,
            ("check", "job.csv"),
            "cannot write to a folder for temporary files\n  Free some space in it, or set",
        ),
    ],
)
def test_what_the_system_refuses_is_named_and_is_no_bug(
    place: Place, size: int, arguments: tuple[str, ...], says: str
) -> None:
    place.job({"batch_id": source_id(1), "name": "Row {n}", "copies": 300})
    place.run("--limit", 1)
    ended = subprocess.run(
        [sys.executable, "-c", SMALL_FILES, str(size), *PROGRAM, *arguments],
        cwd=place.folder,
        env=place.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert says in ended.stderr.decode()
    assert b"bug" not in ended.stderr
