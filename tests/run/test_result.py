"""The exit code of a run, and the counts that are known between two looks at the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from worker.model.records import Counts
from worker.model.setups import SetupCounts
from worker.run.limits import Tally
from worker.run.result import counts_since, exit_code

ALL, SOME = Counts(created=3, failed=0, unknown=0, pending=0), Counts(2, 0, 0, 1)
UNKNOWN = Counts(2, 0, 1, 0)

CASES: dict[str, tuple[Counts, dict[str, Any], int]] = {
    "everything is created": (ALL, {}, 0),
    "something is pending": (SOME, {}, 1),
    "something has failed": (Counts(2, 1, 0, 0), {}, 1),
    "something is unknown": (UNKNOWN, {}, 1),
    "an empty job": (Counts(0, 0, 0, 0), {}, 0),
    "SIGINT, whatever else": (ALL, {"signal": 2, "stopped_by": "signal"}, 130),
    "SIGTERM": (SOME, {"signal": 15, "stopped_by": "signal"}, 143),
    "a refused token": (ALL, {"stopped_by": "token"}, 3),
    "a refused token and a signal": (ALL, {"stopped_by": "token", "signal": 2}, 130),
    "an unusable API": (ALL, {"stopped_by": "api"}, 1),
    "a full disk": (ALL, {"stopped_by": "disk"}, 1),
    "a server that is away": (ALL, {"stopped_by": "database"}, 1),
    "a bug": (ALL, {"stopped_by": "internal"}, 1),
    "a no": (ALL, {"stopped_by": "declined"}, 1),
    "a limit, but everything is created": (ALL, {"stopped_by": "limit"}, 0),
    "a limit": (SOME, {"stopped_by": "limit"}, 1),
    "settling found all": (ALL, {"only_settle": True}, 0),
    "settling, and something is pending": (SOME, {"only_settle": True}, 0),
    "settling, and something is unknown": (UNKNOWN, {"only_settle": True}, 1),
    "settling with a refused token": (ALL, {"only_settle": True, "stopped_by": "token"}, 3),
    "settling says nothing of setups": (
        ALL,
        {"only_settle": True, "setups": SetupCounts(failed=1)},
        0,
    ),
    "set up": (ALL, {"setups": SetupCounts(ready=3)}, 0),
    "accepted": (ALL, {"setups": SetupCounts(requested=3)}, 0),
    "accepted and followed": (ALL, {"setups": SetupCounts(requested=3), "follows": True}, 1),
    "ready and followed": (ALL, {"setups": SetupCounts(ready=3), "follows": True}, 0),
    "a setup failed": (ALL, {"setups": SetupCounts(ready=2, failed=1)}, 1),
    "a setup is unknown": (ALL, {"setups": SetupCounts(unknown=1)}, 1),
    "a setup is pending": (ALL, {"setups": SetupCounts(pending=1)}, 1),
}


@pytest.mark.parametrize(("counts", "more", "code"), CASES.values(), ids=CASES)
def test_a_run_ends_with_this_code(counts: Counts, more: dict[str, Any], code: int) -> None:
    asked = {"stopped_by": None, "signal": None} | more
    assert exit_code(counts, **asked) == code


def test_what_was_tallied_since_the_ledger_was_read_is_added() -> None:
    known, then = Counts(created=10, failed=2, unknown=3, pending=40), Tally()
    now = Tally()
    now.created, now.refused, now.unknown = 5, 1, 2
    assert counts_since(known, then, now) == Counts(15, 3, 5, 32)
    assert counts_since(known, now, now) == known
    assert counts_since(known._replace(pending=4), then, now).pending == 0
    then.created, then.refused, then.unknown = 4, 1, 0
    assert counts_since(known, then, now) == Counts(11, 2, 5, 37)
