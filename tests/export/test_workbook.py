"""The ledger file as a workbook: what other programs see in it, and that reading returns what was
written."""

from __future__ import annotations

import datetime as dt
import errno
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ledgers import (
    NOW,
    claim,
    connection_of,
    ending,
    look_up,
    opened,
    record,
    undecided,
    uuid,
)
from tests.support.workbooks import (
    COMMANDS,
    content,
    opened_by_another,
    row,
    saved_by_libreoffice,
    table,
)
from worker.export import csv_format, workbook
from worker.export.commands import Invocation
from worker.export.content import SHORTENED
from worker.export.formats import ledgers_in, read_file
from worker.export.ledger_file import LEDGER_FILE, write_ledger_file
from worker.export.own_files import refuse_foreign_file
from worker.export.workbook.sheets import write
from worker.export.workbook.style import line_count
from worker.export.workbook.summary import ACTIVE, CHOSEN, MORE_OPTIONS, REHEARSAL
from worker.ledger.rows import COLUMNS
from worker.model.errors import UsageError

HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@a",
    "{=1}",
    "'quoted",
    "http://example.com/",
    "mailto:a@b.c",
    "internal:A1",
    "007",
    "1e5",
    "12345678901234567890",
    "TRUE",
    "2026-03-01",
    "a\nb",
    "  spaced  ",
    "\ttab",
    "<b>&amp;</b>",
    '"',
    "<r>not ours & broken</r>",
    "<r><t>not ours</t></r>",
    "<r></r>",
    "<r> </r>",
    "\x00\x07\x1b[31m",
    "_x0041_",
    "_x005F_",
    "é漢😀",
    "\u202eright to left",
    "\u2028",
    "#REF!",
    "x" * 32_767,
)


def written(*rows: dict[str, Any], own: tuple[str, ...] = (), **options: Any) -> bytes:
    file = io.BytesIO()
    write(file, content(rows, own), **options)
    return file.getvalue()


