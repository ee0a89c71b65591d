"""The last word about a run: as JSON for scripts, as text for people.

Pure: facts in, an object or text out. What to do next is `worker.advice`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from worker.export.next_steps import Step
from worker.model.causes import shortlist
from worker.model.events import STOPPED_BY
from worker.text import counted, human_duration, shell_word, shortened, visible

STATUSES = ("created", "failed", "unknown", "pending")
"""The statuses of the ledger, in the order in which they are told."""

CAUSES = 5
"""How many causes are shown."""


class Facts(NamedTuple):
    """What is known at the end of a run. `counts` by status, of the `total` duplicates that the job
    wants; `reasons` why duplicates are not created, each with how many; `steps` what to do next;
    `stopped_by` a key of `STOPPED_BY` or `None`; `duration_s` seconds; `report` is the report's
    file (None: there is none). `settling` only found out what became of requests; `absent` of the
    settled are missing."""

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
    reasons: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    sandbox: bool = False
    report: Path | str | None = None
    settling: bool = False
    absent: int = 0

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
        "report": None if facts.report is None else str(facts.report),
    }


def summary_text(facts: Facts) -> str:
    """The summary for people: what happened, what did not and why, where the ledger is, what to do
    next."""
    return "\n".join(_lines(facts))


def _lines(facts: Facts) -> Iterator[str]:
    if facts.sandbox:
        yield "A rehearsal in the sandbox: nothing of this is real."
    yield _outcome(facts)
    missing = [
        f"{facts.count(status):,} {status}" for status in STATUSES[1:] if facts.count(status)
    ]
    if missing:
        yield f"Not created: {', '.join(missing)}."
    reasons = shortlist(facts.reasons, CAUSES)
    for reason, count in reasons.shown:
        yield f"  {count:,} × {shortened(visible(reason), 200)}"
    if reasons.rest:
        yield f"  {reasons.rest}"
    if facts.stopped_by is not None:
        what = "Settling" if facts.settling else "The run"
        yield (
            f"{what} ended early because"
            f" {STOPPED_BY.get(facts.stopped_by, visible(facts.stopped_by))}."
        )
    yield _effort(facts)
    yield f"Ledger: {shell_word(facts.ledger)}"
    if facts.report is not None:
        yield f"Report: {shell_word(facts.report)}"
    for step in facts.steps:
        yield f"→ {visible(' '.join(filter(None, (f'{step.title}.', step.text))))}"
        for command in step.commands:
            if command.words:
                yield f"  {command.words}"
            yield f"  {visible(command.line)}"


def _outcome(facts: Facts) -> str:
    campaign, created = visible(facts.campaign), facts.count("created")
    if facts.total == 0:
        return f"{campaign}: the job has no rows."
    if created < facts.total:
        return f"{campaign}: {created:,} of {counted(facts.total, 'duplicate')} created."
    return f"{campaign}: {counted(facts.total, 'duplicate')}, all created."


def _effort(facts: Facts) -> str:
    if facts.settling:
        settled = (
            f"{facts.settled_this_run - facts.absent:,} found, {facts.absent:,} confirmed missing"
        )
        still = f"{facts.count('unknown'):,} still unknown"
        return f"Settled: {settled}, {still}, in {human_duration(facts.duration_s)}."
    parts = [f"{facts.created_this_run:,} created", counted(facts.requests, "request")]
    if facts.settled_this_run:
        parts.insert(1, f"{facts.settled_this_run:,} settled")
    if facts.throttled:
        parts.append(f"slowed down {counted(facts.throttled, 'time')} by the API")
    return f"This run: {', '.join(parts)}, in {human_duration(facts.duration_s)}."
