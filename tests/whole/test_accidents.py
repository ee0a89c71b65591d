"""Ordinary accidents of people with job files, by the real command as cron would run it: nothing is
created twice, and the message alone is enough to continue."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import command, source_id
from tests.whole.conftest import CRON, Place, continued, refused, rows, run
from worker.accidents.facts import MOST_SPELLED
from worker.sandbox.options import SandboxOptions


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


def test_a_folder_of_renamed_jobs_whose_names_hold_the_campaign_is_stopped(place: Place) -> None:
    for number in range(7):
        place.job(*rows(1, name=f"{{campaign}} {number}"), name=f"wave-{number}.csv")
        assert run(place, f"wave-{number}.csv").code == 0
    for number in range(7):
        (place.folder / f"wave-{number}.csv").rename(place.folder / f"final-{number}.csv")
    for number in range(7):
        refused(run(place, f"final-{number}.csv"), f"in campaign wave-{number} already")
    assert place.world.made == 7


def written_again(place: Place, name: str) -> None:
    """The ledger of wave.csv becomes a job again, with a row for each copy."""
    told = place.command("ledger", "wave.csv", "--format", "job")
    assert told.code == 0, told.err
    (place.folder / name).write_text(told.out, encoding="utf-8")


@pytest.mark.parametrize("name", ["Wave {n:02}", "{source_name}, wave {n}"])
def test_a_ledger_that_was_written_as_another_job_is_stopped(place: Place, name: str) -> None:
    place.job({"batch_id": source_id(1), "name": name, "copies": 6}, name="wave.csv")
    assert run(place, "wave.csv").code == 0
    written_again(place, "again.csv")
    refused(run(place, "again.csv"), "6 duplicates of this job are in campaign wave already")
    assert run(place, "again.csv", "--allow-existing").code == 0
    assert place.world.made == 12


@pytest.mark.parametrize(
    ("name", "again"), [("Wave {n:02}", 5), ("{source_name}, wave {n}", 6)], ids=["n", "source"]
)
def test_a_job_that_was_written_again_is_stopped_and_created_if_it_is_meant(
    place: Place, name: str, again: int
) -> None:
    place.job({"batch_id": source_id(1), "name": name, "copies": 6}, name="wave.csv")
    assert run(place, "wave.csv").code == 0
    written_again(place, "wave.csv")
    ended = run(place, "wave.csv")
    refused(ended, f"{again} of {again} duplicates to be created", "Was the job written again")
    assert place.command("check", "wave.csv").code == 1
    (line,) = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    shown = shlex.split(line)
    told = command(shown[shown.index("ledger") :], Path("/"), place.environ)
    assert told.out.lower().count("wave 0" if again == 5 else ", wave") == 6, told.err
    place.job({"batch_id": source_id(1), "name": name, "copies": 7}, name="wave.csv")
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 7
    written_again(place, "wave.csv")
    assert run(place, "wave.csv", "--allow-existing").code == 0
    assert place.world.made == 8 + again


def test_a_few_rows_that_were_written_again_are_told(place: Place) -> None:
    place.job({"batch_id": source_id(1), "name": "Wave {n}", "copies": 3}, name="wave.csv")
    assert run(place, "wave.csv").code == 0
    few = ({"batch_id": source_id(1), "name": f"Wave {n}"} for n in range(1, 4))
    place.job(*few, *rows(3), name="wave.csv")
    told = "2 duplicates of this job have the source and name of duplicates that were sent"
    checked = place.command("check", "wave.csv")
    assert (checked.code, told in checked.out) == (0, True), checked.out
    ended = place.command("run", "wave.csv", "--yes")
    assert any(told in note["text"] for note in ended.events("note"))


def named(place: Place, *names: str) -> None:
    """The job wave.csv with a row for each of these names."""
    place.job(*({"batch_id": source_id(1), "name": name} for name in names), name="wave.csv")


@pytest.mark.parametrize(
    ("sent", "now"),
    [(("007", "008"), ("7", "8")), (("Wave 01", "Wave 02"), ("wave 1", "wave 2"))],
    ids=["a spreadsheet", "a person"],
)
def test_a_job_whose_names_are_spelled_differently_is_stopped(
    place: Place, sent: tuple[str, ...], now: tuple[str, ...]
) -> None:
    named(place, *sent)
    assert run(place, "wave.csv").code == 0
    named(place, *now, "Another")
    example = f"2 of them with another spelling, such as '{now[0]}' for '{sent[0]}'"
    for _ in range(2):
        refused(run(place, "wave.csv"), "2 of 3 duplicates to be created", example)
    assert place.command("check", "wave.csv").code == 1
    named(place, *sent, "Another")
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 3
    named(place, *now, "Another")
    assert run(place, "wave.csv", "--allow-existing").code == 0
    assert place.world.made == 5


def test_a_job_that_a_spreadsheet_saved_under_another_name_is_stopped(place: Place) -> None:
    named(place, "007", "008", "Wave")
    assert run(place, "wave.csv").code == 0
    named(place, "7", "8", "Wave", "Another")
    (place.folder / "wave.csv").rename(place.folder / "fixed.csv")
    said = "3 duplicates of this job (2 of them with another spelling, such as '7' for '007') are"
    refused(run(place, "fixed.csv"), said, "in campaign wave already")
    assert said in place.command("check", "fixed.csv").out
    named(place, "007", "008", "Wave", "Another")
    (place.folder / "wave.csv").rename(place.folder / "fixed.csv")
    assert run(place, "fixed.csv", "--campaign", "wave").code == 0
    assert place.world.made == 4
    named(place, "7", *(f"More {n}" for n in range(4)))
    (place.folder / "wave.csv").rename(place.folder / "few.csv")
    few = run(place, "few.csv")
    assert "1 duplicate of this job (1 of them with another spelling" in few.err
    assert place.world.made == 9


def test_other_spellings_are_not_looked_for_in_a_huge_job(place: Place) -> None:
    named(place, "007")
    assert run(place, "wave.csv").code == 0
    half = {"batch_id": source_id(1), "copies": MOST_SPELLED // 2}
    more = (half | {"name": "More {n}"}, half | {"name": "Other {n}"})
    for left_out, found in ((1, True), (0, False)):
        more[0]["copies"] = MOST_SPELLED // 2 - left_out
        place.job({"batch_id": source_id(1), "name": "7"}, *more, name="huge.csv")
        checked = place.command("check", "huge.csv")
        assert ("such as '7' for '007'" in checked.out) == found


def test_the_next_wave_in_the_same_file_is_no_other_spelling(place: Place) -> None:
    named(place, "Wave 1", "Wave 2")
    assert run(place, "wave.csv").code == 0
    named(place, "Wave 11", "Wave 12")
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 4


def test_jobs_that_share_rows_on_purpose_are_agreed_to_once(place: Place) -> None:
    """Every night, both run; the second one has a limit."""
    place.job(*rows(), name="wave.csv")
    assert run(place, "wave.csv").code == 0
    place.job(*rows(), name="second.csv")
    assert run(place, "second.csv", "--allow-existing", "--limit", 2).code == 1
    for _ in range(2):
        assert run(place, "wave.csv").code == 0
        second = run(place, "second.csv", "--limit", 2)
        assert "already" not in second.err
    assert (second.code, place.world.made) == (0, 12)


def test_what_was_created_under_another_name_meanwhile_is_stopped(place: Place) -> None:
    """A first duplicate to look at, then the rest with --campaign, then cron's line again."""
    place.job(*rows(), name="wave.csv")
    assert run(place, "wave.csv", "--limit", 1).code == 1
    assert run(place, "wave.csv", "--campaign", "spring").code == 0
    refused(run(place, "wave.csv"), "5 duplicates of this job are in campaign spring already")
    assert run(place, "wave.csv", "--allow-existing", "--limit", 2).code == 1
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 12


