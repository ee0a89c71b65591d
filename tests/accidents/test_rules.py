"""Which situations look like an accident: the contract's three rules as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.accidents.message import created_again_notes
from worker.accidents.rules import (
    Accident,
    CreatedAgain,
    FirstRun,
    LaterRun,
    Merged,
    NamesTaken,
    OldCopy,
    OtherLedger,
    Renamed,
    Situation,
    WrittenAgain,
    accidents,
    created_again,
    with_names,
)
from worker.ledger.overlap import Overlap, Respelled
from worker.ledger.views import Names

WAVE = Overlap(
    "wave", same=10, same_sent=10, sent=10, job=Path("wave.csv"), ledger=Path("wave.csv")
)
BESIDE = WAVE._replace(database=Path("ledgers/ledger.db"), beside_job=True, has_name=True)
FAR = BESIDE._replace(beside_job=False)
NEW = FirstRun(to_create=10, named_on_purpose=False)
"""A job of ten duplicates, of a campaign that has sent nothing, named after its file."""

LATER = LaterRun(to_create=10, named_on_purpose=False)
"""The same, of a campaign that has sent something."""


def few(one: Overlap, same: int, sent: int | None = None) -> Overlap:
    return one._replace(same=same, same_sent=same if sent is None else sent)


def taken(number: int, of: int) -> Names:
    return Names(of, number, "Wave 1", number)


def appeared(number: int, of: int) -> Names:
    return Names(of, of, "Wave 1", of, number, "Wave 2")


NONE: tuple[type[Accident], ...] = ()

TABLE: dict[str, tuple[Situation, tuple[type[Accident], ...]]] = {
    "a first run": (NEW, NONE),
    # a renamed job
    "a renamed job": (NEW._replace(others=(WAVE,)), (Renamed,)),
    "half of it is in another campaign": (NEW._replace(others=(few(WAVE, 5),)), (Renamed,)),
    "fewer than half is": (NEW._replace(others=(few(WAVE, 4),)), NONE),
    "renamed after a first one to look at": (
        NEW._replace(others=(few(WAVE, 10, 1),)),
        (Renamed,),
    ),
    "the other campaign has sent none of it": (NEW._replace(others=(few(WAVE, 10, 0),)), NONE),
    "a campaign that was named on purpose": (
        NEW._replace(others=(WAVE,), named_on_purpose=True),
        NONE,
    ),
    "tonight's are in a copy's campaign": (
        LATER._replace(others=(WAVE,)),
        (Renamed,),
    ),
    "… or fewer than half of them": (LATER._replace(others=(few(WAVE, 4),)), NONE),
    "… of another campaign, and this one was named": (
        LATER._replace(others=(WAVE,), named_on_purpose=True),
        NONE,
    ),
    "nothing left to create": (NEW._replace(others=(WAVE,), to_create=0), NONE),
    # rows of other jobs were written into it
    "a campaign that could not continue with it": (
        NEW._replace(others=(few(WAVE, 5)._replace(lacking=1),), elsewhere=6),
        (Merged,),
    ),
    "… of a later run": (
        LATER._replace(others=(WAVE._replace(lacking=1),), elsewhere=10),
        (Merged,),
    ),
    "each has fewer than half of it": (
        NEW._replace(others=(few(WAVE, 3), few(WAVE, 2)), elsewhere=5),
        (Merged,),
    ),
    "… and they have ten, which is less than half": (
        NEW._replace(to_create=30, others=(few(WAVE, 6), few(WAVE, 4)), elsewhere=10),
        NONE,
    ),
    "… and the campaign has sent something": (
        LATER._replace(to_create=30, others=(few(WAVE, 6), few(WAVE, 4)), elsewhere=10),
        (Merged,),
    ),
    "… and they have nine": (
        LATER._replace(to_create=30, others=(few(WAVE, 6), few(WAVE, 3)), elsewhere=9),
        NONE,
    ),
    "half of what was run with the same job file, under another name": (
        NEW._replace(to_create=30, others=(few(WAVE, 5)._replace(has_job=True),)),
        (Renamed,),
    ),
    "… of another file": (NEW._replace(to_create=30, others=(few(WAVE, 5),)), NONE),
    "… and together too": (
        NEW._replace(others=(few(WAVE, 3), few(WAVE, 3)), elsewhere=4),
        NONE,
    ),
    "… and it was named on purpose": (
        LATER._replace(others=(few(WAVE, 3),), elsewhere=5, named_on_purpose=True),
        NONE,
    ),
    # a job that was written again
    "half of what is left was sent as other rows": (
        LATER._replace(written_again=5),
        (WrittenAgain,),
    ),
    "… fewer than half of it": (LATER._replace(written_again=4), NONE),
    "… many, though fewer than half of it": (
        LATER._replace(to_create=100, written_again=10),
        (WrittenAgain,),
    ),
    "… of a campaign that was named, as other rows": (
        LATER._replace(written_again=5, named_on_purpose=True),
        (WrittenAgain,),
    ),
    "half of what is left was sent with another spelling": (
        LATER._replace(respelled=Respelled(5, "007", "7")),
        (WrittenAgain,),
    ),
    "… or as other rows": (
        LATER._replace(written_again=3, respelled=Respelled(2, "007", "7")),
        (WrittenAgain,),
    ),
    "… fewer than half of it with another spelling": (
        LATER._replace(respelled=Respelled(4, "007", "7")),
        NONE,
    ),
    # another ledger
    "a ledger beside the job knows the campaign": (NEW._replace(nearby=(BESIDE,)), (OtherLedger,)),
    "… whatever else it wants now": (NEW._replace(nearby=(few(BESIDE, 0),)), (OtherLedger,)),
    "… also if it was named on purpose": (
        NEW._replace(nearby=(BESIDE,), named_on_purpose=True),
        (OtherLedger,),
    ),
    "… but has sent nothing": (NEW._replace(nearby=(few(BESIDE, 10, 0)._replace(sent=0),)), NONE),
    "a ledger elsewhere has all of it": (NEW._replace(nearby=(FAR,)), (OtherLedger,)),
    "… and was named on purpose": (
        NEW._replace(nearby=(FAR,), named_on_purpose=True),
        (OtherLedger,),
    ),
    "… but only a few": (NEW._replace(nearby=(few(FAR, 4),)), NONE),
    "… in a campaign of another name": (
        NEW._replace(nearby=(FAR._replace(has_name=False),)),
        (OtherLedger,),
    ),
    "… which is not meant by a name": (
        NEW._replace(nearby=(FAR._replace(has_name=False),), named_on_purpose=True),
        NONE,
    ),
    # names that exist
    "all names exist": (NEW._replace(names=taken(10, of=10)), (NamesTaken,)),
    "half of the names exist": (NEW._replace(names=taken(5, of=10)), (NamesTaken,)),
    "fewer than half of them exist": (NEW._replace(names=taken(4, of=10)), NONE),
    "names exist, and it was named on purpose": (
        NEW._replace(names=taken(10, of=10), named_on_purpose=True),
        (NamesTaken,),
    ),
    # an old copy of the ledger was put back
    "half of the names appeared since it sent something": (
        LATER._replace(names=appeared(5, of=10)),
        (OldCopy,),
    ),
    "… fewer than half of them": (LATER._replace(names=appeared(4, of=10)), NONE),
    "… that was named on purpose": (
        LATER._replace(names=appeared(5, of=10), named_on_purpose=True),
        (OldCopy,),
    ),
    "… many, though fewer than half": (
        LATER._replace(to_create=100, names=appeared(10, of=100)),
        (OldCopy,),
    ),
    "… and nothing is to be sent": (LATER._replace(names=appeared(0, of=0)), NONE),
    "no name can be sent": (NEW._replace(names=taken(0, of=0)), NONE),
    # all at once
    "a moved ledger, and its names": (
        NEW._replace(nearby=(BESIDE,), names=taken(10, of=10)),
        (OtherLedger, NamesTaken),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_situation_is_an_accident_or_is_none(case: str) -> None:
    situation, kinds = TABLE[case]
    assert tuple(map(type, accidents(situation))) == kinds


@pytest.mark.parametrize(
    "other",
    [few(WAVE, 6), few(WAVE, 10, 9), few(WAVE, 9, 10)],
    ids=["fewer of both", "fewer sent", "as many sent, fewer in all"],
)
@pytest.mark.parametrize("name", ["a", "z"])
def test_the_campaign_that_has_most_of_it_is_named(other: Overlap, name: str) -> None:
    other = other._replace(campaign=name)
    for others in ((other, WAVE), (WAVE, other)):
        assert accidents(NEW._replace(others=others)) == (Renamed(WAVE),)


def test_a_ledger_beside_the_job_is_named_before_one_elsewhere() -> None:
    beside = few(BESIDE, 3)
    assert accidents(NEW._replace(nearby=(FAR, beside))) == (OtherLedger(beside),)


@pytest.mark.parametrize("name", ["a", "z"])
def test_of_the_ledgers_beside_the_job_the_one_with_most_is_named(name: str) -> None:
    more, less = few(BESIDE, 4), few(BESIDE, 3)._replace(campaign=name)
    for nearby in ((more, less), (less, more)):
        assert accidents(NEW._replace(nearby=nearby)) == (OtherLedger(more),)
    longer = less._replace(same=4, sent=11)
    assert accidents(NEW._replace(nearby=(more, longer))) == (OtherLedger(longer),)


def test_of_rows_of_other_jobs_the_campaign_that_has_sent_most_comes_first() -> None:
    few_sent, most_sent = few(WAVE, 3), few(WAVE, 4)
    others = (few(WAVE, 9, 0), few_sent, most_sent)
    assert accidents(LATER._replace(others=others, elsewhere=7)) == (
        Merged(7, 10, (most_sent, few_sent)),
    )


GONE = few(WAVE, 4)._replace(job_gone=True)


@pytest.mark.parametrize(
    ("other", "is_one"),
    [
        (GONE._replace(sent=8), True),
        (GONE._replace(sent=9), False),
        (GONE._replace(sent=8, job_gone=False), False),
    ],
    ids=["half of what it has sent", "fewer than half of it", "its job is still there"],
)
def test_a_campaign_whose_job_is_gone_may_have_been_renamed_and_extended(
    other: Overlap, is_one: bool
) -> None:
    found = accidents(NEW._replace(others=(other,)))
    assert found == ((Renamed(other),) if is_one else ())


def test_of_a_later_run_is_said_which_campaign_it_is_and_how_much_was_written_again() -> None:
    assert accidents(LATER._replace(others=(WAVE,))) == (Renamed(WAVE),)
    assert accidents(LATER._replace(written_again=5)) == (WrittenAgain(5, 10),)
    assert accidents(LATER._replace(to_create=2, written_again=1)) == (WrittenAgain(1, 2),)
    both = Respelled(8, "007", "7")
    assert accidents(LATER._replace(written_again=8, respelled=both)) == (
        WrittenAgain(10, 10, both),
    ), "no more than is created"


def test_once_a_campaign_has_sent_something_only_what_appeared_since_counts() -> None:
    names = Names(10, 9, "Wave 1", 9, appeared=5, appeared_example="Wave 2")
    shown = with_names(LATER, names)
    assert accidents(shown) == (OldCopy(5, 10, "Wave 2"),)
    assert accidents(with_names(LATER, names._replace(appeared=4))) == ()


def test_names_that_exist_are_counted_with_an_example_and_a_likely_ledger() -> None:
    named = NEW._replace(named_on_purpose=True)
    assert accidents(named._replace(nearby=(FAR,), names=taken(6, of=10)))[1] == NamesTaken(
        6, 10, "Wave 1", FAR
    )
    assert accidents(with_names(named, taken(6, of=10))) == (NamesTaken(6, 10, "Wave 1", None),)


@pytest.mark.parametrize(
    ("situation", "again"),
    [
        (NEW._replace(others=(few(WAVE, 2), few(WAVE, 4))), (few(WAVE, 4), few(WAVE, 2))),
        (NEW._replace(others=(few(WAVE, 4, 0),)), ()),
        (LATER._replace(others=(few(WAVE, 4),)), (few(WAVE, 4),)),
        (NEW._replace(others=(WAVE, few(WAVE, 2))), ()),
        (NEW._replace(others=(WAVE,), named_on_purpose=True), (WAVE,)),
    ],
    ids=["most first", "nothing sent", "it has sent", "it is an accident", "it was named"],
)
def test_what_is_created_again_is_told(situation: Situation, again: tuple[Overlap, ...]) -> None:
    assert created_again(situation, accidents(situation)) == CreatedAgain(0, again)


@pytest.mark.parametrize(
    ("situation", "again"),
    [
        (
            LATER._replace(written_again=1, respelled=Respelled(2, "007", "7")),
            "3 duplicates of this job have the source and name of duplicates that were sent and are"
            " no longer in the job (2 of them with another spelling, such as '7' for '007'), and"
            " will be created a second time",
        ),
        (
            LATER._replace(written_again=1),
            "1 duplicate of this job has the source and name of duplicates that were sent and are"
            " no longer in the job, and will be created a second time",
        ),
    ],
    ids=["another spelling", "the same"],
)
def test_a_few_that_are_created_again_are_told(situation: Situation, again: str) -> None:
    assert list(created_again_notes(created_again(situation, ()))) == [again]


@pytest.mark.parametrize(("written_again", "own"), [(4, 4), (5, 0)])
def test_rows_that_were_written_again_are_told_unless_they_are_an_accident(
    written_again: int, own: int
) -> None:
    situation = LATER._replace(written_again=written_again)
    assert created_again(situation, accidents(situation)) == CreatedAgain(own, ())
