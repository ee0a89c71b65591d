"""Decides whether a run would create again, by accident, what exists already. Pure: facts in,
findings out.

The rules are the contract's "Nothing twice by accident". A campaign of which a request has left is
never stopped here: what it has in this database decides what is sent."""

from __future__ import annotations

from typing import NamedTuple

from worker.ledger.overlap import Shared
from worker.ledger.views import Names


class Situation(NamedTuple):
    """What is known before the first request of a run.

    create      how many duplicates the job has that this database does not know as created
    named       the campaign was named on purpose; its name does not come from the job file's name
    sent        a request of this campaign has left, or one of its duplicates exists, by this
    database
    here        other campaigns of this database that share duplicates with the run
    nearby      campaigns of other databases that share duplicates with the run, or have its name
    names       how many duplicates may be sent now that a listing has shown which names exist
    names_taken how many of those have a name that exists on batches that this database does not
    know
    example     one of these names
    """

    create: int
    named: bool
    sent: bool
    here: tuple[Shared, ...] = ()
    nearby: tuple[Shared, ...] = ()
    names: int = 0
    names_taken: int = 0
    example: str | None = None


class Renamed(NamedTuple):
    """The job looks like that of another campaign of this database, under another file name."""

    other: Shared


class OtherLedger(NamedTuple):
    """A database nearby knows this campaign, or duplicates of this job, and the run's database does
    not."""

    other: Shared


class NamesTaken(NamedTuple):
    """So many of the names exist on batches that this database does not know: its ledger may be
    missing, and may be `likely`, if a database nearby has as many of the job's duplicates in some
    campaign."""

    taken: int
    names: int
    example: str | None
    likely: Shared | None = None


Accident = Renamed | OtherLedger | NamesTaken


def accidents(situation: Situation) -> tuple[Accident, ...]:
    """What looks like an accident, the most certain finding of each kind; nothing if the run may
    create."""
    if situation.sent or not situation.create:
        return ()
    found: list[Accident] = []
    if not situation.named and (other := _most_alike(situation, situation.here)):
        found.append(Renamed(other))
    if other := _other_ledger(situation):
        found.append(OtherLedger(other))
    if situation.names_taken and 2 * situation.names_taken >= situation.names:
        likely = _most_alike(situation, situation.nearby)
        found.append(NamesTaken(situation.names_taken, situation.names, situation.example, likely))
    return tuple(found)


def created_again(situation: Situation) -> tuple[Shared, ...]:
    """Other campaigns of this database that have some of what the run would create, if that is no
    accident: they have too few, or the campaign was named on purpose. Those that have most come
    first."""
    if situation.sent or accidents(situation):
        return ()
    return tuple(
        sorted((one for one in situation.here if one.same_sent), key=lambda one: -one.same_sent)
    )


def with_names(situation: Situation, names: Names) -> Situation:
    """The situation once a listing has shown which names exist."""
    return situation._replace(names=names.items, names_taken=names.taken, example=names.example)


def _most_alike(situation: Situation, others: tuple[Shared, ...]) -> Shared | None:
    """The campaign that shares most, if it has half or more of what the run would create and a
    request for some of that has left: this would be created again, and the rest is the campaign's
    unfinished part.

    Of a campaign whose job file is gone, half of what it has sent is enough: a job may be renamed
    and extended at once."""
    alike = [
        one
        for one in others
        if one.same_sent
        and (2 * one.same >= situation.create or (one.job_gone and 2 * one.same_sent >= one.sent))
    ]
    return max(alike, key=lambda one: (one.same_sent, one.same), default=None)


def _other_ledger(situation: Situation) -> Shared | None:
    """The database nearby that has what this one lacks: this campaign, beside the job; or, if it
    lies where other settings would have put it, half or more of what the run would create."""
    own = [one for one in situation.nearby if one.sent and one.has_name]
    beside = [one for one in own if one.beside_job]
    if beside:
        return max(beside, key=lambda one: (one.same, one.sent))
    return _most_alike(situation, situation.nearby if not situation.named else tuple(own))
