"""The summary: the promised fields for scripts, and the right advice for people."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from worker.export.commands import Commands
from worker.export.next_steps import CampaignState, steps
from worker.model.events import STOPPED_BY
from worker.model.records import Counts
from worker.terminal.summary import Summary, summary_json, summary_text

COMMANDS = Commands("a.csv")


DONE = Summary(
    campaign="spring",
    run_id="run-1",
    job=Path("jobs/plain.csv"),
    ledger=Path("ledgers/spring.csv"),
    database="ledgers/ledger.db",
    counts=Counts(created=1200),
    created_this_run=1200,
    settled_this_run=0,
    requests=1203,
    throttled=0,
    duration_s=240.12345,
    exit_code=0,
    stopped_by=None,
    reasons=(),
    steps=(),
)


def test_the_json_has_the_promised_fields() -> None:
    summary = summary_json(DONE)
    assert json.loads(json.dumps(summary)) == {
        "campaign": "spring",
        "run_id": "run-1",
        "job": "jobs/plain.csv",
        "ledger": "ledgers/spring.csv",
        "database": "ledgers/ledger.db",
        "counts": {"created": 1200, "failed": 0, "unknown": 0, "pending": 0},
        "created_this_run": 1200,
        "settled_this_run": 0,
        "requests": 1203,
        "throttled": 0,
        "duration_s": 240.123,
        "exit_code": 0,
        "stopped_by": None,
        "report": None,
        "warnings": 0,
        "setup": {"ready": 0, "requested": 0, "pending": 0, "failed": 0, "unknown": 0},
    }


PARTLY = DONE._replace(counts=Counts(created=5, pending=5), exit_code=1)


def test_all_created() -> None:
    assert (
        summary_text(DONE) == "spring: 1,200 duplicates, all created.\n"
        "This run: 1,200 created, 1,203 requests, in 4 min.\n"
        "Ledger: ledgers/spring.csv"
    )


def test_not_all_created() -> None:
    summary = DONE._replace(
        counts=Counts(10, 2, 1, 7),
        created_this_run=4,
        settled_this_run=1,
        requests=8,
        throttled=2,
        stopped_by="max_failed",
        reasons=(("422: name \x1b[31mis too long", 2), ("connection refused", 7)),
        steps=tuple(steps(CampaignState(Counts(10, 2, 1, 7)), COMMANDS)),
        sandbox=True,
    )
    assert summary_text(summary).splitlines() == [
        "A rehearsal in the sandbox: nothing here is real.",
        "spring: 10 of 20 duplicates created.",
        "Not created: 2 failed, 1 unknown, 7 pending.",
        "  7 × connection refused",
        r"  2 × 422: name \x1b[31mis too long",
        "The run ended early because --max-failed was reached.",
        "This run: 4 created, 1 settled, 8 requests, slowed down 2 times by the API, in 4 min.",
        "Ledger: ledgers/spring.csv",
        (
            "→ Run the job again. The next run sends 7 pending duplicates and rechecks 1 unknown"
            " duplicate and resends it if it is confirmed missing. It creates none of them twice."
        ),
        "  duplicate-batches run a.csv",
        "  Or only check what is unknown, and create nothing:",
        "  duplicate-batches settle a.csv",
        (
            "→ Look at the 2 duplicates that the API rejected. A run does not try them again by"
            " itself. If the job file is wrong, fix it. If the cause was elsewhere and is fixed,"
            " try them again:"
        ),
        "  duplicate-batches run a.csv --retry-failed",
    ]


def test_causes_that_are_not_shown_are_counted() -> None:
    summary = PARTLY._replace(
        reasons=tuple((f"cause {number}", number) for number in range(9, 1, -1))
    )
    causes = [line for line in summary_text(summary).splitlines() if line.startswith("  ")]
    assert causes[0] == "  2 × cause 2"
    assert causes[-1] == "  … and 3 more causes (24 duplicates)"


def test_the_report_is_named() -> None:
    summary = DONE._replace(report=Path("my ledgers/spring.html"))
    assert summary_json(summary)["report"] == "my ledgers/spring.html"
    assert summary_text(summary).splitlines()[-1] == "Report: 'my ledgers/spring.html'"


def test_settling_speaks_of_settling() -> None:
    campaign_state = CampaignState(Counts(10, 0, 1, 3), settling=True, stopped_by="signal")
    summary = DONE._replace(
        counts=Counts(10, 0, 1, 3),
        settled_this_run=5,
        absent=3,
        settling=True,
        stopped_by="signal",
        steps=tuple(steps(campaign_state, COMMANDS)),
    )
    assert summary_text(summary).splitlines() == [
        "spring: 10 of 14 duplicates created.",
        "Not created: 1 unknown, 3 pending.",
        "Settling ended early because a signal asked it to stop.",
        "Settled: 2 found, 3 confirmed missing, 1 still unknown, in 4 min.",
        "Ledger: ledgers/spring.csv",
        (
            "→ Settle again. 1 duplicate is still unknown. Settling creates nothing, so you can"
            " repeat it."
        ),
        "  duplicate-batches settle a.csv",
        (
            "→ Create the 3 missing duplicates. 3 duplicates were never sent, or are confirmed"
            " missing. Settling creates nothing; a run does:"
        ),
        "  duplicate-batches run a.csv",
    ]


def test_an_empty_job() -> None:
    summary = DONE._replace(counts=Counts())
    assert summary_text(summary).startswith("spring: the job has no rows.")


def test_a_path_can_be_pasted_into_a_shell() -> None:
    text = summary_text(DONE._replace(ledger=Path("my ledgers/it's.csv")))
    (line,) = [line for line in text.splitlines() if line.startswith("Ledger: ")]
    assert shlex.split(line.removeprefix("Ledger: ")) == ["my ledgers/it's.csv"]


@pytest.mark.parametrize("reason", STOPPED_BY)
def test_every_early_end_is_reported(reason: str) -> None:
    assert f"The run ended early because {STOPPED_BY[reason]}." in summary_text(
        PARTLY._replace(stopped_by=reason)
    )


def test_every_promised_reason_has_words() -> None:
    contract = (
        "signal, limit, max_duration, max_failed, token, api, disk, declined, internal, database"
    )
    assert list(STOPPED_BY) == contract.split(", ")


def test_hostile_text_is_made_visible() -> None:
    summary = PARTLY._replace(
        campaign="\u202ex",
        reasons=(("a\nb" * 200, 1),),
        stopped_by="\x1b",
        ledger=Path("\x1b"),
        steps=tuple(steps(CampaignState(Counts(pending=1)), Commands("x \x1b[2J"))),
    )
    assert all(line.isprintable() for line in summary_text(summary).split("\n"))
    assert max(map(len, summary_text(summary).split("\n"))) < 250