def in_folder(folder: Path, data: bytes, name: str = "ledger.xlsx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# -- what another program sees


def test_dates_are_dates_in_utc_numbers_are_numbers_and_the_rest_is_text() -> None:
    book = opened_by_another(written(row(2, x_own="007"), own=("x_own",)))
    cells = dict(zip((*COLUMNS, "x_own"), book["Ledger"][2], strict=True))
    for column in ("created_at", "first_sent_at", "last_sent_at"):
        assert cells[column].value == dt.datetime(2026, 3, 1, 12, 0)
        assert cells[column].number_format.endswith('" UTC"')
    assert {
        name for name, cell in cells.items() if cell.data_type == "n" and cell.value is not None
    } == {"line", "copy", "attempts", "http_status"}
    assert cells["x_own"].value == "007"
    assert cells["source_batch_id"].value == uuid(1)
    assert cells["upload_new_dataset"].value == "false"
    assert cells["error"].value is None


def test_the_header_is_bold_and_filters_every_row() -> None:
    sheet = opened_by_another(written(row(2), row(3), own=()))["Ledger"]
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.auto_filter.ref == "A1:T3"
    assert sheet.column_dimensions["G"].width >= len(uuid(1)), "an id is seen whole"


def test_each_status_has_a_color_of_its_own() -> None:
    statuses = ("created", "failed", "unknown", "pending")
    sheet = opened_by_another(
        written(*(row(n, status=status) for n, status in enumerate(statuses, 2)))
    )["Ledger"]
    assert len({sheet.cell(n, 6).fill.fgColor.rgb for n in range(2, 6)}) == 4


def test_no_text_is_ever_a_formula_a_link_or_a_number() -> None:
    rows = [
        row(n, name=text, error=text, campaign=text, x_a=text) for n, text in enumerate(HOSTILE, 2)
    ]
    book = opened_by_another(written(*rows, own=("x_a",)))
    for sheet in book:
        for line in sheet.iter_rows():
            for cell in line:
                assert cell.data_type != "f"
                assert cell.hyperlink is None
    for wanted, found in zip(rows, table(book), strict=True):
        if wanted[
            "name"
        ].isprintable():  # openpyxl keeps the workbook's own escapes of other characters
            assert (
                found["name"]
                == found["x_a"]
                == found["error"]
                == wanted["name"].replace("_x", "_x005F_x")
            )


def test_the_file_is_well_formed_xml_whatever_its_text() -> None:
    data = written(
        *(row(n, name=text, x_a=text) for n, text in enumerate(HOSTILE, 2)), own=("x_a",)
    )
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        for name in parts.namelist():
            ElementTree.fromstring(parts.read(name))


# -- on the screen and on paper


def test_the_header_and_the_columns_that_identify_a_row_stay_in_view() -> None:
    sheet = opened_by_another(written(row(2)))["Ledger"]
    assert sheet.freeze_panes == "D2"
    assert [cell.value for cell in sheet[1][:3]] == ["line", "source_batch_id", "name"]


def test_every_sheet_prints_on_a4_landscape_one_page_wide_with_page_numbers() -> None:
    sheets: Any = opened_by_another(written(row(2), row(3), rows_of_a_sheet=2))
    for sheet in sheets:
        page = sheet.page_setup
        assert (page.paperSize, page.orientation) == (9, "landscape")
        assert (page.fitToWidth or 1, page.fitToHeight) == (1, 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.oddFooter.right.text == "Page &P of &N"
        assert sheet.oddFooter.left.text == f"{sheet.title} of campaign spring, {NOW[:10]}"
        assert sheet.print_title_rows == (None if sheet.title == "Summary" else "$1:$1")


def test_columns_that_people_seldom_need_are_folded_and_so_not_printed() -> None:
    sheet: Any = opened_by_another(written(row(2, x_own="a"), own=("x_own",)))["Ledger"]
    shown = [
        cell.value
        for cell in sheet[1]
        if not any(
            column.hidden and column.min <= cell.column <= column.max
            for column in sheet.column_dimensions.values()
        )
    ]
    assert shown == [
        "line", "source_batch_id", "name", "upload_new_dataset", "copy", "status", "new_batch_id",
        "error", "warning", "x_own",
    ]  # fmt: skip
    assert [key for key, one in sheet.column_dimensions.items() if one.collapsed] == ["M", "T"]


def test_a_row_is_as_high_as_its_text_needs() -> None:
    rows = (row(2), row(3, name="x" * 60), row(4, status="failed", error="a\nb\nc"))
    sheet = opened_by_another(written(*rows))["Ledger"]
    assert [sheet.row_dimensions[n].height for n in (2, 3, 4)] == [None, 30, 45]


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", 1), ("x" * 10, 1), ("x" * 11, 2), ("漢" * 6, 2), ("a\nb", 2), ("\n", 2), ("x" * 999, 27)],
)
def test_lines_are_counted_by_length(text: str, lines: int) -> None:
    assert line_count(text, 10) == lines


def test_the_footer_of_a_long_campaign_fits(recwarn: pytest.WarningsRecorder) -> None:
    whole = content([row(2)])
    about = whole.about._replace(campaign="a & b " * 50, sandbox=True)
    file = io.BytesIO()
    write(file, whole._replace(about=about))
    assert not recwarn.list
    sheet: Any = opened_by_another(file.getvalue())["Ledger"]
    assert sheet.oddFooter.left.text.startswith("Rehearsal: Ledger of campaign a ")


# -- the first sheet


def summary(*rows: dict[str, Any]) -> str:
    sheet = opened_by_another(written(*rows)).worksheets[0]
    assert sheet.title == "Summary"
    return "\n".join(
        " | ".join(str(cell) for cell in line if cell is not None) for line in sheet.values
    )


def test_the_summary_says_what_was_requested_what_exists_and_that_nothing_is_left_to_do() -> None:
    text = summary(row(2), row(3))
    assert text.startswith(
        "Ledger of campaign spring\n2 of 2 duplicates created (2026-03-01 12:00 UTC)\n"
    )
    for part in (
        "job file | /jobs/spring.csv",
        "latest run | run-1",
        "database | /ledgers/ledger.db",
        "created | 2 | exists",
    ):
        assert part in text
    assert "What to do next\nNothing." in text


def test_the_summary_lists_the_next_steps_with_commands_that_work_in_any_folder() -> None:
    text = summary(
        row(2),
        row(3, status="failed", error="422: no", new_batch_id=None),
        row(4, status="unknown", error="no answer", copy=3, copies=12),
        row(5, status="pending", error=None),
    )
    assert "\n1 of 4 duplicates created (" in text
    for command in (COMMANDS.run(), COMMANDS.settle(), COMMANDS.retry()):
        assert f"\n{command}\n" in text
    assert (
        "1. Run the job again\nThe next run sends 1 pending duplicate and rechecks 1 unknown"
        in text
    )
    assert "\n2. Look at the duplicate that the API rejected\nA run does not try it again" in text
    assert "\nUnknown duplicates: 1\nduplicate | name | why\n" in text
    assert "\nline 4, copy 3 of 12 | Wave 4 | no answer\n" in text
    assert "\nline 3 | Wave 3 | 422: no\n" in text
    assert "\n1 | 422: no\n" in text


def undecided_row(number: int) -> dict[str, Any]:
    known = undecided(number, "several batches fit", uuid(number), uuid(100 + number))
    return row(number, status="unknown", new_batch_id=None, **known)


def test_the_summary_has_the_command_and_the_options_that_record_decisions() -> None:
    text = summary(*(undecided_row(n) for n in range(2, 10)))
    assert "\n1. 8 duplicates may already exist: check and decide\nFor each, a request" in text
    assert f"\n{COMMANDS.settle()}\nduplicate | name | option\n" in text
    for n in range(2, 10):
        assert (
            f"\nline {n} | Wave {n} | --assign '#{n}={uuid(n)}'\n"
            f"or | --assign '#{n}={uuid(100 + n)}'\n"
            f"or, if none is the copy | --absent '#{n}'\n" in text
        )
    assert MORE_OPTIONS not in text
    assert COMMANDS.run() not in text, "a run would do nothing about them"
    assert "\n8 | may exist: several batches fit\n" in text, "one reason, whatever the candidates"


def test_the_summary_says_how_many_decisions_it_shows() -> None:
    settles_itself = [row(n, status="unknown", error="no answer") for n in range(2, 32)]
    text = summary(*settles_itself, *(undecided_row(n) for n in range(32, 77)))
    assert f"\n20 of 45 shown. {MORE_OPTIONS}\n" in text
    assert text.count("--absent") == 20, "rows that a run settles by itself take no place"
    assert "\nUnknown duplicates: 20 of 75 shown\n" in text


def test_a_duplicate_that_left_the_job_is_named_by_its_number() -> None:
    text = summary(row(7, line=None, status="failed", error="422: no"))
    assert "\n#7 | Wave 7 | 422: no\n" in text


def test_a_summary_says_if_a_run_is_active_or_a_rehearsal() -> None:
    file = io.BytesIO()
    whole = content([row(2, status="pending", error=None)])
    write(file, whole._replace(about=whole.about._replace(active=True, sandbox=True)))
    lines = [str(line[0]) for line in opened_by_another(file.getvalue())["Summary"].values]
    plain = summary(row(2, status="pending", error=None))
    for said in (ACTIVE, REHEARSAL):
        assert said in lines
        assert said not in plain


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ("only created", row(2)),
        (
            "also duplicates that are no longer in the job",
            row(2, line=None, status="pending", error=None),
        ),
    ],
)
def test_a_summary_of_chosen_rows_leaves_the_next_steps_to_the_report(
    choice: str, shown: dict[str, Any]
) -> None:
    file, whole = io.BytesIO(), content([shown])
    write(file, whole._replace(about=whole.about._replace(choice=choice)))
    values = opened_by_another(file.getvalue())["Summary"].values
    text = "\n".join(str(cell) for line in values for cell in line if cell is not None)
    assert f"\nWhat to do next\n{CHOSEN}\n{COMMANDS.report()}\n" in text
    assert "Nothing." not in text
    assert COMMANDS.run() not in text


