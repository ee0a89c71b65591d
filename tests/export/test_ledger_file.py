"""The ledger file: its columns and cells, and that nobody ever sees half of it."""

from __future__ import annotations

import csv
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.ledgers import (
    LATER,
    NOW,
    claim,
    connection_of,
    ending,
    look_up,
    opened,
    record,
    source,
    uuid,
)
from tests.support.users import needs_closed_folders, not_root
from worker.export.commands import Invocation
from worker.export.csv_format import cell, is_ledger, write_rows
from worker.export.formats import read_file
from worker.export.ledger_file import (
    LEDGER_FILE,
    make_folder,
    write_ledger_file,
)
from worker.export.own_files import refuse_foreign_file
from worker.export.replacing import remove_leftovers, replaced
from worker.ledger.rows import COLUMNS, ledger_rows
from worker.ledger.store import Ledger
from worker.model.errors import UsageError
from worker.restore.reading import read_items

HEADER = (
    "line,source_batch_id,name,upload_new_dataset,copy,status,new_batch_id,new_batch_status,created_at,settled_by,"
    "attempts,http_status,error,first_sent_at,last_sent_at,campaign,run_id,"
    "tasks_per_group,setup_status,warning"
)


def write(ledger: Ledger, path: Path) -> None:
    write_ledger_file(ledger, ledger.campaign, "spring", path, Invocation())


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns_are_the_contracts(tmp_path: Path) -> None:
    path = tmp_path / "out" / "ledger.csv"
    with opened(tmp_path, "batch_id,x_b,x_a", f"{uuid(1)},2,") as ledger:
        write(ledger, path)

    assert path.read_text(encoding="utf-8").split("\n") == [
        f"{HEADER},x_b,x_a",
        f"2,{uuid(1)},,false,1,pending,,,,,0,,,,,spring,,,,,2,",
        "",
    ]


def test_every_status_is_shown_as_it_is_known_and_sent_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    with opened(
        tmp_path,
        "batch_id,name,copies,upload_new_dataset",
        f"{uuid(1)},{{n}},5,yes",
        run_id="run-x",
    ) as ledger:
        look_up(ledger)
        made, refused, lost, _ = claim(ledger, 4)
        record(
            ledger,
            ending(made, "created", batch_name="as the API has it"),
            ending(refused, "refused", http_status=400, error="HTTP 400: no"),
            ending(lost, "unknown", error="no answer"),
        )
        write(ledger, path)
    rows = read(path)

    assert [row["status"] for row in rows] == ["created", "failed", "unknown", "unknown", "pending"]
    assert rows[0] == {
        "line": "2",
        "source_batch_id": uuid(1),
        "name": "as the API has it",
        "upload_new_dataset": "true",
        "copy": "1",
        "status": "created",
        "new_batch_id": uuid(0xF000 + made.attempt_id),
        "new_batch_status": "READY",
        "created_at": NOW,
        "settled_by": "response",
        "attempts": "1",
        "http_status": "201",
        "error": "",
        "first_sent_at": NOW,
        "last_sent_at": NOW,
        "campaign": "spring",
        "run_id": "run-x",
        "tasks_per_group": "",
        "setup_status": "",
        "warning": "",
    }
    assert [row["error"] for row in rows[1:]] == [
        "HTTP 400: no",
        "no answer",
        "sent; no answer is recorded yet",
        "",
    ]
    assert [row["name"] for row in rows[1:]] == ["2", "3", "4", "5"]


def test_a_name_that_is_not_known_yet_shows_what_is_missing_and_none_that_the_api_gives(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.csv"
    with opened(
        tmp_path, "batch_id,name", f"{uuid(1)},of {{source_name}}", f"{uuid(1)},"
    ) as ledger:
        write(ledger, path)
        assert [row["name"] for row in read(path)] == ["of {source_name}", ""]
        look_up(ledger, source(name="Signs"))
        write(ledger, path)
        assert [row["name"] for row in read(path)] == ["of Signs", "Signs (Copy)"]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\n", "'"])
def test_a_formula_is_written_as_text(first: str) -> None:
    assert cell(f"{first}1+1") == f"'{first}1+1"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-1, "-1"),
        ("", ""),
        ("a=b", "a=b"),
        (" =1", " =1"),
        ("\r=1", "'\n=1"),
        ("a\rb\r\nc\n", "a\nb\nc\n"),
    ],
)
def test_other_cells_stay_and_line_ends_are_line_feeds(value: Any, shown: str) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    "name",
    ['a,"b"\nc', "a\rb", "\r\n", "=SUM(A1)", "é\u2028\u0085\x00x", "'quoted'", "😀", "a;b\tc"],
)
def test_any_name_that_the_api_gives_stays_one_cell(name: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    with opened(tmp_path, "batch_id", uuid(1)) as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger)[0], "created", batch_name=name))
        write(ledger, path)
        (exact,) = ledger_rows(ledger, ledger.campaign, "spring")
    (row,) = read(path)

    assert row["name"] == cell(name)
    assert (row["status"], row["run_id"]) == ("created", exact["run_id"])
    assert exact["name"] == name


