"""What to do next: how a campaign stands in, steps out, each with why, what it does, and its commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from worker.advice.commands import Commands
from worker.ledger.records import Counts

Key = Literal["go_on", "decide", "refused", "nothing"]
"""Go on with the job · decide what only a person can · look at what was refused · there was nothing to do."""

End = Literal["ended", "goes on", "died", "not told"]
"""How the latest run ended; `not told`: it recorded no end, and whether it goes on cannot be told from here."""


class Standing(NamedTuple):
    """How a campaign stands: `counts` of what its job wants; how many of the unknown are `undecided`, because batches
    were found that could be theirs; how its latest run ended, and the `STOPPED_BY` of one that ended early;
    `nothing_to_do` where that run found all known already."""

    counts: Counts
    undecided: int = 0
    end: End = "ended"
    stopped_by: str | None = None
    nothing_to_do: bool = False

    @property
    def to_settle(self) -> int:
        """How many unknown ones a run may find out about by itself."""
        return max(0, self.counts.unknown - self.undecided)


class Command(NamedTuple):
    """A command, and what it is for where a step has several (else empty)."""

    words: str
    line: str


class Step(NamedTuple):
    """Something that a person can do: its title, why it is to be done (may be empty), what it does, its commands."""

    key: Key
    title: str
    why: str
    text: str
    commands: tuple[Command, ...] = ()


AGAIN = "Run the job again"

FIRST: Mapping[str, tuple[str, str]] = {
    "token": (
        "Put in a token that works, then run the job again",
        "The API refused the token that PROLIFIC_TOKEN or the token file holds.",
    ),
    "disk": ("Make room on the disk, then run the job again", "The disk could not be written."),
    "internal": (
        "Report a bug, with the run's log, and run the job again",
        "An error in duplicate-batches ended the run. What it recorded is right.",
    ),
    "api": (
        "When the API is back, run the job again",
        "The API could not be used for longer than the run was to wait (--give-up-after).",
    ),
    "declined": ("Run the job again, and answer with yes", "The question before creating was answered with no."),
    "signal": (AGAIN, "The run was stopped from outside."),
    "limit": (AGAIN, "The run was to make so many and no more (--limit)."),
    "max_duration": (AGAIN, "The run's time was over (--max-duration)."),
    "max_failed": (
        "Look at what was refused, then run the job again",
        "So many requests were refused that the run sent no more (--max-failed).",
    ),
}
"""What to do first and why, by the reason for which the latest run ended early."""

ALWAYS = ("token", "disk", "internal")
"""Reasons that need somebody, also where nothing is left to do."""

DIED = (AGAIN, "The run died: its process is gone, and it recorded no end.")
NOT_TOLD = (
    "If the run does not go on, run the job again",
    "It recorded no end, and whether it goes on cannot be told from here.",
)

LOOKED = "Or only look for what is unknown, and send nothing:"
ASSIGN = "If one of them is the copy (the ledger's error column names them, and has the row's number):"
ABSENT = "If none is:"
ITEM, BATCH = "#NUMBER", "BATCH_ID"


def steps(standing: Standing, commands: Commands) -> list[Step]:
    """What a person can do, in the order in which to do it; nothing while a run goes on, which tries by itself."""
    return [] if standing.end == "goes on" else list(_steps(standing, commands))


def _steps(standing: Standing, commands: Commands) -> Iterator[Step]:
    counts, to_settle = standing.counts, standing.to_settle
    if counts.pending or to_settle or standing.stopped_by in ALWAYS:
        title, why = _first(standing)
        look = (Command(LOOKED, commands.settle()),) if to_settle else ()
        yield Step("go_on", title, why, _does(counts.pending, to_settle), (Command("", commands.run()), *look))
    if standing.undecided:
        yield Step(
            "decide",
            f"Decide {standing.undecided:,} that may exist",
            "",
            f"{'A' if standing.undecided == 1 else 'For each a'} request went out and its answer never came, and "
            "batches were found that could be what it made. Look at them on Prolific. If one of them is the copy, "
            "assign it. If none is, say so, and the next run makes it.",
            (
                Command(ASSIGN, commands.settle("--assign", f"{ITEM}={BATCH}")),
                Command(ABSENT, commands.settle("--absent", ITEM)),
            ),
        )
    if counts.failed:
        yield Step(
            "refused",
            f"Look at {counts.failed:,} that the API refused",
            "",
            "The API said no for good, and this is not tried again by itself. If the job is wrong, mend the job. If "
            "the cause was elsewhere and is mended, this tries them again:",
            (Command("", commands.retry()),),
        )
    if standing.nothing_to_do and standing.stopped_by is None:
        yield Step(
            "nothing",
            "Nothing was sent",
            "",
            "A duplicate that exists is not made again. Who wants new copies every night puts {date} into the names "
            "or the campaign.",
        )


def _first(standing: Standing) -> tuple[str, str]:
    if standing.end == "ended":
        return FIRST.get(standing.stopped_by or "", (AGAIN, ""))
    return DIED if standing.end == "died" else NOT_TOLD


def _does(pending: int, to_settle: int) -> str:
    does = []
    if pending:
        does.append(f"sends the {pending:,} that {'is' if pending == 1 else 'are'} pending")
    if to_settle:
        does.append(f"looks again for {to_settle:,} unknown, and sends what surely was not made")
    return f"A run {joined(does)}. What exists is not made again." if does else ""


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""
