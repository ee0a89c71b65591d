"""The lock between real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ledgers import NOW, opened
from tests.support.systems import needs_file_locks
from worker.ledger.sqlite.lock import hold
from worker.model.errors import BusyError, UsageError
from worker.model.records import RunEnd

HOLDER = """
import os, sys
from pathlib import Path
from tests.support.ledgers import opened
from tests.support.systems import needs_file_locks
from worker.ledger.sqlite.lock import hold
folder = Path(sys.argv[1])
with hold(folder / "ledger.db", 0.0), opened(folder, host="night-host", pid=os.getpid()):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_run(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, until it reads a line or is killed."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_run_says_who_holds_the_database_until_that_dies_by_any_means(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    with another_run(tmp_path) as other:
        with pytest.raises(BusyError) as busy, hold(path, 0.0):
            pass
        holder = f"process {other.pid} on night-host, since 2026-03-01T12:00:00.000Z"
        assert busy.value.message == f"another run holds {path}: {holder}"
        assert busy.value.exit_code == 75

        os.kill(other.pid, signal.SIGKILL)
        other.wait(5)
        with hold(path, 0.0):
            pass


def test_waiting_gets_the_lock_when_the_other_run_ends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with another_run(tmp_path) as other:
        started = time.monotonic()
        with pytest.raises(BusyError), hold(path, 0.1):
            pass
        assert time.monotonic() - started >= 0.1

        assert other.stdin is not None
        end = threading.Timer(0.1, other.stdin.close)
        end.start()
        with hold(path, 10.0):
            assert other.wait(5) == 0
        end.join()


def test_a_run_that_has_not_said_who_it_is_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with hold(path, 0.0), pytest.raises(BusyError) as busy, hold(path, 0.0):
        pass
    assert busy.value.message == f"another command holds {path}; its process is not recorded"


@pytest.mark.parametrize("newest", ["died here", "died elsewhere", "ended", "is this process"])
def test_only_the_newest_run_can_hold_the_database_and_only_while_it_lives(
    tmp_path: Path, newest: str
) -> None:
    path = tmp_path / "ledger.db"
    gone = subprocess.Popen(["true"])
    gone.wait()
    with opened(tmp_path, host="night-host"):
        pass  # killed, years ago
    host, pid = {
        "died here": (socket.gethostname(), gone.pid),
        "died elsewhere": ("night-host", 4711),
        "ended": ("night-host", 4711),
        "is this process": (socket.gethostname(), os.getpid()),  # so its id was given again
    }[newest]
    with opened(tmp_path, host=host, pid=pid) as ledger:
        if newest == "ended":
            ledger.end_run(RunEnd(NOW, None, 0, 0, 0, 0))
    with hold(path, 0.0), pytest.raises(BusyError) as busy, hold(path, 0.0):
        pass
    if newest == "died elsewhere":  # nobody here can know that
        holder = f"process 4711 on night-host, since {NOW}"
        assert busy.value.message == f"another run holds {path}: {holder}"
    else:
        assert busy.value.message == f"another command holds {path}; its process is not recorded"


def test_the_lock_can_be_taken_again_after_its_block_even_if_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.db"
    with pytest.raises(RuntimeError, match="mine"), hold(path, 0.0):
        raise RuntimeError("mine")
    with hold(path, 0.0):
        pass


def test_databases_beside_each_other_have_locks_of_their_own(tmp_path: Path) -> None:
    with hold(tmp_path / "a.db", 0.0), hold(tmp_path / "b.db", 0.0):
        pass


def test_a_folder_that_is_a_file_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match="cannot be locked"),
        hold(tmp_path / "file" / "ledger.db", 0.0),
    ):
        pass


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    from worker.ledger.database import open_for_reading  # noqa: PLC0415 - beside its only use

    with hold(tmp_path / "ledger.db", 0.0), opened(tmp_path):
        open_for_reading(tmp_path / "ledger.db").close()


def test_a_link_to_the_database_is_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "ledger.db", tmp_path / "ledger.db"
    real.touch()
    link.symlink_to(real)
    with hold(real, 0.0), pytest.raises(BusyError), hold(link, 0.0):
        pass


# -- the file itself


def test_a_database_that_was_put_there_meanwhile_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with hold(path, 0.0):
        (tmp_path / "backup.db").write_bytes(b"a whole database")
        (tmp_path / "backup.db").replace(path)
    assert path.read_bytes() == b"a whole database"


def test_an_empty_file_that_was_there_before_stays_and_one_of_our_own_goes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with hold(path, 0.0):
        assert path.exists()
    assert not path.exists()
    path.touch()
    with hold(path, 0.0):
        pass
    assert path.exists()


@needs_file_locks
def test_who_waits_for_a_file_that_is_removed_meanwhile_holds_the_one_that_takes_its_place(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    held = threading.Event()
    there: list[bool] = []

    def wait() -> None:
        with hold(path, 10.0):
            there.append(path.exists())
            path.write_bytes(b"the second one's")
            held.set()

    with hold(path, 0.0):
        path.with_name("ledger.db.lock").unlink()  # so that only the file's own lock is left
        other = threading.Thread(target=wait)
        other.start()
        time.sleep(0.5)
        assert not held.is_set()
    other.join(10)
    assert held.is_set()
    assert there == [True], "what it holds is no file that was removed"
    assert path.read_bytes() == b"the second one's"


@needs_file_locks
def test_who_is_kept_out_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with another_run(tmp_path):
        path.with_name("ledger.db.lock").unlink()
        with pytest.raises(BusyError), hold(path, 0.0):
            pass
        assert path.exists()
