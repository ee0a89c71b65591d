"""Messages about accidents: what was found, where, and the command that continues the campaign or
the ledger that was found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from worker.accidents.rules import (
    Accident,
    CreatedAgain,
    Merged,
    NamesTaken,
    OldCopy,
    OtherLedger,
    Renamed,
    WrittenAgain,
)
from worker.export.commands import CampaignFiles, Invocation, commands
from worker.ledger.overlap import Overlap, Respelled
from worker.model.server_address import DatabaseLocation
from worker.text import counted, joined, verb, visible

MOST_NAMED = 3
"""How many campaigns that contain some of the job's duplicates are named."""

ALLOW = "To create all of them a second time, run this job with --allow-existing."


class Message(NamedTuple):
    """The message about one finding: what was `found`, the `commands` to continue with (may be
    empty), and the `advice` that introduces them (may be empty)."""

    found: str
    commands: tuple[str, ...]
    advice: str


class IntendedRun(NamedTuple):
    """The run that was about to begin: its job (an absolute path), campaign and database, the
    campaign's newest ledger file (`FILE` if there is none), how to reach its database
    (`invocation`), the command that restores the campaign from a ledger file, how to `move_away`
    the database, whether nothing is at its place yet, so that another one can be moved there
    (`replaceable`), the `date` if one was given, the config file that placed the database outside
    the job's folder, if one did, and the databases nearby that are old (`outdated`): for each, the
    campaign's ledger file that is newer."""

    job: Path
    campaign: str
    newest_file: Path
    database: DatabaseLocation
    invocation: Invocation
    restoring: Callable[[Path], str]
    move_away: str
    replaceable: bool
    date: str | None = None
    moved_by: Path | None = None
    outdated: Mapping[Path | None, Path] = MappingProxyType({})


def messages(found: tuple[Accident, ...], intended: IntendedRun) -> list[Message]:
    """The message about each finding."""
    elsewhere = any(isinstance(one, OtherLedger) for one in found)
    return [_message(one, intended, elsewhere=elsewhere) for one in found]


def text(message: Message) -> str:
    """A finding with its commands, as lines."""
    return "\n".join([message.found, *(f"  {line}" for line in _next_steps(message))])


def full_text(messages: list[Message]) -> str:
    """All findings as lines, and how to create the duplicates anyway."""
    return "\n".join([*map(text, messages), f"  {ALLOW}"])


def continuing(messages: list[Message]) -> str:
    """How to continue what was found, as an error's hint, for a person who has read the
    findings."""
    return "\n  ".join(line for one in messages if one.commands for line in _next_steps(one))


def created_again_notes(again: CreatedAgain) -> Iterator[str]:
    """Messages about the duplicates that are created a second time: those of the job, and those of
    the campaigns that contain most of them."""
    if own := again.own:
        yield (
            f"{counted(own, 'duplicate')} of this job {verb(own, 'has', 'have')} the source and"
            f" name of duplicates that were sent and are no longer in the"
            f" job{_spelled(again.respelled)}, and will be created a second time"
        )
    for other in again.campaigns[:MOST_NAMED]:
        yield (
            f"{counted(other.same_sent, 'duplicate')} of this job{_spelled(other.respelled)}"
            f" {verb(other.same_sent, 'exists', 'exist')} in campaign {other.campaign} already and"
            " will be created a second time"
        )


def _next_steps(message: Message) -> Iterator[str]:
    """The advice and the commands of a message, as lines; the commands are indented."""
    if message.advice:
        yield message.advice
    yield from (f"  {visible(command)}" for command in message.commands)


