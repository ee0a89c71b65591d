"""The report's sentences: the headline, how a run ended, and what a person can do first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.clock import seconds
from worker.events import STOPPED_BY
from worker.observe.text import counted, human_duration, visible
from worker.report.commands import Commands, joined
from worker.report.facts import Facts, Run

AGAIN = "Run the job again"

FIRST: Mapping[str, tuple[str, str]] = {
    "token": (
        "Put in a token that works, then run the job again",
        "The API refused the token that PROLIFIC_TOKEN or the token file holds.",
    ),
    "disk": ("Make room on the disk, then run the job again", "The disk could not be written."),
    "internal": (
        "Report a bug, and run the job again",
        "An error in duplicate-batches ended the run. Its log says more, and what it recorded is right.",
    ),
    "api": (
        "When the API is back, run the job again",
        "The API could not be used for longer than the run was to wait (--give-up-after).",
    ),
    "declined": (AGAIN, "The question before creating was answered with no."),
    "signal": (AGAIN, "The run was stopped from outside."),
    "limit": (AGAIN, "The run was to make so many and no more (--limit)."),
    "max_duration": (AGAIN, "The run's time was over (--max-duration)."),
    "max_failed": (
        "Look at what was refused, then run the job again",
        "So many requests were refused that the run sent no more (--max-failed).",
    ),
}
"""What to do first and why, by the reason for which the latest run ended early."""

DIED = (AGAIN, "The run died: its process is gone, and it recorded no end.")
PERHAPS_DIED = (
    "If the run does not go on, run the job again",
    "It recorded no end, and it is on another machine, so this report cannot tell.",
)

BY_HAND = "Who knows better decides by hand: a row's details in the table below have the commands."


@dataclass(frozen=True, slots=True)
class Headline:
    """The first words of the page: `kind` is `good`, `missing`, `going` (a run goes on) or `empty`."""

    kind: str
    title: str
    text: str


def headline(facts: Facts) -> Headline:
    """Is everything there?"""
    counts = facts.counts
    some = f"{counts.created:,} of {counts.total:,}"
    if facts.latest.going_on:
        return Headline("going", f"{some} are there so far", "A run is going on. Make this report again to see more.")
    if not counts.total:
        return Headline("empty", "The job asks for nothing", "It has no rows.")
    if counts.created == counts.total:
        title = "The one duplicate is there" if counts.total == 1 else f"All {counts.total:,} are there"
        made = f"{counted(counts.total, 'duplicate')} of {counted(facts.sources, 'source')}"
        return Headline("good", title, f"The job asks for {made}, and each exists once.")
    missing = [
        f"{number:,} {words}"
        for number, words in (
            (counts.failed, "refused by the API"),
            (counts.unknown, "that may exist"),
            (counts.pending, "not made yet"),
        )
        if number
    ]
    return Headline(
        "missing", f"{some} are there", f"{counts.total - counts.created:,} are missing: {joined(missing)}."
    )


def ended(run: Run) -> str:
    """How a run ended, as the end of a sentence about it."""
    if run.ended_at is None:
        if run.alive:
            return f"goes on (process {run.pid})"
        return "died without an end" if run.alive is False else f"goes on at {visible(run.host)}, or died"
    if run.stopped_by is None:
        return "ended by itself"
    return f"ended early because {STOPPED_BY.get(run.stopped_by, visible(run.stopped_by))}"


def after(made: str | None, sent: str | None) -> str:
    """How long after its request a candidate was made, by clocks that may differ a little."""
    at, left = seconds(made), seconds(sent)
    if at is None or left is None:
        return ""
    return f"{human_duration(abs(at - left))} {'after' if at >= left else 'before'} the request"


def duration(run: Run) -> str:
    """How long a run took."""
    return "" if run.duration_s is None else human_duration(run.duration_s)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a person can do, why, and the command."""

    title: str
    text: str
    command: str


def first_step(facts: Facts, commands: Commands) -> Step | None:
    """What goes on with the job by itself; None where nothing would."""
    needs, run = facts.needs, facts.latest
    pending, unknown = needs.count("pending"), needs.count("unknown")
    if run.going_on:
        return None
    if not (pending or unknown or needs.under_way):
        return None
    title, why = _first(run)
    does = []
    if pending:
        does.append(f"sends the {pending:,} that {'is' if pending == 1 else 'are'} pending")
    if unknown or needs.under_way:
        does.append(f"looks again for {unknown + needs.under_way:,} unknown, and sends what surely was not made")
    text = [why, f"A run {joined(does)}. What exists is not made again.", BY_HAND if unknown else ""]
    return Step(title, " ".join(filter(None, text)), commands.run())


def _first(run: Run) -> tuple[str, str]:
    if run.ended_at is None:
        return DIED if run.alive is False else PERHAPS_DIED
    return FIRST.get(run.stopped_by or "", (AGAIN, ""))


def moment(text: str | None) -> str:
    """A time of the database as people read it: `2026-11-24 02:14:07`. What is no time stays as it is."""
    if not text or seconds(text) is None:
        return text or ""
    return f"{text[:10]} {text[11:19]}"
