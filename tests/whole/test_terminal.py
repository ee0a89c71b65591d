"""A person at a terminal, through a real pseudo-terminal: the question, the live display,
Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pyte
import pytest

from tests.support.command import PROGRAM, command, source_id
from tests.whole.conftest import CRON, Place
from worker.sandbox.options import SandboxOptions

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import pty

SIZE = (100, 40)
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """A process with a terminal of its own."""

    process: subprocess.Popen[bytes]
    master: int
    seen: str = field(default="")
    """What was printed, without control sequences; `received` has them."""
    received: str = field(default="")
    screen: pyte.Screen = field(default_factory=lambda: pyte.Screen(*SIZE))

    @property
    def shown(self) -> list[str]:
        """The lines that the screen shows now, without empty ones."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)

    def expect(self, text: str, seconds: float = 15) -> None:
        """Read until `text` was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} was not shown in:\n{self.seen}"
            self._read(0.1)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self._read(0.1)
        while self._read(0.1):
            pass
        os.close(self.master)
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self._stream.feed(data)
        text = data.decode("utf-8", "replace")
        self.received += text
        self.seen += _STEERING.sub("", text).replace("\r\n", "\n")
        return bool(data)


def open_terminal(place: Place, *arguments: str) -> Terminal:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=place.folder,
        env=place.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509 - it takes no lock
    )
    os.close(slave)
    return Terminal(process, master)


def _own_terminal() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C becomes SIGINT."""
    import fcntl  # noqa: PLC0415 - in the child alone
    import termios  # noqa: PLC0415

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def job(place: Place) -> None:
    place.job(*({"batch_id": source_id(n), "name": f"Row {n}"} for n in range(5)))


def test_a_person_is_shown_what_will_be_created_and_asked(place: Place) -> None:
    job(place)
    terminal = open_terminal(place, "run", "job.csv", "--rate", "unlimited")
    terminal.expect("Create them? [y/N]")
    assert "5 duplicates will be created" in terminal.seen
    assert place.server.url in terminal.seen
    assert "Row 0" in terminal.seen
    assert place.world.made == 0
    terminal.type("yes\n")
    assert terminal.end() == 0
    assert place.world.made == 5
    assert "5 duplicates, all created" in terminal.seen


@pytest.mark.parametrize(
    "keys", ["n\n", "\n", "what?\n", "\x04"], ids=["no", "enter", "something", "end of input"]
)
def test_anything_but_yes_creates_nothing(place: Place, keys: str) -> None:
    job(place)
    terminal = open_terminal(place, "run", "job.csv")
    terminal.expect("[y/N]")
    terminal.type(keys)
    assert terminal.end() == 1
    assert place.world.requests["duplicate"] == 0
    assert [row["status"] for row in place.ledger()] == ["pending"] * 5


def test_ctrl_c_at_the_question_creates_nothing(place: Place) -> None:
    job(place)
    terminal = open_terminal(place, "run", "job.csv")
    terminal.expect("[y/N]")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert place.world.requests["duplicate"] == 0


def test_yes_as_an_option_is_not_asked_and_progress_is_shown(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.2))
    job(place)
    terminal = open_terminal(place, "run", "job.csv", "--yes", "--max-in-flight", "1")
    terminal.expect("in flight")
    assert terminal.end() == 0
    assert "[y/N]" not in terminal.seen
    assert "Traceback" not in terminal.seen
    assert place.world.made == 5


def test_ctrl_c_while_sending_records_what_was_under_way(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.4))
    job(place)
    terminal = open_terminal(place, "run", "job.csv", "--yes", "--max-in-flight", "1")
    deadline = time.monotonic() + 15
    while not place.world.requests["duplicate"]:
        terminal._read(0.02)
        assert time.monotonic() < deadline
    terminal.type("\x03")
    assert terminal.end() == 130
    assert 0 < place.world.made < 5
    assert sum(row["status"] == "created" for row in place.ledger()) == place.world.made


