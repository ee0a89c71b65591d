"""The tables of the pages have what the contract and the code have."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from tests import contract
from tests.support.pages import HERE, INSIDE, names_of, pages, section, table, text, values_of
from tests.support.parsers import flags, metavars, parsers, settings_of
from worker.export import proposals
from worker.model.events import EVENTS
from worker.model.records import STATUSES, Status
from worker.sandbox.faults import FAULTS
from worker.settings.options import BY_KEY, GROUPS, OPTIONS

MAKEFILE = (HERE / "Makefile").read_text("utf-8")
README = "README.md"
CONTRIBUTING = "CONTRIBUTING.md"
JOB_FILES, SETTINGS, LEDGER, NIGHTLY, LOGS, SANDBOX = (
    f"docs/{name}.md" for name in ("job-files", "options", "ledger", "nightly", "logs", "sandbox")
)
BUILT = [command for command in contract.COMMANDS if command not in contract.NOT_BUILT_YET]


# -- commands and options


def test_the_readme_s_commands_are_those_of_this_version() -> None:
    assert names_of(README, "## Commands") == BUILT
    shown = table(README, "## Commands").values()
    codes = {name: cells[1] for name, cells in zip(BUILT, shown, strict=True)}
    assert codes == {
        "run": "0 everything in the job is created, 1 something is not, 2, 3, 75, 128+signal",
        "check": "0, 2, 3; 1 if a source does not exist, something looks like an accident, or the"
        " database is not the newest",
        "settle": "0 nothing unknown is left, 1 something is, 2, 3, 75",
        "ledger": "0, 2",
        "report": "0, 2",
        "batches": "0, 2, 3; 1 if the API gave no complete answer",
        "doctor": "0; 1 for any finding",
        "completion": "0, 2",
        "sandbox": "0, 2",
    }


@pytest.mark.parametrize("command", contract.NOT_BUILT_YET)
def test_the_readme_says_what_is_not_built_yet(command: str) -> None:
    assert f"`{command}`" in section(README, "### Not built yet")


NO_DEFAULT = {
    "--campaign": "the job file's stem",
    "--limit": "all",
    "--date": "today, local time",
    "--config": "`./config.toml`, then the user's config directory",
}


@pytest.mark.parametrize("group", GROUPS)
def test_run_s_options_and_defaults_are_there_in_the_groups_of_its_help(group: str) -> None:
    shown = table(SETTINGS, f"### {group}")
    values = values_of(SETTINGS, f"### {group}")
    assert list(values) == [o.flag for o in OPTIONS if o.group == group and "run" in o.commands]
    for cell, (default, meaning) in shown.items():
        option = BY_KEY[cell.split()[0].removeprefix("--").replace("-", "_")]
        assert values[option.flag] == (option.metavar or "")
        if option.metavar is None:
            assert default == "off", option.flag
        elif option.default is None:
            assert default == NO_DEFAULT.get(option.flag, "none"), option.flag
        else:
            assert default == f"`{option.default}`", option.flag
        assert meaning


def test_run_s_options_are_the_contract_s() -> None:
    shown = chain.from_iterable(names_of(SETTINGS, f"### {group}") for group in GROUPS)
    assert set(shown) == {*contract.RUN_OPTIONS, contract.DRY_RUN}


def test_the_other_commands_take_the_options_that_the_page_says() -> None:
    shown = {
        command: set(re.findall(r"`(--[\w-]+)`", cells[0]))
        for command, cells in table(SETTINGS, "## Options of the other commands").items()
    }
    of_all = shown.pop("check, settle, ledger and report")
    assert of_all == {*contract.OPTIONS_OF_ALL_WITH_A_JOB, "--sandbox"}
    for command in ("check", "settle", "ledger", "report"):
        assert _taken(command) == of_all | shown.pop(f"also {command}", set()), command
    assert shown == {command: _taken(command) for command in ("batches", "doctor")}


def _taken(command: str) -> set[str]:
    """The settings that `command` takes as options."""
    return {option.flag for option in OPTIONS if command in option.commands}


def test_the_page_about_unknown_outcomes_has_the_columns_of_the_sheet() -> None:
    cells = table("docs/unknown.md", "## Decide in a spreadsheet")
    assert [column for cell in cells for column in cell.split(", ")] == list(proposals.COLUMNS)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("settle", contract.SETTLE_OPTIONS),
        ("ledger", contract.LEDGER_OPTIONS),
        ("report", contract.REPORT_OPTIONS),
        ("batches", ("--workspace", "--name", "--status", "--format")),
        ("doctor", ("--json",)),
    ],
)
def test_a_command_s_own_options_are_there(name: str, options: tuple[str, ...]) -> None:
    shown = values_of(SETTINGS, f"### Options of `{name}`")
    parser = parsers()[name]
    assert set(shown) == set(options) == flags(parser) - settings_of(name) - {"--help"}
    assert shown == {flag: metavars(parser)[flag] for flag in shown}


def test_sandbox_s_options_and_defaults_are_there() -> None:
    parser = parsers()["sandbox"]
    shown = values_of(SANDBOX, "## A sandbox that keeps running")
    assert set(shown) == flags(parser) - {"--help"}
    assert shown == {flag: metavars(parser)[flag] for flag in shown}
    defaults = {
        flag: action.default for action in parser._actions for flag in action.option_strings
    }
    for cell, (default, _) in table(SANDBOX, "## A sandbox that keeps running").items():
        written = defaults[cell.split()[0]]
        assert default == (f"`{written}`" if written else "none"), cell


def test_every_option_on_a_page_exists_and_the_other_way_round() -> None:
    known = set().union(*(flags(parser) for parser in parsers().values())) | {"--version"}
    shown = {
        flag
        for page in pages()
        if page not in INSIDE
        for line in text(page).splitlines()
        if not line.startswith(("sudo ", "python -m tests."))  # another program's
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)
    }
    assert shown <= known
    assert {flag for flag in known if not flag.startswith("--no-")} - {"--help"} <= shown


# -- files


def test_every_column_and_status_of_the_ledger_is_there() -> None:
    assert tuple(table(LEDGER, "## Columns")) == contract.COLUMNS
    (settled_by,) = table(LEDGER, "## Columns")["settled_by"]
    assert all(f"`{way}`" in settled_by for way in contract.SETTLED_BY)
    statuses = table(LEDGER, "## Statuses")
    assert tuple(statuses) == tuple(table(README, "## Statuses")) == contract.STATUSES
    for status, (meaning, _) in statuses.items():
        assert meaning.split(":")[0].split(";")[0] == STATUSES[Status(status)].split(";")[0]


def test_every_column_and_placeholder_of_a_job_is_there() -> None:
    assert tuple(table(JOB_FILES, "## Columns of a job")) == contract.JOB_COLUMNS
    assert [cell.strip("{}") for cell in table(JOB_FILES, "## Placeholders in names")] == list(
        contract.PLACEHOLDERS
    )


def test_every_example_is_there() -> None:
    assert set(table(JOB_FILES, "## Examples")) == {
        f"jobs/{path.name}" for path in (HERE / "jobs").iterdir() if path.is_file()
    }


def test_every_exit_code_is_there() -> None:
    codes = table(NIGHTLY, "## Exit codes")
    assert [code.removesuffix("+signal") for code in codes] == [
        str(code) for code in contract.EXIT_CODES
    ]
    for (meaning, advice), promised in zip(
        codes.values(), contract.EXIT_CODES.values(), strict=True
    ):
        assert meaning.startswith(promised.removeprefix("+ signal "))
        assert advice


# -- what scripts read


def test_every_event_is_there_with_its_meaning() -> None:
    events = table(LOGS, "## Log lines")
    assert list(events) == list(EVENTS)
    for name, (meaning, _) in events.items():
        assert EVENTS[name].replace("`", "").startswith(meaning.partition(" (")[0]), name
    for field in (*contract.LOG_FIELDS, *contract.DUPLICATE_FIELDS):
        assert f"`{field}`" in section(LOGS, "## Log lines")
    assert tuple(re.findall(r"`(\w+)`", events["batch.settled"][1])) == contract.SETTLED_FIELDS


def test_every_field_of_the_summary_and_every_reason_to_stop_is_there() -> None:
    assert tuple(table(LOGS, "## Summary as JSON")) == contract.SUMMARY_FIELDS
    assert tuple(table(LOGS, "## Summary as JSON", 1)) == contract.STOPPED_BY


def test_every_fault_is_there() -> None:
    assert {name: cells[0] for name, cells in table(SANDBOX, "## Faults").items()} == FAULTS


# -- the project


def test_every_folder_is_named_and_exists() -> None:
    shown = set(table(CONTRIBUTING, "## Folders"))
    assert all((HERE / folder).is_dir() for folder in shown)
    assert shown >= {"worker/", "tests/", "jobs/", "docs/", "benchmarks/"}
    rooms = {cells[0].strip("`") for cells in _rows("docs/architecture.md", "## The rooms")}
    packages = {f"{path.parent.name}/" for path in (HERE / "worker").glob("*/__init__.py")}
    assert {room for room in rooms if room.endswith("/")} == packages


def _rows(page: str, heading: str) -> list[list[str]]:
    """The cells after the first of a table whose first cells repeat."""
    lines = re.findall(r"^\|(.*)\|$", section(page, heading), re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.split("|")[1:]] for line in lines]


def test_make_s_targets_exist_and_the_other_way_round() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
    targets = {name for name in phony.split() if re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)}
    assert set(phony.split()) == targets
    shown = {cell.removeprefix("make ") for cell in table(CONTRIBUTING, "## Commands")}
    assert shown == targets
    for page in (*pages(), CONTRIBUTING):
        named = re.findall(r"(?:`|^)make ([a-z-]+)(?:`|$)", text(page), re.MULTILINE)
        assert set(named) <= targets, page
