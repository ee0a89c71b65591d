"""Decides whether a run would create existing duplicates again by accident. Pure: facts in,
findings out.

The rules are the contract's "Nothing twice by accident". Once a request of the campaign has left,
its rows in this database decide what is sent, and the run is stopped in three cases only. Other
campaigns have sent what is new in the job, or have sent what is left since then: the job was
copied or renamed, or rows of other jobs were written into it. The campaign has sent it as other
rows, which are leaving the job: the job was written again. Or names that would be sent have
appeared in the workspace since: an old copy of the database was put back with its ledger file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from worker.ledger.overlap import NOT_RESPELLED, Overlap, Respelled
from worker.ledger.views import Names

MANY = 10
"""If a campaign has sent something, and so many of what it would create seem to exist, it is no
coincidence, however many are still to be sent: a night with --limit creates a small part of a job,
and a job that is written again is often extended."""


NO_NAMES = Names(items=0, taken=0, example=None, own_taken=0)
"""Before a listing has shown which names exist."""


class FirstRun(NamedTuple):
    """What is known before the first request of a run whose campaign has sent nothing: this
    database has no request of it that left, and no duplicate that exists.

    to_create   how many duplicates of the job are not `created` in this database
    named_on_purpose
                the campaign's name does not come from the job file's name
    others      other campaigns of this database that share duplicates with the run
    elsewhere   how many of `to_create` any of them has sent; each counts once
    nearby      campaigns of other databases that share duplicates with the run, or have its name
    names       which names exist, once a listing has shown that
    """

    to_create: int
    named_on_purpose: bool
    others: tuple[Overlap, ...] = ()
    elsewhere: int = 0
    nearby: tuple[Overlap, ...] = ()
    names: Names = NO_NAMES


class LaterRun(NamedTuple):
    """What is known before the first request of a run whose campaign has sent something.

    to_create   how many duplicates of the job may still be sent
    named_on_purpose
                as in `FirstRun`
    others      other campaigns of this database that share with the run what may still be sent
                (`same_sent`: what is new in the job, and what they sent since then)
    elsewhere   as in `FirstRun`
    written_again
                how many of `to_create` were never sent, although the campaign has sent as many with
                the same sources and names that are not in the job
    respelled   the same for names that are only spelled differently
    names       as in `FirstRun`
    """

    to_create: int
    named_on_purpose: bool
    others: tuple[Overlap, ...] = ()
    elsewhere: int = 0
    written_again: int = 0
    respelled: Respelled = NOT_RESPELLED
    names: Names = NO_NAMES

    @property
    def again(self) -> int:
        """How many of `to_create` the campaign has sent as rows that are not in the job. One may be
        both: written again long after it left the job, and another spelling of what leaves now."""
        return min(self.to_create, self.written_again + self.respelled.items)


Situation = FirstRun | LaterRun


class Renamed(NamedTuple):
    """The job looks like the job of another campaign in this database, under another file name."""

    other: Overlap


class Merged(NamedTuple):
    """Other campaigns have sent `items` of the duplicates `to_create`, and none of these campaigns
    could continue with the job, because it would create again what the rest of them have sent: rows
    of other jobs were written into it. The campaign that has sent most comes first in `others`."""

    items: int
    to_create: int
    others: tuple[Overlap, ...]


class WrittenAgain(NamedTuple):
    """`items` of the duplicates `to_create` have the source and name of duplicates that this
    campaign has sent, and that are no longer in the job. Some may have another spelling of the
    name (`respelled`)."""

    items: int
    to_create: int
    respelled: Respelled = NOT_RESPELLED


class OtherLedger(NamedTuple):
    """A database nearby contains this campaign, or duplicates of this job, and the run's database
    does not."""

    other: Overlap


class NamesTaken(NamedTuple):
    """`taken` of the `names` exist on batches that are not in this database: its ledger may be
    missing. `likely` is the campaign of a database nearby that shares most with the run, if one
    contains half of it."""

    taken: int
    names: int
    example: str | None
    likely: Overlap | None = None


class OldCopy(NamedTuple):
    """`taken` of the `names` appeared on batches that are not in this database, after the latest
    request that it knows: it may be an old copy that was put back."""

    taken: int
    names: int
    example: str | None


Accident = Renamed | Merged | WrittenAgain | OtherLedger | NamesTaken | OldCopy


class CreatedAgain(NamedTuple):
    """What a run creates a second time although that is no accident: how many of its own duplicates
    it has sent as rows that are no longer in the job, those among them that have another spelling
    of the name, and other campaigns of this database that contain some of them. Campaigns that
    contain most come first."""

    own: int
    campaigns: tuple[Overlap, ...]
    respelled: Respelled = NOT_RESPELLED


def accidents(situation: Situation) -> tuple[Accident, ...]:
    """What looks like an accident, with the most certain finding of each kind; empty if the run may
    create duplicates."""
    if not situation.to_create:
        return ()
    if isinstance(situation, FirstRun):
        return tuple(_of_first_run(situation))
    return tuple(_of_later_run(situation))


def _of_first_run(situation: FirstRun) -> Iterator[Accident]:
    to_create, names = situation.to_create, situation.names
    yield from _of_other_campaigns(situation)
    if other := _other_ledger(situation):
        yield OtherLedger(other)
    if names.taken and _is_half(names.taken, names.items):
        likely = _most_alike(situation.nearby, to_create)
        yield NamesTaken(names.taken, names.items, names.example, likely)


def _of_later_run(situation: LaterRun) -> Iterator[Accident]:
    to_create, again, names = situation.to_create, situation.again, situation.names
    yield from _of_other_campaigns(situation)
    if _are_many(again, to_create):
        yield WrittenAgain(again, to_create, situation.respelled)
    if _are_many(names.appeared, names.items):
        yield OldCopy(names.appeared, names.items, names.appeared_example)


def _of_other_campaigns(situation: Situation) -> Iterator[Accident]:
    """The job was renamed or copied, or rows of other jobs were written into it."""
    if situation.named_on_purpose:
        return
    is_too_much = _are_many if isinstance(situation, LaterRun) else _is_half
    elsewhere, to_create = situation.elsewhere, situation.to_create
    other = _most_alike(situation.others, to_create)
    if other and not other.lacking:
        yield Renamed(other)
    elif other or is_too_much(elsewhere, to_create):
        yield Merged(elsewhere, to_create, _with_some_sent(situation.others))


def created_again(situation: Situation, found: tuple[Accident, ...]) -> CreatedAgain:
    """What the run creates a second time. Nothing if accidents were `found`: then it creates
    nothing."""
    if found:
        return CreatedAgain(0, ())
    others = _with_some_sent(situation.others)
    if isinstance(situation, FirstRun):
        return CreatedAgain(0, others)
    return CreatedAgain(situation.again, others, situation.respelled)


def with_names(situation: Situation, names: Names) -> Situation:
    """The situation after a listing has shown which names exist."""
    return situation._replace(names=names)


def _with_some_sent(others: tuple[Overlap, ...]) -> tuple[Overlap, ...]:
    """The campaigns that have sent some of what the run would create, those with most first."""
    return tuple(sorted((one for one in others if one.same_sent), key=lambda one: -one.same_sent))


def _most_alike(others: tuple[Overlap, ...], to_create: int) -> Overlap | None:
    """The campaign that shares most with the run, if it contains at least half of what the run
    would create (`to_create`) and has sent some of that: those duplicates would be created again,
    and the others are the campaign's unfinished part.

    If the campaign's job file is gone or is this one, half of what the campaign has sent is enough:
    somebody may have renamed and extended the job."""
    alike = [
        one
        for one in others
        if one.same_sent
        and (
            _is_half(one.same, to_create)
            or ((one.job_gone or one.has_job) and _is_half(one.same_sent, one.sent))
        )
    ]
    return max(alike, key=lambda one: (one.same_sent, one.same), default=None)


def _other_ledger(situation: FirstRun) -> Overlap | None:
    """The database nearby that contains what this one lacks: this campaign, if it is beside the
    job; or at least half of what the run would create, if it is where other settings would have put
    it."""
    own = [one for one in situation.nearby if one.sent and one.has_name]
    beside = [one for one in own if one.beside_job]
    if beside:
        return max(beside, key=lambda one: (one.same, one.sent))
    others = tuple(own) if situation.named_on_purpose else situation.nearby
    return _most_alike(others, situation.to_create)


def _is_half(part: int, whole: int) -> bool:
    """Half or more: the contract's line between an accident and a job that shares a few rows."""
    return 2 * part >= whole


def _are_many(part: int, whole: int) -> bool:
    """Whether what exists is no coincidence, once a campaign has sent something."""
    return part >= MANY or (part > 0 and _is_half(part, whole))
