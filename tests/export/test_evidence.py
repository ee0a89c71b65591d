"""Which candidate is clearly the best: a suggestion, or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ledgers import LATER, NOW, uuid
from worker.export.evidence import suggestion
from worker.ledger.proposals import Found
from worker.model.attempts import Evidence

ALL = Evidence(name=True, details=True, datasets=True, time=True, creator=True)


def found(number: int, evidence: Evidence = ALL, **changes: Any) -> Found:
    return Found(uuid(number), "Row", LATER, "READY", evidence)._replace(**changes)


NOBODY_KNOWS_WHO = ALL._replace(creator=None)

SUGGESTED = {
    "the only candidate": ((found(2),), "it is the only candidate"),
    "its creator is not known": ((found(2, NOBODY_KNOWS_WHO),), "it is the only candidate"),
    "something speaks against the other": (
        (found(3, ALL._replace(name=False), name="Raw"), found(2)),
        "something speaks against every other candidate",
    ),
    "its name was cleaned": (
        (found(2, ALL._replace(name=False), name=" R.OW"),),
        "its name has the same letters and digits; it is the only candidate",
    ),
    "it could be another's, but does not fit that one": (
        (found(2, shared=(7, 8), others=2),),
        "it is the only candidate",
    ),
}


@pytest.mark.parametrize("what", SUGGESTED)
def test_the_candidate_that_is_clearly_the_best_is_suggested(what: str) -> None:
    candidates, why = SUGGESTED[what]
    best = suggestion(candidates, 0, "Row", NOW)
    assert best is not None
    assert best.batch_id == uuid(2)
    assert best.reason.startswith(("Same name, instructions", "Same instructions, dataset"))
    assert best.reason.endswith(f"; created 5 min after the request; {why}")


NOT_SUGGESTED = {
    "no candidate": ((), 0),
    "two that fit": ((found(2), found(3)), 0),
    "one that fits, and one about which nothing is known": ((found(2), found(3, Evidence())), 0),
    "one that fits, and one about which little is known": (
        (found(2), found(3, Evidence(name=True))),
        0,
    ),
    "more candidates than are named": ((found(2),), 1),
    "it fits another duplicate as well": ((found(2, shared=(7,), others=1, fits_others=1),), 0),
    "another name": ((found(2, ALL._replace(name=False), name="Raw"),), 0),
    "a cleaned name that could be another's": (
        (found(2, ALL._replace(name=False), name="ROW", shared=(7,), others=1),),
        0,
    ),
    "a name, and a cleaned name": ((found(2), found(3, ALL._replace(name=False), name="ROW")), 0),
    "another time": ((found(2, ALL._replace(time=False)),), 0),
    "another person's": ((found(2, ALL._replace(creator=False)),), 0),
    "its name is not known": ((found(2, ALL._replace(name=None)),), 0),
    "its instructions are not known": ((found(2, ALL._replace(details=None)),), 0),
    "its dataset is not known": ((found(2, ALL._replace(datasets=None)),), 0),
    "its time is not known": ((found(2, ALL._replace(time=None)),), 0),
    "nothing is known": ((found(2, Evidence()),), 0),
}


@pytest.mark.parametrize("what", NOT_SUGGESTED)
def test_nothing_is_suggested_if_there_is_any_doubt(what: str) -> None:
    candidates, hidden = NOT_SUGGESTED[what]
    assert suggestion(candidates, hidden, "Row", NOW) is None
