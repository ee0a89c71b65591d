"""What the run asks a person before it creates anything, and what it logs about the look-ups."""

from __future__ import annotations

from typing import NamedTuple

from worker.accidents.rules import (
    Accident,
    FirstRun,
    LaterRun,
    Situation,
    accidents,
    with_names,
)
from worker.ledger import setups, views
from worker.ledger.store import Ledger
from worker.ledger.views import Names
from worker.model.batch import Workspace
from worker.model.events import Event
from worker.model.records import Counts
from worker.run.preflight import PreflightResult
from worker.text import verb


class Question(NamedTuple):
    """What would be created, and what a person needs to know before that.

    create         how many duplicates the run would create
    names_taken    how many of the names that would be sent already exist
    taken_example  one name that already exists; None if there is none
    counts         how many duplicates of the job have which status
    accidents      what looks like an accident
    names_unexpected
                   how many of the names exist on batches that are not in this database, although
                   the campaign has sent nothing; otherwise, how many have appeared since it last
                   sent something
    set_up         how many existing batches the run would set up

    These are read only if a person is asked (see `for_person`):

    workspaces     in which workspaces the run would create
    names          the first names
    left_job       how many duplicates of the campaign are no longer in the job
    set_up_new     how many of the new batches the run would set up
    """

    create: int
    names_taken: int
    taken_example: str | None
    counts: Counts
    accidents: tuple[Accident, ...] = ()
    names_unexpected: int = 0
    set_up: int = 0
    workspaces: tuple[Workspace, ...] = ()
    names: tuple[str, ...] = ()
    left_job: int = 0
    set_up_new: int = 0


def question_of(ledger: Ledger, limit: int | None, situation: Situation | None) -> Question:
    """What this run would do, now that its sources are looked up. It creates at most `limit`
    duplicates (None: all)."""
    reader, campaign, run = ledger, ledger.campaign, ledger.run
    names = views.names_taken(reader, campaign, run, None)
    if names.taken and isinstance(situation, LaterRun):
        latest = views.latest_baseline(reader, campaign)
        names = views.names_taken(reader, campaign, run, latest)
    return Question(
        create=names.items if limit is None else min(limit, names.items),
        names_taken=names.own_taken,
        taken_example=names.example,
        counts=views.counts(reader, campaign),
        accidents=() if situation is None else accidents(with_names(situation, names)),
        names_unexpected=_unexpected(names, situation),
        set_up=setups.count_to_set_up(reader, campaign),
    )


def _unexpected(names: Names, situation: Situation | None) -> int:
    match situation:
        case FirstRun():
            return names.taken
        case LaterRun():
            return names.appeared
        case None:  # somebody said that duplicates may exist, or nothing is real
            return 0


def setup_question(ledger: Ledger) -> Question:
    """What a run would do that has nothing to create, and only sets up what exists."""
    return Question(
        create=0,
        names_taken=0,
        taken_example=None,
        counts=views.counts(ledger, ledger.campaign),
        set_up=setups.count_to_set_up(ledger, ledger.campaign),
    )


def for_person(ledger: Ledger, question: Question) -> Question:
    """The question with what only people are told: it takes time in a big job."""
    campaign, run, create = ledger.campaign, ledger.run, question.create
    return question._replace(
        workspaces=views.named_workspaces(ledger, views.sources_found(ledger, run)),
        names=tuple(views.first_names(ledger, campaign, run, min(3, create))),
        left_job=views.count_left(ledger, campaign),
        set_up_new=views.to_set_up(ledger, campaign, run, create),
    )


def names_taken(number: int) -> str:
    """A sentence that this `number` of the names to be sent already exist."""
    on = verb(number, "already exists on a batch", "already exist on batches")
    return f"{number:,} of the names {on} that this ledger does not know"


def preflight_event(found: PreflightResult, question: Question) -> Event:
    """The log line with the results of the look-ups."""
    fields = {
        "to_create": question.create,
        "sources_found": found.found,
        "sources_missing": found.missing,
        "sources_unclear": found.unclear,
        "workspaces": list(found.workspaces),
        "names_taken": question.names_taken,
    }
    return Event("preflight.done", "info", fields)


def names_taken_note(question: Question) -> Event:
    """A warning that some names already exist."""
    text = names_taken_text(question.names_taken, question.taken_example)
    return Event("note", "warning", {"text": text})


def names_taken_text(number: int, example: str | None) -> str:
    """What it means that this `number` of the names to be sent already exist, such as `example`."""
    return (
        f"{names_taken(number)}, such as {example!r}; the new"
        f" {verb(number, 'batch', 'batches')} will have the same {verb(number, 'name', 'names')}"
    )
