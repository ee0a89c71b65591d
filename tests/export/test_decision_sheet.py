"""Sheets to decide in, as files: written, and read as programs save them."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.ledgers import LATER, NOW, uuid
from tests.support.workbooks import content, opened_by_another, saved_by_libreoffice
from tests.support.workbooks import row as ledger_row
from worker.export import decision_sheet, workbook
from worker.export.filled_sheet import filled_in
from worker.export.own_files import refuse_foreign_file
from worker.export.proposals import COLUMNS, sheet_rows
from worker.ledger.decisions import Decision
from worker.ledger.proposals import Found, Undecided
from worker.model.attempts import Evidence
from worker.model.clock import seconds
from worker.model.errors import UsageError

HOSTILE = ("=HYPERLINK(1)", "'quoted", 'comma, "quotes"; tab\t', "two\nlines", "naïve 漢😀", "007")


def some() -> list[Undecided]:
    """An item for each hostile name, with two candidates of that name; the last has none."""
    items = []
    for n, name in enumerate(HOSTILE, start=1):
        found = tuple(
            Found(uuid(100 * n + k), name, LATER, "READY", Evidence(name=True)) for k in (1, 2)
        )
        items.append(Undecided(n, n + 1, 1, 1, uuid(1), name, name, 1, NOW, "why", found))
    return [*items, Undecided(99, 99, 1, 1, uuid(1), None, "None", 1, NOW, "why", ())]


def rows() -> list[dict[str, Any]]:
    return [dict(row) for row in sheet_rows(some(), "spring")]


def filled(number: int, decision: str) -> list[dict[str, Any]]:
    """The rows with a decision in row `number`, and `absent` for the last."""
    found = rows()
    found[number]["decision"], found[-1]["decision"] = decision, "absent"
    return found


def as_text(cells: list[dict[str, Any]], **dialect: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(cells[0]), **dialect)
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def decisions(path: Path) -> list[Decision]:
    found, problems = filled_in(decision_sheet.read(path))
    assert problems == []
    return [one.decision._replace(seen=one.decision.seen._replace(name="")) for one in found]


def expected() -> list[tuple[int, str | None]]:
    return [(2, uuid(201)), (99, None)]


def bare(found: list[Decision]) -> list[tuple[int, str | None]]:
    return [(one.item, one.batch_id) for one in found]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"d.{ending}"
    decision_sheet.write(path, filled(2, uuid(201)), "Decisions")
    assert bare(decisions(path)) == expected()
    names = {row.cells["name"] for row in decision_sheet.read(path)}
    assert len(names) == len(HOSTILE) + 1
    refuse_foreign_file(decision_sheet.SHEET_FILE, path, "spring")


def test_a_workbook_has_numbers_times_and_text_and_marks_what_is_to_fill_in(
    tmp_path: Path,
) -> None:
    path = tmp_path / "d.xlsx"
    decision_sheet.write(path, rows(), "Decisions")
    sheet = opened_by_another(path)["Decisions"]
    header, first, *_ = sheet.iter_rows()
    cells = dict(zip((cell.value for cell in header), first, strict=True))
    assert tuple(cells) == COLUMNS
    assert (cells["item"].value, cells["line"].value) == ("#1", 2)
    assert isinstance(cells["candidate_created_at"].value, dt.datetime)
    assert (cells["name"].value, cells["name"].data_type) == ("=HYPERLINK(1)", "s")
    assert cells["decision"].value is None
    assert cells["decision"].fill.fgColor.rgb == "FFFFF8DC"
    choices = {str(one.sqref): one.formula1 for one in sheet.data_validations.dataValidation}
    assert choices[cells["decision"].coordinate] == '"ours,absent"'


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "as it is": lambda cells: as_text(cells).encode(),
    "with a byte order mark": lambda cells: as_text(cells).encode("utf-8-sig"),
    "with semicolons": lambda cells: as_text(cells, delimiter=";").encode("utf-8-sig"),
    "with tabs": lambda cells: as_text(cells, delimiter="\t").encode(),
    "UTF-16, as Excel's Unicode text": lambda cells: as_text(cells, delimiter="\t").encode(
        "utf-16"
    ),
    "in a code page": lambda cells: as_text(cells, delimiter=";").encode("cp1252", "replace"),
    "with every cell in quotes": lambda cells: as_text(cells, quoting=csv.QUOTE_ALL).encode(),
    "reordered": lambda cells: as_text([dict(reversed(row.items())) for row in cells]).encode(),
    "with dropped columns": lambda cells: as_text(
        [{k: row[k] for k in ("decision", "item")} for row in cells]
    ).encode(),
    "with added columns": lambda cells: as_text(
        [{"mine": "x,y", **row, "": "", "note": "?"} for row in cells]
    ).encode(),
    "sorted": lambda cells: as_text(cells[::-1]).encode(),
    "with padded empty rows": lambda cells: (
        b"\r\n,,,\r\n" + as_text(cells).encode() + b",,,,,,,,,,,,,,,,,,,,,,\r\n;;\r\n\r\n"
    ),
    "with text marks": lambda cells: as_text(
        [{k: f"'{v}" if v else v for k, v in row.items()} for row in cells]
    ).encode(),
    "with headers in capitals": lambda cells: as_text(
        [{f" {k.upper()} ": v for k, v in row.items()} for row in cells]
    ).encode(),
    "without a last line end": lambda cells: as_text(cells).rstrip().encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_is_read_as_programs_save_it(tmp_path: Path, form: str) -> None:
    path = tmp_path / "saved.csv"
    path.write_bytes(FORMS[form](filled(2, uuid(201))))
    assert sorted(bare(decisions(path))) == expected()


@pytest.mark.parametrize("ending", ["csv", "xlsx", "ods"])
@pytest.mark.parametrize("written", ["csv", "xlsx"])
def test_it_is_read_as_libreoffice_saves_it(tmp_path: Path, written: str, ending: str) -> None:
    path = tmp_path / f"d.{written}"
    decision_sheet.write(path, filled(2, uuid(201)), "Decisions")
    saved = saved_by_libreoffice(path, ending)
    found = decisions(saved)
    assert bare(found) == expected()
    assert [(one.seen.line, one.seen.copy, one.seen.attempts) for one in found] == [
        ("3", "1", "1"),
        ("99", "1", "1"),
    ]
    assert {one.seen.source_batch_id for one in found} == {uuid(1)}
    assert {seconds(one.seen.last_sent_at) for one in found} == {seconds(NOW)}


def test_a_workbook_that_a_person_has_worked_in_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.xlsx"
    decision_sheet.write(path, filled(2, uuid(201)), "Decisions")
    book = openpyxl.load_workbook(path)
    sheet = book["Decisions"]
    sheet.title = "My decisions"
    sheet.insert_cols(1)
    sheet.insert_rows(1, 2)
    sheet.delete_cols(5, 3)
    book.create_sheet("Notes", 0).append(["item", "what I think"])
    book.save(path)
    found, problems = filled_in(decision_sheet.read(path))
    assert problems == []
    assert [(one.row.line, one.row.sheet, one.decision.item) for one in found] == [
        (6, "My decisions", 2),
        (16, "My decisions", 99),
    ]
    with pytest.raises(UsageError, match="not a sheet of decisions; it is left as it is"):
        refuse_foreign_file(decision_sheet.SHEET_FILE, path, "spring")


BROKEN = {
    "a quote that is not closed": (b'item,decision\n#1,absent\n#2,"absent\n#3,absent\n', ":3: "),
    "no such columns": (
        b"item,verdict\n#1,absent\n",
        "no sheet with the columns item and decision",
    ),
    "a column twice": (b"item,decision,decision\n#1,absent,\n", "column decision appears twice"),
    "empty": (b"", "no sheet with the columns"),
    "no text": (b"\xff\xfeabc", "not text"),
    "half a workbook": (b"PK\x03\x04 and no more", "cannot be read"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_to_its_end_is_refused(tmp_path: Path, what: str) -> None:
    data, says = BROKEN[what]
    path = tmp_path / "d.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=f"d.csv.*{says}"):
        list(decision_sheet.read(path))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        list(decision_sheet.read(tmp_path / "d.csv"))


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('\nitem,name,decision\n#1,"two\nlines",absent\n\n#2,x,absent\n', "utf-8")
    assert [row.line for row in decision_sheet.read(path)] == [3, 6]


FOREIGN = {
    "own.csv": b"item,decision\nmilk,buy\n",
    "notes.txt": b"decide",
    "empty.csv": b"",
    "half.xlsx": b"PK\x03\x04",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_such_sheet_is_never_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FOREIGN[name])
    with pytest.raises(UsageError, match="not a sheet of decisions; it is left as it is"):
        refuse_foreign_file(decision_sheet.SHEET_FILE, path, "spring")


def test_a_ledger_file_is_no_such_sheet_even_if_it_contains_one(tmp_path: Path) -> None:
    path = tmp_path / "wave.xlsx"
    with path.open("wb") as file:
        workbook.write(file, content([ledger_row(2)])._replace(decisions=filled(2, uuid(201))))
    assert bare(decisions(path)) == expected()
    assert [cells["line"] for _, cells in workbook.read(path)] == ["2"], "it is still a ledger"
    with pytest.raises(UsageError, match="not a sheet of decisions; it is left as it is"):
        refuse_foreign_file(decision_sheet.SHEET_FILE, path, "spring")


def test_the_sheet_of_another_campaign_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    decision_sheet.write(path, rows(), "Decisions")
    with pytest.raises(UsageError, match="of campaign spring, not of autumn"):
        refuse_foreign_file(decision_sheet.SHEET_FILE, path, "autumn")


def test_a_workbook_without_unknown_rows_has_no_such_sheet(tmp_path: Path) -> None:
    path = tmp_path / "wave.xlsx"
    with path.open("wb") as file:
        workbook.write(file, content([ledger_row(2)]))
    assert opened_by_another(path).sheetnames == ["Summary", "Ledger"]


@pytest.mark.parametrize("by_libreoffice", [False, True])
def test_a_candidate_in_a_workbook_is_a_link_to_its_page(
    tmp_path: Path, by_libreoffice: bool
) -> None:
    path = tmp_path / "d.xlsx"
    linked = [dict(row) for row in sheet_rows(some(), "spring", "https://example.org/b/{id}?x#y")]
    decision_sheet.write(path, linked, "Decisions")
    if by_libreoffice:
        path = saved_by_libreoffice(path)
    header, *cells = opened_by_another(path)["Decisions"].iter_rows()
    at = [cell.value for cell in header].index("candidate_url")
    addresses = [f"https://example.org/b/{row['candidate_id']}?x#y" for row in linked[:-1]]
    links = [row[at].hyperlink for row in cells]
    assert [link and (link.target, link.location) for link in links] == [
        *(tuple(address.split("#")) for address in addresses), None
    ]  # fmt: skip
    assert [row[at].value for row in cells] == [*addresses, None]


def test_an_address_that_is_too_long_for_a_link_is_text(tmp_path: Path) -> None:
    path = tmp_path / "d.xlsx"
    address = f"https://example.org/{'b' * 2_100}/{{id}}"
    decision_sheet.write(path, sheet_rows(some()[:1], "spring", address), "Decisions")
    first = opened_by_another(path)["Decisions"][2]
    at = COLUMNS.index("candidate_url")
    assert (first[at].hyperlink, first[at].value) == (None, address.replace("{id}", uuid(101)))
