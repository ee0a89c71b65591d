"""Several jobs in one command: one after the other, under one lock, one ceiling and the same
limits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.support.command import Ended, finish, read_ledger, source_id, start, until
from tests.whole.conftest import Place
from tests.whole.test_notify import Monitor, samples
from worker.cli.main import command_line
from worker.ledger.database import hold
from worker.sandbox.options import SandboxOptions

FAST = ("--yes", "--rate", "unlimited", "--json")
WithOptions = Callable[[SandboxOptions], Place]


def fill(place: Place, **jobs: int) -> Place:
    """A folder `jobs` with a job of so many duplicates under each name."""
    (place.folder / "jobs").mkdir()
    for name, copies in jobs.items():
        row = {"batch_id": source_id(1), "name": f"{name} {{n}}", "copies": copies}
        place.job(row, name=f"jobs/{name}.csv")
    return place


class Here:
    """The command in this process, which is faster than one of its own."""

    def __init__(
        self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Place
    ) -> None:
        self._capsys, self.place = capsys, place
        for name in os.environ:
            if name.startswith(("PROLIFIC_", "DUPLICATE_BATCHES_", "XDG_")):
                patch.delenv(name)
        for name, value in place.environ.items():
            patch.setenv(name, value)
        patch.chdir(place.folder)

    def command(self, *arguments: object) -> Ended:
        code = command_line([*map(str, arguments)])
        return Ended(code, *self._capsys.readouterr())

    def run(self, *arguments: object) -> tuple[Ended, list[dict[str, Any]]]:
        """The end of `run`, and its lines of JSON."""
        ended = self.command("run", *arguments)
        return ended, lines_of(ended)


@pytest.fixture
def here(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys, place)


@pytest.fixture
def here_with(
    place_with: WithOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[SandboxOptions], Here]:
    return lambda options: Here(monkeypatch, capsys, place_with(options))


def lines_of(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


def values(lines: Sequence[dict[str, Any]], *names: str) -> list[tuple[object, ...]]:
    """The values of these keys in each line."""
    return [tuple(line.get(name) for name in names) for line in lines]


def ledger(place: Place, name: str) -> list[dict[str, str]]:
    return read_ledger(place.folder / "jobs" / "ledgers" / f"{name}.csv")


def test_each_job_has_its_own_campaign_and_the_others_run_if_one_cannot_be_read(
    place: Place,
) -> None:
    fill(place, a=2, c=1)
    (place.folder / "jobs" / "b.csv").write_text("batch_id\nnonsense\n", encoding="utf-8")
    monitor = Monitor()
    monitor.raw = True
    ended = place.command(
        "run", "jobs", *FAST, "--heartbeat-url", monitor.url, "--metrics-file", "x.prom",
        "--on-finish", "cat >> got",
    )  # fmt: skip
    monitor.close()
    assert ended.code == 2
    lines = lines_of(ended)
    assert values(lines, "job", "campaign", "exit_code") == [
        ("jobs/a.csv", "a", 0),
        ("jobs/b.csv", None, 2),
        ("jobs/c.csv", "c", 0),
    ]
    assert set(lines[1]) == {"job", "exit_code", "error"}
    assert "jobs/b.csv:2:" in lines[1]["error"]
    assert lines[1]["error"] in ended.err
    assert place.world.made == 3
    ledgers = place.folder / "jobs" / "ledgers"
    assert sorted(path.name for path in ledgers.glob("*.csv")) == ["a.csv", "c.csv"]

    got = (place.folder / "got").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in got] == lines, "one call of the command"
    assert [path.rpartition("/")[2] for path, _ in monitor.pings] == ["start", "fail"]
    assert [json.loads(line) for line in monitor.pings[1][1].splitlines()] == lines
    metrics = samples(place.folder / "x.prom")
    assert metrics["duplicates", 'campaign="a",status="created"'] == 2
    assert metrics["last_run_exit_code", 'campaign="c"'] == 0


def test_people_see_each_summary_and_a_table_or_nothing_if_all_is_well(here: Here) -> None:
    fill(here.place, a=2, c=1)
    first = here.command("run", "jobs", "--yes", "--rate", "unlimited")
    assert first.code == 0
    assert first.out.count("all created.\n") == 2
    quiet = here.command("run", "jobs", "--yes", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    shown = here.command("run", "jobs/c.csv", "jobs/no.csv", "jobs/a.csv", "--yes", "--quiet")
    assert shown.code == 2
    assert shown.out.splitlines() == [
        "job          created  failed  unknown  pending  result",
        "jobs/c.csv         1       0        0        0  complete",
        "jobs/no.csv        -       -        -        -  error, exit code 2",
        "jobs/a.csv         2       0        0        0  complete",
    ]
    assert "jobs/no.csv: there is no such file" in shown.err


def test_a_folder_with_one_job_is_like_that_job(here: Here) -> None:
    fill(here.place, a=1)
    ended = here.command("run", "jobs", *FAST, "--campaign", "x", "--ledger", "x.csv")
    assert (ended.code, ended.summary["campaign"]) == (0, "x")
    again = here.command("run", "jobs/a.csv", "jobs", "--yes", "--campaign", "x", "--quiet")
    assert (again.code, again.out) == (0, "")


@pytest.mark.parametrize("command", ["run", "check", "run --dry-run"])
@pytest.mark.parametrize(
    ("job", "named", "options", "why"),
    [
        ("no.csv", "no.csv", "", "no.csv: there is no such file"),
        ("jobs/a.csv", "jobs/a.csv", "", 'jobs/a.csv:2: column "batch_id"'),
        ("jobs", "jobs/a.csv", "", 'jobs/a.csv:2: column "batch_id"'),
        ("empty", "empty", "", "empty: there is no job file in this folder"),
        ("b#.csv", "b#.csv", "", "cannot be used as the campaign"),
        ("b#.csv", "b#.csv", "--campaign x --ledger b#.csv", "--ledger: is the same file as"),
        ("b#.csv", "b#.csv", "--campaign x --database jobs/a.csv", "not a ledger database"),
    ],
)
def test_a_single_job_that_is_refused_has_the_line_of_one_of_several(
    here: Here, command: str, job: str, named: str, options: str, why: str
) -> None:
    folder = fill(here.place, a=1).folder
    shutil.copy(folder / "jobs" / "a.csv", folder / "b#.csv")
    (folder / "jobs" / "a.csv").write_text("batch_id\nnonsense\n", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "config.toml").write_text("json = true\nyes = true\n", encoding="utf-8")
    ended = here.command(*command.split(), job, *options.split())
    error = ended.summary["error"]
    assert (ended.code, ended.summary) == (2, {"job": named, "exit_code": 2, "error": error})
    assert why in error
    assert error in ended.err


def test_a_single_job_that_looks_like_an_accident_has_one_line(here: Here) -> None:
    fill(here.place, a=2)
    assert here.command("run", "jobs/a.csv", *FAST).code == 0
    shutil.copy(here.place.folder / "jobs" / "a.csv", here.place.folder / "jobs" / "b.csv")
    before, (renamed,) = here.run("jobs/b.csv", *FAST)
    assert (before.code, renamed["exit_code"]) == (2, 2)
    assert "--allow-existing" in renamed["error"]
    shutil.rmtree(here.place.folder / "jobs" / "ledgers")
    after, (taken,) = here.run("jobs/a.csv", *FAST)
    assert after.code == 2
    assert (taken["job"], taken["counts"]["pending"]) == ("jobs/a.csv", 2)
    assert "--allow-existing" in taken["error"]


def test_a_limit_counts_over_all_jobs_and_what_is_left_is_reported(here: Here) -> None:
    place = fill(here.place, a=2, b=3, c=2)
    (place.folder / "jobs" / "d.csv").write_text("batch_id\n", encoding="utf-8")
    checked = here.command("check", "jobs", "--json", "--limit", 4)
    assert values(lines_of(checked), "to_create") == [(2,), (2,), (0,), (0,)]
    ended, lines = here.run("jobs", *FAST, "--limit", 4)
    assert ended.code == 1
    assert values(lines, "created_this_run", "stopped_by", "exit_code") == [
        (2, None, 0),
        (2, "limit", 1),
        (0, "limit", 1),
        (0, None, 0),
    ]
    assert lines[2]["counts"]["pending"] == 2
    assert place.world.made == 4
    assert [row["status"] for row in ledger(place, "c")] == ["pending"] * 2

    ended, lines = here.run("jobs", *FAST, "--max-duration", 0)
    assert values(lines, "stopped_by") == [(None,), ("max_duration",), ("max_duration",), (None,)]
    assert ended.code == 1
    assert place.world.made == 4


def test_max_failed_counts_over_all_jobs(here_with: Callable[[SandboxOptions], Here]) -> None:
    here = here_with(SandboxOptions(latency=0, faults={"refuse": 1}))
    fill(here.place, a=2, b=5, c=2)
    ended, lines = here.run("jobs", *FAST, "--max-failed", 3, "--max-in-flight", 1)
    assert ended.code == 1
    assert [(line["counts"]["failed"], line["stopped_by"]) for line in lines] == [
        (2, None),
        (1, "max_failed"),
        (0, "max_failed"),
    ]


def test_an_unknown_duplicate_is_settled_although_an_earlier_job_reached_the_limit(
    here: Here,
) -> None:
    place = fill(here.place, a=1, b=1)
    place.server.sandbox.misbehave({"drop-answer": 1})
    _, lines = here.run("jobs/b.csv", *FAST, "--settle-after", 2, "--max-duration", 1)
    assert lines[0]["counts"]["unknown"] == 1
    place.server.sandbox.misbehave({})
    place.job({"batch_id": source_id(1), "name": "b {n}", "copies": 3}, name="jobs/b.csv")
    ended, lines = here.run("jobs", *FAST, "--limit", 1, "--settle-after", 0.2)
    assert ended.code == 1
    assert lines[1]["counts"] == {"created": 1, "failed": 0, "unknown": 0, "pending": 2}
    assert values(lines, "requests", "stopped_by") == [(1, None), (0, "limit")]


def test_the_ceiling_holds_from_one_job_to_the_next(here: Here) -> None:
    fill(here.place, a=1, b=1, c=1)
    ended, _ = here.run("jobs", "--yes", "--rate", "40/min", "--json")
    assert ended.code == 0, ended.err
    sent = [
        datetime.fromisoformat(row["first_sent_at"]).timestamp()
        for name in "abc"
        for row in ledger(here.place, name)
    ]
    assert [later - before > 1.4 for before, later in pairwise(sent)] == [True, True], sent


def test_a_signal_stops_all_and_the_jobs_that_were_not_run_say_so(place_with: WithOptions) -> None:
    place = fill(place_with(SandboxOptions(latency=0.3)), a=1, b=50, c=1)
    (place.folder / "jobs" / "d.csv").write_text("nonsense\n", encoding="utf-8")
    arguments = ("run", "jobs", *FAST, "--max-in-flight", 1)
    process = start(arguments, place.folder, place.environ)
    until(lambda: place.world.requests["duplicate"] >= 3)
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.code == 143
    lines = lines_of(ended)
    assert values(lines, "job", "exit_code", "stopped_by") == [
        ("jobs/a.csv", 0, None),
        ("jobs/b.csv", 143, "signal"),
        ("jobs/c.csv", 143, "signal"),
        ("jobs/d.csv", 2, None),
    ]
    assert lines[2]["error"] == "not run, because a signal asked it to stop"
    assert 1 <= lines[1]["counts"]["created"] == place.world.made - 1 < 49


def test_a_refused_token_stops_all(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(here.place, a=1, b=1)
    monkeypatch.setenv("PROLIFIC_TOKEN", "wrong")
    ended, lines = here.run("jobs", *FAST)
    assert ended.code == 3
    assert values(lines, "campaign", "exit_code", "stopped_by") == [
        ("a", 3, "token"),
        ("b", 3, "token"),
    ]
    assert lines[1]["error"] == "not run, because the API refused the token"
    checked = here.command("check", "jobs", "--json")
    assert checked.code == 3
    assert values(lines_of(checked), "job", "exit_code") == [("jobs/a.csv", 3), ("jobs/b.csv", 3)]
    monkeypatch.delenv("PROLIFIC_TOKEN")
    without, lines = here.run("jobs", *FAST)
    assert (without.code, len(lines)) == (2, 2)
    assert without.err.count("There is no API token") == 1
    assert here.place.world.made == 0


def test_a_job_that_disappears_is_reported_and_a_lock_that_is_held_stops_all(here: Here) -> None:
    place = fill(here.place, a=1, b=1)
    monitor = Monitor()
    with hold(place.folder / "jobs" / "ledgers" / "ledger.db", 0):
        busy, lines = here.run("jobs", *FAST)
        assert busy.code == 75
        assert values(lines, "job", "exit_code") == [("jobs/a.csv", 75), ("jobs/b.csv", 75)]
        waiting = ("--wait", 60, "--heartbeat-url", monitor.url)
        process = start(("run", "jobs", *FAST, *waiting), place.folder, place.environ)
        until(lambda: bool(monitor.pings))
        time.sleep(1)  # the headers are read right after that ping
        (place.folder / "jobs" / "b.csv").unlink()
    ended = finish(process)
    monitor.close()
    assert ended.code == 2
    assert values(lines_of(ended), "job", "exit_code") == [("jobs/a.csv", 0), ("jobs/b.csv", 2)]
    assert place.world.made == 1


def test_the_guards_against_accidents_are_those_of_each_job(here: Here) -> None:
    place = fill(here.place, a=2)
    (place.folder / "jobs" / "b.csv").write_bytes((place.folder / "jobs" / "a.csv").read_bytes())
    ended, lines = here.run("jobs", *FAST)
    assert ended.code == 2
    assert values(lines, "job", "exit_code") == [("jobs/a.csv", 0), ("jobs/b.csv", 2)]
    assert "these duplicates seem to exist already" in lines[1]["error"]
    assert "If both files have the same rows, delete one." in lines[1]["error"]
    assert "run this job with --allow-existing" in lines[1]["error"]
    assert place.world.made == 2


def test_the_token_file_among_the_jobs_is_not_shown(here: Here) -> None:
    place = fill(here.place, a=1)
    token = place.folder / "jobs" / "token.csv"
    token.touch(0o600)
    token.write_text("s3cret-token", encoding="utf-8")
    (place.folder / "config.toml").write_text('token_file = "jobs/token.csv"\n', encoding="utf-8")
    ended, _ = here.run("jobs", *FAST)
    assert ended.code == 2
    assert "this is the token file; name a job file instead" in ended.err
    assert "s3cret-token" not in ended.out + ended.err


@pytest.mark.parametrize("command", ["run", "check", "ledger"])
def test_the_token_file_as_the_job_is_not_shown(place: Place, command: str) -> None:
    token = place.folder / "token.csv"
    token.touch(0o600)
    token.write_text("s3cret-token", encoding="utf-8")
    (place.folder / "config.toml").write_text('token_file = "token.csv"\n', encoding="utf-8")
    (place.folder / "old.csv").touch()
    options = ("--restore", "old.csv") if command == "ledger" else ()
    ended = place.command_without_token(command, "token.csv", *options)
    assert (ended.code, ended.out) == (2, "")
    assert "this is the token file; name a job file instead" in ended.err
    assert "s3cret-token" not in ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of its own")
def test_a_person_is_asked_once_for_each_job(place: Place) -> None:
    from tests.whole.test_terminal import open_terminal  # noqa: PLC0415 - imports what only POSIX has

    fill(place, a=2, b=1)
    terminal = open_terminal(place, "run", "jobs", "--rate", "unlimited")
    terminal.expect("jobs/a.csv, campaign a:\n2 duplicates will be created")
    terminal.expect("Create them? [y/N]")
    terminal.type("n\n")
    terminal.expect("jobs/b.csv, campaign b:\n1 duplicate will be created")
    terminal.expect("b 1")
    terminal.type("y\n")
    assert terminal.end() == 1
    assert place.world.made == 1
    assert "stopped: declined" in terminal.seen
    assert "complete" in terminal.seen
