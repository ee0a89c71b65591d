"""What settling writes down of an unknown duplicate: its reason and its candidates, as fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.ledgers import (
    CAMPAIGN,
    TIMESTAMP,
    claim,
    connection_of,
    ending,
    leave_undecided,
    look_up,
    opened,
    record,
    source,
    uuid,
)
from worker.ledger import decisions, settlement, views
from worker.ledger.rows import LedgerRow, ledger_rows
from worker.ledger.store import Ledger
from worker.model.attempts import Candidate, Evidence, Unsettled, Verdicts
from worker.model.reasons import Reason, message
from worker.settle.verdicts import MOVED

JOB = ("batch_id,name,copies", f"{uuid(1)},Wave {{n}},2")
NEAR, FAR, OTHER = uuid(0xA1), uuid(0xA2), uuid(0xA3)


def unanswered(ledger: Ledger) -> int:
    """The number of the first item, whose request nobody answered; the other one is created."""
    look_up(ledger)
    first, second = claim(ledger)
    record(ledger, ending(first, "unknown"), ending(second, "created"))
    return first.item_id


def settle(ledger: Ledger, item: int, why: Unsettled) -> None:
    """Let settling have found this about the item."""
    (attempt,) = settlement.open_attempts(ledger)
    assert attempt.item_id == item
    settlement.record(ledger, [attempt], Verdicts({}, [], {attempt.id: why}, ()))


def kept(ledger: Ledger, columns: str = "batch_id") -> list[tuple[Any, ...]]:
    """These columns of every candidate."""
    found = connection_of(ledger).execute(
        f"SELECT {columns} FROM candidates ORDER BY item_id, place"
    )
    return [tuple(row) for row in found]


def row_of(ledger: Ledger, item: int) -> LedgerRow:
    """The item's row, as every reader sees it."""
    rows = ledger_rows(ledger, ledger.campaign, CAMPAIGN)
    return next(row for row in rows if row["item"] == item)


def test_candidates_are_kept_in_their_order_with_what_speaks_for_and_against_them(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, *JOB) as ledger:
        item = unanswered(ledger)
        found = (
            Candidate(FAR, Evidence(name=True, details=False, datasets=None, time=True)),
            Candidate(NEAR),
        )
        settle(ledger, item, Unsettled(Reason.SEVERAL_FIT, "several fit", found, 2))

        assert kept(
            ledger,
            "item_id, batch_id, name_fits, details_fit, datasets_fit, time_fits, creator_fits",
        ) == [(item, FAR, 1, 0, None, 1, None), (item, NEAR, None, None, None, None, None)]
        row = row_of(ledger, item)
        assert (row["reason"], row["candidates"]) == (Reason.SEVERAL_FIT, [FAR, NEAR])
        assert row["cause"] == "may exist: several fit"
        assert row["error"] == f"#{item} may exist: several fit ({FAR}, {NEAR})"


