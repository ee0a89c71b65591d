"""Three tellings of one promise, held against each other: the contract's tables, the code, and the
README."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import contract
from tests.support.command import command, environment
from tests.support.sandbox_thread import SandboxThread
from worker import __version__
from worker.cli import parser as cli
from worker.job.columns import COLUMNS as JOB_COLUMNS
from worker.job.columns import column_problem
from worker.ledger.views import COLUMNS
from worker.model import errors
from worker.model.events import EVENTS, ITEM_FIELDS, STOPPED_BY
from worker.model.names import PLACEHOLDERS
from worker.model.records import STATUSES, Counts, Status
from worker.run.result import exit_code
from worker.sandbox.faults import FAULTS
from worker.sandbox.options import SandboxOptions
from worker.settings.options import BY_KEY, OPTIONS
from worker.settings.options import COMMANDS as COMMANDS_WITH_A_JOB
from worker.terminal import summary

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text("utf-8")
MAKEFILE = (HERE / "Makefile").read_text("utf-8")
WITHOUT_A_JOB = {"completion", "sandbox"}
BUILT = [command for command in contract.COMMANDS if command not in contract.NOT_BUILT_YET]


# -- reading Markdown and parsers


def section(heading: str) -> str:
    """The text under the README's `heading`, up to the next one."""
    after = README.split(f"\n{heading}\n", 1)
    assert len(after) == 2, f"the README has no {heading!r}"
    return re.split(r"^#+ ", after[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(heading: str, number: int = 0) -> dict[str, list[str]]:
    """A table under `heading`: by its first cell, without backticks, the other cells of each
    row."""
    tables = re.findall(r"(?:^\|.*\n)+", section(heading), re.MULTILINE)
    rows = [_cells(line) for line in tables[number].splitlines()[2:]]
    return {first.replace("`", ""): others for first, *others in rows}


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]


def names_of(heading: str) -> list[str]:
    """The first words of a table's first cells: `--rate` of `--rate N/s`."""
    return [cell.split()[0] for cell in table(heading)]


def values_of(heading: str) -> dict[str, str]:
    """How a table of options writes each one's value: `N/s` of `--rate N/s`, and nothing for a
    switch."""
    return {cell.split()[0]: cell.partition(" ")[2] for cell in table(heading)}


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser."""
    for action in cli.parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("there are no commands")


def flags(parser: argparse.ArgumentParser) -> set[str]:
    return {
        flag
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--")
    }


def shell_lines() -> list[str]:
    """Every line of the README's sh blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def commands_shown() -> Iterator[list[str]]:
    """Every `duplicate-batches …` that the README and the help show, as arguments."""
    (cron,) = re.findall(r"^```cron\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in [*shell_lines(), cron[cron.index("duplicate-batches ") :]]:
        if line.startswith("duplicate-batches "):
            yield shlex.split(line.split(" > ")[0])[1:]
    for one in cli.COMMANDS.values():
        for line in re.findall(r"^  duplicate-batches (.*)", one.examples, re.MULTILINE):
            yield shlex.split(re.split(r" {2,}| > ", line)[0])


# -- the contract and the code


def test_the_commands_are_the_contract_s_but_those_not_built_yet() -> None:
    """When one of them is built: take it out of NOT_BUILT_YET, and into the README's tables."""
    assert set(cli.COMMANDS) == set(BUILT) == set(parsers())
    assert set(COMMANDS_WITH_A_JOB) == set(contract.COMMANDS) - WITHOUT_A_JOB


def test_run_has_the_contract_s_options_and_defaults() -> None:
    options = {option.flag: option for option in OPTIONS if "run" in option.commands}
    assert set(options) == {*contract.RUN_OPTIONS, contract.DRY_RUN}
    for flag, (metavar, default) in contract.RUN_OPTIONS.items():
        assert (options[flag].metavar, options[flag].default) == (metavar, default), flag


@pytest.mark.parametrize("command", [name for name in BUILT if name not in WITHOUT_A_JOB])
def test_every_command_with_a_job_takes_what_belongs_to_all(command: str) -> None:
    assert flags(parsers()[command]) >= set(contract.OPTIONS_OF_ALL_WITH_A_JOB)


def test_check_takes_no_option_that_run_does_not() -> None:
    assert flags(parsers()["check"]) < flags(parsers()["run"])


def test_ledger_has_the_contract_s_options_and_formats() -> None:
    ledger = parsers()["ledger"]
    assert flags(ledger) >= set(contract.LEDGER_OPTIONS)
    (formats,) = [
        action.choices for action in ledger._actions if "--format" in action.option_strings
    ]
    assert formats is not None
    assert tuple(formats) == contract.LEDGER_FORMATS


def test_the_ledger_file_has_the_contract_s_columns() -> None:
    assert COLUMNS == contract.COLUMNS


def test_statuses_are_the_contract_s() -> None:
    assert tuple(STATUSES) == tuple(Status) == summary.STATUSES == contract.STATUSES


def test_job_columns_and_placeholders_are_the_contract_s() -> None:
    assert JOB_COLUMNS == contract.JOB_COLUMNS
    assert PLACEHOLDERS == contract.PLACEHOLDERS
    assert "reserved" in column_problem(contract.RESERVED_JOB_COLUMN, "column")


def test_events_are_the_contract_s_and_a_note() -> None:
    assert tuple(EVENTS) == (*contract.EVENTS, "note")
    assert ITEM_FIELDS == contract.DUPLICATE_FIELDS


def test_reasons_to_stop_are_the_contract_s() -> None:
    assert tuple(STOPPED_BY) == contract.STOPPED_BY


def test_errors_end_with_the_contract_s_exit_codes() -> None:
    assert {
        kind.__name__: kind.exit_code
        for kind in _kinds(errors.WorkerError)
        if kind.__module__ == "worker.model.errors"
    } == {
        "WorkerError": 1,
        "UsageError": 2,
        "AccidentError": 2,
        "DeclinedError": 1,
        "JobError": 2,
        "TokenRefusedError": 3,
        "BusyError": 75,
    }
    assert {kind.exit_code for kind in _kinds(errors.WorkerError)} <= set(contract.EXIT_CODES)


def _kinds(kind: type[errors.WorkerError]) -> set[type[errors.WorkerError]]:
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


ALL = Counts(created=3)
PARTLY = [Counts(2, 1, 0, 0), Counts(2, 0, 1, 0), Counts(2, 0, 0, 1)]


@pytest.mark.parametrize(
    ("counts", "stopped_by", "signal", "code"),
    [
        (Counts(), None, None, 0),
        (ALL, None, None, 0),
        *((partly, None, None, 1) for partly in PARTLY),
        *((PARTLY[2], reason, None, 1) for reason in ("limit", "max_duration", "max_failed")),
        *(
            (counts, reason, None, 1)
            for counts in (ALL, PARTLY[2])
            for reason in ("api", "disk", "internal", "declined")
        ),
        (PARTLY[2], "token", None, 3),
        (ALL, "signal", 2, 130),
        (PARTLY[2], "signal", 2, 130),
        (PARTLY[2], "signal", 15, 143),
    ],
)
def test_a_run_ends_with_the_contract_s_exit_code(
    counts: Counts, stopped_by: str | None, signal: int | None, code: int
) -> None:
    assert exit_code(counts, stopped_by, signal) == code


# -- the README


def test_the_readme_begins_with_what_it_is_and_two_commands() -> None:
    assert README.startswith("# duplicate-batches\n\n")
    assert shell_lines()[:2] == ["make demo", "make test"]


def test_the_readme_s_commands_are_those_of_this_version() -> None:
    assert names_of("## Commands") == BUILT
    codes = {
        name: cells[1] for name, cells in zip(BUILT, table("## Commands").values(), strict=True)
    }
    assert codes == {
        "run": "below",
        "check": "0, 2, 3; 1 if a source does not exist, or something looks like an accident",
        "settle": "0 nothing unknown is left, 1 something is, 2, 3, 75",
        "ledger": "0, 2",
        "report": "0, 2",
        "completion": "0, 2",
        "sandbox": "0, 2",
    }


@pytest.mark.parametrize("command", contract.NOT_BUILT_YET)
def test_the_readme_says_what_is_not_built_yet(command: str) -> None:
    assert f"`{command}`" in section("### Not built yet")


WORDS_FOR_NO_DEFAULT = {
    "--campaign": "the job file's stem",
    "--limit": "all",
    "--date": "today, local time",
    "--config": "`./config.toml`, then the user's config directory",
}


def test_the_readme_has_run_s_options_and_defaults() -> None:
    shown = table("## Options of `run`")
    values = values_of("## Options of `run`")
    assert list(values) == [*contract.RUN_OPTIONS, contract.DRY_RUN]
    for cell, (default, meaning) in shown.items():
        option = BY_KEY[cell.split()[0].removeprefix("--").replace("-", "_")]
        assert values[option.flag] == (option.metavar or "")
        if option.metavar is None:
            assert default == "off", option.flag
        elif option.default is None:
            assert default == WORDS_FOR_NO_DEFAULT.get(option.flag, "none"), option.flag
        else:
            assert default == f"`{option.default}`", option.flag
        assert meaning


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("settle", contract.SETTLE_OPTIONS),
        ("ledger", contract.LEDGER_OPTIONS),
        ("report", contract.REPORT_OPTIONS),
    ],
)
def test_the_readme_has_a_command_s_own_options(name: str, options: tuple[str, ...]) -> None:
    shown = values_of(f"### Options of `{name}`")
    parser = parsers()[name]
    assert set(shown) == set(options) == flags(parser) - _settings(name) - {"--help"}
    assert shown == _metavars(parser, shown)


