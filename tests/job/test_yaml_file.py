"""YAML job files: what is understood, and the line and text of what is not."""

from __future__ import annotations

import codecs
import time
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.job.reading import A, B, assert_the_problem, problems_of, rows_of, written
from worker.job import yaml_file, yaml_nodes
from worker.job.read import open_job
from worker.model.errors import JobError, Problem
from worker.model.job import Row
from worker.model.names import parse_name

FULL = f"""\
# a comment
campaign: spring-{{date}}
defaults: {{ upload_new_dataset: yes, name: "of {{source_name}}", x_note: mine }}
batches:
  - batch_id: {A}
    copies: 12
  - name: own
    x_other: 007
    batch_id: {B.upper()}
    upload_new_dataset: no
    x_note:
"""


@pytest.fixture(params=["C", "Python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML may be installed without the C parser: the same has to come out."""
    if request.param == "Python":
        monkeypatch.setattr(yaml_nodes, "_LOADER", yaml.SafeLoader)


def name_of(path: Path) -> str:
    (row,) = rows_of(path)
    return row.name.identity(n=1, source_id=A, campaign="c", date=date(2025, 3, 1))


@pytest.mark.usefixtures("loader")
def test_a_job_has_what_its_keys_say(tmp_path: Path) -> None:
    job = open_job(written(tmp_path, "job.yaml", FULL))
    assert job.campaign == "spring-{date}"
    assert job.extra_columns == ("x_note", "x_other")
    assert list(job.rows()) == [
        Row(5, A, parse_name("of {source_name}"), True, 12, {"x_note": "mine"}),
        Row(7, B, parse_name("own"), False, 1, {"x_other": "007"}),
    ]


def test_rows_can_be_asked_for_again(tmp_path: Path) -> None:
    job = open_job(written(tmp_path, "job.yaml", FULL))
    assert list(job.rows()) == list(job.rows())


@pytest.mark.parametrize("name", ["job.yaml", "job.yml", "JOB.YAML"])
def test_the_name_of_the_file_says_that_it_is_yaml(tmp_path: Path, name: str) -> None:
    assert len(rows_of(written(tmp_path, name, FULL))) == 2


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + FULL.encode(),
        codecs.BOM_UTF16_LE + FULL.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + FULL.encode("utf-16-be"),
        FULL.replace("\n", "\r\n").encode(),
        b"---\n" + FULL.encode().removeprefix(b"# a comment\n") + b"...\n",
    ],
    ids=["utf-8 with a mark", "utf-16-le", "utf-16-be", "crlf", "document marks"],
)
def test_one_job_is_understood_in_every_spelling(tmp_path: Path, content: bytes) -> None:
    expected = rows_of(written(tmp_path, "plain.yaml", FULL))
    assert rows_of(written(tmp_path, "job.yaml", content)) == expected


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (f"- batch_id: {A}\n- batch_id: {B}\n", [1, 2]),
        (f"-\n  batch_id: {A}\n-\n- {{}}\n- {{batch_id: {B}, name: ~}}\n- name:\n", [2, 5]),
        (f"batches:\n- batch_id: {A}\ndefaults:\n", [2]),
        (f"[{{batch_id: {A}}},\n {{batch_id: {B}}}]", [1, 2]),
        ("batches: []", []),
        ("batches:\n# - batch_id\n", []),
        ("[]", []),
    ],
)
def test_a_row_is_where_it_begins_and_what_is_no_row_is_skipped(
    tmp_path: Path, content: str, lines: list[int]
) -> None:
    assert [row.line for row in rows_of(written(tmp_path, "job.yaml", content))] == lines


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("scalar", "name"),
    [
        ("007", "007"),
        ("no", "no"),
        ("1.50", "1.50"),
        ("2025-03-01", "2025-03-01"),
        ("0x1F", "0x1F"),
        ("", ""),
        ("~", ""),
        ("null", ""),
        ("'null'", "null"),
        ("! null", "null"),
        ("!!str null", "null"),
        ("!!str 7", "7"),
        ("!!int '7'", "7"),
        ("!!bool no", "no"),
        ("!!null ''", ""),
        ("&a plain", "plain"),
        ('" padded "', "padded"),
        ('"\\u00e9"', "é"),
        (">-\n    folded\n    text", "folded text"),
        ("|\n    block\n", "block"),
        ("Wave #1", "Wave #1"),
        ("'it''s'", "it's"),
    ],
)
def test_a_scalar_is_the_text_that_was_written(tmp_path: Path, scalar: str, name: str) -> None:
    content = f"- batch_id: {A}\n  name: {scalar}\n"
    if " #" in scalar:  # YAML's comment
        name = name.partition(" #")[0]
    assert name_of(written(tmp_path, "job.yaml", content)) == name


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("written_as", "line", "text"),
    [
        (
            "- batch_id: {A}\n  name: Wave #1\n",
            2,
            'name: YAML ignores what follows " #"; the name is "Wave". If the rest',
        ),
        ("- batch_id: {A}\n  name: Zoë €  #1\r\n", 2, 'the name is "Zoë €"'),
        ("- batch_id: {A}\n  name: one\n    two #3\n", 3, 'the name is "one two"'),
        ("- batch_id: {A}\n  name: #1\n", 2, "the name is empty"),
        ("- batch_id: {A}\n  name: !!str Wave #1", 2, 'the name is "Wave"'),
        (
            "- batch_id: {A}\n  x_a: see #12\n",
            2,
            'x_a: YAML ignores what follows " #"; the value is "see"',
        ),
        (
            "campaign: Wave #1\nbatches: []\n",
            1,
            'campaign: YAML ignores what follows " #"; the campaign is "Wave"',
        ),
        ("defaults:\n  name: Wave #1\nbatches: []\n", 2, 'the name is "Wave"'),
    ],
)
def test_a_part_of_a_text_that_yaml_takes_for_a_comment_is_warned_of(
    tmp_path: Path, written_as: str, line: int, text: str
) -> None:
    job = open_job(written(tmp_path, "job.yaml", written_as.replace("{A}", A)))
    assert [warning.line for warning in job.warnings] == [line]
    assert text in job.warnings[0].text


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    "value",
    [
        "name: Wave # one",
        "name: Wave #",
        "name: 'Wave' #1",
        'name: "Wave #1"',
        "name: Wave#1",
        "copies: 3 #three",
        "upload_new_dataset: no #1",
        "name: Wave\n  #1",
        "name: >-\n    Wave #1",
        "name: # one",
    ],
)
def test_an_ordinary_comment_is_not_warned_of(tmp_path: Path, value: str) -> None:
    job = open_job(
        written(tmp_path, "job.yaml", f"# a\n- batch_id: {A} #source\n  {value}\n  x_a: b\n")
    )
    assert job.warnings == ()
    assert job.comments == 0
    assert len(list(job.rows())) == 1


