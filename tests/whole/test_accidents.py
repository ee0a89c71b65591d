"""Ordinary accidents of people, by the real command as cron would run it: nothing is created twice,
and the message alone is enough to continue."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from tests.support.command import Ended, command, finish, source_id, start, until, write_job
from tests.support.systems import needs_file_locks
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

CRON = ("--yes", "--quiet", "--rate", "unlimited", "--settle-after", 0.2)


def rows(number: int = 6, name: str = "Row {n}") -> list[dict[str, object]]:
    return [
        {"batch_id": source_id(n), "name": name.replace("{n}", str(n)), "copies": 1}
        for n in range(number)
    ]


@pytest.fixture
def made(place: Place) -> Place:
    """Six duplicates, created by the cron line from the job's own folder."""
    place.job(*rows(), name="wave.csv")
    ended = run(place, "wave.csv")
    assert (ended.code, place.world.made) == (0, 6), ended.err
    return place


def run(place: Place, job: str, *more: object, folder: Path | None = None) -> Ended:
    return command(["run", job, *CRON, *more], folder or place.folder, place.environ)


def refused(ended: Ended, *arguments: str) -> None:
    assert ended.code == 2, ended
    assert ended.out == ""
    for word in arguments:
        assert word in ended.err, ended.err
    assert "--allow-existing" in ended.err
    assert "Traceback" not in ended.err


def continued(place: Place, ended: Ended, folder: Path | None = None) -> None:
    """The command that the message shows continues: pasted elsewhere, it finds all created and
    sends nothing."""
    (line,) = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    arguments = shlex.split(line)
    pasted = arguments[arguments.index("run") :]
    again = command([*pasted, "--yes"], folder or Path("/"), place.environ)
    assert again.code == 0, again.err
    assert "6 duplicates, all created" in again.out
    assert place.world.made == 6


def test_a_renamed_job_is_stopped_each_time_and_continued_by_the_command_shown(
    made: Place,
) -> None:
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    for _ in range(2):
        ended = run(made, "final.csv")
        refused(
            ended,
            "final.csv: 6 duplicates of this job are in campaign wave already",
            "--campaign wave",
        )
    assert not (made.folder / "ledgers" / "final.csv").exists()
    listed = made.command("ledger", "--database", "ledgers/ledger.db", "--format", "json")
    assert "final" not in listed.out, "nothing of it is in the ledger"
    continued(made, ended)
    assert run(made, "final.csv", "--campaign", "wave").code == 0
    ended = run(made, "final.csv")  # it is no copy of itself
    refused(ended, "in campaign wave already. This job file was run as that campaign before.")
    assert "delete" not in ended.err
    assert made.world.made == 6


def test_a_copied_job_is_stopped_and_created_if_it_is_meant(made: Place) -> None:
    shutil.copy(made.folder / "wave.csv", made.folder / "more.csv")
    refused(run(made, "more.csv"), "in campaign wave already")
    assert run(made, "more.csv", "--allow-existing").code == 0
    assert made.world.made == 12
    assert run(made, "more.csv").code == 0
    assert made.world.made == 12


@pytest.mark.parametrize("together", [True, False], ids=["one command", "two commands"])
@pytest.mark.parametrize("copy", ["nightly-2.csv", "z.csv"])
def test_a_copied_job_with_dates_creates_no_night_twice(
    place: Place, copy: str, together: bool
) -> None:
    """The copy may run before the original, whose campaign has sent the nights before."""
    jobs = sorted(["nightly.csv", copy])
    place.job(*rows(name="{date} {n}"), name="nightly.csv")
    assert run(place, "nightly.csv", "--date", "2026-11-01").code == 0
    shutil.copy(place.folder / "nightly.csv", place.folder / copy)
    for number, night in enumerate(("2026-11-02", "2026-11-03"), start=2):
        for _ in range(2):
            ends = (
                [command(["run", *jobs, *CRON, "--date", night], place.folder, place.environ)]
                if together
                else [run(place, job, "--date", night) for job in jobs]
            )
            assert ends[-1].code == 2
            assert "already. Did you copy the job file" in ends[-1].err
            assert place.world.made == number * 6
    (place.folder / copy).unlink()
    assert run(place, "nightly.csv", "--date", "2026-11-04").code == 0
    assert place.world.made == 4 * 6