def test_the_summary_of_many_failures_stays_short_and_says_what_it_leaves_out() -> None:
    text = summary(*(row(n, status="failed", error=f"reason {n}") for n in range(2, 502)))
    assert "failed | 500" in text
    assert "\nWhy duplicates are not created: 20 of 500 shown\n" in text
    assert "\nFailed duplicates: 20 of 500 shown\n" in text
    assert len(text.splitlines()) < 100


# -- more rows than a sheet can contain


def test_what_one_sheet_cannot_hold_continues_in_the_next_and_is_read_from_all(
    tmp_path: Path,
) -> None:
    data = written(*(row(n) for n in range(2, 9)), rows_of_a_sheet=4)
    book = opened_by_another(data)
    assert book.sheetnames == ["Summary", "Ledger", "Ledger 2", "Ledger 3"]
    assert [len(table(book, name)) for name in book.sheetnames[1:]] == [3, 3, 1]
    assert book["Ledger 3"].auto_filter.ref == "A1:T2"
    lines = [found["line"] for _, found in workbook.read(in_folder(tmp_path, data))]
    assert lines == [str(n) for n in range(2, 9)]


@pytest.mark.parametrize(("rows", "sheets"), [(0, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_there_is_never_a_sheet_too_many(rows: int, sheets: int) -> None:
    data = written(*(row(n) for n in range(rows)), rows_of_a_sheet=4)
    assert len(opened_by_another(data).sheetnames) == 1 + sheets


# -- read back


TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, st.sampled_from(["created", "unknown"])), max_size=8))
def test_both_formats_return_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, found: list[Any]
) -> None:
    rows = [
        row(n, name=name, x_a=own, status=status) for n, (name, own, status) in enumerate(found, 2)
    ]
    folder = tmp_path_factory.mktemp("formats")
    book = in_folder(folder, written(*rows, own=("x_a",)))
    with (folder / "ledger.csv").open("wb") as file:
        csv_format.write(file, content(rows, ("x_a",)))
    assert [texts for _, texts in read_file(book)] == [
        texts for _, texts in read_file(folder / "ledger.csv")
    ]


