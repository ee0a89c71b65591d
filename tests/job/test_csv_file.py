"""CSV job files: what is understood, and the line and text of what is not."""

from __future__ import annotations

import codecs
import csv
import os
import tracemalloc
from pathlib import Path

import pytest

from tests.job.reading import A, B, assert_the_problem, problems_of, rows_of, written
from tests.support.systems import needs_proc
from worker.job.read import open_job
from worker.model.errors import JobError, Problem, UsageError
from worker.model.job import Row
from worker.model.names import parse_name

FULL = f"batch_id,name,upload_new_dataset,copies,x_note\n{A},Été {{n}},yes,3,mine\n"


def test_a_row_has_what_its_cells_say(tmp_path: Path) -> None:
    job = open_job(written(tmp_path, "job.csv", FULL))
    assert job.extra_columns == ("x_note",)
    assert job.campaign is None
    assert list(job.rows()) == [Row(2, A, parse_name("Été {n}"), True, 3, {"x_note": "mine"})]


def test_rows_can_be_asked_for_again(tmp_path: Path) -> None:
    job = open_job(written(tmp_path, "job.csv", FULL))
    assert list(job.rows()) == list(job.rows())


@pytest.mark.parametrize(
    "content",
    [
        FULL.encode(),
        codecs.BOM_UTF8 + FULL.encode(),
        codecs.BOM_UTF16_LE + FULL.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + FULL.encode("utf-16-be"),
        FULL.replace("\n", "\r\n").encode(),
        FULL.replace("\n", "\r").encode(),
        FULL.replace(",", ";").encode(),
        FULL.replace(",", "\t").encode(),
        FULL.replace(",", " , ").encode(),
        FULL.removesuffix("\n").encode(),
        FULL.replace("name", '"name"').replace("mine", '"mine"').encode(),
        FULL.replace(A, A.upper()).encode(),
        FULL.replace("É", "E\u0301").encode(),
        FULL.replace("x_note\n", "x_note,,\n").replace("mine\n", "mine,,\n").encode(),
    ],
    ids=[
        "utf-8",
        "utf-8 with a mark",
        "utf-16-le",
        "utf-16-be",
        "crlf",
        "cr",
        "semicolons",
        "tabs",
        "spaces",
        "no last line end",
        "quotes",
        "upper case",
        "not in NFC",
        "empty columns",
    ],
)
def test_one_job_is_understood_in_every_spelling(tmp_path: Path, content: bytes) -> None:
    expected = rows_of(written(tmp_path, "plain.csv", FULL))
    assert rows_of(written(tmp_path, "job.csv", content)) == expected


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (f"# before\n#\nbatch_id\n# between\n{A}\n\n  \n{B}\n", [5, 8]),
        (f"\n# a; note\nbatch_id,name\n{A},\n", [4]),
        (f"\n\nbatch_id,name\n{A},\n,\n , \n\t,\n{B},\n", [4, 8]),
        (f'batch_id,x_a\n{A},"one\n# no comment\n\ntwo"\n{B},b\n', [2, 6]),
        (f"batch_id,x_a\n{A}\n{B},b\n", [2, 3]),
        ("batch_id\n", []),
        ("batch_id,name", []),
        ("# only\nbatch_id\n# comments\n", []),
        (f"batch_id,x_a\n{A},# no comment\n", [2]),
    ],
)
def test_a_row_is_where_it_begins_and_what_is_no_row_is_skipped(
    tmp_path: Path, content: str, lines: list[int]
) -> None:
    assert [row.line for row in rows_of(written(tmp_path, "job.csv", content))] == lines


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"a, b"', "a, b"),
        (' "a, b"', "a, b"),
        ('"say ""hi"""', 'say "hi"'),
        ('5" pipe', '5" pipe'),
        ('"two\nlines"', "two\nlines"),
        ("'single'", "'single'"),
        ("=1+1", "=1+1"),
        ("\u2028", ""),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_a_cell_of_ones_own_is_kept_as_it_is(tmp_path: Path, cell: str, text: str) -> None:
    (row,) = rows_of(written(tmp_path, "job.csv", f"batch_id,x_a\n{A},{cell}\n"))
    assert dict(row.extra) == ({"x_a": text} if text else {})


