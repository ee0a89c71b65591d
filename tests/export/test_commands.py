"""The commands that people are shown: what they name, and that the program takes them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.ledgers import uuid
from worker.cli.parser import parser
from worker.export.commands import Commands, Invocation, commands
from worker.ledger.views import LatestRun

LATEST = LatestRun("run-1", "a", Path("/w/ledgers/a.csv"), Path("/w/a.csv"), None)
USUAL = Invocation(usual_ledger="/w/ledgers/{campaign}.csv")


@pytest.mark.parametrize(
    ("latest", "invocation", "shared", "more"),
    [
        (LATEST, USUAL, "--campaign a", ""),
        (LATEST._replace(date="2026-03-01"), USUAL, "--campaign a", "--date 2026-03-01"),
        (LATEST._replace(job=Path("/w/my wave.csv")), USUAL, "--campaign a", ""),
        (LATEST, USUAL._replace(config=Path("/w/c.toml")), "--config /w/c.toml --campaign a", ""),
        (LATEST, USUAL._replace(database=Path("/d b")), "--database '/d b' --campaign a", ""),
        (LATEST, USUAL._replace(sandbox=True), "--sandbox --campaign a", ""),
        # where a run was told another ledger file, or the latest one was
        (
            LATEST,
            USUAL._replace(ledger="/o/{run_id}.csv"),
            "--campaign a",
            "--ledger '/o/{run_id}.csv'",
        ),
        (LATEST, USUAL._replace(usual_ledger="/o/{run_id}.csv"), "--campaign a", ""),
        (
            LATEST,
            USUAL._replace(usual_ledger="/o/{campaign}.csv"),
            "--campaign a",
            "--ledger /w/ledgers/a.csv",
        ),
        (LATEST, USUAL._replace(usual_ledger=None), "--campaign a", "--ledger /w/ledgers/a.csv"),
    ],
)
def test_commands_name_what_leads_to_the_campaign(
    latest: LatestRun, invocation: Invocation, shared: str, more: str
) -> None:
    made, job = commands(latest, invocation), shlex.quote(str(latest.job))
    assert made.run() == " ".join(filter(None, ("duplicate-batches run", job, shared, more)))
    assert made.settle() == f"duplicate-batches settle {job} {shared}"
    assert made.report() == f"duplicate-batches report {job} {shared}"
    assert made.ledger("--all") == f"duplicate-batches ledger {job} {shared} --all"


def test_a_run_that_was_typed_continues_as_it_was_typed() -> None:
    made = Commands("a.csv", typed=("run", "a.csv", "--rate", "3/s"))
    assert made.run() == "duplicate-batches run a.csv --rate 3/s"
    assert made.retry() == "duplicate-batches run a.csv --rate 3/s --retry-failed"
    assert (
        made._replace(typed=("run", "a.csv", "--retry-failed")).retry().count("--retry-failed") == 1
    )


def test_the_program_takes_every_command_as_it_stands() -> None:
    made = Commands("/w/it's.csv", ("--campaign", "a b"), ("--date", "2026-03-01"))
    for line in (
        made.run(),
        made.retry(),
        made.settle(),
        made.assign(7, uuid(1)),
        made.absent(7),
        made.report(),
        made.ledger("--all", "--format", "table"),
    ):
        args = parser().parse_args(shlex.split(line)[1:])
        job = args.jobs[0] if args.command == "run" else args.job
        assert (job, args.campaign) == ("/w/it's.csv", "a b")
    assert parser().parse_args(shlex.split(made.assign(7, uuid(1)))[1:]).assign == [f"#7={uuid(1)}"]


def test_a_campaign_that_begins_like_an_option_is_taken_as_one_word() -> None:
    made = commands(LATEST._replace(campaign="-wave"), USUAL)
    for line in (made.run(), made.settle(), made.report(), made.ledger("--all")):
        assert " --campaign=-wave" in line
        assert parser().parse_args(shlex.split(line)[1:]).campaign == "-wave"


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("run -- -wave.csv", "run --retry-failed -- -wave.csv"),
        ("run --yes -- -wave.csv", "run --yes --retry-failed -- -wave.csv"),
        ("run --retry-failed -- -wave.csv", "run --retry-failed -- -wave.csv"),
    ],
)
def test_options_come_before_the_word_that_ends_them(typed: str, again: str) -> None:
    line = Commands("./-wave.csv", typed=tuple(typed.split())).retry()
    assert line == f"duplicate-batches {again}"
    args = parser().parse_args(shlex.split(line)[1:])
    assert (args.jobs, args.retry_failed) == (["-wave.csv"], True)


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("run a.csv", "run a.csv"),
        ("run a.csv --limit 1 --yes", "run a.csv --yes"),
        ("run --limit=1 a.csv", "run a.csv"),
        ("run a.csv --limit 1 --limit=2", "run a.csv"),
        ("run a.csv --limits 1", "run a.csv --limits 1"),
    ],
)
def test_the_rest_is_created_without_the_limit(typed: str, left: str) -> None:
    made = Commands("a.csv", typed=tuple(typed.split())).without("--limit")
    assert made.run() == f"duplicate-batches {left}"


def test_every_command_begins_with_the_programs_name_and_a_run_keeps_its_pace() -> None:
    invocation = USUAL._replace(program=("/my v/python", "-m", "worker"), kept=("--rate", "30/min"))
    made = commands(LATEST, invocation)
    called = "'/my v/python' -m worker"
    assert made.run() == f"{called} run /w/a.csv --campaign a --rate 30/min"
    for line in (made.settle(), made.retry(), made.ledger(), made.report(), made.absent(7)):
        assert line.startswith(f"{called} ")
    assert "--rate" not in made.settle()