@pytest.mark.usefixtures("loader")
def test_a_scalar_may_be_repeated_by_an_alias(tmp_path: Path) -> None:
    path = written(
        tmp_path, "job.yaml", f"- batch_id: &id {A}\n  name: &x a\n- {{batch_id: *id, name: *x}}\n"
    )
    assert [row.source_id for row in rows_of(path)] == [A, A]


@pytest.mark.usefixtures("loader")
def test_an_alias_repeats_the_latest_text_of_its_anchor(tmp_path: Path) -> None:
    content = f"- batch_id: {A}\n  name: &x a\n  x_a: &x b\n  x_b: *x\n"
    (row,) = rows_of(written(tmp_path, "job.yaml", content))
    assert row.extra == {"x_a": "b", "x_b": "b"}


def test_defaults_may_stand_below_the_rows(tmp_path: Path) -> None:
    (row,) = rows_of(
        written(tmp_path, "job.yaml", f"batches: [{{batch_id: {A}}}]\ndefaults: {{copies: 4}}\n")
    )
    assert row.copies == 4


def test_an_empty_key_of_a_row_hides_the_default(tmp_path: Path) -> None:
    content = (
        f"defaults: {{name: a, copies: 4}}\nbatches:\n- {{batch_id: {A}, name: '', copies: }}\n"
    )
    (row,) = rows_of(written(tmp_path, "job.yaml", content))
    assert (row.name, row.copies) == (parse_name(""), 1)


