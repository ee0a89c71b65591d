"""The last word about a run: as JSON for scripts, as text for people.

Pure: facts in, an object or text out. All the advice about what to do next is in one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.events import STOPPED_BY
from worker.observe.text import counted, human_duration, shell_word, shortened, visible

STATUSES = ("created", "failed", "unknown", "pending")
"""The statuses of the ledger, in the order in which they are told."""

NEXT: Mapping[str, str] = {
    "nothing_to_do": (
        "Nothing was sent: a duplicate that exists is not made again. Who wants new copies every night puts "
        "{{date}} into the names or the campaign."
    ),
    "token": "Put a token that works into PROLIFIC_TOKEN (or the token file), then: {command}",
    "declined": "Nothing was created. The same command asks again (--yes does not ask): {command}",
    "disk": "Make room on the disk, then the same command goes on: {command}",
    "internal": ("Please report this, with run id {run_id}. The ledger is right; the same command goes on: {command}"),
    "goes_on": "The same command goes on where this run ended: {command}",
    "unknown": (
        "Unknown ones may exist, so they are not sent again until two listings prove that they do not. The next run "
        "looks again, and so does `duplicate-batches settle JOB`; the ledger's error column names what a person could "
        "decide with `settle --assign` or `--absent`."
    ),
    "failed": (
        "Failed ones are not tried again by themselves. The ledger's error column says why; when that is "
        "mended, {retry} tries them too."
    ),
}
"""What to do next, by situation; `{command}` is the same command, `{retry}` that with `--retry-failed`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at the end of a run. `counts` by status, of the `total` duplicates that the job wants;
    `reasons` the most frequent ones of failed and pending duplicates, each with its count; `command` how the
    program was called for this job, quoted for a shell; `stopped_by` a key of `STOPPED_BY` or `None`;
    `duration_s` seconds."""

    campaign: str
    run_id: str
    job: Path | str
    ledger: Path | str
    database: Path | str
    counts: Mapping[str, int]
    created_this_run: int
    settled_this_run: int
    requests: int
    throttled: int
    duration_s: float
    exit_code: int
    stopped_by: str | None
    total: int
    nothing_to_do: bool
    reasons: tuple[tuple[str, int], ...]
    command: str
    sandbox: bool = False

    def count(self, status: str) -> int:
        """How many duplicates have `status`."""
        return self.counts.get(status, 0)


def summary_json(facts: Facts) -> dict[str, Any]:
    """The summary for scripts: JSON values, the fields that `--json` promises and no others."""
    return {
        "campaign": facts.campaign,
        "run_id": facts.run_id,
        "job": str(facts.job),
        "ledger": str(facts.ledger),
        "database": str(facts.database),
        "counts": {status: facts.count(status) for status in STATUSES},
        "created_this_run": facts.created_this_run,
        "settled_this_run": facts.settled_this_run,
        "requests": facts.requests,
        "throttled": facts.throttled,
        "duration_s": round(facts.duration_s, 3),
        "exit_code": facts.exit_code,
        "stopped_by": facts.stopped_by,
    }


def situations(facts: Facts) -> tuple[str, ...]:
    """The keys of `NEXT` that fit, in the order in which to act."""
    return tuple(_situations(facts))


def _situations(facts: Facts) -> Iterator[str]:
    if facts.stopped_by is not None and facts.stopped_by in NEXT:
        yield facts.stopped_by
    elif facts.count("pending"):
        yield "goes_on"
    if facts.count("unknown"):
        yield "unknown"
    if facts.count("failed"):
        yield "failed"
    if facts.nothing_to_do and facts.stopped_by is None:
        yield "nothing_to_do"


def summary_text(facts: Facts) -> str:
    """The summary for people: what happened, what did not and why, where the ledger is, what to do next."""
    return "\n".join(_lines(facts))


def _lines(facts: Facts) -> Iterator[str]:
    if facts.sandbox:
        yield "A rehearsal in the sandbox: nothing of this is real."
    yield _outcome(facts)
    missing = [f"{facts.count(status):,} {status}" for status in STATUSES[1:] if facts.count(status)]
    if missing:
        yield f"Not created: {', '.join(missing)}."
    for reason, count in facts.reasons:
        yield f"  {count:,} × {shortened(visible(reason), 200)}"
    if facts.stopped_by is not None:
        yield f"The run ended early because {STOPPED_BY.get(facts.stopped_by, visible(facts.stopped_by))}."
    yield _effort(facts)
    yield f"Ledger: {shell_word(facts.ledger)}"
    retry = facts.command if "--retry-failed" in facts.command.split() else f"{facts.command} --retry-failed"
    words = {"command": visible(facts.command), "retry": visible(retry), "run_id": visible(facts.run_id)}
    for situation in situations(facts):
        yield f"→ {NEXT[situation].format(**words)}"


def _outcome(facts: Facts) -> str:
    campaign, created = visible(facts.campaign), facts.count("created")
    if facts.total == 0:
        return f"{campaign}: the job has no rows."
    if created < facts.total:
        return f"{campaign}: {created:,} of {counted(facts.total, 'duplicate')} created."
    return f"{campaign}: {counted(facts.total, 'duplicate')}, all created."


def _effort(facts: Facts) -> str:
    parts = [f"{facts.created_this_run:,} created", counted(facts.requests, "request")]
    if facts.settled_this_run:
        parts.insert(1, f"{facts.settled_this_run:,} settled")
    if facts.throttled:
        parts.append(f"slowed down {counted(facts.throttled, 'time')} by the API")
    return f"This run: {', '.join(parts)}, in {human_duration(facts.duration_s)}."
