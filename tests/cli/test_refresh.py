"""What `ledger --refresh` takes from a look at batches."""

from __future__ import annotations

import pytest

from tests.support.ledgers import uuid
from worker.cli.refresh import told_by
from worker.model.setups import Copy, Seen

COPY = Copy(1, 2, 1, uuid(5), "", None, None, None, fresh=False, timeout_s=60.0)


@pytest.mark.parametrize(
    ("copy", "status", "is_told"),
    [
        (COPY, "PROCESSING", False),
        (COPY, "READY", True),
        (COPY, "UNINITIALISED", True),
        (COPY, None, True),
        (COPY._replace(status="UNINITIALISED"), "PROCESSING", True),
        (COPY._replace(sent="accepted"), "PROCESSING", True),
        (COPY._replace(sent="unknown"), "PROCESSING", False),
    ],
)
def test_a_batch_that_may_still_be_copied_is_not_taken_for_one_that_is_set_up(
    copy: Copy, status: str | None, is_told: bool
) -> None:
    assert (uuid(5) in told_by([copy], {uuid(5): Seen(status, 1.0)})) is is_told
