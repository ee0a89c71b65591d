"""What to do next: the state of a campaign in, steps out, each with a reason, what it does, and its
commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from worker.export.commands import Commands
from worker.model.records import Counts
from worker.model.setups import SetupCounts
from worker.model.steps import Command, Step
from worker.text import counted, joined, verb

End = Literal["ended", "running", "crashed", "unclear"]
"""How the latest run ended; `unclear`: it recorded no end, and this computer cannot tell whether it
is running."""


class CampaignState(NamedTuple):
    """The state of a campaign: `counts` of the job's duplicates; how many of the unknown are
    `undecided`, because batches were found that could be their copies; how the latest run ended,
    and the `STOPPED_BY` of one that stopped early; `nothing_to_do` if every duplicate existed
    already. `settling` means that the latest run created nothing, and only settled. `setups` are
    the counts of the setups that the job asks for; a run can do something about `to_set_up` of
    them."""

    counts: Counts
    undecided: int = 0
    end: End = "ended"
    stopped_by: str | None = None
    nothing_to_do: bool = False
    settling: bool = False
    setups: SetupCounts = SetupCounts()
    to_set_up: int = 0

    @property
    def to_settle(self) -> int:
        """How many unknown duplicates a run can settle without a person."""
        return max(0, self.counts.unknown - self.undecided)


AGAIN = "{Again}"

FIRST: Mapping[str, tuple[str, str]] = {
    "token": (
        "Replace the token, then {again}",
        "The API rejected the token in PROLIFIC_TOKEN or the token file.",
    ),
    "disk": ("Free some disk space, then {again}", "The disk could not be written."),
    "database": (
        "When the ledger's server is back and no other machine works in it, {again}",
        "The server was away for longer than --give-up-after, or another machine took over.",
    ),
    "internal": (
        "Report a bug with the run's log, then {again}",
        "An error in duplicate-batches ended the run. What it recorded is correct.",
    ),
    "api": (
        "When the API is back, {again}",
        "The API was unusable for longer than --give-up-after.",
    ),
    "declined": (
        "Check what a run would create, then {again}",
        "Nobody agreed to create the duplicates: the question was answered with no, or they seem to"
        " exist already.",
    ),
    "signal": (AGAIN, "The run was stopped from outside."),
    "limit": ("Create the rest", "The run reached --limit."),
    "max_duration": (AGAIN, "The run reached --max-duration."),
    "max_failed": (
        "Look at what was rejected, then {again}",
        "The API rejected as many requests as --max-failed allows.",
    ),
}
"""What to do first and why, by the reason why the latest run stopped early; `{again}` becomes "run
the job again" or "settle again"."""

ALWAYS = ("token", "disk", "internal")
"""Reasons that need a person even if every duplicate exists."""

CRASHED = (AGAIN, "The run crashed: its process is gone, and it recorded no end.")
UNCLEAR = (
    "If the run is over, {again}",
    "It recorded no end, and this computer cannot tell whether it is still running.",
)

CHECK = "To see which of them exist already, and how to continue:"
CREATE = "To create them:"
NOTHING = (
    "A run never creates a duplicate twice. To create new copies every night, put {date} in the"
    " name or the campaign."
)
NO_ROWS = "The job has no rows. If it should have some, check whether its export failed."
SETTLE_ONLY = "Or only check what is unknown, and create nothing:"
ASSIGN = "If one of them is the copy (the ledger's error column names them and the row's number):"
ABSENT = "If none is:"
SHEET = "To decide them in a spreadsheet, write one with a row for each candidate:"
ITEM, BATCH = "#NUMBER", "BATCH_ID"
SHEET_FILE = "decisions.xlsx"


def steps(campaign_state: CampaignState, commands: Commands) -> list[Step]:
    """What a person can do, in order; nothing while a run is in progress, which continues by
    itself."""
    if campaign_state.end == "running":
        return []
    return list((_settle_steps if campaign_state.settling else _steps)(campaign_state, commands))