def test_a_message_names_the_sheet_and_the_row(tmp_path: Path) -> None:
    path = in_folder(tmp_path, written(row(2), row(3)))
    assert [where for where, _ in read_file(path)] == [
        f"{path}: sheet Ledger, row {n}" for n in (2, 3)
    ]


def test_libreoffice_shows_what_was_written_and_what_it_saves_is_read_back(tmp_path: Path) -> None:
    plain = [text for text in HOSTILE if "\x00" not in text and text != "\u2028"]
    rows = [row(n, name=text, error=text[:100], x_a=text) for n, text in enumerate(plain, 2)]
    path = in_folder(tmp_path, written(*rows, own=("x_a",)))
    saved = saved_by_libreoffice(path)

    assert saved.read_bytes() != path.read_bytes()
    assert list(_texts(saved)) == list(_texts(path))
    assert {
        cell.data_type for line in opened_by_another(saved)["Ledger"].iter_rows() for cell in line
    } <= {
        "s",
        "n",
        "d",
    }


def test_libreoffice_runs_nothing(tmp_path: Path) -> None:
    path = in_folder(tmp_path, written(row(2, name="=1+1"), row(3, name='=HYPERLINK("http://x")')))
    shown = saved_by_libreoffice(
        path, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,2"
    )
    (shown_file,) = shown.parent.glob("*.csv")
    lines = shown_file.read_text("utf-8").splitlines()
    assert lines[0].startswith("line,source_batch_id,name")
    assert "=1+1" in lines[1]
    assert "=HYPERLINK" in lines[2]
    assert "2026-03-01 12:00:00" in lines[1]


def _texts(path: Path) -> Iterator[dict[str, str]]:
    for _, texts in read_file(path):
        yield dict(texts)


def test_a_book_that_a_person_has_worked_in_is_still_the_ledger(tmp_path: Path) -> None:
    path = in_folder(tmp_path, written(row(2), row(3, name="other"), own=()))
    book = opened_by_another(path)
    del book["Summary"]
    sheet = book["Ledger"]
    sheet.title = "Monday"
    sheet["R1"], sheet["R2"] = "my notes", "look at this"
    sheet.move_range("A3:Q3", rows=2)
    book.create_sheet("Scratch", 0)["A1"] = "line"
    book.save(path)

    refuse_foreign_file(LEDGER_FILE, path, "spring")
    first, second = _texts(path)
    assert (first["name"], first["my notes"], first["line"], first["created_at"]) == (
        "Wave 2", "look at this", "2", "2026-03-01T12:00:00.000Z"
    )  # fmt: skip
    assert second["name"] == "other"


def test_rows_that_a_spreadsheet_padded_it_with_are_no_rows(tmp_path: Path) -> None:
    path = in_folder(tmp_path, written(row(2), row(3, name="other"), own=()))
    book = opened_by_another(path)
    sheet = book["Ledger"]
    sheet.move_range("A3:Q3", rows=3)
    sheet["A3"], sheet["C4"] = "\u00a0", ""
    for number in range(7, 60):
        sheet.cell(number, 1 + number % 17).value = " \t"
    book.save(path)
    assert [texts["name"] for texts in _texts(path)] == ["Wave 2", "other"]


