"""Each campaign has its own ledger file and report. A command names the campaign that it means."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.command import command
from tests.whole.conftest import CRON, Place, rows, run


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


def test_a_date_in_the_job_files_own_name_makes_a_new_campaign_each_night(place: Place) -> None:
    place.job(*rows(), name="nightly {date}.csv")
    for night in ("2026-11-01", "2026-11-02"):
        assert run(place, "nightly {date}.csv", "--date", night).code == 0
    assert place.world.made == 12


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
