"""`ledger` and `check`, on what a real run left."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing

from tests.support.command import source_id
from tests.whole.conftest import Place

MISSING = "00000000-0000-4000-8000-000000000001"


def some_run(place: Place) -> None:
    """A run that leaves created, failed and pending rows."""
    place.job(
        {"batch_id": MISSING, "name": "gone"},
        {"batch_id": source_id(1), "name": "Same", "copies": 3},
        {"batch_id": source_id(2), "name": "", "copies": 1},
        {"batch_id": source_id(3), "name": "{{x}} {n} of {copies} of {source_name}", "copies": 2},
    )
    place.run("--limit", 5)


def test_it_writes_the_ledger_file_again(place: Place) -> None:
    some_run(place)
    path = place.folder / "ledgers" / "job.csv"
    before = path.read_bytes()
    path.unlink()
    ended = place.command("ledger", "job.csv")
    assert (ended.code, ended.out) == (0, f"{path}\n")
    assert path.read_bytes() == before


def test_it_prints_csv_and_json_with_a_choice_of_rows(place: Place) -> None:
    some_run(place)
    everything = list(
        csv.DictReader(place.command("ledger", "job.csv", "--format", "csv").out.splitlines())
    )
    assert everything == place.ledger()
    failed = place.command(
        "ledger", "job.csv", "--format", "json", "--status", "failed,pending"
    ).out
    assert [row["status"] for row in json.loads(failed)] == ["failed", "pending"]
    of_source = place.command(
        "ledger", "job.csv", "--format", "json", "--source", source_id(1).upper()
    ).out
    assert [row["copy"] for row in json.loads(of_source)] == [1, 2, 3]
    run_id = everything[1]["run_id"]
    assert (
        len(json.loads(place.command("ledger", "job.csv", "--format", "json", "--run", run_id).out))
        >= 5
    )
    assert (
        json.loads(
            place.command("ledger", "job.csv", "--format", "json", "--since", "2999-01-01").out
        )
        == []
    )


def test_its_table_shows_every_row(place: Place) -> None:
    some_run(place)
    shown = place.command("ledger", "job.csv", "--format", "table").out
    assert shown.count("created") == 5
    assert "failed" in shown
    assert "pending" in shown


def test_without_a_job_it_lists_campaigns_and_runs(place: Place) -> None:
    some_run(place)
    listed = json.loads(
        place.command("ledger", "--database", "ledgers/ledger.db", "--format", "json").out
    )
    assert [(one["campaign"], one["created"], one["failed"]) for one in listed["campaigns"]] == [
        ("job", 5, 1)
    ]
    assert [one["stopped_by"] for one in listed["runs"]] == ["limit"]
    assert "job" in place.command("ledger", "--database", "ledgers/ledger.db").out


def test_its_job_runs_as_it_is_and_makes_as_many(place: Place) -> None:
    some_run(place)
    printed = place.command(
        "ledger", "job.csv", "--format", "job", "--status", "created,pending"
    ).out
    (place.folder / "again.csv").write_text(printed, encoding="utf-8")
    before = place.world.made
    names = [str(copy["name"]) for copy in place.world.duplicates]
    assert (
        place.command("run", "again.csv", "--yes", "--allow-existing", "--rate", "unlimited").code
        == 0
    )
    assert place.world.made == before + 6
    again = [str(copy["name"]) for copy in place.world.duplicates][before:]
    assert set(names) < set(again)
    assert any(name.startswith("{x} 2 of 2 of ") and "source_name" not in name for name in again)


def test_a_yaml_jobs_own_campaign_is_found_by_its_date(place: Place) -> None:
    path = place.folder / "nightly.yaml"
    path.write_text(
        f"campaign: n-{{date}}\nbatches:\n  - batch_id: {source_id(1)}\n", encoding="utf-8"
    )
    for day in ("2026-11-01", "2026-11-02"):
        assert (
            place.command("run", "nightly.yaml", "--yes", "--date", day, "--rate", "unlimited").code
            == 0
        )
    assert place.command("ledger", "nightly.yaml", "--date", "2026-11-01").out.endswith(
        "n-2026-11-01.csv\n"
    )
    assert place.command("ledger", "nightly.yaml").out.endswith("n-2026-11-02.csv\n"), (
        "the job's latest run"
    )


def test_a_backup_is_a_whole_database(place: Place) -> None:
    some_run(place)
    assert place.command("ledger", "job.csv", "--backup", "copy.db").code == 0
    with closing(sqlite3.connect(place.folder / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM items WHERE status = 'created'").fetchone() == (
            5,
        )


def test_check_shows_the_plan_without_a_token_and_says_what_it_could_not_check(
    place: Place,
) -> None:
    place.job({"batch_id": source_id(1), "name": "{source_name} {n}", "copies": 2})
    ended = place.command_without_token("check", "job.csv")
    assert ended.code == 0
    assert "to create: 2" in ended.out
    assert "{source_name} 1" in ended.out
    assert "not checked" in ended.out
    assert "PROLIFIC_TOKEN" in ended.out
    assert place.world.requests.total() == 0
    assert not (place.folder / "ledgers").exists(), "a check leaves nothing behind"


def test_check_with_a_token_names_missing_sources_and_workspaces(place: Place) -> None:
    place.job(
        {"batch_id": source_id(1), "name": "{source_name} {n}"},
        {"batch_id": MISSING, "name": "gone"},
    )
    ended = place.command("check", "job.csv")
    assert ended.code == 1
    assert f"job.csv:3: {MISSING}" in ended.out
    assert "1 source in workspace" in ended.out
    assert "{source_name}" not in ended.out, "names are shown as they will be sent"
    assert place.world.requests["duplicate"] == 0
    facts = json.loads(place.command("check", "job.csv", "--json").out)
    assert (facts["to_create"], facts["exit_code"], facts["missing"][0]["line"]) == (2, 1, 3)


def test_check_knows_what_exists_and_dry_run_is_the_same(place: Place) -> None:
    some_run(place)
    checked = place.command("check", "job.csv", "--json")
    assert json.loads(checked.out)["counts"] == {
        "created": 5,
        "failed": 1,
        "unknown": 0,
        "pending": 1,
    }
    assert json.loads(checked.out)["to_create"] == 1
    assert place.command("run", "job.csv", "--dry-run", "--json").out == checked.out
    assert (
        json.loads(place.command("check", "job.csv", "--json", "--retry-failed").out)["to_create"]
        == 2
    )


def test_comment_lines_are_counted_where_a_job_is_read(place: Place) -> None:
    job = place.job(
        {"batch_id": source_id(1), "name": "a"}, {"batch_id": source_id(2), "name": "b"}
    )
    assert "comment lines" not in place.command("check", "job.csv").out
    header, *rows = job.read_text().splitlines()
    job.write_text("\n".join(["# first", header, "#note", rows[0], f"#{rows[1]}"]) + "\n")
    assert "  comment lines skipped: 3\n" in place.command("check", "job.csv").out
    facts = json.loads(place.command("check", "job.csv", "--json").out)
    assert (facts["rows"], facts["comments"], facts["warnings"]) == (1, 3, [])
    (event,) = place.run("--yes").events("job.read")
    assert (event["rows"], event["comments"]) == (1, 3)


def test_what_yaml_takes_for_a_comment_is_warned_of(place: Place) -> None:
    text = "".join(f"- batch_id: {source_id(n)}\n  name: Wave #{n}\n" for n in range(60))
    (place.folder / "wave.yaml").write_text(text)
    warning = (
        'name: YAML ignores what follows " #"; the name is "Wave". If the rest belongs to it, put'
        " quotes around it"
    )
    checked = place.command_without_token("check", "wave.yaml")
    assert checked.code == 0
    assert f"  warning: wave.yaml:2: {warning}\n" in checked.out
    assert "wave.yaml: … and 10 more warnings" in checked.out
    facts = json.loads(place.command_without_token("check", "wave.yaml", "--json").out)
    assert len(facts["warnings"]) == 60
    assert facts["warnings"][1] == {"line": 4, "text": warning}
    ended = place.command("run", "wave.yaml", "--sandbox", "--yes", "--log-format", "json")
    assert ended.code == 0, ended.err
    notes = ended.events("note")
    assert (len(notes), notes[0]["level"], notes[0]["text"]) == (
        51,
        "warning",
        f"wave.yaml:2: {warning}",
    )


def test_check_with_a_refused_token_is_3(place: Place) -> None:
    place.job({"batch_id": source_id(1)})
    assert place.command_with("check", "job.csv", PROLIFIC_TOKEN="wrong").code == 3


def test_it_forgets_details_of_old_runs_and_creates_nothing_again(place: Place) -> None:
    some_run(place)
    database, before = place.folder / "ledgers" / "ledger.db", place.ledger()
    with closing(sqlite3.connect(database)) as known, known:
        known.execute("UPDATE runs SET started_at = '2020-01-01T00:00:00.000Z'")
    ended = place.command("ledger", "job.csv", "--forget", "--before", "2020-06-01")
    assert (ended.code, ended.out) == (
        0,
        f"{database}: removed the times of 5 requests of runs before 2020-06-01.\n",
    )
    place.command("report", "job.csv")
    report = (place.folder / "ledgers" / "job.html").read_text("utf-8")
    assert "The times of its requests were removed from the ledger." in report
    made = len(place.made_of())
    place.run()
    assert [row for row in place.ledger() if row["status"] == "created"][:3] == [
        row for row in before if row["status"] == "created"
    ][:3]
    assert len(place.made_of()) == made + 1
    ended = place.command("ledger", "job.csv", "--forget", "--before", "2020-06-01")
    assert ended.out == f"{database}: there are no details left of runs before 2020-06-01.\n"