BAD = [
    ("empty", "", 0, "the file is empty"),
    ("only comments", "# one\n# two\n", 0, "the file contains no rows; a job is a list of rows"),
    ("an empty document", "---\n", 0, "the file contains no rows"),
    ("a scalar", "\njust text\n", 2, 'not text, "just text"'),
    ("a CSV file", f"batch_id,name\n{A},a\n", 1, "a job is a list of rows"),
    ("an alias", "*a", 1, "a job is a list of rows"),
    (
        "two documents",
        f"- batch_id: {A}\n---\n- batch_id: {A}\n",
        2,
        'a second document ("---") begins here',
    ),
    ("no batches", "# c\ncampaign: a\n", 2, 'there is no key "batches"'),
    (
        "rows as text",
        "batches: none\n",
        1,
        'key "batches" contains text, "none"; it must be a list',
    ),
    ("rows as a mapping", f"batches:\n  batch_id: {A}\n", 2, 'key "batches" contains a mapping'),
    (
        "unknown key",
        "batches: []\nowner: me\n",
        2,
        'unknown key "owner"; use campaign, defaults, batches',
    ),
    ("misspelt key", "batches: []\ncampain: a\n", 2, 'did you mean "campaign"?'),
    ("own key at the top", "x_note: a\nbatches: []\n", 1, 'unknown key "x_note"'),
    ("row's key at the top", "copies: 1\nbatches: []\n", 1, 'key "copies" belongs in a row'),
    (
        "top key twice",
        "batches: []\n\nbatches: []\n",
        3,
        "appears twice; the first is in line 1",
    ),
    (
        "campaign as a list",
        "campaign: [a]\nbatches: []\n",
        1,
        'key "campaign" contains a list; it must be text',
    ),
    (
        "campaign with a slash",
        "batches: []\ncampaign: a/b\n",
        2,
        'key "campaign": "/" (character 2',
    ),
    (
        "campaign with {n}",
        "campaign: 'a{n}'\nbatches: []\n",
        1,
        "is not a placeholder; there is {date}",
    ),
    (
        "campaign empty",
        "campaign:\nbatches: []\n",
        1,
        'key "campaign": a campaign must have a name',
    ),
    ("defaults as a list", "defaults: []\nbatches: []\n", 1, 'key "defaults" contains a list'),
    ("default batch_id", f"defaults: {{batch_id: {A}}}\nbatches: []\n", 1, "cannot be a default"),
    (
        "bad default",
        f"defaults:\n  copies: 0\nbatches: [{{batch_id: {A}}}]\n",
        2,
        'key "copies": "0" is out of range',
    ),
    (
        "unknown default",
        "defaults: {nmae: a}\nbatches: []\n",
        1,
        'unknown key "nmae"; did you mean "name"?',
    ),
    ("row as text", f"- {A}\n", 1, "this is text"),
    ("row as a list", f"- [batch_id, {A}]\n", 1, "this is a list; it must be a row"),
    ("no batch_id", "- copies: 1\n  name: a\n", 1, 'key "batch_id": is missing'),
    ("empty batch_id", "- name: a\n  batch_id:\n", 2, 'key "batch_id": is empty'),
    (
        "bad batch_id",
        "- name: a\n  batch_id: 7\n",
        2,
        'key "batch_id": "7" has 1 characters, not 36',
    ),
    (
        "batch_id as a list",
        f"- batch_id: [{A}]\n",
        1,
        'key "batch_id" contains a list; it must be text',
    ),
    (
        "unquoted field",
        f"- batch_id: {A}\n  name: {{n}}\n",
        2,
        'text that begins with "{" or contains',
    ),
    (
        "bad name",
        f"- batch_id: {A}\n  name: '{{sorce_name}}'\n",
        2,
        'did you mean "{source_name}"?',
    ),
    ("two lines", f"- batch_id: {A}\n  name: |\n    a\n    b\n", 2, "is a control character"),
    ("bad flag", f"- batch_id: {A}\n  upload_new_dataset: maybe\n", 2, "is not true or false"),
    ("float", f"- batch_id: {A}\n  copies: 3.0\n", 2, "is not a whole number; write 3"),
    ("underscores", f"- batch_id: {A}\n  copies: 1_000\n", 2, "is not a whole number"),
    (
        "a setup without a dataset",
        f"- batch_id: {A}\n  tasks_per_group: 3\n  upload_new_dataset: true\n",
        1,
        'key "tasks_per_group": a batch without a dataset cannot be set up',
    ),
    ("x_ alone", f"- batch_id: {A}\n  x_: 3\n", 2, 'key "x_" needs a name'),
    (
        "unknown in a row",
        f"- batch_id: {A}\n  nam: {{a: [1, 2]}}\n",
        2,
        'unknown key "nam"; did you mean "name"?',
    ),
    (
        "key twice",
        f"- name: a\n  batch_id: {A}\n  name: b\n",
        3,
        'key "name" appears twice; the first',
    ),
    ("key as a list", f"- batch_id: {A}\n  [a, b]: c\n", 2, "a key contains a list"),
    (
        "two rows in a line",
        f"[{{batch_id: {A}}}, {{batch_id: {B}}}]",
        1,
        "a second row begins in this line",
    ),
    (
        "alias of a row",
        f"- &r\n  batch_id: {A}\n- *r\n",
        3,
        'the alias "*r" is not allowed here; put shared',
    ),
    (
        "alias of nothing",
        f"- &r\n- batch_id: {A}\n- *r\n",
        3,
        'the alias "*r" is not allowed here',
    ),
    (
        "alias of a list",
        f"- batch_id: {A}\n  x_a: &l a\n  x_b: b\n- *l\n",
        4,
        'the alias "*l" is not allowed here',
    ),
    (
        "alias without anchor",
        f"- batch_id: {A}\n  name: *new\n",
        2,
        'text that begins with "*" needs quotes',
    ),
    (
        "merge key",
        f"- <<: {{copies: 2}}\n  batch_id: {A}\n",
        1,
        'merge keys ("<<") are not supported',
    ),
    (
        "python tag",
        f"- batch_id: {A}\n  name: !!python/object:os.system ls\n",
        2,
        "python/object:os.system",
    ),
    (
        "binary tag",
        f"- batch_id: {A}\n  name: !!binary aGk=\n",
        2,
        'the tag "!!binary" is not supported',
    ),
    (
        "own tag",
        f"- batch_id: {A}\n  name: !env HOME\n",
        2,
        'the tag "!env" is not supported; leave it out',
    ),
    (
        "tag of a row",
        f"- !!python/dict\n  batch_id: {A}\n",
        1,
        'the tag "!!python/dict" is not supported',
    ),
    ("tag of the rows", f"--- !!set\n- batch_id: {A}\n", 1, 'the tag "!!set" is not supported'),
    (
        "colon in text",
        f"- batch_id: {A}\n  name: Wave: one\n",
        2,
        "this is not YAML: mapping values are not allowed",
    ),
    ("text after braces", f"- batch_id: {A}\n  name: {{n}} of it\n", 2, "this is not YAML"),
    ("tab", f"- batch_id: {A}\n\tname: a\n", 2, "YAML is indented with spaces, not tabs"),
    (
        "unclosed quote",
        f"- name: a\n  batch_id: '{A}\n\n\n",
        2,
        "this is not YAML: while scanning a quoted scalar",
    ),
    ("wrong indentation", f"- batch_id: {A}\n   name: a\n", 2, "this is not YAML"),
    ("lists without end", "[" * 100_000, 1, "nested deeper than 16 levels"),
    ("blocks without end", "- " * 100_000, 1, "nested deeper than 16 levels"),
    ("NUL", f"- batch_id: {A}\n  name: a\0\n", 2, "UTF-16 without a byte order mark"),
    ("late NUL", "# c\n" * 2000 + "\0", 2001, "is a NUL byte; this is not text"),
    (
        "control character",
        f"- batch_id: {A}\n  name: a\x07\n",
        2,
        "U+0007 (character 10 of the line) is not",
    ),
    (
        "escaped control",
        f'- batch_id: {A}\n  name: "a\\a"\n',
        2,
        '"\\x07" (character 2) is a control character',
    ),
    (
        "Latin-1",
        f"- batch_id: {A}\n  name: Ren".encode() + b"\xe9e\n",
        2,
        "byte 0xE9 (character 12 of",
    ),
    ("a workbook", b"PK\x03\x04", 0, "this is an Excel workbook"),
]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("content", "line", "fragment"), [case[1:] for case in BAD], ids=[str(case[0]) for case in BAD]
)
def test_a_bad_file_is_explained(
    tmp_path: Path, content: str | bytes, line: int, fragment: str
) -> None:
    assert_the_problem(written(tmp_path, "job.yaml", content), line, fragment)