def test_the_readme_has_sandbox_s_options_and_defaults() -> None:
    parser = parsers()["sandbox"]
    shown = values_of("## The sandbox")
    assert set(shown) == flags(parser) - {"--help"}
    assert shown == _metavars(parser, shown)
    defaults = {
        flag: action.default for action in parser._actions for flag in action.option_strings
    }
    for cell, (default, _) in table("## The sandbox").items():
        written = defaults[cell.split()[0]]
        assert default == (f"`{written}`" if written else "none"), cell


def _settings(command: str) -> set[str]:
    """The options of `command` that are settings, with their opposites."""
    parser = argparse.ArgumentParser(add_help=False)
    for option in OPTIONS:
        if command in option.commands:
            kind = argparse.BooleanOptionalAction if option.metavar is None else "store"
            parser.add_argument(option.flag, action=kind)
    return flags(parser)


def _metavars(parser: argparse.ArgumentParser, wanted: Mapping[str, str]) -> dict[str, str]:
    """How the parser writes the value of each wanted option."""
    shown = {
        flag: action
        for action in parser._actions
        for flag in action.option_strings
        if flag in wanted
    }
    return {
        flag: "" if action.nargs == 0 else str(action.metavar or "|".join(action.choices or ()))
        for flag, action in shown.items()
    }


