"""The commands that a person at the shell is shown: as they typed them, but without a secret."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from pathlib import Path

import pytest

from worker.cli.common import invocation, typed
from worker.cli.parser import parser
from worker.settings.load import load_settings

ADDRESS = "postgresql://waves:s3cret@db.example.org/ledgers?schema=two"
PING = "https://hc.example.org/s3cret"
SHOWN = "postgresql://waves@db.example.org/ledgers?schema=two"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["run", "a.csv", "--database", ADDRESS], ["run", "a.csv", "--database", SHOWN]),
        (["run", "a.csv", f"--database={ADDRESS}"], ["run", "a.csv", f"--database={SHOWN}"]),
        (["run", "a.csv", "--database", "a=b.db"], ["run", "a.csv", "--database", "a=b.db"]),
        (["run", "--heartbeat-url", PING, "a.csv"], ["run", "a.csv"]),
        (["run", "a.csv", f"--heartbeat-url={PING}", "--yes"], ["run", "a.csv", "--yes"]),
        (["run", "a.csv", "--sandbox", "--fresh"], ["run", "a.csv", "--sandbox"]),
    ],
)
def test_what_was_typed_is_shown_without_a_secret(
    arguments: list[str], shown: list[str], tmp_path: Path
) -> None:
    settings = load_settings(
        "run", {"database": ADDRESS}, {}, job=tmp_path / "a.csv", job_campaign=None,
        today=dt.date(2026, 3, 1), cwd=tmp_path,
    )  # fmt: skip
    commands = typed(settings, "a.csv", arguments)
    assert list(commands.typed) == shown
    for command in (commands.run(), commands.settle(), commands.ledger(), commands.report()):
        assert "s3cret" not in command


@pytest.mark.parametrize(
    ("key", "given", "repeated"),
    [
        ("timeout", 20.0, ("--timeout", "20")),
        ("settle_after", 0.5, ("--settle-after", "0.5")),
        ("max_in_flight", 10, ("--max-in-flight", "10")),
        ("rate", "1200/min", ("--rate", "20/s")),
        ("yes", True, ("--yes",)),
        ("log_file", "run.0", ("--log-file", "{folder}run.0")),
    ],
)
def test_a_later_run_gets_the_value_that_this_one_was_given(
    key: str, given: object, repeated: tuple[str, ...], tmp_path: Path
) -> None:
    settings = load_settings(
        "run", {key: given}, {}, job=tmp_path / "a.csv", job_campaign=None,
        today=dt.date(2026, 3, 1), cwd=tmp_path,
    )  # fmt: skip
    shown = tuple(word.replace("{folder}", f"{tmp_path}{os.sep}") for word in repeated)
    assert invocation(settings, run=True).kept == shown


def test_a_job_and_a_campaign_that_begin_like_options_are_named_so_that_the_program_takes_them(
    tmp_path: Path,
) -> None:
    given = {"campaign": "-wave"}
    settings = load_settings(
        "run", given, {}, job=tmp_path / "-wave.csv", job_campaign=None,
        today=dt.date(2026, 3, 1), cwd=tmp_path,
    )  # fmt: skip
    commands = typed(settings, "-wave.csv", ["run", "--campaign=-wave", "--", "-wave.csv"])
    for line in (commands.settle(), commands.ledger(), commands.report()):
        args = parser().parse_args(shlex.split(line)[1:])
        assert (Path(args.job), args.campaign) == (Path("-wave.csv"), "-wave")
    args = parser().parse_args(shlex.split(commands.retry())[1:])
    assert (args.jobs, args.campaign, args.retry_failed) == (["-wave.csv"], "-wave", True)
