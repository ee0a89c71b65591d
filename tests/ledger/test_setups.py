"""What a ledger keeps of a new batch's status when a job asks for setups only later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ledgers import claim, ending, items, look_up, opened, record, uuid

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