@pytest.mark.parametrize(
    ("cell", "flag"),
    [
        ("", False),
        ("false", False),
        ("No", False),
        ("0", False),
        ("TRUE", True),
        ("yes", True),
        ("1", True),
    ],
)
def test_a_flag_has_many_spellings(tmp_path: Path, cell: str, flag: bool) -> None:
    (row,) = rows_of(written(tmp_path, "job.csv", f"batch_id,upload_new_dataset\n{A},{cell}\n"))
    assert row.upload_new_dataset is flag


@pytest.mark.parametrize(
    ("cell", "copies"), [("", 1), ("1", 1), ("007", 7), ("10000", 10_000), (" 5 ", 5)]
)
def test_copies_are_a_whole_number(tmp_path: Path, cell: str, copies: int) -> None:
    (row,) = rows_of(written(tmp_path, "job.csv", f"batch_id,copies\n{A},{cell}\n"))
    assert row.copies == copies


BAD_CELLS = [
    ("batch_id", "", 'column "batch_id": is empty'),
    (
        "batch_id",
        f"https://app.prolific.com/batches/{A}?x=1",
        f"looks like a URL; give only the id: {A}",
    ),
    ("batch_id", f"https://x/{A}/{B}", "looks like a URL; give only the id"),
    ("batch_id", "www.prolific.com", "looks like a URL"),
    ("batch_id", f"batches/{A}", 'contains "/"; give only the id'),
    ("batch_id", f"{A}?tab=1", 'contains "?"; give only the id'),
    ("batch_id", f"{A};x", 'contains ";"; give only the id'),
    ("batch_id", "{" + A + "}", f'is not in the expected form; write "{A}"'),
    ("batch_id", f"urn:uuid:{A}", f'write "{A}"'),
    ("batch_id", A.replace("-", ""), f'write "{A}"'),
    ("batch_id", "65f1a2b3c4d5e6f7a8b9c0d1", "looks like the id of a study, project or workspace"),
    ("batch_id", "651234567890123456789e01", "looks like the id of a study, project or workspace"),
    ("batch_id", "{" + A + "}" + " " * 80 + "and more", "has 126 characters, not 36"),
    (
        "batch_id",
        "1E+35",
        '"1E+35" is a number: a spreadsheet converted the id, and digits are lost; format the',
    ),
    ("batch_id", "1.92E+14", "format the column as text and paste the id again"),
    ("batch_id", A[:-1], "has 35 characters, not 36"),
    ("batch_id", A + "0", "has 37 characters, not 36"),
    ("batch_id", A.replace("a", "g", 1), '"g" (character 5) is not a hexadecimal digit'),
    ("batch_id", A.replace("1", "١", 1), '"١" (character 2) is not a hexadecimal digit'),
    ("batch_id", A[1:] + "-", "has its dashes in the wrong places"),
    ("batch_id", "x" * 5000, "has 5000 characters"),
    (
        "name",
        "{sorce_name}",
        'column "name": "{sorce_name}" (character 1) is not a placeholder; did you mean',
    ),
    ("name", "a { b", "is never closed"),
    ("name", '"two\nlines"', '"\\n" (character 4) is a control character'),
    ("name", "a\x1b[0m", '"\\x1b" (character 2) is a control character'),
    ("upload_new_dataset", "wahr", 'column "upload_new_dataset": "wahr" is not true or false'),
    ("upload_new_dataset", "2", "write true or false, yes or no, 1 or 0"),
    ("copies", "3.0", 'column "copies": "3.0" is not a whole number; write 3'),
    ("copies", "1.00", 'column "copies": "1.00" is not a whole number; write 1'),
    ("copies", "02.0", 'column "copies": "02.0" is not a whole number; write 2'),
    (
        "copies",
        "1.000",
        '"1.000" may mean 1000 or 1; write the number that you mean, with digits only',
    ),
    ("copies", "12.500", '"12.500" may mean 12500 or 12.5; write the number that you mean'),
    ("copies", "1.000.000", '"1.000.000" is not written with digits only; write 1000000'),
    ("copies", "0.000", '"0.000" is not a whole number; write digits only'),
    ("copies", "0.0", '"0.0" is not a whole number; write digits only'),
    ("copies", "-1", "is not a whole number; write digits only"),
    ("copies", "1e3", "is not a whole number"),
    ("copies", "+3", "is not a whole number"),
    ("copies", "٣", '"٣" is not a whole number'),
    ("copies", "²", "is not a whole number"),
    ("copies", "two", "is not a whole number"),
    ("copies", "0", '"0" is out of range; write a number from 1 to 10,000'),
    ("copies", "10001", "is out of range"),
    ("copies", "9" * 5000, "is out of range"),
]