def _steps(campaign_state: CampaignState, commands: Commands) -> Iterator[Step]:
    counts, to_settle = campaign_state.counts, campaign_state.to_settle
    to_set_up, setups = campaign_state.to_set_up, campaign_state.setups
    if counts.pending or to_settle or to_set_up or campaign_state.stopped_by in ALWAYS:
        title, why = _first(campaign_state, "run the job again")
        settle_only = (Command(SETTLE_ONLY, commands.settle()),) if to_settle else ()
        effect = _effect(counts.pending, to_settle, to_set_up)
        again: tuple[Command, ...] = (Command("", commands.run()),)
        if campaign_state.stopped_by == "declined" and campaign_state.end == "ended":
            effect = ""  # agreeing to what seems to exist already would create it twice
            again = (Command(CHECK, commands.check()), Command(CREATE, commands.run()))
        yield Step("continue", title, why, effect, (*again, *settle_only))
    if campaign_state.undecided:
        yield _decide(campaign_state.undecided, commands)
    if counts.failed:
        them = verb(counts.failed, "it", "them")
        yield Step(
            "refused",
            f"Look at {_the(counts.failed, 'duplicate')} that the API rejected",
            "",
            f"A run does not try {them} again by itself. If the job file is wrong, fix it. If the "
            f"cause was elsewhere and is fixed, try {them} again:",
            (Command("", commands.retry()),),
        )
    if setups.failed:
        them = verb(setups.failed, "it", "them")
        yield Step(
            "setup",
            f"Look at {_the(setups.failed, 'setup')} that failed",
            "",
            f"The {verb(setups.failed, 'batch exists', 'batches exist')}. A run does not try"
            f" {them} again by itself. To send what the API rejected again, and look at what has"
            " the status ERROR again:",
            (
                Command("", commands.retry()),
                Command("To see which rows they are of:", commands.ledger("--format", "table")),
            ),
        )
    if setups.requested:
        yield Step(
            "setup",
            f"See whether {_the(setups.requested, 'requested setup')}"
            f" {verb(setups.requested, 'is', 'are')} ready",
            "",
            "This only looks at the batches, and writes the ledger file again:",
            (Command("", commands.ledger("--refresh")),),
        )
    if campaign_state.nothing_to_do and campaign_state.stopped_by is None:
        yield Step("nothing", "Nothing was sent", "", NOTHING if counts.total else NO_ROWS)


def _settle_steps(campaign_state: CampaignState, commands: Commands) -> Iterator[Step]:
    """What to do after settling: settle again, decide, create what is missing."""
    counts, to_settle = campaign_state.counts, campaign_state.to_settle
    if to_settle or campaign_state.stopped_by in ALWAYS:
        title, why = _first(campaign_state, "settle again")
        later = campaign_state.stopped_by is None and campaign_state.end == "ended"
        is_unknown = (
            f"{counted(to_settle, 'duplicate')} {verb(to_settle, 'is', 'are')} still unknown."
        )
        text = f"{is_unknown} Settling creates nothing, so you can repeat it." if to_settle else ""
        title = f"{title} later" if later else title
        yield Step("continue", title, why, text, (Command("", commands.settle()),))
    if campaign_state.undecided:
        yield _decide(campaign_state.undecided, commands)
    if counts.pending:
        yield Step(
            "create",
            f"Create {_the(counts.pending, 'missing duplicate')}",
            "",
            f"{counted(counts.pending, 'duplicate')} {verb(counts.pending, 'was', 'were')} never"
            f" sent, or {verb(counts.pending, 'is', 'are')} confirmed missing. Settling creates"
            " nothing; a run does:",
            (Command("", commands.run()),),
        )
    if campaign_state.nothing_to_do and campaign_state.stopped_by is None:
        yield Step("nothing", "Nothing to settle", "", "Every request has an answer.")


def _decide(number: int, commands: Commands) -> Step:
    return Step(
        "decide",
        f"{counted(number, 'duplicate')} may already exist: check and decide",
        "",
        f"{verb(number, 'A request', 'For each, a request')} went unanswered, and batches exist"
        " that it could have created. Look at them on Prolific. If one of them is the copy, assign"
        " it. If none is, say so, and the next run creates it.",
        (
            Command(ASSIGN, commands.settle("--assign", f"{ITEM}={BATCH}")),
            Command(ABSENT, commands.settle("--absent", ITEM)),
            Command(SHEET, commands.settle("--proposals", SHEET_FILE)),
        ),
    )


def _the(number: int, noun: str) -> str:
    """`the duplicate`, `the 2 duplicates`."""
    return verb(number, f"the {noun}", f"the {counted(number, noun)}")


def _first(campaign_state: CampaignState, again: str) -> tuple[str, str]:
    if campaign_state.end == "ended":
        title, why = FIRST.get(campaign_state.stopped_by or "", (AGAIN, ""))
    else:
        title, why = CRASHED if campaign_state.end == "crashed" else UNCLEAR
    return title.format(again=again, Again=again.capitalize()), why


def _effect(pending: int, to_settle: int, to_set_up: int) -> str:
    parts = []
    if pending:
        parts.append(f"sends {counted(pending, 'pending duplicate')}")
    if to_settle:
        missing = verb(to_settle, "it if it is confirmed missing", "those confirmed missing")
        parts.append(f"rechecks {counted(to_settle, 'unknown duplicate')} and resends {missing}")
    if to_set_up:
        parts.append(
            f"sets up {to_set_up:,} {verb(to_set_up, 'batch', 'batches')}, after a look at"
            f" {verb(to_set_up, 'it', 'them')}"
        )
    return f"The next run {joined(parts)}. It creates none of them twice." if parts else ""