def _message(accident: Accident, intended: IntendedRun, *, elsewhere: bool) -> Message:
    match accident:
        case Renamed(other):
            return _renamed(other, intended)
        case Merged(items, to_create, others):
            shown = others[:MOST_NAMED]
            parts = joined([f"{one.same_sent:,} in campaign {one.campaign}" for one in shown])
            more = f", and some in {len(others) - len(shown):,} more" if others[MOST_NAMED:] else ""
            gone = joined([str(one.job) for one in shown if one.job_gone])
            restore = f"Put {gone} back. " if gone else ""
            return Message(
                f"{intended.job}: {items:,} of {counted(to_create, 'duplicate')} to be created"
                f" {_exist(items)} already: {parts}{more}. Were the rows of other jobs written into"
                " this one?",
                tuple(_shown_of(one, intended) for one in shown),
                f"{restore}Remove these rows from the job; the other campaigns continue with their"
                " own jobs. To see what was sent:",
            )
        case WrittenAgain(items, to_create, respelled):
            return Message(
                f"{intended.job}: {items:,} of {counted(to_create, 'duplicate')} to be created"
                f" {verb(items, 'has', 'have')} the source and name of duplicates that campaign"
                f" {intended.campaign} has sent, and that are no longer in the"
                f" job{_spelled(respelled)}. Was the job written again, with other rows for them"
                f"{', or changed by a spreadsheet' if respelled.items else ''}?",
                (_shown(intended),),
                "Write its rows as they were, with their names, placeholders and `copies`. To see"
                " what was sent:",
            )
        case OtherLedger(other) if (file := intended.outdated.get(other.database)) is not None:
            return Message(
                f"{file}: this ledger file is newer than the ledger database {intended.database},"
                f" which does not contain campaign {intended.campaign}, and than {other.database},"
                " which is an old copy.",
                (intended.restoring(file),),
                "Put the newest database back. If there is none, rebuild it from the ledger file:",
            )
        case OtherLedger(other):
            why = f" (set by the config file {intended.moved_by})" if intended.moved_by else ""
            return Message(
                f"{other.database}: this ledger database {_knows(other)}, but the run would use "
                f"{intended.database}{why}, which does not contain campaign {intended.campaign}.",
                (_continue(other, intended),),
                "To continue with that ledger:",
            )
        case NamesTaken(taken, names, example, likely):
            found = (
                f"{taken:,} of {counted(names, 'name')} to be sent already {_exist(taken)} in the"
                f" workspace, such as {visible(example or '')!r}, on batches that the ledger"
                f" database {intended.database} does not contain. Was the ledger moved or lost?"
            )
            if elsewhere:
                return Message(found, (), "")
            if likely is not None and likely.database not in intended.outdated:
                return Message(
                    found,
                    (_continue(likely, intended),),
                    f"{likely.database} {_knows(likely)}. To continue with that ledger:",
                )
            moving = (
                f"move it to {intended.database} (an empty one may be there after this run), or "
                if intended.replaceable
                else ""
            )
            return Message(
                found,
                (intended.restoring(Path("FILE")),),
                f"If you still have its database, {moving}name it with --database, and run again."
                " Otherwise restore it from its ledger file (FILE):",
            )
        case OldCopy(taken, names, example):
            return Message(
                f"{taken:,} of {counted(names, 'name')} to be sent"
                f" {verb(taken, 'has', 'have')} appeared in the workspace since this campaign last"
                f" sent something, such as {visible(example or '')!r}, on batches that the ledger"
                f" database {intended.database} does not contain. Was an old copy of it put back?",
                (intended.restoring(intended.newest_file),),
                f"Put the newest database back. If there is none, {intended.move_away} and restore"
                " each of its campaigns from its newest ledger file; then the next run finds what"
                " exists. For this campaign:",
            )


def _renamed(other: Overlap, intended: IntendedRun) -> Message:
    if other.respelled.items:
        question = "Was the job saved under another name, and changed by a spreadsheet?"
        advice = "Write its names as they were. Then continue that campaign with this job:"
    elif other.job_gone:
        question = "Did you rename the job file?"
        advice = "To continue that campaign, give the job its old name, or run this job by itself:"
    elif other.has_job:
        question = "This job file was run as that campaign before."
        advice = "To continue the campaign:"
    else:
        question = f"Did you copy the job file {other.job}?"
        advice = "If both files have the same rows, delete one. To continue that campaign with this"
        advice += " job:"
    return Message(
        f"{intended.job}: {_shares(other)} campaign {other.campaign} already. {question}",
        (_continue(other, intended),),
        advice,
    )


def _knows(other: Overlap) -> str:
    """How much of the job another database contains."""
    if other.has_name:
        return f"contains campaign {other.campaign} ({counted(other.sent, 'duplicate')} sent)"
    return f"contains {counted(other.same, 'duplicate')} of this job in campaign {other.campaign}"


def _shares(other: Overlap) -> str:
    spelled = _spelled(other.respelled)
    are = verb(other.same, "is", "are")
    return f"{counted(other.same, 'duplicate')} of this job{spelled} {are} in"


def _spelled(respelled: Respelled) -> str:
    """How many of the names are spelled differently, and an example, as part of a sentence; "" if
    none is."""
    if not respelled.items:
        return ""
    now, sent = visible(respelled.now), visible(respelled.sent)
    return f" ({respelled.items:,} of them with another spelling, such as {now!r} for {sent!r})"


def _exist(number: int) -> str:
    return verb(number, "exists", "exist")


def _shown(intended: IntendedRun) -> str:
    """The command that prints the campaign's rows, also those that are no longer in the job."""
    own = CampaignFiles(intended.campaign, intended.newest_file, intended.job, intended.date)
    return commands(own, intended.invocation).ledger("--all")


def _shown_of(other: Overlap, intended: IntendedRun) -> str:
    """The command that prints the rows of another campaign in the run's database."""
    theirs = CampaignFiles(other.campaign, other.ledger, other.job, None)
    return commands(theirs, intended.invocation).ledger("--all")


def _continue(other: Overlap, intended: IntendedRun) -> str:
    """The command that runs this job under the other campaign, with the other database and its own
    ledger file."""
    continued = CampaignFiles(other.campaign, other.ledger, intended.job, intended.date)
    invocation = (
        intended.invocation
        if other.database is None
        else intended.invocation._replace(database=other.database)
    )
    return commands(continued, invocation).run()
