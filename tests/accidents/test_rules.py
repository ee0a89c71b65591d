"""Which situations look like an accident: the contract's three rules as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.accidents.rules import Accident, NamesTaken, OtherLedger, Renamed, Situation, accidents
from worker.ledger.overlap import Overlap

WAVE = Overlap(
    "wave", same=10, same_sent=10, sent=10, job=Path("wave.csv"), ledger=Path("wave.csv")
)
BESIDE = WAVE._replace(database=Path("ledgers/ledger.db"), beside_job=True, has_name=True)
FAR = BESIDE._replace(beside_job=False)
NEW = Situation(to_create=10, named=False, sent=False)
"""A job of ten duplicates, of a campaign that has sent nothing, named after its file."""


def few(one: Overlap, same: int, sent: int | None = None) -> Overlap:
    return one._replace(same=same, same_sent=same if sent is None else sent)


NONE: tuple[type[Accident], ...] = ()

TABLE: dict[str, tuple[Situation, tuple[type[Accident], ...]]] = {
    "a first run": (NEW, NONE),
    # a renamed job
    "a renamed job": (NEW._replace(others_here=(WAVE,)), (Renamed,)),
    "half of it is in another campaign": (NEW._replace(others_here=(few(WAVE, 5),)), (Renamed,)),
    "fewer than half is": (NEW._replace(others_here=(few(WAVE, 4),)), NONE),
    "renamed after a first one to look at": (
        NEW._replace(others_here=(few(WAVE, 10, 1),)),
        (Renamed,),
    ),
    "the other campaign has sent none of it": (NEW._replace(others_here=(few(WAVE, 10, 0),)), NONE),
    "a campaign that was named on purpose": (NEW._replace(others_here=(WAVE,), named=True), NONE),
    "tonight's are in a copy's campaign": (
        NEW._replace(others_here=(WAVE,), sent=True),
        (Renamed,),
    ),
    "… or fewer than half of them": (NEW._replace(others_here=(few(WAVE, 4),), sent=True), NONE),
    "… of a campaign that was named": (
        NEW._replace(others_here=(WAVE,), sent=True, named=True),
        NONE,
    ),
    "nothing left to create": (NEW._replace(others_here=(WAVE,), to_create=0), NONE),
    # another ledger
    "a ledger beside the job knows the campaign": (NEW._replace(nearby=(BESIDE,)), (OtherLedger,)),
    "… whatever else it wants now": (NEW._replace(nearby=(few(BESIDE, 0),)), (OtherLedger,)),
    "… also if it was named on purpose": (
        NEW._replace(nearby=(BESIDE,), named=True),
        (OtherLedger,),
    ),
    "… but has sent nothing": (NEW._replace(nearby=(few(BESIDE, 10, 0)._replace(sent=0),)), NONE),
    "a ledger elsewhere has all of it": (NEW._replace(nearby=(FAR,)), (OtherLedger,)),
    "… and was named on purpose": (NEW._replace(nearby=(FAR,), named=True), (OtherLedger,)),
    "… but only a few": (NEW._replace(nearby=(few(FAR, 4),)), NONE),
    "… in a campaign of another name": (
        NEW._replace(nearby=(FAR._replace(has_name=False),)),
        (OtherLedger,),
    ),
    "… which is not meant by a name": (
        NEW._replace(nearby=(FAR._replace(has_name=False),), named=True),
        NONE,
    ),
    "both ledgers know it": (NEW._replace(nearby=(BESIDE,), sent=True), NONE),
    # names that exist
    "all names exist": (NEW._replace(names=10, names_taken=10), (NamesTaken,)),
    "half of the names exist": (NEW._replace(names=10, names_taken=5), (NamesTaken,)),
    "fewer than half of them exist": (NEW._replace(names=10, names_taken=4), NONE),
    "names exist, and it was named on purpose": (
        NEW._replace(names=10, names_taken=10, named=True),
        (NamesTaken,),
    ),
    "names exist, and it has sent something": (
        NEW._replace(names=10, names_taken=10, sent=True),
        NONE,
    ),
    "no name can be sent": (NEW._replace(names=0, names_taken=0), NONE),
    # all at once
    "a moved ledger, and its names": (
        NEW._replace(nearby=(BESIDE,), names=10, names_taken=10),
        (OtherLedger, NamesTaken),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_situation_is_an_accident_or_is_none(case: str) -> None:
    situation, kinds = TABLE[case]
    assert tuple(map(type, accidents(situation))) == kinds


def test_the_campaign_that_has_most_of_it_is_named() -> None:
    other = few(WAVE, 6)._replace(campaign="other")
    (found,) = accidents(NEW._replace(others_here=(other, WAVE)))
    assert isinstance(found, Renamed)
    assert found.other.campaign == "wave"


def test_a_ledger_beside_the_job_is_named_before_one_elsewhere() -> None:
    (found,) = accidents(NEW._replace(nearby=(FAR, few(BESIDE, 3))))
    assert isinstance(found, OtherLedger)
    assert found.other.beside_job
