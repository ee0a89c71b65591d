"""What is said of an accident: what was found, where, and the command that continues what it names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from worker.accidents.rules import Accident, NamesTaken, OtherLedger, Renamed
from worker.advice.commands import Commands, Reach, commands
from worker.ledger.shared import Shared
from worker.ledger.views import LatestRun
from worker.observe.text import counted, shell_word, visible

ALLOW = "If new duplicates are meant, add --allow-existing."


class Told(NamedTuple):
    """One finding: what was found, what that may mean, the commands that continue (may be none), and the rest
    of the advice."""

    found: str
    commands: tuple[str, ...]
    advice: str


class Asked(NamedTuple):
    """The run that was about to begin: its job (absolute), campaign, ledger file and database, `date` if it
    was given, the way to its database, and the config file that moved that from the job's folder, if one did."""

    job: Path
    campaign: str
    ledger: Path
    database: Path
    reach: Reach
    date: str | None = None
    moved_by: Path | None = None


def messages(found: tuple[Accident, ...], asked: Asked) -> list[Told]:
    """What is said of each finding."""
    elsewhere = any(isinstance(one, OtherLedger) for one in found)
    return [_told(one, asked, elsewhere=elsewhere) for one in found]


def text(told: Told) -> str:
    """A finding as lines, with its commands."""
    return "\n".join(_lines(told))


def full_text(told: list[Told]) -> str:
    """All findings as lines, and how to say that new duplicates are meant."""
    return "\n".join([*map(text, told), f"  {ALLOW}"])


def _lines(told: Told) -> Iterator[str]:
    yield told.found
    if told.advice:
        yield f"  {told.advice}"
    yield from (f"    {visible(command)}" for command in told.commands)


def _told(accident: Accident, asked: Asked, *, elsewhere: bool) -> Told:
    match accident:
        case Renamed(other):
            return Told(
                f"{asked.job}: looks like {other.campaign} renamed: {_shares(other)} campaign "
                f"{other.campaign} already.",
                (_continue(other, asked),),
                f"To continue that campaign, add --campaign {shell_word(other.campaign)}, or rename the job file back:",
            )
        case OtherLedger(other):
            why = f" (the config file {asked.moved_by} moves it there)" if asked.moved_by else ""
            knows = (
                f"knows campaign {other.campaign} ({counted(other.sent, 'duplicate')} sent)"
                if other.has_name
                else f"has {counted(other.same, 'duplicate')} of this job in campaign {other.campaign}"
            )
            return Told(
                f"{other.database}: this ledger database {knows}, but the run would use {asked.database}{why}, "
                f"which does not know the campaign {asked.campaign}.",
                (_continue(other, asked),),
                "To continue with that ledger:",
            )
        case NamesTaken(taken, names, example):
            found = (
                f"{taken:,} of {counted(names, 'name')} to be sent already {_exist(taken)} in the workspace, "
                f"such as {visible(example or '')!r}, on batches that the ledger database {asked.database} does "
                "not know. Was the ledger moved or lost?"
            )
            if elsewhere:
                return Told(found, (), "")
            return Told(
                found,
                (_commands(asked, Path("PATH")).run(), _commands(asked).ledger("--restore", "FILE")),
                "If you have its database, name it (PATH). If not, restore it from its ledger file (FILE):",
            )


def _shares(other: Shared) -> str:
    verb = "is" if other.same == 1 else "are"
    return f"{counted(other.same, 'duplicate')} of this job {verb} in"


def _exist(number: int) -> str:
    return "exists" if number == 1 else "exist"


def _commands(asked: Asked, database: Path | None = None) -> Commands:
    """The commands for this job as it was asked for, or with another database."""
    latest = LatestRun("", asked.campaign, asked.ledger, asked.job, asked.date)
    return commands(latest, asked.reach if database is None else asked.reach._replace(database=database))


def _continue(other: Shared, asked: Asked) -> str:
    """The command that runs this job as the other campaign, in the other database, with its own ledger file."""
    latest = LatestRun("", other.campaign, other.ledger, asked.job, asked.date)
    reach = asked.reach if other.database is None else asked.reach._replace(database=other.database)
    return commands(latest, reach).run()