def test_a_job_that_takes_the_name_of_another_one_is_stopped(place: Place) -> None:
    """wave.csv had only the pilot's row; then spring.csv, which has all, got its name."""
    place.job(*rows(1), name="wave.csv")
    assert run(place, "wave.csv").code == 0
    place.job(*rows(), name="spring.csv")
    assert run(place, "spring.csv").code == 0
    (place.folder / "spring.csv").rename(place.folder / "wave.csv")
    refused(run(place, "wave.csv"), "5 duplicates of this job are in campaign spring already")
    assert place.world.made == 7


def waves(place: Place, *numbers: int) -> None:
    """A job for each wave, six duplicates each; all are created, the first one last."""
    for number in numbers:
        place.job(*rows(name=f"Wave {number}-{{n}}"), name=f"wave-{number}.csv")
    for number in reversed(numbers):
        assert run(place, f"wave-{number}.csv").code == 0


def appended(place: Place, *names: str) -> str:
    """The rows of these jobs, with one header."""
    texts = [(place.folder / name).read_text(encoding="utf-8").splitlines() for name in names]
    return "\n".join([texts[0][0], *(line for text in texts for line in text[1:])])


@pytest.mark.parametrize("act", ["copied", "renamed"])
def test_a_job_that_gets_the_content_of_another_one_is_stopped(place: Place, act: str) -> None:
    """Renumbered files: both campaigns are finished, and the other one sent its rows before."""
    waves(place, 1, 2)
    wave, other = place.folder / "wave-1.csv", place.folder / "wave-2.csv"
    other.replace(wave) if act == "renamed" else shutil.copy(other, wave)
    ended = run(place, "wave-1.csv")
    refused(ended, "6 duplicates of this job are in campaign wave-2 already")
    (line,) = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    pasted = shlex.split(line)
    again = command([*pasted[pasted.index("run") :], "--yes"], Path("/"), place.environ)
    assert (again.code, place.world.made) == (0, 12), again.err