VALUE = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.text(st.sampled_from(""",;"\r\n=+-@\t' abé"""), max_size=4)
)
"""A value of a row, text of the characters that mean something to CSV readers and spreadsheets."""


@example([("-a", "", "")])
@example([("", "-a", "")])
@given(st.lists(st.tuples(VALUE, VALUE, VALUE)))
def test_every_line_is_what_the_csv_module_writes(
    rows: list[tuple[object, ...]],
) -> None:
    ours, theirs = io.StringIO(), io.StringIO()
    write_rows(ours, (dict(zip("abc", row, strict=True)) for row in rows), "abc")
    csv.writer(theirs, lineterminator="\n").writerows(["abc", *(map(cell, row) for row in rows)])
    assert ours.getvalue() == theirs.getvalue()


# -- replacing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leftovers(folder: Path) -> list[str]:
    return [name for name in names(folder) if name.endswith(".tmp")]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    done = threading.Event()
    seen: set[int] = set()

    def watch() -> None:
        while not done.is_set():
            seen.add(len(path.read_bytes()))

    with opened(tmp_path, "batch_id,name,copies", f"{uuid(1)},{{n:06}},3000") as ledger:
        write(ledger, path)
        whole = len(path.read_bytes())
        reader = threading.Thread(target=watch)
        reader.start()
        try:
            for _ in range(4):
                write(ledger, path)
        finally:
            done.set()
            reader.join()

    assert seen == {whole}
    assert leftovers(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    path.write_text(f"{HEADER}\nold\n")
    with opened(tmp_path, "batch_id,x_a,copies", f"{uuid(1)},1,1", f"{uuid(2)},1,1") as ledger:
        connection_of(ledger).execute("UPDATE extras SET cells = '{no json' WHERE line = 3")
        with pytest.raises(ValueError, match="property name"):
            write(ledger, path)

    assert path.read_text() == f"{HEADER}\nold\n"
    assert leftovers(tmp_path) == []


def test_a_place_that_cannot_be_replaced_is_an_oserror(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    path.mkdir()
    with (
        opened(tmp_path, "batch_id", uuid(1)) as ledger,
        pytest.raises(OSError, match=r"ledger\.csv"),
    ):
        write(ledger, path)

    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_of_the_file_is_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    path.touch()
    path.chmod(mode)
    with opened(tmp_path, "batch_id", uuid(1)) as ledger:
        write(ledger, path)

    assert path.stat().st_mode & 0o7777 == mode
    assert len(read(path)) == 1


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    place, link = tmp_path / "there" / "real.csv", tmp_path / "ledger.csv"
    place.touch()
    link.symlink_to("there/real.csv")
    with opened(tmp_path, "batch_id", uuid(1)) as ledger:
        write(ledger, link)

    assert link.is_symlink()
    assert len(read(place)) == 1


LONG_AGO = (1_772_366_400, 1_772_366_400)
"""When a file was read and changed last, in seconds since 1970."""


def test_processes_with_the_same_id_never_tear_a_file_that_both_write(tmp_path: Path) -> None:
    """As two containers do: each has its own process 1."""
    path = tmp_path / "ledger.csv"
    with replaced(path) as first:
        first.write(b"first, ")
        make_folder(path)
        with replaced(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
        first.write(b"whole")
    assert path.read_bytes() == b"first, whole"
    assert names(tmp_path) == ["ledger.csv"]


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        ".a[1].csv.77.tmp",
        ".a[1].csv.78.tmp",
        ".a1.csv.77.tmp",
        "a[1].csv",
        ".a[1].csv.tmp",
        "x.tmp",
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, LONG_AGO)
    (tmp_path / ".a[1].csv.79.tmp").touch()
    remove_leftovers(tmp_path / "a[1].csv")

    assert names(tmp_path) == [
        ".a1.csv.77.tmp",
        ".a[1].csv.79.tmp",  # somebody may be writing to it
        ".a[1].csv.tmp",
        "a[1].csv",
        "x.tmp",
    ]


def test_what_killed_runs_left_behind_a_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.csv").touch()
    (tmp_path / "there" / ".real.csv.77.tmp").touch()
    os.utime(tmp_path / "there" / ".real.csv.77.tmp", LONG_AGO)
    (tmp_path / "ledger.csv").symlink_to("there/real.csv")
    remove_leftovers(tmp_path / "ledger.csv")

    assert names(tmp_path / "there") == ["real.csv"]


# -- foreign files


@pytest.mark.parametrize(
    "text", ["", "batch_id,name\n", "notes", HEADER.replace(",copy,", ","), "\x00\xff" * 50_000]
)
def test_a_file_that_is_no_ledger_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(UsageError, match="not a ledger file"):
        refuse_foreign_file(LEDGER_FILE, path, "spring")
    assert path.read_text(encoding="latin-1") == text


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n",
        f"{HEADER},x_own\r\n1,2",
        f"\ufeff{HEADER}\r\n",
        HEADER,
        HEADER.replace(",", ";"),
        HEADER.replace(",", "\t"),
        ",".join(f'"{column}"' for column in HEADER.split(",")),
    ],
)
def test_a_ledger_is_known_again_even_if_a_spreadsheet_has_saved_it(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.csv"
    path.write_text(text, encoding="utf-8")

    refuse_foreign_file(LEDGER_FILE, path, "spring")


def test_what_cannot_become_a_ledger_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name, message in (("folder", "this is not a file"), ("link", "this link leads to no file")):
        with pytest.raises(UsageError, match=message):
            refuse_foreign_file(LEDGER_FILE, tmp_path / name, "spring")
    refuse_foreign_file(LEDGER_FILE, tmp_path / "new.csv", "spring")
    refuse_foreign_file(LEDGER_FILE, tmp_path / "no" / "folder" / "yet.csv", "spring")


@needs_closed_folders
def test_a_file_in_a_closed_folder_is_left_as_it_is(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with not_root(), pytest.raises(UsageError, match="cannot be read: Permission denied"):
        refuse_foreign_file(LEDGER_FILE, closed / "ledger.csv", "spring")


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written there"):
        make_folder(tmp_path / "file" / "ledger.csv")
    make_folder(tmp_path / "a" / "b" / "ledger.csv")

    assert names(tmp_path / "a" / "b") == []


def test_a_file_of_a_version_without_the_latest_columns_is_still_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    cells = f"2,{uuid(1)},Wave,false,1,pending,,,,,0,,,,,spring,run-1"
    path.write_text(
        f"{HEADER.removesuffix(',tasks_per_group,setup_status,warning')},x_a\n{cells},=1\n",
        encoding="utf-8",
    )
    assert is_ledger(path)
    (item,) = read_items(path)
    assert (item.status, item.differences, item.setup_status) == ("pending", (), "")


def test_the_header_is_the_one_that_is_looked_for() -> None:
    assert ",".join(COLUMNS) == HEADER


def test_a_long_cell_is_read_and_a_job_keeps_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    with opened(tmp_path, "batch_id,x_note", f"{uuid(1)},short") as ledger:
        write(ledger, tmp_path / "ledger.csv")
    long = "n" * (before + 1)
    (tmp_path / "ledger.csv").write_text(
        (tmp_path / "ledger.csv").read_text("utf-8").replace("short", long), "utf-8"
    )
    for _, row in read_file(tmp_path / "ledger.csv"):
        assert row["x_note"] == long
        assert csv.field_size_limit() == before
    assert csv.field_size_limit() == before


def test_writing_changes_nothing_in_the_database(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", uuid(1), now=LATER) as ledger:
        connection = connection_of(ledger)
        before = connection.total_changes
        write(ledger, tmp_path / "ledger.csv")

        assert connection.total_changes == before
        assert not connection.in_transaction
