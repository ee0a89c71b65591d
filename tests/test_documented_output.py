"""A run that has seen some trouble prints and logs what the contract and the pages say."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests import contract
from tests.support.command import command, environment
from tests.support.pages import HERE, table
from tests.support.sandbox_thread import SandboxThread
from worker.sandbox.options import SandboxOptions


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


def test_every_log_line_has_the_contract_s_fields_and_the_page_s(
    troubled: tuple[dict[str, object], list[dict[str, object]]],
) -> None:
    _, lines = troubled
    shown = {
        name: set(re.findall(r"`(\w+)`", cells[1]))
        for name, cells in table("docs/logs.md", "## Log lines").items()
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