# -- files that are not a ledger


def other_workbook() -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    book.worksheets[0].append(["line", "name"])
    book.save(file)
    return file.getvalue()


DAMAGED = (
    b"",
    b"PK\x03\x04",
    b"line,source_batch_id",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000),
)


@pytest.mark.parametrize("data", [*DAMAGED, other_workbook()])
def test_a_file_that_is_no_ledger_is_never_replaced(data: bytes, tmp_path: Path) -> None:
    path = in_folder(tmp_path, data)
    with pytest.raises(UsageError, match="is not a ledger file"):
        refuse_foreign_file(LEDGER_FILE, path, "spring")
    with pytest.raises(UsageError):
        list(read_file(path))
    assert path.read_bytes() == data


def test_a_csv_with_the_name_of_a_workbook_is_not_a_ledger_nor_the_reverse(tmp_path: Path) -> None:
    in_folder(tmp_path, written(row(2)), "a.csv")
    with (tmp_path / "b.xlsx").open("wb") as file:
        csv_format.write(file, content([row(2)]))
    for name in ("a.csv", "b.xlsx"):
        with pytest.raises(UsageError, match="is not a ledger file"):
            refuse_foreign_file(LEDGER_FILE, tmp_path / name, "spring")


PLACE = st.floats(0, 1, exclude_max=True)
"""A place in a file as a share of its length, which varies with the time of day."""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(PLACE, st.integers(0, 255)), min_size=1, max_size=4), st.none() | PLACE)
def test_a_damaged_workbook_ends_in_a_message(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[float, int]], end: float | None
) -> None:
    whole = bytearray(written(row(2), row(3)))
    for place, byte in flips:
        whole[int(place * len(whole))] = byte
    cut = len(whole) if end is None else int(end * len(whole))
    path = in_folder(tmp_path_factory.mktemp("damaged"), bytes(whole[:cut]))
    try:
        list(read_file(path))
    except UsageError as error:
        assert "this file is not a ledger" in str(error) or "the ledger file is damaged" in str(
            error
        )


# -- replaced at once


def test_a_real_ledger_is_written_and_replaced_and_the_folders_ledgers_are_known(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out" / "LEDGER.XLSX"
    with opened(tmp_path, "batch_id,name,copies,x_a", f"{uuid(1)},{{n}},3,'=x") as ledger:
        look_up(ledger)
        made, lost = claim(ledger, 2)
        record(ledger, ending(made, "created"), ending(lost, "unknown", error="no answer"))
        write_ledger_file(ledger, ledger.campaign, "spring", path, Invocation())
        write_ledger_file(ledger, ledger.campaign, "spring", path.with_name("b.csv"), Invocation())
        refuse_foreign_file(LEDGER_FILE, path, "spring")
        write_ledger_file(ledger, ledger.campaign, "spring", path, Invocation())

    assert sorted(one.name for one in path.parent.iterdir()) == ["LEDGER.XLSX", "b.csv"]
    assert list(_texts(path)) == list(_texts(path.with_name("b.csv")))
    assert [found["status"] for found in table(opened_by_another(path))] == [
        "created",
        "unknown",
        "pending",
    ]
    found = ledgers_in(path.parent, tmp_path / "ledger.db")
    assert [one.name for one in found] == ["LEDGER.XLSX", "b.csv"]
    assert ledgers_in(tmp_path / "nowhere", tmp_path / "ledger.db") == []


def test_rows_that_end_in_an_error_leave_the_old_workbook_and_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_folder(tmp_path, written(row(2)))
    before = path.read_bytes()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with opened(tmp_path, "batch_id,x_a", f"{uuid(1)},1", f"{uuid(2)},1") as ledger:
        connection_of(ledger).execute("UPDATE extras SET cells = '{no json' WHERE line = 3")
        with pytest.raises(ValueError, match="property name"):
            write_ledger_file(ledger, ledger.campaign, "spring", path, Invocation())
    assert path.read_bytes() == before
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_an_oserror() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        pytest.raises(OSError, match=f"Errno {errno.ENOSPC}"),
    ):
        write(file, content([row(2)]))


def test_a_text_that_a_cell_cannot_hold_says_so(tmp_path: Path) -> None:
    (texts,) = _texts(in_folder(tmp_path, written(row(2, name="x" * 40_000))))
    assert len(texts["name"]) == 32_767
    assert texts["name"].endswith(SHORTENED)