def test_a_job_that_was_renamed_after_its_first_duplicate_is_stopped(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    run(place, "wave.csv", "--limit", 1)
    (place.folder / "wave.csv").rename(place.folder / "final.csv")
    ended = run(place, "final.csv")
    refused(ended, "in campaign wave already")
    continued(place, ended)


def test_a_renamed_job_whose_names_hold_the_campaign_is_stopped_and_a_copied_one_is_not(
    place: Place,
) -> None:
    place.job(*rows(name="{campaign} {n}"), name="wave.csv")
    run(place, "wave.csv")
    shutil.copy(place.folder / "wave.csv", place.folder / "second.csv")
    assert run(place, "second.csv").code == 0
    assert place.world.made == 12
    (place.folder / "wave.csv").rename(place.folder / "final.csv")
    refused(run(place, "final.csv"), "in campaign wave already")
    assert place.world.made == 12


def test_a_config_file_that_moves_the_defaults_is_noticed(made: Place) -> None:
    folder = made.folder / "home"
    folder.mkdir()
    shutil.move(made.folder / "wave.csv", folder)
    shutil.move(made.folder / "ledgers", folder)
    (made.folder / "config.toml").write_text('rate = "5/s"\n')
    ended = run(made, "home/wave.csv")
    refused(
        ended,
        str(folder / "ledgers" / "ledger.db"),
        "contains campaign wave",
        "set by the config file",
    )
    continued(made, ended, made.folder)


def test_a_config_file_that_names_a_campaign_and_moves_the_defaults_is_noticed_by_the_names(
    made: Place,
) -> None:
    folder = made.folder / "home"
    folder.mkdir()
    shutil.move(made.folder / "wave.csv", folder)
    shutil.move(made.folder / "ledgers", folder)
    (made.folder / "config.toml").write_text('campaign = "spring"\n')
    ended = run(made, "home/wave.csv")
    refused(ended, "6 of 6 names", str(folder / "ledgers" / "ledger.db"), "in campaign wave")
    continued(made, ended, made.folder)


def test_a_job_that_was_renamed_and_extended_is_stopped(made: Place) -> None:
    (made.folder / "wave.csv").unlink()
    made.job(*rows(6), *rows(20, "Other {n}"), name="final.csv")
    refused(run(made, "final.csv"), "6 duplicates of this job are in campaign wave already")


def test_a_name_that_is_the_files_own_is_not_named_on_purpose(made: Place) -> None:
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    refused(run(made, "final.csv", "--campaign", "final"), "in campaign wave already")


def test_a_ledger_that_is_named_again_and_a_renamed_job_are_reported_one_after_the_other(
    made: Place,
) -> None:
    gone = made.folder.parent / f"{made.folder.name}-elsewhere"
    (made.folder / "ledgers").rename(gone)
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    refused(run(made, "final.csv"), "6 of 6 names")
    ended = run(made, "final.csv", "--database", gone / "ledger.db", "--campaign", "final")
    refused(ended, "in campaign wave already")
    continued(made, ended)


def test_a_config_file_that_is_gone_is_noticed(place: Place) -> None:
    jobs = place.folder / "jobs"
    jobs.mkdir()
    place.job(*rows(), name="jobs/wave.csv")
    (place.folder / "config.toml").write_text('rate = "5/s"\n')
    run(place, "jobs/wave.csv")
    (place.folder / "config.toml").unlink()
    ended = run(place, "jobs/wave.csv")
    refused(ended, str(place.folder / "ledgers" / "ledger.db"), "contains campaign wave")
    continued(place, ended)


def test_a_job_that_moved_into_another_folder_is_noticed(made: Place) -> None:
    (made.folder / "old").mkdir()
    (made.folder / "wave.csv").rename(made.folder / "old" / "wave.csv")
    ended = run(made, "old/wave.csv")
    refused(ended, str(made.folder / "ledgers" / "ledger.db"))
    continued(made, ended)


def test_a_renamed_ledger_folder_is_noticed(made: Place) -> None:
    (made.folder / "ledgers").rename(made.folder / "ledgers-old")
    ended = run(made, "wave.csv")
    refused(ended, str(made.folder / "ledgers-old" / "ledger.db"))
    continued(made, ended)


def test_a_renamed_database_is_noticed(made: Place) -> None:
    ledgers = made.folder / "ledgers"
    (ledgers / "ledger.db").rename(ledgers / "mine.db")
    (ledgers / "wave.csv").unlink()
    ended = run(made, "wave.csv")
    refused(ended, str(ledgers / "mine.db"), "contains campaign wave")
    continued(made, ended)


def test_a_job_that_was_renamed_and_moved_is_noticed(made: Place) -> None:
    (made.folder / "old").mkdir()
    (made.folder / "wave.csv").rename(made.folder / "old" / "final.csv")
    ended = run(made, "old/final.csv")
    refused(ended, "6 duplicates of this job in campaign wave")
    continued(made, ended)


@pytest.mark.parametrize("name", ["Row {n}", ""], ids=["named", "named by the API"])
def test_a_ledger_that_is_gone_is_noticed_by_the_names_that_exist(
    place: Place, tmp_path: Path, name: str
) -> None:
    place.job(*rows(name=name), name="wave.csv")
    run(place, "wave.csv")
    gone = tmp_path.parent / f"{tmp_path.name}-gone"
    (place.folder / "ledgers").rename(gone)
    for _ in range(2):
        refused(
            run(place, "wave.csv"),
            "6 of 6 names",
            "Was the ledger moved or lost?",
            "--database",
            "--restore",
        )
        assert not (place.folder / "ledgers" / "wave.csv").exists(), (
            "a refused run writes no ledger file"
        )
    listed = json.loads(
        place.command("ledger", "--database", "ledgers/ledger.db", "--format", "json").out
    )
    assert [(one["exit_code"], one["stopped_by"]) for one in listed["runs"]] == [
        (2, "declined")
    ] * 2
    checked = place.command("check", "wave.csv", "--json")
    assert checked.code == 1
    assert any("6 of 6 names" in one for one in checked.summary["accidents"])
    (by_restoring,) = (
        one.strip() for one in run(place, "wave.csv").err.splitlines() if one.startswith("    ")
    )
    again = run(place, "wave.csv", "--database", gone / "ledger.db")
    assert (again.code, place.world.made) == (0, 6), again.err
    arguments = shlex.split(by_restoring.replace("FILE", shlex.quote(str(gone / "wave.csv"))))
    restored = command(arguments[arguments.index("ledger") :], Path("/"), place.environ)
    assert restored.code == 0, restored.err
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 6


def test_check_reports_the_same_and_ends_with_1(made: Place) -> None:
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    checked = made.command("check", "final.csv")
    assert checked.code == 1
    assert "in campaign wave already" in checked.out
    assert made.command_without_token("check", "final.csv").code == 1
    assert made.command("check", "final.csv", "--allow-existing").code == 0
    assert made.command("check", "final.csv", "--campaign", "wave").code == 0


# -- what is not hindered


def test_a_job_that_shares_a_few_rows_is_not_hindered(made: Place) -> None:
    made.job(*rows(2), *rows(6, "Other {n}"), name="other.csv")
    assert run(made, "other.csv").code == 0
    assert made.world.made == 6 + 8


def test_a_campaign_that_was_named_on_purpose_is_not_hindered(made: Place) -> None:
    assert run(made, "wave.csv", "--campaign", "again").code == 0
    assert made.world.made == 12


def test_new_copies_each_night_are_not_hindered(place: Place) -> None:
    place.job(*rows(name="Row {n}"), name="nightly.csv")
    for night in ("2026-11-01", "2026-11-02", "2026-11-03"):
        assert run(place, "nightly.csv", "--campaign", "nightly-{date}", "--date", night).code == 0
    place.job(*rows(name="{date} {n}"), name="dated.csv")
    for night in ("2026-11-01", "2026-11-02"):
        assert run(place, "dated.csv", "--date", night).code == 0
    assert place.world.made == 3 * 6 + 2 * 6


def test_a_rehearsal_is_not_hindered_and_hinders_nothing(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    assert place.command("run", "wave.csv", "--sandbox").code == 0
    shutil.copy(place.folder / "wave.csv", place.folder / "final.csv")
    assert place.command("run", "final.csv", "--sandbox").code == 0
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 6


def test_a_few_copies_that_somebody_created_by_hand_do_not_hinder(place: Place) -> None:
    place.job({"batch_id": source_id(1), "copies": 3}, name="by-hand.csv")
    run(
        place,
        "by-hand.csv",
        "--limit",
        1,
        "--database",
        place.folder.parent / f"{place.folder.name}.db",
    )
    place.job({"batch_id": source_id(1), "copies": 3}, name="wave.csv")
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 4


# -- nobody is asked


def test_without_a_terminal_and_without_yes_nothing_is_created(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    ended = place.command("run", "wave.csv")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert place.world.requests.total() == 0
    assert not (place.folder / "ledgers" / "ledger.db").exists()
    assert run(place, "wave.csv").code == 0
    assert place.command("run", "wave.csv").code == 0, "nothing is left to be asked about"


# -- one database, two names


def held(place: Place, job: str, database: Path) -> list[object]:
    return [
        "run",
        job,
        "--yes",
        "--json",
        "--rate",
        "4/s",
        "--database",
        database,
        "--campaign",
        "wave",
    ]


def under_way_by_one_of_two_names(place: Place) -> tuple[Path, Path, Popen[str]]:
    """Two names of one database, and a run that uses the first one."""
    place.job(*rows(30), name="wave.csv")
    database, other = place.folder / "a.db", place.folder / "other" / "b.db"
    other.parent.mkdir()
    command([*held(place, "wave.csv", database), "--limit", 1], place.folder, place.environ)
    os.link(database, other)
    return database, other, start(held(place, "wave.csv", database), place.folder, place.environ)


@needs_file_locks
def test_a_database_that_is_reached_by_two_names_is_held_by_one_run(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    _, other, first = under_way_by_one_of_two_names(place)
    until(lambda: place.world.made >= 3)
    second = command(held(place, "wave.csv", other), place.folder, place.environ)
    assert finish(first).code == 0
    assert second.code == 75
    assert f"process {first.pid}" in second.err
    assert place.world.made == 30


def test_changes_that_a_killed_run_left_beside_the_other_name_are_not_passed_over(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    database, other, first = under_way_by_one_of_two_names(place)
    until(lambda: place.world.made >= 5)
    first.kill()
    finish(first)
    ended = command(held(place, "wave.csv", other), place.folder, place.environ)
    assert ended.code == 2
    assert "a.db-wal" in ended.err
    database.unlink()
    assert command(held(place, "wave.csv", other), place.folder, place.environ).code == 2, (
        "moved without its changes"
    )
    os.link(other, database)
    ended = command(
        [*held(place, "wave.csv", database), "--settle-after", 0.3, "--timeout", 1],
        place.folder,
        place.environ,
    )
    assert (ended.code, place.world.made) == (0, 30)


@needs_file_locks
def test_a_lock_file_that_is_deleted_lets_nobody_in_and_ends_nothing(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    place.job(*rows(30), name="wave.csv")
    database = place.folder / "a.db"
    first = start(held(place, "wave.csv", database), place.folder, place.environ)
    until(lambda: place.world.made >= 3)
    (place.folder / "a.db.lock").unlink()
    second = command(held(place, "wave.csv", database), place.folder, place.environ)
    ended = finish(first)
    assert (ended.code, second.code) == (0, 75), ended.err + second.err
    assert place.world.made == 30


# -- which campaign, whose files


def test_reading_commands_write_the_files_of_the_campaign_that_they_act_on(place: Place) -> None:
    (place.folder / "config.toml").write_text('ledger = "ledgers/{campaign}.csv"\nreport = true\n')
    place.job(*rows(), name="wave.csv")
    run(place, "wave.csv")
    run(place, "wave.csv", "--campaign", "second", "--limit", 2)
    before = {path.name: path.read_text() for path in (place.folder / "ledgers").glob("wave.*")}
    for arguments in (
        ("ledger", "wave.csv"),
        ("report", "wave.csv"),
        ("settle", "wave.csv", "--json"),
    ):
        ended = place.command(*arguments)
        assert ended.code == 0, ended.err
        assert "second" in ended.out + ended.err, "the campaign is named"
    assert {
        path.name: path.read_text() for path in (place.folder / "ledgers").glob("wave.*")
    } == before
    assert {row["campaign"] for row in place.ledger("second")} == {"second"}
    assert (place.folder / "ledgers" / "second.html").exists()


@pytest.mark.parametrize("name", ["one.csv", "one.xlsx"])
def test_the_ledger_file_of_another_campaign_is_never_replaced(place: Place, name: str) -> None:
    place.job(*rows(), name="wave.csv")
    run(place, "wave.csv", "--ledger", name)
    before = (place.folder / name).read_bytes()
    ended = run(place, "wave.csv", "--campaign", "second", "--ledger", name)
    assert ended.code == 2
    assert "ledger file of campaign wave, not of second" in ended.err
    assert place.world.made == 6
    run(place, "wave.csv", "--campaign", "second")
    assert place.command("ledger", "wave.csv", "--campaign", "second", "--ledger", name).code == 2
    assert place.command("settle", "wave.csv", "--campaign", "second", "--ledger", name).code == 2
    assert place.command("check", "wave.csv", "--campaign", "third", "--ledger", name).code == 2
    assert (place.folder / name).read_bytes() == before


def test_the_report_of_another_campaign_is_replaced_only_by_name(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    run(place, "wave.csv", "--ledger", "one.csv", "--report")
    ended = place.command(
        "run", "wave.csv", "--yes", "--campaign", "second", "--ledger", "one.xlsx", "--report"
    )
    assert ended.code == 0
    assert "this is the report of campaign" in ended.err
    assert "wave" in (place.folder / "one.html").read_text()[:1024]
    assert place.command("report", "wave.csv").code == 2
    assert place.command("report", "wave.csv", "--output", "one.html").code == 0


@pytest.mark.parametrize("where", ["config", "environment"])
def test_the_next_day_the_latest_run_of_a_dated_campaign_is_meant(place: Place, where: str) -> None:
    more = {"DUPLICATE_BATCHES_CAMPAIGN": "spring-{date}"} if where == "environment" else {}
    if where == "config":
        (place.folder / "config.toml").write_text('campaign = "spring-{date}"\n')
    place.job(*rows(), name="wave.csv")
    environ = place.environ | more
    assert (
        command(["run", "wave.csv", *CRON, "--date", "2026-03-01"], place.folder, environ).code == 0
    )
    for arguments in (["ledger", "wave.csv"], ["report", "wave.csv"], ["settle", "wave.csv"]):
        ended = command(arguments, place.folder, environ)
        assert ended.code == 0, ended.err
        assert "spring-2026-03-01" in ended.out + ended.err
    listed = command(
        ["ledger", "--format", "json"],
        place.folder,
        environ | {"DUPLICATE_BATCHES_DATABASE": "ledgers/ledger.db"},
    )
    assert "spring-2026-03-01" in listed.out, "without a job all campaigns are listed"


def test_check_refuses_the_database_of_another_api_as_run_does(made: Place) -> None:
    environ = made.environ | {"PROLIFIC_URL": "https://api.prolific.com"}
    for arguments in (["check", "wave.csv"], ["run", "wave.csv", "--yes"]):
        ended = command(arguments, made.folder, environ)
        assert ended.code == 2
        assert "is for" in ended.err


# -- what left the job, and rehearsals


def test_what_left_the_job_is_counted(made: Place) -> None:
    made.job(*rows(4), name="wave.csv")
    checked = made.command("check", "wave.csv", "--json")
    assert checked.summary["left_job"] == 2
    assert "no longer in the job: 2 duplicates" in made.command("check", "wave.csv").out


def test_fresh_forgets_a_rehearsal_and_nothing_else(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    write_job(place.folder / "other.csv", rows(3))
    for job in ("wave.csv", "other.csv"):
        assert place.command("run", job, "--sandbox", "--on-finish", "true").code == 0
    again = place.command("run", "wave.csv", "--sandbox", "--json")
    assert again.summary["created_this_run"] == 0
    fresh = place.command("run", "wave.csv", "--sandbox", "--fresh", "--json")
    assert (fresh.code, fresh.summary["created_this_run"]) == (0, 6), fresh.err
    other = place.command("run", "other.csv", "--sandbox", "--json")
    assert other.summary["created_this_run"] == 0
    refused_ = place.command("run", "wave.csv", "--fresh", "--yes")
    assert refused_.code == 2
    assert "--sandbox" in refused_.err


# -- what reviewers found


def test_unanswered_requests_of_last_night_do_not_stop_tonight(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    """Their batches have the names of tonight's, but this ledger knows that it may have made
    them."""
    place = place_with(
        SandboxOptions(latency=0.0, faults={"drop-answer": 1.0, "list-short": 1.0}, seed=3)
    )
    place.job(*rows(), name="nightly.csv")
    first = run(place, "nightly.csv", "--campaign", "n-{date}", "--date", "2026-11-01")
    assert first.code == 1
    place.server.sandbox.misbehave({})
    assert run(place, "nightly.csv", "--campaign", "n-{date}", "--date", "2026-11-02").code == 0


def test_a_date_in_the_job_files_own_name_makes_a_new_campaign_each_night(place: Place) -> None:
    place.job(*rows(), name="nightly {date}.csv")
    for night in ("2026-11-01", "2026-11-02"):
        assert run(place, "nightly {date}.csv", "--date", night).code == 0
    assert place.world.made == 12


def test_a_few_that_exist_elsewhere_are_reported(made: Place) -> None:
    made.job(*rows(2), *rows(6, "Other {n}"), name="other.csv")
    said = (
        "2 duplicates of this job exist in campaign wave already and will be created a second time"
    )
    assert said in made.command("check", "other.csv").out
    assert any(
        said in note["text"] for note in made.command("run", "other.csv", "--yes").events("note")
    )


def test_a_ledger_whose_first_run_was_killed_is_found_nearby(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0.02))
    place.job(*rows(60), name="wave.csv")
    first = start(["run", "wave.csv", "--yes", "--rate", "50/s"], place.folder, place.environ)
    until(lambda: place.world.made >= 5)
    first.kill()
    finish(first)
    ended = run(place, "wave.csv", "--database", "other/ledger.db", "--ledger", "other/wave.csv")
    refused(ended, "contains campaign wave")
    left = {path.name for path in (place.folder / "ledgers").iterdir()}
    assert left <= {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "wave.csv"}


def test_a_ledger_nearby_may_have_any_name_and_is_left_as_it_is(made: Place) -> None:
    ledgers = made.folder / "ledgers"
    (ledgers / "ledger.db").rename(ledgers / "prod.sqlite")
    for path in ledgers.glob("ledger.db*"):
        path.unlink()
    before = sorted(path.name for path in ledgers.iterdir())
    refused(
        run(made, "wave.csv", "--ledger", "other/wave.csv"), "prod.sqlite", "contains campaign wave"
    )
    assert [name for name in sorted(path.name for path in ledgers.iterdir()) if "prod" in name] == [
        name for name in before if "prod" in name
    ]


def test_a_ledger_path_that_may_name_the_database_never_opens_it(place: Place) -> None:
    """To open and close the database's file would end SQLite's locks on it."""
    place.job(*rows(30), name="wave.csv")
    environ = place.environ | {"DUPLICATE_BATCHES_LEDGER": "ledgers/{run_id}"}
    process = start(["run", "wave.csv", "--yes", "--json", "--rate", "20/s"], place.folder, environ)
    until(lambda: place.world.made >= 3)
    locks = Path("/proc/locks").read_text("utf-8") if sys.platform == "linux" else ""
    ended = finish(process)
    assert ended.code == 0, ended.err
    assert (
        not locks
        or sum(f" {process.pid} " in line and "READ" in line for line in locks.splitlines()) >= 1
    )
    assert command(["run", "wave.csv", "--yes", "--json"], place.folder, environ).code == 0
    assert place.world.made == 30


def test_a_declined_or_refused_campaign_is_not_offered_to_be_continued(made: Place) -> None:
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    made.job(*rows(6), *rows(1, "More"), name="final.csv")
    gone = made.folder.parent / f"{made.folder.name}-gone"
    (made.folder / "ledgers").rename(gone)
    refused(run(made, "final.csv"), "Was the ledger moved or lost?")
    for path in (made.folder / "ledgers").iterdir():
        path.unlink()
    shutil.copytree(gone, made.folder / "ledgers", dirs_exist_ok=True)
    ended = made.command("run", "final.csv", "--yes", "--campaign", "wave")
    assert ended.code == 0
    assert not any("unfinished" in note["text"] for note in ended.events("note"))


def test_fresh_forgets_only_what_is_a_rehearsals(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    for _ in range(2):
        again = place.command(
            "run", "wave.csv", "--sandbox", "--fresh", "--ledger", "mine.csv", "--json"
        )
        assert (again.code, again.summary["created_this_run"]) == (0, 6), again.err
    assert run(place, "wave.csv", "--ledger", "ledgers/sandbox/wave.csv").code == 0
    real = (place.folder / "ledgers" / "sandbox" / "wave.csv").read_bytes()
    assert place.command("run", "wave.csv", "--sandbox", "--fresh").code == 2
    assert (place.folder / "ledgers" / "sandbox" / "wave.csv").read_bytes() == real


def test_a_ledger_file_that_was_named_is_restored_and_continued_by_the_commands_shown(
    place: Place,
) -> None:
    place.job(*rows(), name="wave.csv")
    run(place, "wave.csv", "--ledger", "mine.csv")
    for file in (place.folder / "ledgers").glob("ledger.db*"):
        file.unlink()
    ended = run(place, "wave.csv", "--ledger", "mine.csv")
    assert ended.code == 2
    (line,) = (one.strip() for one in ended.err.splitlines() if one.startswith("    "))
    arguments = shlex.split(line)
    restored = command(arguments[arguments.index("ledger") :], Path("/"), place.environ)
    assert restored.code == 0, restored.err
    assert run(place, "wave.csv", "--ledger", "mine.csv").code == 0
    assert place.world.made == 6


def test_a_database_of_rehearsals_that_cannot_be_read_stops_no_restore(made: Place) -> None:
    for file in (made.folder / "ledgers").glob("ledger.db*"):
        file.unlink()
    (made.folder / "ledgers" / "sandbox.db").write_text("no database")
    restored = made.command("ledger", "wave.csv", "--restore", "ledgers/wave.csv")
    assert restored.code == 0, restored.err


def test_a_rehearsals_ledger_file_is_never_restored_into_a_real_database(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    assert place.command("run", "wave.csv", "--sandbox", "--ledger", "mine.csv").code == 0
    assert run(place, "wave.csv", "--ledger", "mine.csv").code == 2
    ended = place.command("ledger", "wave.csv", "--ledger", "mine.csv", "--restore", "mine.csv")
    assert ended.code == 2
    assert "of a rehearsal" in ended.err
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 6


def test_all_that_exists_in_another_campaign_is_reported_if_this_one_was_named_on_purpose(
    made: Place,
) -> None:
    said = (
        "6 duplicates of this job exist in campaign wave already and will be created a second time"
    )
    assert said in made.command("check", "wave.csv", "--campaign", "again").out
