"""How many requests at once fit into the open files that are allowed: decided by a table, and in
real processes."""

from __future__ import annotations

import errno
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, Ended, environment, source_id, write_job
from tests.support.marks import few
from worker.open_files import KEPT, Fit, are_spent, fit

if sys.platform == "win32":
    pytest.skip("Windows has no such limit", allow_module_level=True)


@pytest.mark.parametrize(
    ("wanted", "each", "soft", "hard", "found"),
    [
        (16, 1, 1024, 4096, Fit(None, 16, 1024)),
        (16, 2, 256, 256, Fit(None, 16, 256)),
        (500, 1, 1024, 4096, Fit(None, 500, 1024)),
        (
            500,
            2,
            1024,
            4096,
            Fit(1000 + KEPT + 4, 500, 1000 + KEPT + 4),
        ),  # no more is asked for than is needed
        (500, 1, 256, 2**31 - 1, Fit(500 + KEPT + 4, 500, 500 + KEPT + 4)),
        (500, 1, 256, 300, Fit(300, 300 - KEPT - 4, 300)),
        (500, 2, 64, 64, Fit(None, (64 - KEPT - 4) // 2, 64)),
        (16, 2, KEPT + 6, KEPT + 6, Fit(None, 1, KEPT + 6)),
        (16, 2, KEPT + 5, KEPT + 5, Fit(None, 0, KEPT + 5)),
        (16, 1, 10, 10, Fit(None, 0, 10)),
        (1, 1, 10, 4096, Fit(KEPT + 5, 1, KEPT + 5)),
    ],
)
def test_the_limit_is_raised_as_far_as_needed_and_requests_fit_into_it(
    wanted: int, each: int, soft: int, hard: int, found: Fit
) -> None:
    assert fit(wanted, each, 4, soft, hard) == found


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
os.execv(sys.argv[3], sys.argv[3:])
"""


def rehearsal(folder: Path, soft: int, hard: int, *arguments: str) -> Ended:
    """A run of a hundred duplicates in the sandbox, with so many open files."""
    write_job(folder / "job.csv", [{"batch_id": source_id(1), "name": "Row {n}", "copies": 100}])
    limited = [sys.executable, "-c", LIMITED, str(soft), str(hard)]
    run = [*PROGRAM, "run", "job.csv", "--sandbox", "--yes", "--json", "--rate", "unlimited"]
    done = subprocess.run(
        [*limited, *run, "--report", "--log-file", "log", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def notes(ended: Ended) -> list[str]:
    return [event["text"] for event in ended.events("note")]


@pytest.mark.parametrize("arguments", [(), ("--ledger", "wave.xlsx")], ids=["csv", "workbook"])
@pytest.mark.parametrize(("limit", "at_once"), [(64, 17), (40, 5)])
def test_few_open_files_mean_fewer_requests_at_once_and_are_reported(
    tmp_path: Path, limit: int, at_once: int, arguments: tuple[str, ...]
) -> None:
    ended = rehearsal(tmp_path, limit, limit, "--max-in-flight", "100", *arguments)
    assert ended.code == 0, ended.err
    assert ended.summary["counts"]["created"] == 100
    note = (
        f"only {limit} open files are allowed, so at most {at_once} requests run at once; raise the"
        " limit with ulimit -n 1024"
    )
    assert notes(ended) == [note]


def test_a_limit_that_may_be_raised_is_raised_and_nothing_is_reported(tmp_path: Path) -> None:
    ended = rehearsal(tmp_path, 64, 4096, "--max-in-flight", "100")
    assert (ended.code, ended.summary["counts"]["created"], notes(ended)) == (0, 100, [])


@pytest.mark.parametrize("limit", few([6, 8, 10, 12, 16, 20, 24, 28], 6, 16, 28))
def test_too_few_open_files_for_one_request_are_refused_by_name(tmp_path: Path, limit: int) -> None:
    ended = rehearsal(tmp_path, limit, limit)
    assert (ended.code, ended.summary["exit_code"]) == (2, 2), ended.err
    assert "open files" in ended.err
    assert "ulimit -n 1024" in ended.err
    assert not list(tmp_path.glob("ledgers/sandbox/*.csv"))


SPENT = """
import os, sys
from pathlib import Path
from worker import open_files
from worker.model.errors import WorkerError
from worker.ledger.sqlite.database import open_for_writing
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    open_for_writing(Path("ledger.db"), None)
except WorkerError as error:
    print(error.exit_code, error)
"""


def test_a_database_that_cannot_be_opened_for_want_of_open_files_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPENT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(
        "2 ledger.db: too many open files, so the ledger database cannot be opened\n"
    )
    assert "ulimit -n 1024" in done.stdout


WITHOUT = """
import sys
from worker.run import ledger_file
from worker.cli.main import command_line
def spent(*args, **kwargs):
    raise OSError({number}, "Too many open files")
ledger_file._write = ledger_file._write_last = spent
sys.exit(command_line(["run", "job.csv", "--sandbox", "--yes", "--json"]))
"""


def test_a_ledger_file_that_cannot_be_opened_for_want_of_open_files_is_no_full_disk(
    tmp_path: Path,
) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "name": "Row"}])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(number=errno.EMFILE)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["counts"]["created"] == 0
    assert "duplicate-batches: too many open files: the ledger cannot be written\n" in done.stderr
    assert "disk space" not in done.stderr


def test_only_errors_of_opening_files_are_those_of_too_many() -> None:
    assert are_spent(OSError(errno.EMFILE, ""))
    assert are_spent(OSError(errno.ENFILE, ""))
    assert not are_spent(OSError(errno.ENOSPC, ""))
    assert not are_spent(sqlite3.OperationalError("unable to open database file"))
    assert not are_spent(ValueError("open"))
