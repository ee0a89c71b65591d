"""What monitoring reports about the last nights: the conditions of the alerts in docs/nightly.md,
each with the fix that this page names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from worker.doctor.check import Check
from worker.ledger.views import RunRow
from worker.model.clock import seconds
from worker.model.records import Notification, NotificationKind, RunKind
from worker.text import counted, first_of, shell_word, shortened

_KINDS = {RunKind.SETTLE: " (settle)", RunKind.RESTORE: " (ledger --restore)"}
"""What follows the campaign of a run that was none of the command `run`."""

LATE_S = 36 * 3600
"""Seconds without a success after which a night is late: a day, and half a day for a long run."""

NAMED = 3
"""How many campaigns a finding names."""

FIXES = {
    "late": "Check that cron or the timer is active, then run its command by hand.",
    "failed": "Run report JOB: the report lists each step with its command.",
    "unknown": "Run settle without a JOB; then decide what is left, as the job's report shows.",
    "heartbeat": "Check heartbeat_url, and that this computer can reach it.",
    "on_finish": "Run the command in a shell, with a summary on standard input.",
    "metrics_file": "Give write access to the folder of metrics_file.",
}
"""What to do about each finding, by its topic."""

_SENT = {
    NotificationKind.START: ("heartbeat", "the ping at the start of"),
    NotificationKind.SUCCESS: ("heartbeat", "the ping at the end of"),
    NotificationKind.FAIL: ("heartbeat", "the ping at the end of"),
    NotificationKind.ON_FINISH: ("on_finish", "the command after"),
    NotificationKind.METRICS: ("metrics_file", "the file of"),
}
"""The topic of a notification, and what it was."""


class Nights(NamedTuple):
    """What the database knows: its runs, oldest first; how many duplicates are unknown; what was
    sent about its latest run. `monitored` says whether somebody expects a run every night,
    `active` whether the latest run works now: its requests under way are not unknown."""

    runs: Sequence[RunRow]
    unknown: int
    sent: Sequence[Notification]
    monitored: bool
    active: bool = False


def check_nights(nights: Nights, now: float) -> Iterator[Check]:
    """The last run, and each alert that is due at `now` (seconds since 1970)."""
    if not nights.runs:
        return
    last = nights.runs[-1]
    how = "is under way" if nights.active else "has not ended"
    if last["ended_at"] is not None:
        how = f"ended with code {last['exit_code']}"
    what = _KINDS.get(last["kind"], "")
    yield Check("last run", f"{last['run_id']} of campaign {last['campaign']}{what} {how}")
    ended = [
        run for run in nights.runs if run["kind"] == RunKind.RUN and run["ended_at"] is not None
    ]
    recent = [run for run in ended if now - (seconds(run["ended_at"]) or 0.0) <= LATE_S]
    if nights.monitored and not recent:  # what a recent run lacks is told below
        yield _late(ended)
    yield from _failed(recent)
    if nights.unknown:
        yield _finding("unknown", f"{counted(nights.unknown, 'duplicate')} may exist")
    for one in nights.sent:
        if one.trouble is not None:
            topic, what = _SENT[one.kind]
            yield _finding(topic, f"{what} the last run, at {one.at}: {one.trouble}")


def _finding(topic: str, text: str) -> Check:
    return Check(topic, text, FIXES[topic])


def _late(ended: Iterable[RunRow]) -> Check:
    successes = [run["ended_at"] for run in ended if run["exit_code"] == 0]
    since = f"since {successes[-1]}" if successes else "yet"
    return _finding("late", f"no run has succeeded {since}")


def _failed(recent: Iterable[RunRow]) -> Iterator[Check]:
    """Campaigns whose last run failed, of the runs of the last nights. A campaign with {date} in
    its name is never run again, so an older failure says nothing."""
    last = {run["campaign"]: run for run in recent}
    failed = [run for run in last.values() if run["exit_code"] != 0]
    if failed:
        shown = [
            f"{shortened(run['campaign'], 60)} (code {run['exit_code']})" for run in failed[:NAMED]
        ]
        text = f"the last run did not succeed: {first_of(shown, len(failed))}"
        yield Check("failed", text, FIXES["failed"].replace("JOB", shell_word(failed[0]["job"])))
