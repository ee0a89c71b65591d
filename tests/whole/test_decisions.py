"""A bad night is decided in a spreadsheet: the real command writes the sheet, a person fills it in,
and the real command reads it back."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest

from tests.support.command import source_id
from tests.support.workbooks import saved_by_libreoffice
from tests.whole.conftest import Place
from worker.cli import settle
from worker.cli.parser import parse
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]
Rows = list[dict[str, str]]

SOURCES = 4

UNSETTLED = ("--settle-after", 30, "--max-duration", 1)
"""Options of a run that ends before it settles."""


def bad_night(place_with: WithOptions, *options: object, copies: int = 3) -> Place:
    """A night whose every answer was lost while a colleague made the same batches by hand: every
    row is unknown, and has two candidates."""
    place = place_with(SandboxOptions(latency=0, faults={"drop-answer": 1.0}, seed=3))
    jobs = [
        {"batch_id": source_id(n), "name": f"Row {n}-{{n}}", "copies": copies}
        for n in range(SOURCES)
    ]
    place.job(*jobs)
    for _ in range(9):  # a run slows down after lost answers
        ended = place.run(*UNSETTLED, *options)
        if ended.summary["counts"]["unknown"] == SOURCES * copies:
            break
    assert ended.summary["counts"]["unknown"] == SOURCES * copies, ended.err
    for copy in place.world.duplicates:
        source = place.world.find(copy["source_batch_id"])
        assert source is not None
        place.world.duplicate(source, str(copy["name"]), False)
    place.server.sandbox.misbehave({})
    settled = place.command("settle", "job.csv", "--settle-after", 0.1)
    assert settled.code == 1, settled.err
    assert "--proposals decisions.xlsx" in settled.out
    return place


@pytest.fixture
def night(place_with: WithOptions) -> Place:
    return bad_night(place_with)


def test_a_batch_with_another_name_is_recorded_with_a_warning(night: Place) -> None:
    batches = {str(one["name"]): one["id"] for one in night.world.duplicates}
    wrong, right = batches["Row 1-1"], batches["Row 0-2"]
    ended = night.command(
        "settle", "job.csv", "--assign", f"2.1={wrong}", "--assign", f"2.2={right}"
    )
    (line,) = [line for line in ended.err.splitlines() if "warning" in line]
    assert f'#1: batch {wrong} is named "Row 1-1", and the duplicate "Row 0-1"; see' in line
    assert ended.code == 1
    assert "2 assigned" in ended.out


def ours(place: Place) -> set[str]:
    """The batches that the night's own requests made: the first half of all."""
    made = [str(copy["id"]) for copy in place.world.duplicates]
    return set(made[: len(made) // 2])


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def save(path: Path, rows: Rows, delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def proposed(place: Place, name: str = "d.csv") -> Path:
    path = place.folder / name
    ended = place.command_without_token("settle", "job.csv", "--proposals", name)
    assert ended.code == 1, ended.err
    assert "12 unknown duplicates, 24 candidates, 0 suggestions" in ended.out
    return path


def decide(place: Place, rows: Rows, absent: int = 1) -> None:
    """Fill in our own batch for each item, but `absent` for the last ones."""
    items = list(dict.fromkeys(row["item"] for row in rows))
    own = ours(place)
    for row in rows:
        if row["item"] in items[len(items) - absent :]:
            first = next(one for one in rows if one["item"] == row["item"])
            first["decision"] = "absent"
        elif row["candidate_id"] in own:
            row["decision"] = row["candidate_id"]


def runs(place: Place) -> int:
    with closing(sqlite3.connect(place.folder / "ledgers" / "ledger.db")) as database:
        (number,) = database.execute("SELECT count(*) FROM runs").fetchone()
        return int(number)


def test_a_bad_night_is_decided_in_a_csv_and_what_is_absent_is_created(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    assert len(rows) == 24
    assert {row["item"] for row in rows} == {f"#{n}" for n in range(1, 13)}
    assert {row["decision"] for row in rows} == {""}
    decide(night, rows)
    save(path, rows, ";")
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 0, ended.err
    assert "Recorded: 11 assigned, 1 absent. 0 duplicates of job are still unknown." in ended.out
    ledger = night.ledger()
    assert [row["settled_by"] for row in ledger] == ["person"] * 11 + [""]
    assert {row["new_batch_id"] for row in ledger[:11]} < ours(night)
    made = night.world.made
    assert night.run().code == 0
    assert night.world.made == made + 1


def test_absent_is_refused_for_rows_that_no_complete_listing_was_compared_with(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"drop-answer": 1.0}, seed=3))
    place.job(*({"batch_id": source_id(n), "name": f"Row {n}"} for n in range(3)))
    place.run(*UNSETTLED)
    made = place.world.made
    place.server.sandbox.misbehave({"list-short": 1.0})
    for after_settling in (False, True):
        if after_settling:
            assert place.command("settle", "job.csv", "--settle-after", 0.1).code == 1
        path = place.folder / f"{after_settling}.csv"
        assert place.command("settle", "job.csv", "--proposals", path.name).code == 1
        sheet = read(path)
        assert len(sheet) == made
        assert all("run settle again first" in row["suggestion_reason"] for row in sheet)
        save(path, [row | {"decision": "absent"} for row in sheet])
        ended = place.command("settle", "job.csv", "--decisions", path.name)
        assert ended.code == 2
        assert f"{path.name}:2: #1 may exist: it was not compared with a complete" in ended.err
        assert "--absent '#1'" in ended.err
    assert {row["status"] for row in place.ledger()} == {"unknown"}
    assert place.command("settle", "job.csv", "--absent", "#1").code == (1 if made > 1 else 0)
    place.server.sandbox.misbehave({})
    assert place.command("settle", "job.csv", "--settle-after", 0.1).code == 0
    assert place.world.made == made


def test_decisions_are_recorded_little_by_little_from_one_sheet(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    decide(night, rows)
    later = [row["decision"] for row in rows]
    for row in rows[6:]:
        row["decision"] = ""
    save(path, rows)
    assert night.command("settle", "job.csv", "--decisions", "d.csv").code == 1
    before = runs(night)
    again = night.command("settle", "job.csv", "--decisions", "d.csv", "--json")
    assert (again.code, again.summary["assigned"], again.summary["recorded_before"]) == (1, 0, 3)
    assert runs(night) == before, "nothing to record is no run"
    for row, decision in zip(rows, later, strict=True):
        row["decision"] = decision
    save(path, rows)
    last = night.command("settle", "job.csv", "--decisions", "d.csv", "--json")
    assert last.code == 0, last.err
    assert {key: last.summary[key] for key in ("assigned", "absent", "recorded_before")} == {
        "assigned": 8, "absent": 1, "recorded_before": 3
    }  # fmt: skip


def fill_in(path: Path, sheet: str, place: Place) -> None:
    """Fill in a workbook, as a person does."""
    book = openpyxl.load_workbook(path)
    header, *rows = book[sheet].iter_rows()
    at = {str(cell.value): number for number, cell in enumerate(header)}
    own = ours(place)
    for row in rows:
        if row[at["candidate_id"]].value in own:
            row[at["decision"]].value = row[at["candidate_id"]].value
    book.save(path)


def test_a_workbook_is_decided_in_and_saved_by_libreoffice(night: Place) -> None:
    path = proposed(night, "d.xlsx")
    fill_in(path, "Decisions", night)
    for ending in ("xlsx", "csv"):
        saved = saved_by_libreoffice(path, ending)
        shutil.copy(saved, night.folder / f"saved.{ending}")
    ended = night.command("settle", "job.csv", "--decisions", "saved.xlsx")
    assert ended.code == 0, ended.err
    assert {row["new_batch_id"] for row in night.ledger()} == ours(night)
    again = night.command("settle", "job.csv", "--decisions", "saved.csv", "--json")
    assert (again.code, again.summary["recorded_before"]) == (0, 12), again.err


@pytest.mark.parametrize("by_libreoffice", [False, True])
def test_the_ledger_workbook_itself_is_decided_in(
    place_with: WithOptions, by_libreoffice: bool
) -> None:
    night = bad_night(place_with, "--ledger", "wave.xlsx")
    path = night.folder / "wave.xlsx"
    fill_in(path, "Decisions", night)
    summary = [str(cell) for row in openpyxl.load_workbook(path)["Summary"].values for cell in row]
    assert any(cell.endswith(f"--decisions {path}") for cell in summary)
    if by_libreoffice:
        saved_by_libreoffice(path).replace(path)
    ended = night.command("settle", "job.csv", "--decisions", "wave.xlsx")
    assert ended.code == 0, ended.err
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Summary", "Ledger"], "nothing is left to decide"
    header, *rows = book["Ledger"].values
    at = header.index("new_batch_id")
    assert {row[at] for row in rows} == ours(night)
    assert night.command("settle", "job.csv", "--proposals", "wave.xlsx").code == 2
    assert openpyxl.load_workbook(path).sheetnames == ["Summary", "Ledger"]


def test_every_problem_is_reported_with_its_line_before_anything_is_recorded(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    decide(night, rows, absent=0)
    good = [row["candidate_id"] for row in rows if row["decision"]]
    for row in rows:
        row["decision"] = ""
    decisions = {
        0: good[0],
        2: "yes",
        4: rows[4]["source_batch_id"],
        6: "00000000-0000-4000-8000-000000000009",
        8: good[0],
        10: "absent",
        11: good[5],
        12: "#REF!",
    }
    for number, decision in decisions.items():
        rows[number]["decision"] = decision
    rows[14] |= {"decision": "absent", "item": "#999"}
    save(path, rows)
    before, number = night.ledger(), runs(night)
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 2
    assert [int(line) for line in re.findall(r"d\.csv:(\d+): ", ended.err)] == [
        4, 6, 8, 10, 13, 14, 16
    ]  # fmt: skip
    for says in (
        'd.csv:4: decision: "yes" is not a decision; write ours beside the batch',
        f"d.csv:6: {rows[4]['source_batch_id']} is the source of #3, not its copy",
        "d.csv:8: 00000000-0000-4000-8000-000000000009: ",
        f"d.csv:10: {good[0]} is a candidate of #1, not of #5; if it is its copy all the same,",
        "d.csv:13: #6 has a decision in line 12 too; keep one of the two",
        'd.csv:14: decision: "#REF!" is a spreadsheet\'s error value',
        "d.csv:16: #999: this database has no such item",
    ):
        assert says in ended.err
    assert "\n  Nothing was recorded. Correct the sheet, and run the command again." in ended.err
    assert (night.ledger(), runs(night)) == (before, number)


def test_the_problems_of_a_sheet_are_shown_even_if_the_api_cannot_be_asked(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    rows[0]["decision"], rows[2]["decision"] = rows[0]["candidate_id"], "yes"
    save(path, rows)
    ended = night.command_with("settle", "job.csv", "--decisions", "d.csv", PROLIFIC_TOKEN="wrong")
    assert (ended.code, "d.csv:4: " in ended.err) == (2, True), ended.err
    rows[2]["decision"] = ""
    save(path, rows)
    ended = night.command_with("settle", "job.csv", "--decisions", "d.csv", PROLIFIC_TOKEN="wrong")
    assert (ended.code, "Nothing was recorded." in ended.err) == (3, True), ended.err
    assert {row["status"] for row in night.ledger()} == {"unknown"}


def test_absent_needs_no_token(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    for row in rows[::2]:
        row["decision"] = "Absent"
    save(path, rows, "\t")
    assert night.command_without_token("settle", "job.csv", "--decisions", "d.csv").code == 0
    assert {row["status"] for row in night.ledger()} == {"pending"}


def test_a_sheet_from_before_a_decision_or_a_new_request_is_refused(night: Place) -> None:
    old = read(proposed(night))
    own = sorted(ours(night))
    first = next(row for row in old if row["candidate_id"] == own[0])
    night.command("settle", "job.csv", "--assign", f"{first['item']}={own[0]}")
    other = next(row for row in old if row["item"] != first["item"])
    night.command("settle", "job.csv", "--absent", other["item"])
    night.server.sandbox.misbehave({"drop-answer": 1.0})
    night.run(*UNSETTLED)  # sends the absent one again, and loses its answer again
    assert {row["status"] for row in night.ledger()} == {"created", "unknown"}
    night.server.sandbox.misbehave({})
    first["decision"] = other["decision"] = "absent"
    save(night.folder / "old.csv", old)
    ended = night.command("settle", "job.csv", "--decisions", "old.csv")
    assert ended.code == 2
    assert f"{first['item']} is created (batch {own[0]}), not unknown" in ended.err
    assert f"{other['item']} was sent again after this sheet was written (2 requests" in ended.err
    assert ended.err.count("old.csv:") == 2


def test_a_sheet_that_does_not_show_all_candidates_says_of_nothing_that_it_is_absent(
    night: Place,
) -> None:
    old = read(proposed(night))
    source = night.world.find(old[0]["source_batch_id"])
    assert source is not None
    later = night.world.duplicate(source, "Row 0-1", False)
    assert night.command("settle", "job.csv", "--settle-after", 0.1).code == 1
    old[0]["decision"] = "absent"
    save(night.folder / "old.csv", old)
    ended = night.command("settle", "job.csv", "--decisions", "old.csv")
    assert ended.code == 2
    assert f"old.csv:2: #1 may exist as {later.id}, which was not shown" in ended.err
    assert {row["status"] for row in night.ledger()} == {"unknown"}
    ended = night.command("settle", "job.csv", "--proposals", "new.csv")
    assert "12 unknown duplicates, 25 candidates" in ended.out
    new = read(night.folder / "new.csv")
    new[0]["decision"] = "absent"
    save(night.folder / "new.csv", new)
    ended = night.command("settle", "job.csv", "--decisions", "new.csv")
    assert "Recorded: 0 assigned, 1 absent." in ended.out


def test_a_row_that_ends_early_is_compared_as_a_whole_one(night: Place) -> None:
    path = proposed(night)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    (night.folder / "short.csv").write_text(f"{header}\n#1,,absent\n", encoding="utf-8")
    ended = night.command("settle", "job.csv", "--decisions", "short.csv")
    assert ended.code == 2
    assert "short.csv:2: #1 may exist as" in ended.err
    assert {row["status"] for row in night.ledger()} == {"unknown"}


def test_decisions_are_recorded_although_the_disk_is_full_when_the_ledger_file_is_written(
    night: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(night.folder)
    monkeypatch.setattr("worker.cli.decide.write_files", full)
    assert settle.main(parse(["settle", "job.csv", "--absent", "2.1"]), night.environ) == 1
    said = capsys.readouterr()
    assert "the decisions are recorded, but this file cannot be written: No space" in said.err
    assert "Recorded: 0 assigned, 1 absent." in said.out
    assert night.command("settle", "job.csv", "--absent", "2.1").code == 2, "it is recorded"


def test_absent_in_a_sheet_from_before_a_restore_is_refused(night: Place) -> None:
    old = read(proposed(night))
    file = (night.folder / "ledgers" / "job.csv").read_bytes()
    assert night.command("settle", "job.csv", "--absent", old[2]["item"]).code == 1
    night.server.sandbox.misbehave({"drop-answer": 1.0})
    night.run(*UNSETTLED)  # sends it again, which the ledger file will not say
    night.server.sandbox.misbehave({})
    for path in (night.folder / "ledgers").glob("ledger.db*"):
        path.unlink()
    (night.folder / "ledgers" / "job.csv").write_bytes(file)
    restored = night.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    old[2]["decision"] = "absent"
    save(night.folder / "old.csv", old)
    ended = night.command("settle", "job.csv", "--decisions", "old.csv")
    assert (ended.code, f"{old[2]['item']} was restored from a ledger" in ended.err) == (2, True)
    assert night.command("settle", "job.csv", "--proposals", "new.csv").code == 1
    new = read(night.folder / "new.csv")
    assert "" not in {row["restored_by"] for row in new}
    new[0]["decision"] = "absent"
    save(night.folder / "new.csv", new)
    ended = night.command("settle", "job.csv", "--decisions", "new.csv")
    assert (ended.code, "was restored" in ended.err) == (2, False)
    assert "#1 may exist: it was not compared with a complete listing" in ended.err


def test_the_sheet_of_another_campaign_is_refused(night: Place) -> None:
    rows = read(proposed(night))
    rows[0]["decision"] = "absent"
    save(night.folder / "d.csv", rows)
    night.run("--campaign", "other", "--allow-existing", "--limit", 1)
    ended = night.command("settle", "job.csv", "--campaign", "other", "--decisions", "d.csv")
    assert ended.code == 2
    assert "d.csv:2: #1 belongs to campaign job, not to other" in ended.err
    written = night.command("settle", "job.csv", "--campaign", "other", "--proposals", "d.csv")
    assert written.code == 2
    assert "this is the sheet of decisions of campaign job, not of other" in written.err


@pytest.mark.parametrize("option", ["--absent", "--assign"])
def test_a_number_of_another_campaign_is_refused(night: Place, option: str) -> None:
    night.run("--campaign", "other", "--allow-existing", "--limit", 1)
    value = "#1" if option == "--absent" else f"#1={min(ours(night))}"
    ended = night.command("settle", "job.csv", "--campaign", "other", option, value)
    assert ended.code == 2
    assert "#1 belongs to campaign job, not to other" in ended.err
    assert "use --campaign job" in ended.err
    assert {row["status"] for row in night.ledger()} == {"unknown"}


def test_a_sheet_with_decisions_that_are_not_recorded_is_never_replaced(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    rows[0]["decision"] = "absent"
    save(path, rows)
    before = path.read_bytes()
    ended = night.command("settle", "job.csv", "--proposals", "d.csv", "--campaign", "job")
    assert ended.code == 2
    assert "1 decision in this sheet is not recorded yet; it is left as it is" in ended.err
    assert path.read_bytes() == before
    night.command("settle", "job.csv", "--decisions", "d.csv")
    assert night.command("settle", "job.csv", "--proposals", "d.csv").code == 1
    assert len(read(path)) == 22


def test_a_sheet_whose_rows_were_sent_again_is_replaced(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    rows[0]["decision"] = rows[1]["decision"] = "absent"
    save(path, rows)
    assert night.command("settle", "job.csv", "--decisions", "d.csv").code == 1
    night.server.sandbox.misbehave({"drop-answer": 1.0})
    night.run(*UNSETTLED)  # sends it again
    night.server.sandbox.misbehave({})
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert (ended.code, "was sent again after this sheet was written" in ended.err) == (2, True)
    assert night.command("settle", "job.csv", "--proposals", "d.csv").code == 1
    assert read(path)[0]["attempts"] == "2"


def test_a_batch_that_is_marked_for_two_items_says_to_leave_it_in_one(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    rows[0]["decision"] = rows[2]["decision"] = "0192a3b4-5678-7abc-8def-0123456789ac"
    save(path, rows)
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 2
    assert "in line 2; a batch belongs to one item only: leave it in one of the two" in ended.err


def test_another_file_is_never_replaced(night: Place) -> None:
    for name in ("job.csv", "ledgers/job.csv", "ledgers/ledger.db"):
        before = (night.folder / name).read_bytes()
        ended = night.command("settle", "job.csv", "--proposals", name)
        assert (ended.code, (night.folder / name).read_bytes()) == (2, before), ended.err
    assert night.command("settle", "job.csv", "--proposals", "d.ods").code == 2
    assert not (night.folder / "d.ods").exists()


def test_a_suggestion_is_made_where_one_is_clearly_best_and_is_never_taken_by_itself(
    night: Place,
) -> None:
    own = ours(night)
    with closing(sqlite3.connect(night.folder / "ledgers" / "ledger.db")) as database, database:
        # As if answers had shown by how much the clocks differ.
        for (batch_id,) in database.execute("SELECT batch_id FROM candidates").fetchall():
            known = {"fits": batch_id in own, "batch": batch_id}
            database.execute(
                "UPDATE candidates SET time_fits = :fits WHERE batch_id = :batch", known
            )
    ended = night.command("settle", "job.csv", "--proposals", "d.csv")
    assert ", 24 candidates, 12 suggestions." in ended.out
    rows = read(night.folder / "d.csv")
    assert {row["suggestion"] for row in rows} == {"", *own}
    assert all(row["suggestion"] in ("", row["candidate_id"]) for row in rows)
    best = next(row for row in rows if row["suggestion"])
    assert best["suggestion_reason"].startswith("Same name, instructions, dataset and account; ")
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert "Recorded: nothing. 12 duplicates of job are still unknown." in ended.out
    for row in rows:
        row["decision"] = row["suggestion"]  # a person copies the whole column
    save(night.folder / "d.csv", rows)
    assert night.command("settle", "job.csv", "--decisions", "d.csv").code == 0
    assert {row["new_batch_id"] for row in night.ledger()} == own


def test_what_is_unknown_without_candidates_has_a_row_too(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"drop-answer": 1.0}, seed=3))
    place.job({"batch_id": source_id(1), "name": "Row"})
    place.run(*UNSETTLED)
    assert place.command("settle", "job.csv", "--proposals", "d.csv", "--json").summary == {
        "campaign": "job", "file": "d.csv", "duplicates": 1, "candidates": 0, "suggestions": 0,
        "exit_code": 1,
    }  # fmt: skip
    (row,) = rows = read(place.folder / "d.csv")
    assert (row["candidate_id"], row["name"]) == ("", "Row")
    row["decision"] = str(place.world.duplicates[0]["id"])
    save(place.folder / "d.csv", rows)
    place.server.sandbox.misbehave({})
    assert place.command("settle", "job.csv", "--decisions", "d.csv").code == 0
    assert place.ledger()[0]["settled_by"] == "person"
    ended = place.command("settle", "job.csv", "--proposals", "d.csv")
    assert (ended.code, "because nothing is unknown" in ended.out) == (0, True)
    assert read(place.folder / "d.csv") == []


REFUSED = (
    (("--proposals", "d.csv", "--decisions", "d.csv"), "cannot be combined with"),
    (("--decisions", "d.csv", "--absent", "2"), "cannot be combined with"),
    (("--review", "--absent", "2"), "cannot be combined with"),
    (("--review",), "--review needs a terminal"),
    (("--decisions", "none.csv"), "none.csv: there is no such file"),
    (("--decisions", ""), "--decisions is empty"),
    (("--decisions", "job.csv"), "there is no sheet with the columns item and decision"),
    (("--proposals", "d.txt"), "a sheet is a .csv or an .xlsx file"),
    (("--proposals", "."), "a sheet is a .csv or an .xlsx file"),
)


def test_what_cannot_be_meant_is_refused(night: Place) -> None:
    for arguments, says in REFUSED:
        ended = night.command("settle", "job.csv", *arguments)
        assert (ended.code, says in ended.err) == (2, True), (arguments, ended)
    ended = night.command("settle", "--proposals", "d.csv")
    assert (ended.code, "add the JOB" in ended.err) == (2, True), ended.err


def test_several_options_are_recorded_together_or_not_at_all(night: Place) -> None:
    own = sorted(ours(night))
    both = ("--assign", f"2.1={own[0]}", "--assign", f"2.2={own[0]}")
    ended = night.command("settle", "job.csv", *both)
    assert (ended.code, f"{own[0]} is given for #1 and #2" in ended.err) == (2, True)
    assert {row["status"] for row in night.ledger()} == {"unknown"}
    for twice in (("--assign", f"2.1={own[0]}", "--absent", "2.1"), ("--absent", "2.1") * 2):
        ended = night.command("settle", "job.csv", *twice)
        assert (ended.code, "#1 is decided twice; decide it once" in ended.err) == (2, True)
    assert {row["status"] for row in night.ledger()} == {"unknown"}
    ended = night.command("settle", "job.csv", "--absent", "2.1", "--absent", "2.2", "--json")
    assert json.loads(ended.out)["absent"] == 2


def test_the_report_has_the_same_sheet(night: Place) -> None:
    path = proposed(night)
    assert night.command("report", "job.csv").code == 0
    page = (night.folder / "ledgers" / "job.html").read_text("utf-8")
    (data,) = re.findall(r'id="sheet-csv">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data) == path.read_text("utf-8")


def decided_in(path: Path) -> set[str]:
    header, *rows = openpyxl.load_workbook(path)["Decisions"].values
    return {str(row[header.index("decision")]) for row in rows if row[header.index("decision")]}


@pytest.mark.parametrize("by_libreoffice", [False, True])
def test_decisions_in_the_ledger_workbook_survive_what_writes_it_again(
    place_with: WithOptions, by_libreoffice: bool
) -> None:
    night = bad_night(place_with, "--ledger", "wave.xlsx")
    path, kept = night.folder / "wave.xlsx", night.folder / "wave-decisions.xlsx"
    fill_in(path, "Decisions", night)
    if by_libreoffice:
        saved_by_libreoffice(path).replace(path)
    ended = night.command("settle", "job.csv", "--settle-after", 0.1)
    assert "decisions that were filled in there are not recorded; they are kept in" in ended.err
    assert str(kept) in ended.err
    assert decided_in(kept) == ours(night)
    again = night.run("--ledger", "wave.xlsx", "--settle-after", 0.1)
    assert (again.code, "are kept in" in again.err) == (1, False), "it has none any more"
    ended = night.command("settle", "job.csv", "--decisions", kept.name)
    assert ended.code == 0, ended.err
    header, *rows = openpyxl.load_workbook(path)["Ledger"].values
    assert {row[header.index("new_batch_id")] for row in rows} == ours(night)
    assert not (night.folder / "wave-decisions-2.xlsx").exists()


def test_a_run_keeps_them_too_and_never_replaces_what_was_kept(place_with: WithOptions) -> None:
    night = bad_night(place_with, "--ledger", "wave.xlsx")
    path, kept = night.folder / "wave.xlsx", night.folder / "wave-decisions.xlsx"
    kept.write_text("mine", "utf-8")
    fill_in(path, "Decisions", night)
    ended = night.run("--ledger", "wave.xlsx", "--settle-after", 0.1)
    assert ended.err.count("wave-decisions-2.xlsx") == 1, ended.err
    assert kept.read_text("utf-8") == "mine"
    assert decided_in(night.folder / "wave-decisions-2.xlsx") == ours(night)


def test_a_mistyped_id_is_reported_with_its_line_and_nothing_is_recorded(night: Place) -> None:
    path = proposed(night)
    rows = read(path)
    mistyped = "00000000-0000-4000-8000-000000000009"
    rows[0] |= {"candidate_id": mistyped, "decision": mistyped}
    wrong = f"{rows[2]['source_batch_id'][:-2]}ff"
    rows[2] |= {"source_batch_id": wrong, "decision": rows[2]["candidate_id"]}
    rows[4]["decision"] = rows[4]["candidate_id"]
    save(path, rows)
    before = night.ledger()
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 2
    assert f"d.csv:2: {mistyped}: there is no batch with this id, or your token may" in ended.err
    assert f"d.csv:4: source_batch_id: the source of {rows[2]['item']} is " in ended.err
    assert f", not {wrong}: if the id is mistyped, correct it or empty the cell" in ended.err
    assert "Nothing was recorded. Correct the sheet, and run the command again." in ended.err
    assert night.ledger() == before


def test_every_suggestion_is_accepted_at_one_stroke_unless_the_item_has_a_decision(
    night: Place,
) -> None:
    path = proposed(night)
    rows, own = read(path), ours(night)
    for row in rows:  # as if each had a suggestion
        row["suggestion"] = row["candidate_id"] if row["candidate_id"] in own else ""
    first, last = rows[0]["item"], rows[-1]["item"]
    next(row for row in rows if row["item"] == first)["decision"] = "absent"
    for row in rows:
        row["suggestion"] = "" if row["item"] == last else row["suggestion"]
    save(path, rows)
    alone = night.command("settle", "job.csv", "--accept-suggestions")
    assert (alone.code, "add --decisions" in alone.err) == (2, True), alone.err
    recording = ("settle", "job.csv", "--decisions", "d.csv", "--accept-suggestions", "--json")
    ended = night.command(*recording)
    assert ended.code == 1, ended.err
    assert (ended.summary["assigned"], ended.summary["absent"]) == (10, 1)
    ledger = night.ledger()
    assert [row["status"] for row in ledger] == ["pending", *["created"] * 10, "unknown"]
    assert {row["new_batch_id"] for row in ledger[1:11]} < own
