"""The report's sentences: the headline, how a run ended, and how the campaign stands for advice.
Pure."""

from __future__ import annotations

from typing import NamedTuple

from worker.export.next_steps import CampaignState, End, joined
from worker.export.report.facts import Facts, Run
from worker.model.clock import seconds
from worker.model.events import STOPPED_BY
from worker.model.records import RunKind
from worker.text import counted, human_duration, verb, visible


class Headline(NamedTuple):
    """The first words of the page: `kind` is `good`, `missing`, `going` (a run goes on) or
    `empty`."""

    kind: str
    title: str
    text: str


def headline(facts: Facts) -> Headline:
    """Is everything there?"""
    counts = facts.counts
    some = f"{counts.created:,} of {counted(counts.total, 'duplicate')} created"
    if facts.latest.going_on:
        return Headline(
            "going", f"{some} so far", "A run is going on. Make this report again to see more."
        )
    if not counts.total:
        return Headline("empty", "The job asks for nothing", "It has no rows.")
    if counts.created == counts.total:
        title = (
            "The one duplicate is created"
            if counts.total == 1
            else f"All {counts.total:,} duplicates created"
        )
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
    gap = counts.total - counts.created
    return Headline(
        "missing", some, f"{gap:,} {verb(gap, 'is', 'are')} missing: {joined(missing)}."
    )


def ended(run: Run) -> str:
    """How a run ended, as the end of a sentence about it."""
    if run.ended_at is None:
        if run.alive:
            return f"goes on (process {run.pid})"
        return (
            "died without an end"
            if run.alive is False
            else f"goes on at {visible(run.host)}, or died"
        )
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


_NOUNS = {RunKind.RUN: "run", RunKind.SETTLE: "settling", RunKind.RESTORE: "restoring"}


def what(run: Run) -> str:
    """What a run was, as a noun."""
    return _NOUNS[run.kind]


def campaign_state(facts: Facts) -> CampaignState:
    """How the campaign stands, for advice."""
    run = facts.latest
    end: End = "ended"
    if run.ended_at is None:
        end = "not told" if run.alive is None else "goes on" if run.alive else "died"
    return CampaignState(facts.counts, facts.needs.undecided_count, end, run.stopped_by)


def moment(text: str | None) -> str:
    """A time of the database as people read it: `2026-11-24 02:14:07`. What is no time stays as it
    is."""
    if not text or seconds(text) is None:
        return text or ""
    return f"{text[:10]} {text[11:19]}"