@pytest.mark.usefixtures("loader")
def test_mappings_without_end_are_given_up(tmp_path: Path) -> None:
    started = time.perf_counter()
    problems = problems_of(written(tmp_path, "job.yaml", "{batches: " * 100_000))
    assert "nested deeper than 16 levels" in problems[-1].text
    assert time.perf_counter() - started < 5


def test_a_misspelt_batch_id_is_one_problem(tmp_path: Path) -> None:
    path = written(tmp_path, "job.yaml", f"- batchid: {A}\n")
    assert_the_problem(path, 1, 'unknown key "batchid"; did you mean "batch_id"?')


def test_every_problem_of_the_file_is_reported_in_its_order(tmp_path: Path) -> None:
    content = "batches:\n- batch_id: 7\n  copies: x\n- name: '{'\n  nope: 1\ncolour: red\n"
    problems = problems_of(written(tmp_path, "job.yaml", content))
    assert [problem.line for problem in problems] == [2, 3, 4, 4, 5, 6]


def test_problems_of_rows_are_among_the_rows(tmp_path: Path) -> None:
    content = f"- batch_id: {A}\n- batch_id: 7\n  copies: x\n- batch_id: {B}\n"
    items = list(open_job(written(tmp_path, "job.yaml", content)).rows())
    assert [(type(item), item.line) for item in items] == [
        (Row, 1), (Problem, 2), (Problem, 3), (Row, 4),
    ]  # fmt: skip


def test_what_was_read_before_a_syntax_error_is_reported_too(tmp_path: Path) -> None:
    problems = problems_of(written(tmp_path, "job.yaml", "- batch_id: 7\n- batch_id: 'x\n"))
    assert [problem.line for problem in problems] == [1, 2]


def test_many_laughs_cost_little(tmp_path: Path) -> None:
    bomb = "a0: &a0 [lol, lol]\n" + "".join(
        f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 30)
    )
    path = written(tmp_path, "job.yaml", bomb)
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(JobError, match='unknown key "a0"'):
            open_job(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 5
    assert peak < 5_000_000


def test_a_file_too_large_to_be_held_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit: Any = 1 << 20
    monkeypatch.setattr(yaml_file, "MAX_BYTES", limit)
    path = written(tmp_path, "job.yaml", "#" * (limit + 1))
    assert_the_problem(path, 0, "the file is larger than 1 MiB; write a job of this size as CSV")
