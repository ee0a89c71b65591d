"""The report's sentences: the headline, how a run ended, and the state of the campaign for the next
steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.export.next_steps import CampaignState, End
from worker.export.report.facts import Facts, Run
from worker.ledger.rows import LedgerRow
from worker.model.clock import seconds
from worker.model.events import STOPPED_BY
from worker.model.records import Notification, NotificationKind, RunKind
from worker.text import counted, human_duration, joined, verb, visible

NAME_SHOWN = 300
"""Characters of a name that the page's lists show; its table has the whole name."""


class Headline(NamedTuple):
    """The first line of the page, and what explains it: `kind` is `good`, `missing`, `running` or
    `empty`."""

    kind: str
    title: str
    text: str


def headline(facts: Facts) -> Headline:
    """How many duplicates are created, and what is known of the others."""
    counts = facts.counts
    created = f"{counts.created:,} of {counted(counts.total, 'duplicate')} created"
    if facts.latest.is_active:
        return Headline(
            "running",
            f"{created} so far",
            "A run is in progress. Write the report again to see more.",
        )
    if not counts.total:
        return Headline("empty", "No duplicates requested", "The job file has no rows.")
    if counts.created == counts.total:
        title = f"All {counts.total:,} duplicates created" if counts.total > 1 else created
        of = f": {counted(counts.total, 'duplicate')} of {counted(facts.sources, 'source')}"
        if facts.setups.undone:
            title += f", {facts.setups.undone:,} not set up"
            return Headline("missing", title, f"{_setups_undone(facts)}.")
        if facts.setups.requested:
            number = facts.setups.requested
            waiting = f"{number:,} {verb(number, 'batch was', 'batches were')}"
            return Headline("good", title, f"{waiting} set up, and not READY when last seen.")
        text = f"The job is complete{of}."
        if ready := facts.setups.ready:
            text += f" {ready:,} {verb(ready, 'batch is', 'batches are')} READY."
        return Headline("good", title, text)
    parts = [
        f"{number:,} {verb(number, one, many)}"
        for number, one, many in (
            (counts.failed, "was rejected by the API", "were rejected by the API"),
            (counts.unknown, "may already exist", "may already exist"),
            (counts.pending, "is not created yet", "are not created yet"),
        )
        if number
    ]
    return Headline("missing", created, f"{joined(parts)}.")


def _setups_undone(facts: Facts) -> str:
    setups = facts.setups
    parts = [
        f"{number:,} {verb(number, one, many)}"
        for number, one, many in (
            (setups.failed, "setup failed", "setups failed"),
            (setups.unknown, "setup may have taken effect", "setups may have taken effect"),
            (setups.pending, "batch is not set up yet", "batches are not set up yet"),
        )
        if number
    ]
    return joined(parts)


def ended(run: Run) -> str:
    """How a run ended, as the end of a sentence about it."""
    if run.ended_at is None:
        if run.alive:
            return f"is running (process {run.pid})"
        if run.alive is False:
            return "crashed"
        return f"is running on {visible(run.host)}, or crashed"
    if run.stopped_by is None:
        return "finished"
    return f"stopped early because {STOPPED_BY.get(run.stopped_by, visible(run.stopped_by))}"


def run_time(run: Run) -> str:
    """When a run ran, with its date, in UTC: `2026-03-02, 22:00 to 23:12 UTC (1 h 12 min)`."""
    begin = moment(run.started_at)
    if run.duration_s is None:
        return f"{begin[:10]}, from {begin[11:16]} UTC"
    end = moment(run.ended_at)
    until = end[11:16] if end[:10] == begin[:10] else end[:16]
    to = "" if end[:16] == begin[:16] else f" to {until}"
    return f"{begin[:10]}, {begin[11:16]}{to} UTC ({human_duration(run.duration_s)})"


def duration(run: Run) -> str:
    """How long a run took."""
    return "" if run.duration_s is None else human_duration(run.duration_s)


_NOUNS = {RunKind.RUN: "run", RunKind.SETTLE: "settle", RunKind.RESTORE: "restore"}


def noun(run: Run) -> str:
    """What to call a run."""
    return _NOUNS[run.kind]


NOTIFICATIONS = {
    NotificationKind.START: "Heartbeat: start",
    NotificationKind.SUCCESS: "Heartbeat: success",
    NotificationKind.FAIL: "Heartbeat: fail",
    NotificationKind.ON_FINISH: "Command of --on-finish",
    NotificationKind.METRICS: "Metrics file",
}
"""What to call a notification."""


def outcome(one: Notification) -> str:
    """How a notification ended."""
    return "ok" if one.trouble is None else f"failed: {visible(one.trouble)}"


def place(row: LedgerRow) -> str:
    """Where a row stands in the job: `line 3`, or `line 3, copy 2 of 12`."""
    line = f"line {row['line']}"
    return line if row["copies"] == 1 else f"{line}, copy {row['copy']:,} of {row['copies']:,}"


# -- comparison with earlier runs


def maxima(runs: Sequence[Run]) -> tuple[float, float, float]:
    """The most created, the most unknown and the longest duration of these runs."""
    return (
        max(run.created for run in runs),
        max(run.unknown for run in runs),
        max(run.duration_s or 0.0 for run in runs),
    )


def comparison(facts: Facts) -> str:
    """What stands out in the latest run beside the ones before it; empty if nothing does."""
    latest, *earlier = facts.compared or (None,)
    if latest is None or len(earlier) < 2:
        return ""
    parts = []
    if latest.unknown > max(run.unknown for run in earlier):
        parts.append("more unknown outcomes")
    if latest.throttled > max(run.throttled for run in earlier):
        parts.append("more throttled requests")
    lengths = [run.duration_s for run in earlier if run.duration_s is not None]
    if latest.duration_s is not None and lengths and latest.duration_s > max(lengths):
        parts.append("a longer duration")
    return (
        f"The latest run had {joined(parts)} than any of the {len(earlier)} runs before it."
        if parts
        else ""
    )


def campaign_state(facts: Facts) -> CampaignState:
    """The state of the campaign, for the next steps."""
    run = facts.latest
    end: End = "ended"
    if run.ended_at is None:
        end = "unclear" if run.alive is None else "running" if run.alive else "crashed"
    return CampaignState(
        facts.counts,
        facts.needs.undecided_count,
        end,
        run.stopped_by,
        setups=facts.setups,
        to_set_up=facts.to_set_up,
    )


def moment(text: str | None) -> str:
    """A time of the database as people read it: `2026-11-24 02:14:07`. Anything else stays as it
    is."""
    if not text or seconds(text) is None:
        return text or ""
    return f"{text[:10]} {text[11:19]}"