def test_more_candidates_than_are_kept_are_counted(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        item = unanswered(ledger)
        found = (Candidate(NEAR), Candidate(FAR))
        settle(ledger, item, Unsettled(Reason.MAY_BE_ITS, "one of these", found, 7))

        assert row_of(ledger, item)["error"].endswith(f"({NEAR}, {FAR} and 5 more)")
        assert views.undecided(ledger, ledger.campaign) == 1


def test_settling_anew_replaces_what_was_found_before(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        item = unanswered(ledger)
        leave_undecided(ledger, item, "these may be its copy", NEAR, FAR)
        leave_undecided(ledger, item, "these may be its copy", FAR, OTHER)
        assert kept(ledger) == [(FAR,), (OTHER,)]

        settle(ledger, item, Unsettled(Reason.NOT_SHOWN_YET, "not shown yet"))
        assert kept(ledger) == []
        assert views.undecided(ledger, ledger.campaign) == 0
        row = row_of(ledger, item)
        assert (row["reason"], row["candidates"]) == (Reason.NOT_SHOWN_YET, [])
        assert row["error"] == f"#{item} may exist: not shown yet"


def test_a_listing_that_is_not_complete_takes_no_candidates_away(tmp_path: Path) -> None:
    """Without its candidates, the row would look as if it were absent."""
    incomplete = Unsettled(Reason.LISTING_INCOMPLETE, "HTTP 500", keeps_earlier=True)
    with opened(tmp_path, *JOB) as ledger:
        item = unanswered(ledger)
        settle(ledger, item, incomplete)
        assert row_of(ledger, item)["error"] == f"#{item} may exist: HTTP 500"
        leave_undecided(ledger, item, "these may be its copy", NEAR, FAR)
        before = row_of(ledger, item)
        settle(ledger, item, incomplete)
        assert row_of(ledger, item) == before
        assert kept(ledger) == [(NEAR,), (FAR,)]


def test_a_complete_listing_without_candidates_takes_them_away(tmp_path: Path) -> None:
    """Also where the source was moved, so that the copy may be elsewhere."""
    with opened(tmp_path, *JOB) as ledger:
        item = unanswered(ledger)
        leave_undecided(ledger, item, "these may be its copy", NEAR, FAR)
        settle(ledger, item, Unsettled(Reason.LISTING_INCOMPLETE, MOVED))
        assert kept(ledger) == []
        assert row_of(ledger, item)["error"] == f"#{item} may exist: {MOVED}"


def _found(ledger: Ledger, item: int) -> None:
    (attempt,) = settlement.open_attempts(ledger)
    connection_of(ledger).execute(
        "INSERT INTO listings (number, run_id, workspace_id, left_at) VALUES (9, 1, 'w', '')"
    )
    connection_of(ledger).execute(
        "INSERT INTO unowned_batches VALUES (?, 'w', 9, 'Wave 1', NULL, 0.0, 'me', 'READY', '', '',"
        " '[]', 0, NULL, NULL)",
        (NEAR,),
    )
    (batch,) = settlement.unowned_batches(ledger, "w")
    settlement.record(ledger, [attempt], Verdicts({attempt.id: batch}, [], {}, ()))


def _absent(ledger: Ledger, item: int) -> None:
    (attempt,) = settlement.open_attempts(ledger)
    settlement.record(ledger, [attempt], Verdicts({}, [attempt.id], {}, ()))


def _assigned(ledger: Ledger, item: int) -> None:
    decisions.assign(ledger, item, source(0xA1))


SETTLED: Sequence[tuple[Callable[[Ledger, int], None], str, Reason | None]] = (
    (_found, "created", None),
    (_absent, "pending", Reason.ABSENT),
    (_assigned, "created", None),
    (decisions.declare_absent, "pending", Reason.DECLARED_ABSENT),
)


@pytest.mark.parametrize(("settled", "status", "reason"), SETTLED)
def test_what_is_settled_has_no_candidates(
    tmp_path: Path, settled: Callable[[Ledger, int], None], status: str, reason: Reason | None
) -> None:
    with opened(tmp_path, *JOB) as ledger:
        item = unanswered(ledger)
        leave_undecided(ledger, item, "these may be its copy", NEAR, FAR)
        settled(ledger, item)

        assert kept(ledger) == []
        row = row_of(ledger, item)
        assert (row["status"], row["reason"], row["candidates"]) == (status, reason, [])
        assert views.undecided(ledger, ledger.campaign) == 0


def test_a_request_under_way_is_a_state_and_has_no_reason_of_before(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        (first, *_) = claim(ledger, 1)
        assert row_of(ledger, first.item_id)["under_way"]
        record(ledger, ending(first, "not_sent", error="no connection"))
        row = row_of(ledger, first.item_id)
        assert (row["under_way"], row["reason"]) == (False, Reason.NOT_SENT)

        ledger.record_and_claim((), [first.item_id], 1, TIMESTAMP)
        row = row_of(ledger, first.item_id)
        assert (row["under_way"], row["status"], row["reason"]) == (True, "unknown", None)
        assert row["error"] == row["cause"] == "sent; no answer is recorded yet"


@pytest.mark.parametrize(
    "text", ["the copy is #7 may exist: (x)", f"HTTP 500: no ({NEAR})", f"#1 may exist: a ({NEAR})"]
)
def test_the_words_of_an_answer_are_never_taken_for_candidates(tmp_path: Path, text: str) -> None:
    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        (first, *_) = claim(ledger)
        record(ledger, ending(first, "unknown", error=text))

        row = row_of(ledger, first.item_id)
        assert (row["reason"], row["candidates"]) == (Reason.UNANSWERED, [])
        assert row["error"] == row["cause"] == text == message(1, Reason.UNANSWERED, text, (), 0)
        assert views.undecided(ledger, ledger.campaign) == 0


BEFORE = TIMESTAMP.earliest or 0.0


@pytest.mark.parametrize(
    ("answer", "date_after"),
    [(None, None), (BEFORE + 1.0, None), (BEFORE - 5.0, None), (BEFORE - 6.0, BEFORE - 6.0)],
    ids=["none", "later", "another host", "it went back"],
)
def test_an_unclear_answer_may_show_that_the_apis_clock_went_back(
    tmp_path: Path, answer: float | None, date_after: float | None
) -> None:
    with opened(tmp_path, "batch_id", uuid(1)) as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger, 1)[0], "unknown", answer_date=answer))

        (attempt,) = settlement.open_attempts(ledger)
        assert (attempt.date_before, attempt.date_after) == (BEFORE, date_after)
