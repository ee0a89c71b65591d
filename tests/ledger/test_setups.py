"""What a ledger keeps of a new batch's status when a job asks for setups only later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ledgers import (
    claim,
    connection_of,
    ending,
    items,
    look_up,
    opened,
    record,
    uuid,
)
from worker.ledger import views
from worker.ledger.rows import ledger_rows

HEADER = "batch_id,name,copies,tasks_per_group"


@pytest.mark.parametrize(
    ("says", "kept"), [("UNINITIALISED", "UNINITIALISED"), ("PROCESSING", None), ("READY", None)]
)
def test_a_status_from_before_setups_were_wanted_does_not_count_as_a_setup(
    tmp_path: Path, says: str, kept: str | None
) -> None:
    with opened(tmp_path, HEADER, f"{uuid(1)},Wave {{n}},1,") as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)
        record(ledger, ending(intent, "created", batch_status=says))
        assert items(ledger, "tasks_per_group, new_batch_status") == [(None, says)]
    with opened(tmp_path, HEADER, f"{uuid(1)},Wave {{n}},1,5") as ledger:
        assert items(ledger, "tasks_per_group, new_batch_status") == [(5, kept)]


@pytest.mark.parametrize(
    ("outcome", "status", "shown"),
    [
        ("accepted", "UNINITIALISED", 5),
        ("unknown", "READY", 5),
        ("unknown", "PROCESSING", 5),
        ("unknown", "UNINITIALISED", 8),
        ("refused", "UNINITIALISED", 8),
    ],
)
def test_a_row_has_the_number_that_took_effect(
    tmp_path: Path, outcome: str, status: str, shown: int
) -> None:
    with opened(tmp_path, HEADER, f"{uuid(1)},Wave {{n}},1,5") as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)
        record(ledger, ending(intent, "created"))
        connection_of(ledger).execute("UPDATE items SET new_batch_status = ?", (status,))
        connection_of(ledger).execute(
            "INSERT INTO setups (batch_id, item_id, run_id, tasks_per_group, started_at, outcome)"
            " SELECT new_batch_id, id, run_id, 5, '', ? FROM items",
            (outcome,),
        )
    with opened(tmp_path, HEADER, f"{uuid(1)},Wave {{n}},1,8") as ledger:
        (row,) = ledger_rows(ledger, ledger.campaign, "spring")
        assert row["tasks_per_group"] == shown


def test_what_another_campaign_of_the_job_left_is_found_also_if_it_is_only_a_setup(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, HEADER, f"{uuid(1)},Wave {{n}},2,5") as ledger:
        look_up(ledger)
        (intent,) = claim(ledger, 1)
        (job,) = connection_of(ledger).execute("SELECT job FROM runs").fetchone()
        here = views.unfinished_elsewhere(ledger, "summer", job, dated=True)
        assert [(one.items, one.set_up, one.is_last) for one in here] == [(2, 0, True)]
        record(ledger, ending(intent, "created"))
        here = views.unfinished_elsewhere(ledger, "summer", job, dated=True)
        assert [(one.items, one.set_up) for one in here] == [(1, 1)]
        connection_of(ledger).execute("UPDATE items SET status = 'failed' WHERE copy = 2")
        here = views.unfinished_elsewhere(ledger, "summer", job, dated=True)
        assert [(one.items, one.set_up, one.is_last) for one in here] == [(0, 1, True)]
        connection_of(ledger).execute("UPDATE items SET new_batch_status = 'READY'")
        assert views.unfinished_elsewhere(ledger, "summer", job, dated=True) == []
        connection_of(ledger).execute("UPDATE items SET status = 'pending' WHERE copy = 2")
        (one,) = views.unfinished_elsewhere(ledger, "summer", job, dated=False)
        assert (one.items, one.set_up, one.is_last) == (1, 0, False)
