"""`report`, and the report of a run, by the real command: when it is written, what it says, and
what hinders it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, command, finish, read_ledger, source_id
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

CALLED = re.escape(shlex.join(PROGRAM))
WithOptions = Callable[[SandboxOptions], Place]


def rows(number: int) -> list[dict[str, object]]:
    return [{"batch_id": source_id(n % 3), "name": f"Row {n}"} for n in range(number)]


def visible_text(path: Path) -> str:
    """What a page says where no script runs."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", path.read_text("utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def until(place: Place, made: int) -> None:
    deadline = time.monotonic() + 20
    while place.world.made < made and time.monotonic() < deadline:
        time.sleep(0.005)


def test_it_is_written_beside_the_ledger_file_and_names_itself(place: Place) -> None:
    place.job(*rows(5))
    place.run("--limit", 3)
    ended = place.command("report", "job.csv")
    path = place.folder / "ledgers" / "job.html"
    assert (ended.code, ended.out) == (0, f"{path}\n")
    assert ended.err.startswith("campaign job, run ")
    said = visible_text(path)
    assert "3 of 5 duplicates created 2 are not created yet." in said
    assert "stopped early because --limit was reached" in said
    assert not list(path.parent.glob(".*.tmp"))


def test_it_is_written_where_output_says(place: Place) -> None:
    place.job(*rows(2))
    place.run()
    ended = place.command("report", "job.csv", "--output", "out/mine.html")
    assert (ended.code, ended.out) == (0, "out/mine.html\n")
    assert "All 2 duplicates created" in visible_text(place.folder / "out" / "mine.html")
    assert not (place.folder / "ledgers" / "job.html").exists()


@pytest.mark.parametrize("asked", ["option", "setting", "not"])
def test_a_run_writes_it_at_its_end_where_it_is_asked_for(place: Place, asked: str) -> None:
    place.job(*rows(4))
    if asked == "setting":
        (place.folder / "config.toml").write_text("report = true\n", "utf-8")
    ended = place.run(*(["--report"] if asked == "option" else []))
    assert (ended.code, ended.events("note")) == (0, [])
    path = place.folder / "ledgers" / "job.html"
    assert path.exists() == (asked != "not")
    if asked != "not":
        said = visible_text(path)
        assert "All 4 duplicates created" in said
        assert "The run finished (exit code 0)" in said
        assert ended.summary["run_id"] in said


def test_it_can_be_created_during_a_run_and_says_so(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0.05))
    place.job(*rows(160))
    process = place.start("--max-in-flight", 2)
    until(place, 5)
    made = place.command("report", "job.csv")
    assert process.poll() is None
    ended = finish(process)
    assert (made.code, ended.code) == (0, 0), made.err
    said = visible_text(place.folder / "ledgers" / "job.html")
    assert re.search(r"\d+ of 160 duplicates created so far", said)
    assert f"is running (process {process.pid})" in said
    assert "Nothing while the run is in progress" in said
    assert "Run the job again" not in said


def test_after_a_kill_it_says_that_the_run_died_and_how_to_continue(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0.05))
    place.job(*rows(40))
    process = place.start("--max-in-flight", 2)
    until(place, 5)
    process.send_signal(signal.SIGKILL)
    finish(process)
    assert place.command("report", "job.csv").code == 0
    said = visible_text(place.folder / "ledgers" / "job.html")
    assert "The run crashed." in said
    assert "The run crashed: its process is gone" in said
    assert "Run the job again" in said
    (line,) = set(
        re.findall(rf"{CALLED} run \S+ --database \S+ --campaign job --date [\d-]+(?= )", said)
    )
    hurry = ("--rate", "unlimited", "--settle-after", 0.2, "--timeout", 4, "--yes")
    ended = command(
        [*shlex.split(line)[len(PROGRAM) :], *hurry], place.folder.parent, place.environ
    )
    assert ended.code == 0, ended.err
    assert place.world.made == 40


def test_a_signal_lets_it_be_written(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0.05))
    place.job(*rows(60))
    process = place.start("--max-in-flight", 2, "--report")
    until(place, 5)
    process.send_signal(signal.SIGTERM)
    assert finish(process).code == 143
    assert "stopped early because a signal asked it to stop" in visible_text(
        place.folder / "ledgers" / "job.html"
    )


