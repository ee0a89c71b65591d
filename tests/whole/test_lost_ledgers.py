"""A ledger that was moved, lost or renamed, or that other settings do not find, by the real command
as cron would run it: nothing is created twice, and the message alone is enough to continue."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import command, finish, source_id, start, until
from tests.whole.conftest import Place, continued, refused, rows, run
from worker.sandbox.options import SandboxOptions


def test_a_symbolic_link_leads_to_the_ledger_beside_the_job(place: Place) -> None:
    (place.folder / "waves").mkdir()
    place.job(*rows(), name="waves/wave.csv")
    assert run(place, "waves/wave.csv", "--limit", 2).code == 1
    (place.folder / "wave.csv").symlink_to(place.folder / "waves" / "wave.csv")
    refused(run(place, "wave.csv"), str(place.folder / "waves" / "ledgers" / "ledger.db"))
    assert place.world.made == 2


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


def test_a_quiet_run_after_a_lost_ledger_tells_of_the_names_that_exist(made: Place) -> None:
    """The job has grown, so that most of its names are new."""
    shutil.rmtree(made.folder / "ledgers")
    made.job(*rows(), *rows(7, "More {n}"), name="wave.csv")
    ended = run(made, "wave.csv")
    assert "6 of the names already exist on batches that this ledger does not know" in ended.err
    assert (ended.code, ended.out) == (0, "")
    again = run(made, "wave.csv")
    assert (again.code, again.err) == (0, "")
    shutil.rmtree(made.folder / "ledgers")
    meant = run(made, "wave.csv", "--allow-existing")
    assert (meant.code, meant.err) == (0, ""), "somebody knows that they exist"


def test_a_ledger_database_with_other_campaigns_is_not_to_be_replaced(made: Place) -> None:
    database = made.folder / "ledgers" / "ledger.db"
    for file in (made.folder / "ledgers").iterdir():
        file.unlink()
    first = run(made, "wave.csv")
    refused(
        first,
        f"move it to {database} (an empty one may be there after this run), or name it with"
        " --database",
    )
    notes = [event["text"] for event in first.events("note")]
    assert notes == [], "nothing was created, so nothing will have the same names"
    made.job(*rows(name="Other {n}"), name="other.csv")
    assert run(made, "other.csv").code == 0
    for said in (run(made, "wave.csv").err, made.command("check", "wave.csv").out):
        assert "6 of 6 names" in said
        assert "move it to" not in said
        assert "If you still have its database, name it with --database, and run again." in said


def test_messages_show_paths_without_dots(made: Place) -> None:
    (made.folder / "sub").mkdir()
    (made.folder / "wave.csv").rename(made.folder / "final.csv")
    refused(run(made, "sub/../final.csv"), f"{made.folder}/final.csv: 6 duplicates of this job")
    refused(
        run(made, "sub/../final.csv", "--database", "sub/../new.db", "--campaign", "wave"),
        f"{made.folder}/ledgers/ledger.db: this ledger database contains campaign wave",
        f"the run would use {made.folder}/new.db,",
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
