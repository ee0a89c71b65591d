"""What `ledger --forget` removes of old runs, and what always stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.ledgers import (
    TIMESTAMP,
    WORKSPACE,
    claim,
    connection_of,
    ending,
    items,
    look_up,
    opened,
    record,
    source,
    uuid,
)
from worker.ledger import restoration, settlement
from worker.ledger.forget import Forgotten, compact, forget_before
from worker.ledger.store import Ledger
from worker.model.reasons import Reason
from worker.model.records import RateChange

OLD, DAY, NEW = "2026-01-01T20:00:00.000Z", "2026-02-01T00:00:00.000Z", "2026-03-01T20:00:00.000Z"
JOB = ("batch_id,name,copies", f"{uuid(1)},Wave,9")
OUTCOMES = ("created", "refused", "not_sent", "not_left", "unknown")


def night(folder: Path, now: str, *outcomes: str, job: tuple[str, ...] = JOB) -> None:
    """A run in which one request each has these outcomes; `listing` and `absence` are an unanswered
    one that settling closed."""
    with opened(folder, *job, now=now, run_id=f"run-of-{now}") as ledger:
        number = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        look_up(ledger)
        ledger.end_listing(number, 3, 3, None)
        for intent, outcome in zip(claim(ledger, len(outcomes)), outcomes, strict=True):
            settled = outcome in ("listing", "absence")
            record(ledger, ending(intent, "unknown" if settled else outcome, http_status=201))
            if outcome == "absence":
                settlement.close_attempt(ledger, intent.attempt_id, outcome)
                settlement.settle_absent(ledger, intent.item_id, Reason.ABSENT, "absent")
            elif outcome == "listing":
                batch = source(0xB000 + intent.attempt_id, "Wave")
                settlement.create(ledger, intent.attempt_id, intent.item_id, batch, "listing")
        ledger.add_rate_changes([RateChange(now, 1.0, None, "429")])


def fate(ledger: Ledger, outcome: str, closed_by: str | None) -> str:
    """What became of the attempts with this outcome: kept, stripped or removed."""
    found = (
        connection_of(ledger)
        .execute(
            "SELECT ended_at IS NULL FROM attempts"
            " WHERE outcome = ? AND coalesce(closed_by, '') = ?",
            (outcome, closed_by or ""),
        )
        .fetchall()
    )
    return "removed" if not found else "stripped" if all(row[0] for row in found) else "kept"


@pytest.mark.parametrize(
    ("began", "beside", "expected"),
    [
        (OLD, "created", ["stripped", "removed", "removed", "removed"]),
        (OLD, "absence", ["stripped", "removed", "removed", "removed"]),
        (OLD, "unknown", ["kept", "removed", "removed", "removed"]),
        (OLD, "listing", ["kept", "removed", "removed", "removed"]),
        (NEW, "created", ["kept", "kept", "kept", "kept"]),
    ],
    ids=["old", "with an absent one", "with an open one", "with a listed one", "new"],
)
def test_what_is_forgotten_of_a_run(
    tmp_path: Path, began: str, beside: str, expected: list[str]
) -> None:
    """`beside` is the outcome of one more request of the run."""
    night(tmp_path, began, *OUTCOMES[:4], beside)
    with opened(tmp_path, now=NEW) as ledger:
        forget_before(ledger, DAY)

        closed = [fate(ledger, outcome, "outcome") for outcome in OUTCOMES[:4]]
        assert closed == expected
        if beside != "created":
            closing = None if beside == "unknown" else beside
            assert fate(ledger, "unknown", closing) == "kept"


def what_stays(ledger: Ledger) -> dict[str, Any]:
    """What decides what is sent, settled and restored."""
    connection = connection_of(ledger)
    tables = (
        "campaigns", "sources", "source_versions", "listings", "seen", "unowned_batches",
        "candidates",
    )  # fmt: skip
    return {
        "items": items(ledger, "*"),
        "runs": connection.execute("SELECT run_id, me, started_at FROM runs").fetchall(),
        "requests": restoration.count_attempts(ledger, "spring"),
        "open": settlement.open_attempts(ledger),
        "fidelity": settlement.copy_fidelity(ledger, [source(0xF001, "Wave")]),
        **{table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables},
    }


def test_identities_batches_counts_and_evidence_stay(tmp_path: Path) -> None:
    night(tmp_path, OLD, *OUTCOMES)
    night(tmp_path, NEW, "created", "not_sent")
    with opened(tmp_path, now=NEW) as ledger:
        before = what_stays(ledger)

        forgotten = forget_before(ledger, DAY)
        compact(ledger)

        assert forgotten == Forgotten(requests=3, measured=0, rate_changes=1)
        assert what_stays(ledger) == before
        assert restoration.has_run(ledger, f"run-of-{OLD}")


def test_a_second_time_there_is_nothing_left_to_forget(tmp_path: Path) -> None:
    night(tmp_path, OLD, *OUTCOMES[:4])
    with opened(tmp_path, now=NEW) as ledger:
        # The campaign's latest request stays, although it created nothing.
        assert forget_before(ledger, DAY) == Forgotten(2, 1, 1)
        assert forget_before(ledger, DAY) == Forgotten(0, 0, 0)
        assert forget_before(ledger, OLD) == Forgotten(0, 0, 0)
        known = connection_of(ledger).execute(
            "SELECT value FROM meta WHERE key = 'forgotten_before'"
        )
        assert known.fetchone()[0] == DAY
