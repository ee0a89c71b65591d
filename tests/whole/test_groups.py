"""Copies of one row are decided together in a spreadsheet, by what a person can see there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import openpyxl

from tests.support.command import source_id
from tests.support.workbooks import saved_by_libreoffice
from tests.whole.conftest import Place
from tests.whole.test_decisions import UNSETTLED, WithOptions, read, save
from worker.sandbox.options import SandboxOptions

COPIES = (12, 2, 1)
"""How many copies each row of the job asks for. The first have 24 candidates each."""


def ambiguous_night(place_with: WithOptions, copies: tuple[int, ...]) -> tuple[Place, set[str]]:
    """A night whose every answer was lost, while a colleague with the same account made the same
    copies: a job row for each of `copies`. The place, and the batches that are ours."""
    place = place_with(SandboxOptions(latency=0, faults={"drop-answer": 1.0}, seed=3))
    place.job(
        *(
            {"batch_id": source_id(n), "name": f"Row {n}", "copies": many}
            for n, many in enumerate(copies)
        )
    )
    for _ in range(30):  # a run slows down after lost answers
        ended = place.run(*UNSETTLED)
        if ended.summary["counts"]["unknown"] == sum(copies):
            break
    assert ended.summary["counts"]["unknown"] == sum(copies), ended.err
    ours = {str(copy["id"]) for copy in place.world.duplicates}
    for copy in place.world.duplicates:
        source = place.world.find(copy["source_batch_id"])
        assert source is not None
        place.world.duplicate(source, str(copy["name"]), False)
    place.server.sandbox.misbehave({})
    settled = place.command("settle", "job.csv", "--settle-after", 0.1)
    assert settled.code == 1, settled.err
    return place, ours


def answer(path: Path, ours: set[str]) -> Counter[str]:
    """Fill in the sheet as a person does who looks at the page of each batch to see whose it is:
    in the rows of a group's first item, or of a single item. What it took."""
    book = openpyxl.load_workbook(path)
    header, *rows = book["Decisions"].iter_rows()
    at = {str(cell.value): number for number, cell in enumerate(header)}
    work: Counter[str] = Counter()
    first_of: dict[str, str] = {}
    for row in rows:
        item, group = str(row[at["item"]].value), row[at["group"]].value
        if first_of.setdefault(str(group or item), item) != item:
            continue
        work["looks"] += 1
        if row[at["candidate_id"]].value in ours:
            row[at["decision"]].value = "ours"
            work["cells"] += 1
    work["rows"], work["questions"] = len(rows), len(first_of)
    book.save(path)
    return work


def test_an_ambiguous_night_is_decided_by_one_answer_for_each_group(
    place_with: WithOptions,
) -> None:
    night, ours = ambiguous_night(place_with, COPIES)
    written = night.command_without_token("settle", "job.csv", "--proposals", "d.xlsx")
    assert written.code == 1, written.err
    assert " 0 suggestions" in written.out
    work = answer(night.folder / "d.xlsx", ours)
    assert work == {
        "rows": sum(2 * many + (many - 1) * min(2 * many, 10) for many in COPIES),
        "looks": sum(2 * many for many in COPIES),
        "cells": sum(COPIES),
        "questions": len(COPIES),
    }
    saved_by_libreoffice(night.folder / "d.xlsx").replace(night.folder / "d.xlsx")
    ended = night.command("settle", "job.csv", "--decisions", "d.xlsx")
    assert ended.code == 0, ended.err
    assert f"Recorded: {sum(COPIES)} assigned, 0 absent." in ended.out
    again = night.command("settle", "job.csv", "--decisions", "d.xlsx")
    assert again.code == 0, "a sheet may be recorded more than once: " + again.err
    ledger = night.ledger()
    assert {row["new_batch_id"] for row in ledger} == ours, "each of ours once, and no other"
    assert len(ledger) == sum(COPIES)
    source_of = {str(copy["id"]): str(copy["source_batch_id"]) for copy in night.world.duplicates}
    assert all(source_of[row["new_batch_id"]] == row["source_batch_id"] for row in ledger)
    made = night.world.made
    assert night.run().code == 0
    assert night.world.made == made, "nothing is created again"


def test_the_copies_of_a_group_are_absent_if_the_rows_of_its_first_show_all_candidates(
    place_with: WithOptions,
) -> None:
    night, _ = ambiguous_night(place_with, (13,))
    path = night.folder / "d.csv"
    assert night.command("settle", "job.csv", "--proposals", "d.csv").code == 1
    shown = read(path)
    assert "(16 more candidates are in the rows of #1)" in shown[-1]["why_unknown"]
    last = [row["suggestion_reason"] for row in shown if row["item"] == "#13"]
    assert last[0] == "Answer once for the group, in the rows of #1, which have 26 candidates"
    shown[-1]["decision"] = "absent"
    save(path, shown)
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert "#13 may exist as a batch that only the rows of another copy of its" in ended.err
    shown[-1]["decision"] = ""
    shown[0]["decision"] = "rest absent"
    save(path, [row for row in shown if row != shown[20]])
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 2
    assert f"may exist as {shown[20]['candidate_id']}, which was not shown" in ended.err
    save(path, shown)
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 0, ended.err
    assert "Recorded: 0 assigned, 13 absent." in ended.out


def test_a_batch_that_is_free_only_for_what_is_not_recorded_yet_is_looked_up(
    place_with: WithOptions,
) -> None:
    night, ours = ambiguous_night(place_with, (2,))
    assert night.command("settle", "job.csv", "--proposals", "d.csv").code == 1
    first, second = sorted(ours)
    rows = read(night.folder / "d.csv")
    rows = [row for row in rows if (row["item"], row["candidate_id"]) != ("#1", second)]
    for row in rows:
        if row["candidate_id"] == second:
            row["decision"] = "ours"
    save(night.folder / "d.csv", rows)
    assert night.command("settle", "job.csv", "--assign", f"#1={first}").code == 1
    ended = night.command("settle", "job.csv", "--decisions", "d.csv")
    assert ended.code == 0, ended.err
    assert {row["new_batch_id"] for row in night.ledger()} == ours
