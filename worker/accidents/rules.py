"""Decides whether a run would create existing duplicates again by accident. Pure: facts in,
findings out.

The rules are the contract's "Nothing twice by accident". Once a request of the campaign has left,
its rows in this database decide what is sent, and the run is stopped in three cases only. Another
campaign has sent what is left since then: the job was copied or renamed meanwhile. The campaign has
sent it as other rows, which are leaving the job: the job was written again. Or names that would be
sent have appeared in the workspace since: an old copy of the database was put back with its ledger
file."""

from __future__ import annotations

from typing import NamedTuple

from worker.ledger.overlap import Overlap
from worker.ledger.views import Names

MANY = 10
"""If a campaign has sent something, and so many of what it would create seem to exist, it is no
coincidence, however many are still to be sent: a night with --limit creates a small part of a job,
and a job that is written again is often extended."""


class Situation(NamedTuple):
    """What is known before the first request of a run.

    to_create   how many duplicates of the job are not `created` in this database; if `sent`, how
                many of them may still be sent
    named       the campaign was named on purpose; its name does not come from the job file's name
    sent        this database has a request of this campaign that left, or a duplicate that exists
    others_here other campaigns of this database that share duplicates with the run; if `sent`, only
                campaigns that ran since, and only duplicates that may still be sent
    written_again
                how many of these were never sent, although the campaign has sent as many with the
                same sources and names that are not in the job
    nearby      campaigns of other databases that share duplicates with the run, or have its name
    names       how many duplicates may be sent, once a listing has shown which names exist
    names_taken how many of those names exist on batches that are not in this database; if `sent`,
                on batches that appeared after the campaign's latest request
    example     one of these names
    """

    to_create: int
    named: bool
    sent: bool
    others_here: tuple[Overlap, ...] = ()
    written_again: int = 0
    nearby: tuple[Overlap, ...] = ()
    names: int = 0
    names_taken: int = 0
    example: str | None = None


class Renamed(NamedTuple):
    """The job looks like the job of another campaign in this database, under another file name."""

    other: Overlap


class WrittenAgain(NamedTuple):
    """`items` of the duplicates `to_create` have the source and name of duplicates that this
    campaign has sent, and that are no longer in the job."""

    items: int
    to_create: int


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


Accident = Renamed | WrittenAgain | OtherLedger | NamesTaken | OldCopy


def accidents(situation: Situation) -> tuple[Accident, ...]:
    """What looks like an accident, with the most certain finding of each kind; empty if the run may
    create duplicates."""
    if not situation.to_create:
        return ()
    found: list[Accident] = []
    if not situation.named and (other := _most_alike(situation, situation.others_here)):
        found.append(Renamed(other))
    taken, names, example = situation.names_taken, situation.names, situation.example
    are_taken = taken > 0 and _is_half(taken, names)
    if situation.sent:
        again = situation.written_again
        if again and (_is_half(again, situation.to_create) or again >= MANY):
            found.append(WrittenAgain(again, situation.to_create))
        if are_taken or taken >= MANY:
            found.append(OldCopy(taken, names, example))
        return tuple(found)
    if other := _other_ledger(situation):
        found.append(OtherLedger(other))
    if are_taken:
        likely = _most_alike(situation, situation.nearby)
        found.append(NamesTaken(taken, names, example, likely))
    return tuple(found)


def created_again(situation: Situation) -> tuple[Overlap, ...]:
    """Other campaigns of this database that contain some of what the run would create, if that is
    not an accident because they contain too few or the campaign was named on purpose. Campaigns
    that contain most come first."""
    if accidents(situation):
        return ()
    return tuple(
        sorted(
            (one for one in situation.others_here if one.same_sent), key=lambda one: -one.same_sent
        )
    )


def with_names(situation: Situation, names: Names) -> Situation:
    """The situation after a listing has shown which names exist."""
    if situation.sent:
        return situation._replace(
            names=names.items, names_taken=names.appeared, example=names.appeared_example
        )
    return situation._replace(names=names.items, names_taken=names.taken, example=names.example)


def _most_alike(situation: Situation, others: tuple[Overlap, ...]) -> Overlap | None:
    """The campaign that shares most with the run, if it contains at least half of what the run
    would create and has sent some of that: those duplicates would be created again, and the others
    are the campaign's unfinished part.

    If the campaign's job file is gone, half of what the campaign has sent is enough: somebody may
    have renamed and extended the job."""
    alike = [
        one
        for one in others
        if one.same_sent
        and (
            _is_half(one.same, situation.to_create)
            or (one.job_gone and _is_half(one.same_sent, one.sent))
        )
    ]
    return max(alike, key=lambda one: (one.same_sent, one.same), default=None)


def _other_ledger(situation: Situation) -> Overlap | None:
    """The database nearby that contains what this one lacks: this campaign, if it is beside the
    job; or at least half of what the run would create, if it is where other settings would have put
    it."""
    own = [one for one in situation.nearby if one.sent and one.has_name]
    beside = [one for one in own if one.beside_job]
    if beside:
        return max(beside, key=lambda one: (one.same, one.sent))
    return _most_alike(situation, situation.nearby if not situation.named else tuple(own))


def _is_half(part: int, whole: int) -> bool:
    """Half or more: the contract's line between an accident and a job that shares a few rows."""
    return 2 * part >= whole