@pytest.mark.parametrize(("column", "cell", "fragment"), BAD_CELLS)
def test_a_bad_cell_is_named_by_line_and_column(
    tmp_path: Path, column: str, cell: str, fragment: str
) -> None:
    columns = {"batch_id": A, column: cell, "x_note": "not empty"}
    good = ",".join({**columns, column: {"batch_id": A}.get(column, "")}.values())
    content = f"{','.join(columns)}\n{good}\n{','.join(columns.values())}\n{good}\n"
    assert_the_problem(written(tmp_path, "job.csv", content), 3, fragment)


BAD_FILES = [
    ("empty", b"", 0, "the file is empty"),
    ("only a mark", codecs.BOM_UTF8, 0, "there is no header"),
    (
        "only comments",
        b"# one\n# two\n",
        0,
        "there is no header; the first line must name the columns",
    ),
    ("only blank lines", b"\n\n  \n", 0, "there is no header"),
    ("only empty cells", b",,\n", 0, "there is no header"),
    ("no header", f"{A},Name\n".encode(), 1, "there is no header"),
    ("no batch_id", b"name,copies\n", 1, 'there is no column "batch_id"'),
    ("header below comments", b"# a\n\nname\n", 3, 'there is no column "batch_id"'),
    ("misspelt id", b"Batch ID,name\n", 1, 'unknown column "Batch ID"; did you mean "batch_id"?'),
    ("wrong case", b"batch_id,Name\n", 1, 'unknown column "Name"; did you mean "name"?'),
    ("misspelt", b"batch_id,upload_dataset\n", 1, 'did you mean "upload_new_dataset"?'),
    (
        "unknown",
        b"batch_id,colour\n",
        1,
        "use batch_id, name, upload_new_dataset, copies, tasks_per_group, and columns",
    ),
    ("near own", b"batch_id,X_note\n", 1, 'did you mean "x_note"?'),
    ("own without a name", b"batch_id,x_\n", 1, 'column "x_" needs a name'),
    ("own with a line end", b'batch_id,"x_a\nb"\n', 1, "contains a control character"),
    ("twice", b"batch_id,name,name\n", 1, 'column "name" appears twice'),
    ("own twice", b"x_a,batch_id,x_a\n", 1, 'column "x_a" appears twice'),
    (
        "no tasks",
        b"batch_id,tasks_per_group\n%b,0\n" % A.encode(),
        2,
        'column "tasks_per_group": "0" is out of range; write a number from 1 to 1,000,000',
    ),
    (
        "a setup without a dataset",
        b"batch_id,upload_new_dataset,tasks_per_group\n%b,yes,3\n" % A.encode(),
        2,
        'column "tasks_per_group": a batch without a dataset cannot be set up',
    ),
    (
        "other delimiter",
        b"batch_id|name\n",
        1,
        'the columns are separated by "|"; use commas',
    ),
    ("a delimiter in a frame", b"| batch_id | name |\n", 1, 'the columns are separated by "|"'),
    ("colons", b"batch_id: name: copies\n", 1, 'the columns are separated by ":"'),
    ("blanks", b"batch_id  x_note\n", 1, "the columns are separated by spaces"),
    (
        "sep",
        f"sep=;\nbatch_id;name\n{A};a\n".encode(),
        1,
        'this line begins with "sep=", which is an instruction',
    ),
    ("sep of commas", b"sep=,\nbatch_id,name\n", 1, "delete this line"),
    ("sep in quotes", b'"sep=;"\nbatch_id;name\n', 1, 'this line begins with "sep="'),
    ("sep and tab", b"SEP=\t\nbatch_id\tname\n", 1, 'this line begins with "sep="'),
    (
        "a ledger file",
        b"line,source_batch_id,name,copy,status,new_batch_id\n",
        1,
        "this is a ledger file, not a job file; move it out of the jobs' folder",
    ),
    (
        "a sheet of decisions",
        b"item,group,decision,line,copy,source_batch_id,name\n#4,,absent,2,1,,\n",
        1,
        "this is a sheet of decisions, not a job file; move it out of the jobs' folder",
    ),
    ("JSON", b'[{"batch_id": 1}]\n', 1, "unknown column"),
    ("long column", b"batch_id," + b"y" * 9000 + b"\n", 1, "yyy…"),
    ("too many cells", f"batch_id,name\n{A},a,b\n".encode(), 2, 'cell 3, "b", has no column'),
    (
        "under an empty header",
        f"batch_id,,name\n{A},b,c\n".encode(),
        2,
        'cell 2, "b", has no column',
    ),
    (
        "unclosed quote",
        f'batch_id,name\n\n{A},"a\n{B},b\n'.encode(),
        3,
        "is opened here and not closed;",
    ),
    (
        "unclosed later",
        f'batch_id,name,x_a\n{A},"a\nb","c\n{B}\n'.encode(),
        3,
        "is opened here and not closed;",
    ),
    ("unclosed header", b'batch_id,"name\n', 1, "is opened here and not closed;"),
    (
        "text after a quote",
        f'batch_id,name\n{A},"a" b\n{B},c\n'.encode(),
        2,
        "text follows a closing quote",
    ),
    (
        "missing quote",
        f'batch_id,name\n{A},"a\n{B},"b"\n'.encode(),
        2,
        'a closing quote (") in line 3;',
    ),
    (
        "huge cell",
        f"batch_id,name\n{A},{'x' * 200_000}\n".encode(),
        2,
        "a cell is longer than 131,072",
    ),
    (
        "huge quoted cell",
        f'batch_id,name\n{A},"{"x" * 99}\n'.encode() + b"y\n" * 90_000,
        2,
        "not closed within",
    ),
    (
        "huge line",
        b"batch_id\n" + b"x" * 3_000_000,
        2,
        "the line is longer than 1,048,576 characters",
    ),
    ("huge comment", b"#" * 3_000_000, 1, "the line is longer than"),
    (
        "Latin-1",
        f"batch_id,name\n{A},Ren".encode() + b"\xe9e\n",
        2,
        "byte 0xE9 (character 41 of the line)",
    ),
    (
        "Latin-1 header",
        b"batch_id,x_pr\xe9nom\n",
        1,
        "byte 0xE9 (character 14 of the line) is not UTF-8",
    ),
    ("cut UTF-8", f"batch_id,name\n{A},a".encode() + b"\xe2\x82", 2, "byte 0xE2"),
    ("surrogate in UTF-8", f"batch_id,name\n{A},".encode() + b"\xed\xa0\x80\n", 2, "byte 0xED"),
    (
        "cut UTF-16",
        codecs.BOM_UTF16_LE + f"batch_id\n{A}\n".encode("utf-16-le") + b"x",
        3,
        "is not UTF-16",
    ),
    (
        "UTF-16 without a mark",
        "batch_id\n".encode("utf-16-le"),
        1,
        "UTF-16 without a byte order mark",
    ),
    ("UTF-32", codecs.BOM_UTF32_LE + "batch_id".encode("utf-32-le"), 0, "this is UTF-32"),
    (
        "NUL",
        b"batch_id\n" + b"# c\n" * 2000 + f"{A}\0\n".encode(),
        2002,
        "character 37 of the line is a NUL byte",
    ),
    ("binary", bytes(range(256)), 1, "this is not text"),
    (
        "xlsx",
        b"PK\x03\x04abc",
        0,
        'this is an Excel workbook or another zip archive, not text; save it as "CSV UTF-8"',
    ),
    ("xls", b"\xd0\xcf\x11\xe0\xa1", 0, "old Excel workbook"),
    ("pdf", b"%PDF-1.7\n", 0, "this is a PDF"),
    ("gzip", b"\x1f\x8b\x08", 0, "compressed with gzip"),
    ("database", b"SQLite format 3\0", 0, "this is a SQLite database"),
]


