"""The summary: the promised fields for scripts, and the right advice for people."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from worker.events import STOPPED_BY
from worker.observe.summary import NEXT, STATUSES, Facts, situations, summary_json, summary_text


def counts(created: int = 0, failed: int = 0, unknown: int = 0, pending: int = 0) -> dict[str, int]:
    return dict(zip(STATUSES, (created, failed, unknown, pending), strict=True))


DONE = Facts(
    campaign="spring",
    run_id="run-1",
    job=Path("jobs/plain.csv"),
    ledger=Path("ledgers/spring.csv"),
    database=Path("ledgers/ledger.db"),
    counts=counts(created=1200),
    created_this_run=1200,
    settled_this_run=0,
    requests=1203,
    throttled=0,
    duration_s=240.12345,
    exit_code=0,
    stopped_by=None,
    total=1200,
    nothing_to_do=False,
    reasons=(),
    command="duplicate-batches run jobs/plain.csv",
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
    }


def test_statuses_that_nobody_counted_are_zero() -> None:
    assert summary_json(replace(DONE, counts={}))["counts"] == counts()


PARTLY = replace(DONE, counts=counts(created=5, pending=5), total=10, exit_code=1)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DONE, ()),
        (replace(DONE, nothing_to_do=True), ("nothing_to_do",)),
        (PARTLY, ("goes_on",)),
        (replace(PARTLY, stopped_by="limit"), ("goes_on",)),
        (replace(PARTLY, stopped_by="max_duration"), ("goes_on",)),
        (replace(PARTLY, stopped_by="max_failed", counts=counts(5, 1, 0, 4)), ("goes_on", "failed")),
        (replace(PARTLY, stopped_by="signal"), ("goes_on",)),
        (replace(PARTLY, stopped_by="api"), ("goes_on",)),
        (replace(PARTLY, stopped_by="disk"), ("disk",)),
        (replace(PARTLY, stopped_by="token"), ("token",)),
        (replace(PARTLY, stopped_by="declined"), ("declined",)),
        (replace(PARTLY, stopped_by="internal"), ("internal",)),
        (replace(PARTLY, counts=counts(5, 2, 3)), ("unknown", "failed")),
        (replace(PARTLY, counts=counts(5, 5), nothing_to_do=True), ("failed", "nothing_to_do")),
        (replace(DONE, stopped_by="signal"), ()),
    ],
)
def test_what_to_do_next(facts: Facts, expected: tuple[str, ...]) -> None:
    assert situations(facts) == expected


def test_all_created() -> None:
    assert summary_text(DONE) == (
        "spring: 1,200 duplicates, all created.\n"
        "This run: 1,200 created, 1,203 requests, in 4 min.\n"
        "Ledger: ledgers/spring.csv"
    )


def test_not_all_created() -> None:
    facts = replace(
        DONE,
        counts=counts(10, 2, 1, 7),
        created_this_run=4,
        settled_this_run=1,
        requests=8,
        throttled=2,
        total=20,
        stopped_by="max_failed",
        reasons=(("422: name \x1b[31mis too long", 2), ("connection refused", 7)),
        sandbox=True,
    )
    assert summary_text(facts).splitlines() == [
        "A rehearsal in the sandbox: nothing of this is real.",
        "spring: 10 of 20 duplicates created.",
        "Not created: 2 failed, 1 unknown, 7 pending.",
        r"  2 × 422: name \x1b[31mis too long",
        "  7 × connection refused",
        "The run ended early because as many requests were refused as --max-failed allows.",
        "This run: 4 created, 1 settled, 8 requests, slowed down 2 times by the API, in 4 min.",
        "Ledger: ledgers/spring.csv",
        "→ The same command goes on where this run ended: duplicate-batches run jobs/plain.csv",
        "→ Unknown ones may exist, so they are not sent again until two listings prove that they do not. The next run "
        "looks again, and so does `duplicate-batches settle JOB`; the ledger's error column names what a person could "
        "decide with `settle --assign` or `--absent`.",
        "→ Failed ones are not tried again by themselves. The ledger's error column says why; when that is mended, "
        "duplicate-batches run jobs/plain.csv --retry-failed tries them too.",
    ]


def test_nothing_to_do_says_how_to_get_new_copies() -> None:
    text = summary_text(replace(DONE, nothing_to_do=True, created_this_run=0, requests=0))
    assert "puts {date} into the names or the campaign" in text


def test_an_empty_job() -> None:
    facts = replace(DONE, total=0, counts={}, nothing_to_do=True)
    assert summary_text(facts).startswith("spring: the job has no rows.")


def test_retry_failed_is_not_said_twice() -> None:
    facts = replace(PARTLY, counts=counts(9, 1), command="duplicate-batches run a.csv --retry-failed")
    assert summary_text(facts).count("--retry-failed") == 1


def test_a_path_can_be_pasted_into_a_shell() -> None:
    text = summary_text(replace(DONE, ledger=Path("my ledgers/it's.csv")))
    (line,) = [line for line in text.splitlines() if line.startswith("Ledger: ")]
    assert shlex.split(line.removeprefix("Ledger: ")) == ["my ledgers/it's.csv"]


@pytest.mark.parametrize("reason", STOPPED_BY)
def test_every_early_end_is_told_and_followed_by_advice(reason: str) -> None:
    text = summary_text(replace(PARTLY, stopped_by=reason))
    assert f"The run ended early because {STOPPED_BY[reason]}." in text
    assert "duplicate-batches run jobs/plain.csv" in text


def test_every_promised_reason_has_words() -> None:
    contract = "signal, limit, max_duration, max_failed, token, api, disk, declined, internal"
    assert list(STOPPED_BY) == contract.split(", ")


@pytest.mark.parametrize("situation", NEXT)
def test_every_advice_can_be_filled_in(situation: str) -> None:
    words = NEXT[situation].format(command="C", retry="R", run_id="I")
    assert not re.search(r"\{(?!date\})", words)


def test_hostile_words_are_made_visible() -> None:
    facts = replace(
        PARTLY, campaign="\u202ex", reasons=(("a\nb" * 200, 1),), stopped_by="\x1b", command="x \x1b[2J", ledger="\x1b"
    )
    assert all(line.isprintable() for line in summary_text(facts).split("\n"))
    assert max(map(len, summary_text(facts).split("\n"))) < 250
