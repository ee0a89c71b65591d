"""The table of options: complete, cheap to import, and the same in argparse and in
config.example.toml."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.settings.support import load
from worker.settings.load import value_type
from worker.settings.options import BY_KEY, COMMANDS, GROUPS, OPTIONS, Option, add_options
from worker.settings.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
FILE_KEYS = {option.key for option in OPTIONS if "file" in option.sources}
EVERYWHERE = {"campaign", "ledger", "database", "date", "config", "sandbox"}


def flags(command: str) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser, command)
    return set(vars(parser.parse_args([])))


def test_keys_are_the_contract_s() -> None:
    assert set(BY_KEY) == EVERYWHERE | {
        *(
            "rate",
            "max_in_flight",
            "timeout",
            "settle_after",
            "give_up_after",
            "follow",
            "retry_failed",
            "limit",
        ),
        *(
            "max_duration",
            "max_failed",
            "wait",
            "yes",
            "allow_existing",
            "fresh",
            "report",
            "json",
            "log_file",
            "log_format",
        ),
        *("progress", "quiet", "token_file", "dry_run"),
        *("heartbeat_url", "metrics_file", "on_finish"),
        "batch_url",
    }


def test_settings_have_every_key_of_the_table() -> None:
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == FILE_KEYS | {
        "config_file",
        "campaign_dated",
        "job_stem",
        "left_out",
        "origins",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_with_a_job_takes_what_finds_its_ledger(command: str) -> None:
    assert flags(command) >= EVERYWHERE


def test_check_takes_what_changes_its_findings() -> None:
    assert flags("check") == EVERYWHERE | {
        *("limit", "retry_failed", "allow_existing", "timeout", "json", "quiet")
    }


def test_settle_takes_what_it_needs() -> None:
    assert flags("settle") == EVERYWHERE | {
        *("timeout", "settle_after", "give_up_after", "wait", "max_duration"),
        *("json", "log_file", "log_format", "progress", "quiet"),
    }


@pytest.mark.parametrize("command", ["ledger", "report"])
def test_reading_commands_take_no_more(command: str) -> None:
    assert flags(command) == EVERYWHERE


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("run", "Print nothing if everything was created"),
        ("check", "Print nothing if there is no problem"),
        ("settle", "Print nothing if nothing is unknown any more"),
        ("run", "Print the summary as one JSON object"),
        ("check", "Print the findings as one JSON object"),
        ("settle", "Print the result as one JSON object"),
    ],
)
def test_help_says_what_an_option_does_in_this_command(command: str, line: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser, command)
    assert line in " ".join(parser.format_help().split())


def test_a_command_without_campaigns_has_no_options_of_one() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser, "batches")
    _, files = parser.format_help().split("Files and settings:")
    assert "--sandbox" in files
    assert "Which campaign" not in parser.format_help()


def test_options_stand_in_groups_the_needed_ones_first() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser, "run")
    text = parser.format_help()
    places = [text.index(f"\n{title}:\n") for title in GROUPS]
    assert places == sorted(places)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_help_is_a_short_phrase(option: Option) -> None:
    assert option.help[0].isupper()
    assert not option.help.endswith(".")
    assert len(option.help) <= 90


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_given_is_none(command: str) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, command)
    assert set(vars(parser.parse_args([])).values()) == {None}


def test_a_flag_can_be_undone(tmp_path: Path) -> None:
    assert load(tmp_path, config="yes = true").yes
    assert not load(tmp_path, ["--no-yes"], config="yes = true").yes


def test_help_shows_each_default_once() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, "run")
    text = " ".join(parser.format_help().split())
    assert "(default: 5/s)" in text
    assert "--yes, --no-yes" in text
    assert "--no-dry-run" not in text
    assert not re.search(r"\(default: [^()]*\) \(default", text)


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys, worker.settings.options as o, argparse;p = argparse.ArgumentParser();"
        " o.add_options(p, 'run'); p.format_help();print(sorted({'aiohttp', 'pydantic', 'rich',"
        " 'asyncio', 'platformdirs', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- config.example.toml


def uncommented() -> str:
    return re.sub(r"^# (?=[a-z_]+ = )", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)


def test_the_example_holds_every_default() -> None:
    example = tomllib.loads(EXAMPLE.read_text("utf-8"))
    assert example == {
        key: BY_KEY[key].default for key in FILE_KEYS if BY_KEY[key].default is not None
    }


def test_the_example_holds_every_key_and_each_is_good() -> None:
    example = tomllib.loads(uncommented())
    assert set(example) == FILE_KEYS
    for key, value in example.items():
        value_type(key).from_toml(value)


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    plain = load(tmp_path, job="wave.csv")
    with_example = load(tmp_path, job="wave.csv", config=EXAMPLE.read_text("utf-8"))
    assert dataclasses.replace(with_example, config_file=None) == plain


def test_the_uncommented_example_loads(tmp_path: Path) -> None:
    settings = load(tmp_path, config=uncommented())
    assert settings.campaign == "spring-2026-03-31"
    assert settings.date == dt.date(2026, 3, 31)
    assert settings.limit == 100


def test_every_key_of_the_example_says_why() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"(# )?[a-z_]+ = ", line):
            assert before.startswith("# ")