def test_the_look_ups_are_shown_and_make_room_for_the_question(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.5))
    job(place)
    terminal = open_terminal(place, "run", "job.csv", "--rate", "unlimited")
    terminal.expect("[y/N]")
    assert "looking up sources …" in terminal.seen
    assert terminal.shown[0] == "5 duplicates will be created at " + place.server.url
    assert not [line for line in terminal.shown if "in flight" in line]
    before = len(terminal.seen)
    terminal.type("y\n")
    terminal.expect("sending")
    assert terminal.end() == 0
    assert "in flight" in terminal.seen[before:]


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ({"drop-answer": 0.5}, 0),
        ({"drop-answer": 0.5, "list-500": 1.0}, 1),
        ({"drop-answer": 0.3, "refuse": 0.5}, 1),
    ],
    ids=["all is found", "nothing is found", "some are refused"],
)
def test_what_settling_waits_for_is_shown_and_the_last_picture_agrees_with_the_summary(
    faults: dict[str, float], code: int, place_with: Callable[[SandboxOptions], Place]
) -> None:
    place = place_with(SandboxOptions(latency=0.02, faults=faults, seed=3))
    job(place)
    terminal = open_terminal(
        place, "run", "job.csv", "--yes", "--rate", "unlimited", "--settle-after", "2"
    )
    terminal.expect("looking again in 2 s", 30)
    assert terminal.end() == code
    assert re.search(r"settling · \d unanswered requests? · looking again in", terminal.seen)
    assert _last_picture(terminal) == _summary(terminal)
    assert sum(_summary(terminal)) == 5
    if not code:
        assert _summary(terminal) == (5, 0, 0, 0)


def _last_picture(terminal: Terminal) -> tuple[int, ...]:
    """The counts of the live display as it stays on the screen."""
    (line,) = [line for line in terminal.shown if re.match(r"\d+ created ·", line)]
    return tuple(map(int, re.findall(r"\d+", line)))


def _summary(terminal: Terminal) -> tuple[int, ...]:
    """The counts that the summary tells."""
    text = "\n".join(terminal.shown)
    if "5 duplicates, all created" in text:
        return 5, 0, 0, 0
    statuses = ("of 5 duplicates", "failed[,.]", "unknown[,.]", "pending")
    found = [re.search(rf"(\d+) {words}", text) for words in statuses]
    return tuple(int(match[1]) if match else 0 for match in found)


def test_push_back_is_reported_in_one_short_line(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02, rate=4.0, burst=1, retry_after=False))
    job(place)
    terminal = open_terminal(
        place, "run", "job.csv", "--yes", "--rate", "unlimited", "--log-file", "run.log"
    )
    assert terminal.end() == 0
    (line,) = [line for line in terminal.shown if "too many requests" in line]
    assert re.fullmatch(r"Slowed down for .*: the API said 'too many requests'", line)
    assert (place.folder / "run.log").read_text("utf-8").count('"pace.slowed"') > 1
    assert "run.started" not in terminal.seen
    assert "timestamp" not in terminal.seen


def test_ctrl_c_during_the_look_ups_says_that_the_run_stops(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=1.0))
    job(place)
    terminal = open_terminal(place, "run", "job.csv", "--log-file", "run.log")
    deadline = time.monotonic() + 15
    while not place.world.requests["list"]:
        terminal._read(0.02)
        assert time.monotonic() < deadline
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Stopping. Press Ctrl-C again to stop at once." in terminal.seen
    assert "the run continues" not in terminal.seen
    assert "the run continues" not in (place.folder / "run.log").read_text("utf-8")