def test_every_option_in_the_readme_exists_and_the_other_way_round() -> None:
    known = set().union(*(flags(parser) for parser in parsers().values())) | {"--version"}
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README))
    assert shown <= known
    assert {flag for flag in known if not flag.startswith("--no-")} - {"--help"} <= shown | {
        "--no-yes"
    }


def test_the_readme_has_every_column_and_status() -> None:
    assert tuple(table("## Ledger file")) == contract.COLUMNS
    (settled_by,) = table("## Ledger file")["settled_by"]
    assert all(f"`{way}`" in settled_by for way in contract.SETTLED_BY)
    statuses = table("### Statuses")
    assert tuple(statuses) == contract.STATUSES
    for status, (meaning, _) in statuses.items():
        assert meaning.split(":")[0].split(";")[0] == STATUSES[Status(status)].split(";")[0]


def test_the_readme_has_every_exit_code() -> None:
    codes = table("## Exit codes")
    assert [code.removesuffix("+signal") for code in codes] == [
        str(code) for code in contract.EXIT_CODES
    ]
    for (meaning,), promised in zip(codes.values(), contract.EXIT_CODES.values(), strict=True):
        assert meaning.startswith(promised.removeprefix("+ signal "))


def test_the_readme_has_every_event_and_what_it_means() -> None:
    events = table("## Logs")
    assert list(events) == list(EVENTS)
    for name, (meaning, _) in events.items():
        assert EVENTS[name].replace("`", "").startswith(meaning.partition(" (")[0]), name
    for field in (*contract.LOG_FIELDS, *contract.DUPLICATE_FIELDS):
        assert f"`{field}`" in section("## Logs")
    assert tuple(re.findall(r"`(\w+)`", events["batch.settled"][1])) == contract.SETTLED_FIELDS