@pytest.mark.parametrize(
    ("jobs", "name"),
    [((1, 2), "wave-1.csv"), ((1, 2, 3), "wave-1.csv"), ((1, 2, 3), "all.csv")],
    ids=["one to another", "two to another", "all in a new one"],
)
def test_a_job_to_which_the_rows_of_others_are_added_is_stopped(
    place: Place, jobs: tuple[int, ...], name: str
) -> None:
    waves(place, *jobs)
    text = appended(place, *(f"wave-{number}.csv" for number in jobs))
    (place.folder / name).write_text(text, encoding="utf-8")
    for number in jobs[1:]:
        (place.folder / f"wave-{number}.csv").unlink()
    told = "Were the rows of other jobs written into this one?"
    for _ in range(2):
        ended = run(place, name)
        refused(ended, told, "6 in campaign wave-2")
    assert told in place.command("check", name).out
    shown = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    for line in shown:
        arguments = shlex.split(line)
        listed = command(arguments[arguments.index("ledger") :], Path("/"), place.environ)
        assert listed.out.count("created") >= 6, listed.err
    assert place.world.made == 6 * len(jobs)
    assert run(place, name, "--allow-existing").code == 0
    again = 6 * len(jobs) if name == "all.csv" else 6 * (len(jobs) - 1)
    assert place.world.made == 6 * len(jobs) + again
    assert run(place, name).code == 0, "it is agreed to once"


def test_a_few_rows_of_another_job_are_reported_when_they_are_added(place: Place) -> None:
    waves(place, 1, 2)
    place.job(*rows(name="Wave 1-{n}"), *rows(2, "Wave 2-{n}"), *rows(6, "More {n}"),
              name="wave-1.csv")  # fmt: skip
    said = "2 duplicates of this job exist in campaign wave-2 already and will be created"
    assert said in place.command("check", "wave-1.csv").out
    assert run(place, "wave-1.csv").code == 0
    assert place.world.made == 12 + 8


def test_a_job_that_was_renamed_and_extended_is_stopped(made: Place) -> None:
    (made.folder / "wave.csv").unlink()
    made.job(*rows(6), *rows(20, "Other {n}"), name="final.csv")
    refused(run(made, "final.csv"), "6 duplicates of this job are in campaign wave already")


def test_a_name_that_is_the_files_own_is_not_named_on_purpose(made: Place) -> None:
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    refused(run(made, "final.csv", "--campaign", "final"), "in campaign wave already")


@pytest.mark.parametrize("name", ["Row {n}", "{campaign} {n}"])
def test_a_renamed_job_that_was_continued_once_is_stopped_each_time(
    place: Place, name: str
) -> None:
    """Somebody follows the advice, new rows are added, and cron runs the file as before."""
    place.job(*rows(name=name), name="wave.csv")
    assert run(place, "wave.csv").code == 0
    (place.folder / "wave.csv").rename(place.folder / "final.csv")
    assert run(place, "final.csv", "--campaign", "wave").code == 0
    place.job(*rows(name=name), *rows(7, "More {n}"), name="final.csv")
    said = "campaign wave already. This job file was run as that campaign before."
    refused(run(place, "final.csv"), said)
    assert place.world.made == 6


def test_rows_of_an_urgent_job_are_not_created_again_nights_later(place: Place) -> None:
    """A night creates two rows of a job; somebody creates the last two with a job of their own."""
    place.job(*rows(8), name="wave.csv")
    assert run(place, "wave.csv", "--limit", 2).code == 1
    place.job(*rows(8)[6:], name="urgent.csv")
    assert run(place, "urgent.csv").code == 0
    second = run(place, "wave.csv", "--limit", 2)
    assert "2 duplicates of this job exist in campaign urgent already" in second.err
    for _ in range(2):
        ended = run(place, "wave.csv", "--limit", 2)
        refused(ended, "2 of 4 duplicates to be created exist already: 2 in campaign urgent")
    assert place.world.made == 6