@pytest.mark.parametrize(
    ("content", "line", "fragment"),
    [case[1:] for case in BAD_FILES],
    ids=[str(case[0]) for case in BAD_FILES],
)
def test_a_bad_file_is_explained(tmp_path: Path, content: bytes, line: int, fragment: str) -> None:
    assert_the_problem(written(tmp_path, "job.csv", content), line, fragment)


@pytest.mark.parametrize(
    ("cell", "fragment"),
    [
        ("1,000", '"1,000" may mean 1000 or 1; write the number that you mean, with digits only'),
        ("1,0", '"1,0" is not a whole number; write 1'),
        ("10,000", '"10,000" may mean 10000 or 10; write the number'),
    ],
)
def test_advice_about_a_number_never_changes_what_was_meant(
    tmp_path: Path, cell: str, fragment: str
) -> None:
    assert_the_problem(
        written(tmp_path, "job.csv", f'batch_id,copies\n{A},"{cell}"\n'), 2, fragment
    )


@pytest.mark.parametrize("cell", ["1,92E+14", "1e35", "5E+00"])
def test_an_id_that_became_a_number_is_explained(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, "job.csv", f"batch_id;name\n{cell};a\n")
    assert_the_problem(
        path,
        2,
        "is a number: a spreadsheet converted the id, and digits are lost; format the column",
    )