def test_the_readme_has_every_field_of_the_summary_and_every_reason() -> None:
    assert tuple(table("## Summary as JSON")) == contract.SUMMARY_FIELDS
    assert tuple(table("## Summary as JSON", 1)) == contract.STOPPED_BY


def test_the_readme_has_every_fault() -> None:
    assert {name: cells[0] for name, cells in table("### Faults").items()} == FAULTS


def test_the_readme_has_every_column_and_placeholder_of_a_job() -> None:
    assert tuple(table("### Columns of a job")) == contract.JOB_COLUMNS
    assert [cell.strip("{}") for cell in table("### Placeholders in names")] == list(
        contract.PLACEHOLDERS
    )


def test_the_readme_names_every_example_and_they_exist() -> None:
    assert set(table("## Job file")) == {
        f"jobs/{path.name}" for path in (HERE / "jobs").iterdir() if path.is_file()
    }
    assert all((HERE / name).is_file() for name in re.findall(r"\bjobs/[\w.-]+\.\w+", README))


def test_the_readme_names_every_folder_and_they_exist() -> None:
    shown = set(table("## Development"))
    assert all((HERE / folder).is_dir() for folder in shown)
    packages = {f"worker/{path.parent.name}/" for path in (HERE / "worker").glob("*/__init__.py")}
    assert shown >= packages | {"worker/", "tests/", "jobs/", "docs/", "benchmarks/"}