def test_its_commands_decide_what_is_unknown_from_any_folder_and_it_is_written_again(
    place_with: WithOptions,
) -> None:
    place = place_with(
        SandboxOptions(latency=0.0, faults={"drop-answer": 0.4, "list-500": 1.0}, seed=5)
    )
    (place.folder / "config.toml").write_text('report = true\ndatabase = "own.db"\n', "utf-8")
    place.job(*rows(8))
    assert place.run("--settle-after", 0.1, "--give-up-after", 1).code == 1
    path = place.folder / "ledgers" / "job.html"
    (about,) = re.findall(
        r'<script type="application/json" id="about">(.*?)</script>', path.read_text("utf-8")
    )
    unknown = [row for row in place.ledger() if row["status"] == "unknown"]
    assert unknown
    copies = {str(copy["name"]): str(copy["id"]) for copy in place.world.duplicates}
    for number, row in enumerate(unknown, start=1):
        (item,) = re.findall(r"#(\d+)", row["error"]) or [None]
        assert item is not None, row["error"]
        line = f"{json.loads(about)['settle']} --assign '#{item}={copies[row['name']]}'"
        ended = command(shlex.split(line)[len(PROGRAM) :], place.folder.parent, place.environ)
        assert ended.code == (0 if number == len(unknown) else 1), ended.err
    said = visible_text(path)
    assert "All 8 duplicates created" in said
    assert f"{len(unknown)} from a person's decision" in said


def test_its_commands_name_places_that_no_file_says(place: Place) -> None:
    place.job(*rows(6))
    places = (
        "--ledger",
        "out/{campaign}-{run_id}.csv",
        "--database",
        "db/mine.db",
        "--campaign",
        "mine",
    )
    ended = place.run(*places, "--limit", 2, "--report")
    said = visible_text(place.folder / "out" / f"mine-{ended.summary['run_id']}.html")
    (line,) = set(re.findall(rf"{CALLED} run .*?-\{{run_id\}}\.csv'", said))
    words_of_it = [*shlex.split(line)[len(PROGRAM) :], "--yes", "--rate", "unlimited"]
    again = command(words_of_it, place.folder.parent, place.environ)
    assert again.code == 0, again.err
    assert place.world.made == 6
    assert len(list((place.folder / "out").glob("mine-*.csv"))) == 2
    assert not (place.folder / "ledgers").exists()


def test_a_file_that_is_no_report_is_reported_and_left_and_the_run_is_as_good(place: Place) -> None:
    place.job(*rows(3))
    mine = place.folder / "ledgers" / "job.html"
    mine.parent.mkdir()
    mine.write_text("<p>mine</p>", "utf-8")
    ended = place.run("--report")
    assert (ended.code, ended.summary["stopped_by"], ended.summary["counts"]["created"]) == (
        0,
        None,
        3,
    )
    assert "job.html: this file is not a report" in ended.err
    assert mine.read_text("utf-8") == "<p>mine</p>"
    refused = place.command("report", "job.csv")
    assert (refused.code, refused.out) == (2, "")
    assert "is not a report" in refused.err


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small file system in memory; skips where this machine does not let us have one."""
    place = tmp_path / "small"
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=192k", "none", str(place)],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_under_the_report_is_reported_and_changes_nothing_else(
    place: Place, small: Path
) -> None:
    ledger, report = small / "job.csv", small / "job.html"
    place.job(*rows(10))
    assert place.run("--ledger", ledger, "--report", "--limit", 3).code == 1
    before = report.read_bytes()
    room = shutil.disk_usage(small).free
    (small / "other").write_bytes(b"x" * (room - 6 * 4096))
    ended = place.run("--ledger", ledger, "--report")
    assert (ended.code, ended.summary["stopped_by"], ended.summary["counts"]["created"]) == (
        0,
        None,
        10,
    ), ended.err
    assert "job.html: the report cannot be written: No space left on device" in ended.err
    assert "Traceback" not in ended.err
    assert {row["status"] for row in read_ledger(ledger)} == {"created"}
    assert report.read_bytes() == before
    assert {path.name for path in small.iterdir()} == {"job.csv", "job.html", "other"}
    refused = place.command("report", "job.csv")
    assert refused.code == 2
    assert "the report cannot be written: No space left on device" in refused.err


def test_what_a_killed_run_left_half_written_goes_away_with_the_next(place: Place) -> None:
    place.job(*rows(2))
    left = place.folder / "ledgers" / ".job.html.4711.tmp"
    left.parent.mkdir()
    left.write_text("half", "utf-8")
    os.utime(left, (1_772_366_400, 1_772_366_400))  # a new one may still be written to
    assert place.run("--report").code == 0
    assert sorted(path.name for path in left.parent.glob("*.html*")) == ["job.html"]
    assert not left.exists()


def test_when_and_why_a_run_waited_is_kept(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0.0, faults={"busy": 0.3}, seed=2))
    place.job(*rows(12))
    ended = place.run("--report")
    assert ended.code == 0, ended.err
    slowed = ended.events("pace.slowed")
    assert slowed
    said = visible_text(place.folder / "ledgers" / "job.html")
    assert f"{len(slowed)} pause{'s' if len(slowed) > 1 else ''}," in said
    assert "the API said 'too many requests'" in said