def test_every_problem_of_a_row_is_reported(tmp_path: Path) -> None:
    content = f"batch_id,name,upload_new_dataset,copies\n{A},ok,,\nx,{{,maybe,0,stray\n{B},,,\n"
    items = list(open_job(written(tmp_path, "job.csv", content)).rows())
    assert [type(item) for item in items] == [Row, *[Problem] * 5, Row]
    assert [item.line for item in items] == [2, 3, 3, 3, 3, 3, 4]


def test_every_problem_of_the_header_is_reported(tmp_path: Path) -> None:
    problems = problems_of(written(tmp_path, "job.csv", "nmae,x_,copies,copies,tasks_per_grop\n"))
    assert [problem.line for problem in problems] == [1] * 5


def test_the_first_fifty_problems_are_reported_and_the_rest_counted(tmp_path: Path) -> None:
    columns = ",".join(f"wrong{i}" for i in range(60))
    with pytest.raises(JobError) as caught:
        open_job(written(tmp_path, "job.csv", f"batch_id,{columns}\n"))
    assert len(caught.value.problems) == 50
    assert caught.value.total == 60


def test_reading_continues_behind_a_bad_line(tmp_path: Path) -> None:
    content = f'batch_id,name\n{A},"a"b\n{A},\xe9\n{A},{{\n{B},b\n'.encode("latin-1")
    items = list(open_job(written(tmp_path, "job.csv", content)).rows())
    assert [(type(item), item.line) for item in items] == [
        (Problem, 2), (Problem, 3), (Problem, 4), (Row, 5),
    ]  # fmt: skip


def test_a_comment_need_not_be_utf_8(tmp_path: Path) -> None:
    content = b"# Ren\xe9e\nbatch_id\n# \xff\n" + A.encode()
    assert [row.line for row in rows_of(written(tmp_path, "job.csv", content))] == [4]


def test_the_limit_of_the_csv_module_stays_as_it_is(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    rows_of(written(tmp_path, "job.csv", FULL))
    assert csv.field_size_limit() == before


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        open_job(tmp_path / "job.csv")


def test_a_folder_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is a folder"):
        open_job(tmp_path)


def test_a_device_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="this is a pipe or device"):
        open_job(Path("/dev/null"))


@needs_proc
def test_a_job_in_dev_or_proc_is_wrong_usage_also_where_it_is_a_regular_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ledger would lie beside it, and be gone at the next boot."""
    job = written(tmp_path, "job.csv", FULL)
    (tmp_path / "link").symlink_to("/proc/self/fd")
    with job.open() as file:
        number = file.fileno()
        monkeypatch.chdir(f"/proc/{os.getpid()}/fd")
        for path in (
            f"/dev/fd/{number}",
            f"/proc/self/fd/{number}",
            f"/dev/../dev/fd/{number}",
            str(number),
            f"./{number}",
            str(tmp_path / "link" / str(number)),
            "/proc/self/cwd/../version",
        ):
            with pytest.raises(UsageError, match="this is in /dev or /proc") as caught:
                open_job(Path(path))
            assert caught.value.exit_code == 2
            assert str(caught.value).startswith(f"{Path(path)}: ")
    monkeypatch.chdir(tmp_path)
    assert len(rows_of(Path("job.csv"))) == 1


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    # A name longer than any file system's: the system refuses it whoever asks, root as well.
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        open_job(tmp_path / ("x" * 300))


def test_a_file_changed_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "job.csv", FULL)
    job = open_job(path)
    path.write_text(f"name,batch_id\nx,{A}\n")
    with pytest.raises(UsageError, match="was changed while it was read"):
        list(job.rows())


def test_a_file_gone_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "job.csv", FULL)
    job = open_job(path)
    path.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        list(job.rows())


def test_two_hundred_thousand_rows_are_not_held(tmp_path: Path) -> None:
    path = tmp_path / "job.csv"
    with path.open("w") as file:
        file.write("batch_id,name,x_note\n")
        file.writelines(f"{A[:-6]}{i:06},Wave of row {i},note {i}\n" for i in range(200_000))
    tracemalloc.start()
    try:
        count = sum(isinstance(item, Row) for item in open_job(path).rows())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < 2_000_000