def test_the_readme_s_make_targets_exist_and_the_other_way_round() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
    targets = {name for name in phony.split() if re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)}
    assert set(phony.split()) == targets
    assert {line.split()[1] for line in shell_lines() if line.startswith("make ")} == targets
    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for document in (HERE / "README.md", HERE / "CHANGELOG.md", *(HERE / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
            assert "://" in link or (document.parent / link).exists(), link


@pytest.mark.parametrize("arguments", list(commands_shown()), ids=" ".join)
def test_every_command_that_is_shown_can_be_given(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        return
    args = cli.parser().parse_args(arguments)
    assert args.command in BUILT


@pytest.mark.parametrize("command", BUILT)
def test_the_help_of_every_command_has_examples_and_exit_codes(command: str) -> None:
    text = parsers()[command].format_help()
    assert "examples:\n  duplicate-batches " in text
    assert "exit codes:" in text


def test_the_jobs_in_the_readme_are_good_jobs(tmp_path: Path) -> None:
    for suffix, block in re.findall(r"^```(csv|yaml)\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        (tmp_path / f"wave.{suffix}").write_text(block, "utf-8")
        done = command(
            ["check", f"wave.{suffix}", "--sandbox", "--json"], tmp_path, environment(tmp_path)
        )
        assert (done.code, done.summary["to_create"]) == (0, 12), done.err


def test_the_changelog_begins_with_this_version() -> None:
    first = re.findall(r"^## (\S+)", (HERE / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[0]
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    assert first == __version__ == project["version"]


# -- a run that has seen some trouble


@pytest.fixture(scope="module")
def troubled(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The summary and the log lines of a run with refusals, lost answers and answers of 429."""
    folder = tmp_path_factory.mktemp("troubled")
    shutil.copy(HERE / "jobs" / "copies.csv", folder / "wave.csv")
    faults = {"refuse": 0.25, "drop-answer": 0.1, "busy": 0.1}
    with SandboxThread(SandboxOptions(latency=0.0, faults=faults, seed=3)) as api:
        arguments = (
            "run",
            "wave.csv",
            "--yes",
            "--rate",
            "unlimited",
            "--settle-after",
            "0.2",
            "--json",
        )
        done = command(
            (*arguments, "--log-file", "log.jsonl"), folder, environment(folder, api.url, api.token)
        )
    lines = (folder / "log.jsonl").read_text("utf-8").splitlines()
    return done.summary, [json.loads(line) for line in lines]


def test_the_summary_has_the_contract_s_fields(
    troubled: tuple[dict[str, object], list[dict[str, object]]],
) -> None:
    facts, _ = troubled
    assert tuple(facts) == contract.SUMMARY_FIELDS
    counts = facts["counts"]
    assert isinstance(counts, dict)
    assert tuple(counts) == contract.STATUSES
    assert counts["failed"]
    assert facts["settled_this_run"]
    assert facts["throttled"]
    assert facts["exit_code"] == 1


def test_every_log_line_has_the_contract_s_fields_and_the_readme_s(
    troubled: tuple[dict[str, object], list[dict[str, object]]],
) -> None:
    _, lines = troubled
    shown = {
        name: set(re.findall(r"`(\w+)`", cells[1])) for name, cells in table("## Logs").items()
    }
    seen = set()
    for line in lines:
        name = str(line["event"])
        seen.add(name)
        assert tuple(line)[:5] == contract.LOG_FIELDS
        own = set(line) - set(contract.LOG_FIELDS)
        if name.startswith("batch."):
            assert own >= set(contract.DUPLICATE_FIELDS)
            own -= set(contract.DUPLICATE_FIELDS)
        assert own >= shown[name]
        assert own <= shown[name], name
    assert seen >= {"run.started", "job.read", "preflight.done", "pace.slowed", "run.finished"}
    assert seen >= {
        "batch.created",
        "batch.failed",
        "batch.unknown",
        "batch.settled",
        "batch.retrying",
    }


# -- what does not belong into a public repository


def tracked() -> list[Path]:
    if not (HERE / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git checkout")
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=HERE,
        capture_output=True,
        check=True,
        text=True,
    )
    return [
        path
        for name in found.stdout.split("\0")
        if name and (path := HERE / name).is_file() and path.suffix != ".png"
    ]


def test_no_file_names_a_machine_s_paths_or_a_registry() -> None:
    folders = "|".join(("work", "home", "root", "Users", "opt"))
    machine = re.compile(rf"(?<![\w.}}~-])/(?:{folders})/\w")
    registry = re.compile(
        "|".join(("index" + "-url", "trusted" + "-host", "find" + "-links", "artifact" + "ory")),
        re.I,
    )
    for path in tracked():
        text = path.read_text("utf-8-sig")
        assert not machine.search(text), path
        assert not registry.search(text), path


def test_no_file_names_a_foreign_host() -> None:
    """Tests may hold made-up ones, examples the reserved one, and pictures the name of their
    format."""
    ours = re.compile(
        r"(?:api|www|app)\.prolific\.com$|example\.org$|localhost$|127\.0\.0\.1$|www\.w3\.org$|[{\[]"
    )
    for path in tracked():
        if path.is_relative_to(HERE / "tests"):
            continue
        for host in re.findall(r"https?://([^\s/:\"'`)>]+)", path.read_text("utf-8-sig")):
            assert ours.match(host), f"{path}: {host}"