def test_with_a_limit_as_many_names_are_shown_and_the_command_for_the_rest_has_none(
    place: Place,
) -> None:
    job(place)
    terminal = open_terminal(place, "run", "job.csv", "--rate", "unlimited", "--limit", "1")
    terminal.expect("[y/N]")
    assert "Row 0" in terminal.seen
    assert "Row 1" not in terminal.seen
    terminal.type("y\n")
    assert terminal.end() == 1
    (line,) = [
        line.strip() for line in terminal.shown if line.strip().startswith(shlex.join(PROGRAM))
    ]
    assert line == f"{shlex.join(PROGRAM)} run job.csv --rate unlimited"
    again = subprocess.run(
        f"{line} --yes",
        shell=True,
        cwd=place.folder,
        env=place.environ,
        capture_output=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert place.world.made == 5


def test_enter_at_what_looks_like_an_accident_creates_nothing_and_says_how_to_continue(
    place: Place,
) -> None:
    job(place)
    assert place.run().code == 0
    (place.folder / "job.csv").rename(place.folder / "final.csv")
    terminal = open_terminal(place, "run", "final.csv")
    terminal.expect("Create them a second time? [y/N]")
    assert "5 duplicates of this job are in campaign job already" in terminal.seen
    terminal.type("\n")
    assert terminal.end() == 1
    after = terminal.seen.partition("[y/N]")[2]
    assert "nothing was created" in after
    assert "--campaign job" in after
    assert "answer" not in after, "the advice of an ordinary question would create everything again"
    assert place.world.made == 5
    assert not (place.folder / "ledgers" / "final.csv").exists()


@pytest.mark.parametrize("name", ["Wave {n}", "{source_name} {n}"])
def test_a_job_that_was_written_again_is_refused_at_a_terminal_too(place: Place, name: str) -> None:
    place.job({"batch_id": source_id(1), "name": name, "copies": 4})
    assert place.run().code == 0
    told = place.command("ledger", "job.csv", "--format", "job")
    (place.folder / "job.csv").write_text(told.out, encoding="utf-8")
    for _ in range(2):
        terminal = open_terminal(place, "run", "job.csv")
        assert terminal.end() == 2
        assert "Was the job written again" in terminal.seen
        assert place.run().code == 2
    assert place.world.made == 4


def test_a_no_to_a_few_rows_that_exist_leaves_them_new(place: Place) -> None:
    def other(rows: int) -> dict[str, object]:
        return {"batch_id": source_id(2), "name": "Other {n}", "copies": rows}

    job(place)
    assert place.run().code == 0
    place.job(other(1), name="other.csv")
    assert command(["run", "other.csv", *CRON], place.folder, place.environ).code == 0
    rows = (place.folder / "job.csv").read_text(encoding="utf-8").splitlines()
    place.job(other(9), name="other.csv")
    with (place.folder / "other.csv").open("a", encoding="utf-8") as file:
        file.write("\n".join(rows[1:]) + "\n")
    told = "5 duplicates of this job exist in campaign job already and will be created a second"
    for _ in range(2):
        terminal = open_terminal(place, "run", "other.csv")
        terminal.expect("Continue? [y/N]")
        assert told in " ".join(terminal.seen.split())
        terminal.type("n\n")
        assert terminal.end() == 1
        assert "nothing was created" in terminal.seen
    assert place.world.made == 6
    assert told in place.command("check", "other.csv").out
    terminal = open_terminal(place, "run", "other.csv", "--limit", "8")
    terminal.expect("Continue? [y/N]")
    terminal.type("y\n")
    terminal.expect("Create them? [y/N]")
    terminal.type("y\n")
    assert terminal.end() == 1
    assert command(["run", "other.csv", *CRON], place.folder, place.environ).code == 0, (
        "it is agreed to once"
    )
    assert place.world.made == 6 + 13


def test_what_looks_like_an_accident_is_created_if_a_person_says_yes(place: Place) -> None:
    job(place)
    assert place.run().code == 0
    (place.folder / "job.csv").rename(place.folder / "final.csv")
    terminal = open_terminal(place, "run", "final.csv", "--rate", "unlimited")
    terminal.expect("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert place.world.made == 10


def test_the_question_says_how_many_of_the_new_batches_are_set_up(place: Place) -> None:
    place.job(
        *(
            {"batch_id": source_id(n), "name": f"Row {n}", "tasks_per_group": tasks}
            for n, tasks in enumerate((5, "", 5))
        )
    )
    terminal = open_terminal(place, "run", "job.csv", "--limit", "2")
    terminal.expect("2 duplicates will be created")
    terminal.expect("1 of them will also be set up")
    terminal.type("n\n")
    assert terminal.end() == 1
    assert place.world.made == 0
