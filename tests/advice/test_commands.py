"""The commands that people are shown: what they name, and that the program takes them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.ledgers import uuid
from worker.advice.commands import Commands, Reach, commands
from worker.cli.main import parser
from worker.ledger.views import LatestRun

LATEST = LatestRun("run-1", "a", Path("/w/ledgers/a.csv"), Path("/w/a.csv"), None)
USUAL = Reach(usual_ledger="/w/ledgers/{campaign}.csv")


@pytest.mark.parametrize(
    ("latest", "reach", "shared", "more"),
    [
        (LATEST, USUAL, "--campaign a", ""),
        (LATEST._replace(date="2026-03-01"), USUAL, "--campaign a", "--date 2026-03-01"),
        (LATEST._replace(job=Path("/w/my wave.csv")), USUAL, "--campaign a", ""),
        (LATEST, USUAL._replace(config=Path("/w/c.toml")), "--config /w/c.toml --campaign a", ""),
        (LATEST, USUAL._replace(database=Path("/d b")), "--database '/d b' --campaign a", ""),
        (LATEST, USUAL._replace(sandbox=True), "--sandbox --campaign a", ""),
        # where a run was told another ledger file, or the latest one was
        (LATEST, USUAL._replace(ledger="/o/{run_id}.csv"), "--campaign a", "--ledger '/o/{run_id}.csv'"),
        (LATEST, USUAL._replace(usual_ledger="/o/{run_id}.csv"), "--campaign a", ""),
        (LATEST, USUAL._replace(usual_ledger="/o/{campaign}.csv"), "--campaign a", "--ledger /w/ledgers/a.csv"),
        (LATEST, USUAL._replace(usual_ledger=None), "--campaign a", "--ledger /w/ledgers/a.csv"),
    ],
)
def test_commands_name_what_leads_to_the_campaign(latest: LatestRun, reach: Reach, shared: str, more: str) -> None:
    made, job = commands(latest, reach), shlex.quote(str(latest.job))
    assert made.run() == " ".join(filter(None, ("duplicate-batches run", job, shared, more)))
    assert made.settle() == f"duplicate-batches settle {job} {shared}"
    assert made.report() == f"duplicate-batches report {job} {shared}"
    assert made.ledger("--all") == f"duplicate-batches ledger {job} {shared} --all"


def test_a_run_that_was_typed_goes_on_as_it_was_typed() -> None:
    made = Commands("a.csv", typed=("run", "a.csv", "--rate", "3/s"))
    assert made.run() == "duplicate-batches run a.csv --rate 3/s"
    assert made.retry() == "duplicate-batches run a.csv --rate 3/s --retry-failed"
    assert made._replace(typed=("run", "a.csv", "--retry-failed")).retry().count("--retry-failed") == 1


def test_the_program_takes_every_command_as_it_stands() -> None:
    made = Commands("/w/it's.csv", ("--campaign", "a b"), ("--date", "2026-03-01"))
    for line in (
        made.run(), made.retry(), made.settle(), made.assign(7, uuid(1)), made.absent(7), made.report(),
        made.ledger("--all", "--format", "table"),
    ):  # fmt: skip
        args = parser().parse_args(shlex.split(line)[1:])
        assert (args.job, args.campaign) == ("/w/it's.csv", "a b")
    assert parser().parse_args(shlex.split(made.assign(7, uuid(1)))[1:]).assign == [f"#7={uuid(1)}"]
