"""Bad YAML jobs."""

from __future__ import annotations

from tests.cli.bad_input import A, B, Case, yaml

_LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)
)


def _in_a_row(what: str, line: str, *says: str) -> Case:
    return yaml(what, f"- batch_id: {A}\n  {line}\n", *(f"job.yaml:2: {text}" for text in says))


YAML_JOBS: tuple[Case, ...] = (
    # what is no YAML job
    yaml("an empty YAML file", "", "job.yaml: the file is empty"),
    yaml("a YAML file of comments", "# one\n", "job.yaml: the file contains no rows"),
    yaml("a YAML file that says nothing", "~\n", "job.yaml: the file contains no rows"),
    yaml(
        "YAML that is one text",
        "just text\n",
        "job.yaml:1: a job is a list of rows",
        'not text, "just text"',
    ),
    yaml(
        "CSV that is called YAML",
        f"batch_id,name\n{A},Wave\n",
        "job.yaml:1: a job is a list of rows",
    ),
    yaml("a workbook that is called YAML", b"PK\x03\x04", "job.yaml: this is an Excel workbook"),
    yaml(
        "two documents",
        f"- batch_id: {A}\n---\n- batch_id: {B}\n",
        'job.yaml:2: a second document ("---") begins',
    ),
    yaml(
        "YAML in Latin-1",
        f"- batch_id: {A}\n  name: Zo\xeb\n".encode("latin-1"),
        "job.yaml:2: byte 0xEB",
    ),
    yaml("YAML with a NUL", f"- batch_id: {A}\n  name: a\0\n", "job.yaml:2: this is not text"),
    yaml(
        "YAML with a bell",
        f"- batch_id: {A}\n  name: a\x07\n",
        "job.yaml:2: U+0007 (character 10 of the line) is",
    ),
    # attacks
    yaml(
        "a bomb of aliases",
        _LAUGHS,
        'job.yaml:1: unknown key "a0"',
        'there is no key "batches"',
        process=True,
    ),
    yaml("lists without end", "[" * 50_000, "job.yaml:1: nested deeper than 16 levels"),
    yaml("mappings without end", "{a: " * 50_000, "job.yaml:1: nested deeper than 16 levels"),
    yaml(
        "a tag that runs a program",
        f"- batch_id: {A}\n  name: !!python/object/apply:os.system ['touch harmed']\n",
        'job.yaml:2: key "name" contains a list; it must be text',
        process=True,
    ),
    _in_a_row(
        "a tag that reads the environment",
        "name: !env HOME",
        'key "name": the tag "!env" is not supported',
    ),
    _in_a_row(
        "a tag for bytes", "name: !!binary aGk=", 'key "name": the tag "!!binary" is not supported'
    ),
    yaml(
        "a tag of all rows",
        f"!!set\n- batch_id: {A}\n",
        'job.yaml:1: the tag "!!set" is not supported',
    ),
    yaml(
        "a tag of a row",
        f"- !!python/dict\n  batch_id: {A}\n",
        'job.yaml:1: the tag "!!python/dict" is not supp',
    ),
    # syntax
    _in_a_row(
        "a colon in a text", "name: Wave: one", "this is not YAML: mapping values are not allowed"
    ),
    _in_a_row("text behind a placeholder", "name: {n} of it", "this is not YAML"),
    _in_a_row(
        "a quote without its end", "name: 'Wave", "this is not YAML: while scanning a quoted scalar"
    ),
    _in_a_row("an escape that is none", r'name: "\q"', "this is not YAML"),
    yaml(
        "a tab that indents",
        f"- batch_id: {A}\n\tname: a\n",
        "job.yaml:2: this is not YAML",
        "not tabs",
    ),
    yaml(
        "a row that is indented wrongly",
        f"- batch_id: {A}\n   name: a\n",
        "job.yaml:2: this is not YAML",
    ),
    yaml("a list that is not closed", f"- batch_id: {A}\n- [a,\n", "job.yaml:", "this is not YAML"),
    yaml(
        "a YAML of the future",
        f"%YAML 9.1\n---\n- batch_id: {A}\n",
        "job.yaml:",
        "this is not YAML",
    ),
    # keys at the top
    yaml("no batches", "campaign: a\n", 'job.yaml:1: there is no key "batches"'),
    yaml(
        "batches that are text",
        "batches: none\n",
        'job.yaml:1: key "batches" contains text, "none"',
    ),
    yaml(
        "batches that are a mapping",
        f"batches:\n  batch_id: {A}\n",
        'job.yaml:2: key "batches" contains a mapping',
    ),
    yaml(
        "a misspelt key at the top",
        "batches: []\ncampain: a\n",
        'job.yaml:2: unknown key "campain"; did you mean',
    ),
    yaml(
        "a key of a row at the top",
        "copies: 1\nbatches: []\n",
        'job.yaml:1: key "copies" belongs in a row',
    ),
    yaml(
        "batches twice",
        "batches: []\nbatches: []\n",
        'job.yaml:2: key "batches" appears twice; the first',
    ),
    yaml(
        "a campaign that is a path",
        "campaign: ../x\nbatches: []\n",
        'job.yaml:1: key "campaign": ',
        "begins with a",
    ),
    yaml(
        "a campaign that is a list",
        "campaign: [a]\nbatches: []\n",
        'job.yaml:1: key "campaign" contains a list',
    ),
    yaml(
        "a campaign with a number",
        "campaign: 'w{n}'\nbatches: []\n",
        "job.yaml:1:",
        "there is {date}",
    ),
    yaml(
        "an empty campaign",
        "campaign:\nbatches: []\n",
        'job.yaml:1: key "campaign": a campaign must have a name',
    ),
    yaml(
        "an id for all rows",
        f"defaults: {{batch_id: {A}}}\nbatches: []\n",
        'job.yaml:1: key "batch_id" cannot be a',
    ),
    yaml(
        "a bad default",
        "defaults:\n  copies: 0\nbatches: []\n",
        'job.yaml:2: key "copies": "0" is out of range',
    ),
    yaml(
        "defaults that are a list",
        "defaults: []\nbatches: []\n",
        'job.yaml:1: key "defaults" contains a list',
    ),
    # rows
    yaml("a row that is text", f"- {A}\n", "job.yaml:1: this is text"),
    yaml(
        "a row that is a list",
        f"- [batch_id, {A}]\n",
        "job.yaml:1: this is a list; it must be a row",
    ),
    yaml("a row without an id", "- name: Wave\n", 'job.yaml:1: key "batch_id": is missing'),
    yaml(
        "two rows in a line",
        f"[{{batch_id: {A}}}, {{batch_id: {B}}}]\n",
        "job.yaml:1: a second row begins in this",
    ),
    yaml(
        "an alias of a row",
        f"- &r\n  batch_id: {A}\n- *r\n",
        'job.yaml:3: the alias "*r" is not allowed here',
    ),
    yaml("a bad id in YAML", "- batch_id: ../users/me\n", 'job.yaml:1: key "batch_id": '),
    yaml(
        "a failed look-up in YAML",
        '- batch_id: "#N/A"\n',
        'job.yaml:1: key "batch_id": "#N/A" is a spreadsheet\'s',
    ),
    _in_a_row(
        "an alias of nothing",
        "name: *new",
        'there is no "&new" above; text that begins with "*" needs quotes',
    ),
    _in_a_row("a merge key", "<<: {copies: 2}", 'merge keys ("<<") are not supported'),
    _in_a_row("a misspelt key", "nmae: Wave", 'unknown key "nmae"; did you mean "name"?'),
    _in_a_row("a key that is a list", "[a, b]: c", "a key contains a list"),
    _in_a_row(
        "a key twice",
        f"batch_id: {B}",
        'key "batch_id" appears twice; the first is in line 1',
    ),
    _in_a_row("a placeholder without quotes", "name: {n}", 'key "name" contains a mapping'),
    _in_a_row(
        "copies with an underscore", "copies: 1_000", 'key "copies": "1_000" is not a whole number'
    ),
    _in_a_row("copies that are true", "copies: true", 'key "copies": "true" is not a whole number'),
    _in_a_row(
        "a flag that is a list",
        "upload_new_dataset: [true]",
        'key "upload_new_dataset" contains a list',
    ),
    _in_a_row(
        "a control character by its escape",
        r'name: "a\e[31m"',
        'key "name": "\\x1b" (character 2) is a control character',
    ),
    _in_a_row(
        "no number of tasks",
        "tasks_per_group: many",
        'key "tasks_per_group": "many" is not a whole number',
    ),
    yaml(
        "a YAML row twice",
        f"- batch_id: {A}\n  name: Wave\n- {{batch_id: {A}, name: Wave}}\n",
        "job.yaml:3: this row repeats a duplicate of line 1",
    ),
    Case(
        "a bad YAML job that is only checked",
        ("job.yml:1: this is text",),
        "check job.yml",
        {"job.yml": "- x\n"},
    ),
)