def test_shared_rows_that_a_limit_left_for_later_are_not_created_silently(place: Place) -> None:
    waves(place, 1, 2)
    shared = rows(2, "Wave 2-{n}")
    place.job(*rows(name="Wave 1-{n}"), *rows(3, "More {n}"), *shared, name="wave-1.csv")
    assert run(place, "wave-1.csv", "--limit", 3).code == 1
    ended = run(place, "wave-1.csv")
    refused(ended, "2 of 2 duplicates to be created exist already: 2 in campaign wave-2")
    assert place.world.made == 12 + 3
    assert run(place, "wave-1.csv", "--allow-existing", "--limit", 1).code == 1
    assert run(place, "wave-1.csv").code == 0, "it is agreed to once"
    with (place.folder / "wave-1.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{source_id(n)},Wave 2-{n},1\n" for n in range(2, 6))
    ended = run(place, "wave-1.csv")
    refused(ended, "4 of 4 duplicates to be created exist already: 4 in campaign wave-2")
    assert place.world.made == 12 + 5


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


def test_a_few_that_exist_elsewhere_are_reported(made: Place) -> None:
    made.job(*rows(2), *rows(6, "Other {n}"), name="other.csv")
    said = (
        "2 duplicates of this job exist in campaign wave already and will be created a second time"
    )
    assert said in made.command("check", "other.csv").out
    assert any(
        said in note["text"] for note in made.command("run", "other.csv", "--yes").events("note")
    )
    made.job(*rows(2), *rows(6, "More {n}"), name="more.csv")
    quiet = made.command("run", "more.csv", "--yes", "--quiet")
    assert said in quiet.err, "nobody reads the log of a quiet run"


def test_all_that_exists_in_another_campaign_is_reported_if_this_one_was_named_on_purpose(
    made: Place,
) -> None:
    said = (
        "6 duplicates of this job exist in campaign wave already and will be created a second time"
    )
    assert said in made.command("check", "wave.csv", "--campaign", "again").out


# -- other checks before anything is sent


def test_without_a_terminal_and_without_yes_nothing_is_created(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    ended = place.command("run", "wave.csv")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert place.world.requests.total() == 0
    assert not (place.folder / "ledgers" / "ledger.db").exists()
    assert run(place, "wave.csv").code == 0
    assert place.command("run", "wave.csv").code == 0, "nothing is left to be asked about"


def test_what_left_the_job_is_counted(made: Place) -> None:
    made.job(*rows(4), name="wave.csv")
    checked = made.command("check", "wave.csv", "--json")
    assert checked.summary["left_job"] == 2
    assert "no longer in the job: 2 duplicates" in made.command("check", "wave.csv").out


def left(place: Place, date: str) -> str:
    """What a run on this date says about what is no longer in the job."""
    ended = place.command("run", "wave.csv", "--yes", "--settle-after", 0.2, "--date", date)
    (note,) = [one["text"] for one in ended.events("note") if "no longer" in one["text"]]
    return str(note)


def test_unknown_duplicates_that_leave_the_job_are_told_with_the_date_that_continues(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"drop-answer": 1.0}, seed=3))
    place.job(*rows(2, "{date} {n}"), name="wave.csv")
    waits = ("--settle-after", 60, "--max-duration", 2)
    assert "2 unknown" in run(place, "wave.csv", "--date", "2026-03-01", *waits).out
    place.server.sandbox.misbehave({})
    assert left(place, "2026-03-02") == (
        "no longer in the job: 2 duplicates are unknown; to continue with them, run again with"
        " --date 2026-03-01"
    )


def test_rows_that_were_removed_are_not_explained_by_a_date(place: Place) -> None:
    place.job(*rows(3), name="wave.csv")
    assert run(place, "wave.csv", "--date", "2026-03-01", "--limit", 1).code == 1
    place.job(*rows(1), name="wave.csv")
    assert left(place, "2026-03-02") == "no longer in the job: 2 duplicates are not created"


def test_check_refuses_the_database_of_another_api_as_run_does(made: Place) -> None:
    environ = made.environ | {"PROLIFIC_URL": "https://api.prolific.com"}
    for arguments in (["check", "wave.csv"], ["run", "wave.csv", "--yes"]):
        ended = command(arguments, made.folder, environ)
        assert ended.code == 2
        assert "is for" in ended.err
