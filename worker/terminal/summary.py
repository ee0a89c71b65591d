"""The summary at the end of a run: as JSON for scripts, as text for people.

Pure: summary in, an object or text out. What to do next is decided in `worker.export.next_steps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from worker.model.causes import shortlist
from worker.model.differences import differ
from worker.model.events import STOPPED_BY
from worker.model.records import Counts
from worker.model.setups import SetupCounts
from worker.model.steps import Step
from worker.text import counted, human_duration, shell_word, shortened, visible

CAUSES = 5
"""Maximum number of causes that are shown."""


class Summary(NamedTuple):
    """What is known at the end of a run. `counts` of the duplicates in the job; `reasons` why
    duplicates are not created, each with a number of duplicates; `steps` to do next; `stopped_by` a
    key of `STOPPED_BY` or None; `duration_s` seconds; `report` the report's file (None: there is
    none). `settling` if the run only found out whether unanswered requests created a batch;
    `absent` is how many of the settled are missing. `warnings` is how many copies differ from their
    source. `setups` are the counts of the setups that the job asks for, `setup_reasons` says why
    some are not done."""

    campaign: str
    run_id: str
    job: Path
    ledger: Path
    database: str
    counts: Counts
    created_this_run: int
    settled_this_run: int
    requests: int
    throttled: int
    duration_s: float
    exit_code: int
    stopped_by: str | None
    reasons: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    sandbox: bool = False
    report: Path | None = None
    settling: bool = False
    absent: int = 0
    warnings: int = 0
    setups: SetupCounts = SetupCounts()
    setup_reasons: tuple[tuple[str, int], ...] = ()


class SummaryJson(BaseModel):
    """The summary for scripts: the fields that `--json` promises and no others."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    campaign: str
    run_id: str
    job: Path
    ledger: Path
    database: str
    counts: dict[str, int]
    created_this_run: int
    settled_this_run: int
    requests: int
    throttled: int
    duration_s: float
    exit_code: int
    stopped_by: str | None
    report: Path | None
    setup: dict[str, int] = Field(validation_alias="setups")
    warnings: int

    @field_validator("counts", "setup", mode="before")
    @classmethod
    def _by_status(cls, counts: Counts | SetupCounts) -> dict[str, int]:
        return counts._asdict()

    @field_serializer("duration_s")
    def _milliseconds(self, seconds: float) -> float:
        return round(seconds, 3)


def summary_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON values."""
    return SummaryJson.model_validate(summary).model_dump(mode="json")


def summary_text(summary: Summary) -> str:
    """The summary for people: what was created, what was not and why, where the ledger is, and what
    to do next."""
    return "\n".join(_lines(summary))


def _lines(summary: Summary) -> Iterator[str]:
    if summary.sandbox:
        yield "A rehearsal in the sandbox: nothing here is real."
    yield _outcome(summary)
    if missing := _nonzero(summary.counts._replace(created=0)):
        yield f"Not created: {missing}."
    if set_up := _nonzero(summary.setups):
        yield f"Set up: {set_up}."
    reasons = shortlist([*summary.reasons, *summary.setup_reasons], CAUSES)
    for reason, count in reasons.shown:
        yield f"  {count:,} × {shortened(visible(reason), 200)}"
    if reasons.rest:
        yield f"  {reasons.rest}"
    if summary.warnings:
        yield f"{differ(summary.warnings, summary.counts.created)}: see column warning."
    if summary.stopped_by is not None:
        what = "Settling" if summary.settling else "The run"
        yield (
            f"{what} ended early because"
            f" {STOPPED_BY.get(summary.stopped_by, visible(summary.stopped_by))}."
        )
    yield _effort(summary)
    yield f"Ledger: {shell_word(summary.ledger)}"
    if summary.report is not None:
        yield f"Report: {shell_word(summary.report)}"
    for step in summary.steps:
        yield f"→ {visible(' '.join(filter(None, (f'{step.title}.', step.text))))}"
        for command in step.commands:
            if command.purpose:
                yield f"  {command.purpose}"
            yield f"  {visible(command.line)}"


def _nonzero(counts: Counts | SetupCounts) -> str:
    """The counts that are not 0, such as `2 failed, 1 unknown`."""
    found = counts._asdict().items()
    return ", ".join(f"{number:,} {status}" for status, number in found if number)


def _outcome(summary: Summary) -> str:
    campaign, created = visible(summary.campaign), summary.counts.created
    if summary.counts.total == 0:
        return f"{campaign}: the job has no rows."
    if created < summary.counts.total:
        return f"{campaign}: {created:,} of {counted(summary.counts.total, 'duplicate')} created."
    return f"{campaign}: {counted(summary.counts.total, 'duplicate')}, all created."


def _effort(summary: Summary) -> str:
    if summary.settling:
        found = summary.settled_this_run - summary.absent
        settled = f"{found:,} found, {summary.absent:,} confirmed missing"
        still = f"{summary.counts.unknown:,} still unknown"
        return f"Settled: {settled}, {still}, in {human_duration(summary.duration_s)}."
    parts = [f"{summary.created_this_run:,} created", counted(summary.requests, "request")]
    if summary.settled_this_run:
        parts.insert(1, f"{summary.settled_this_run:,} settled")
    if summary.throttled:
        parts.append(f"slowed down {counted(summary.throttled, 'time')} by the API")
    return f"This run: {', '.join(parts)}, in {human_duration(summary.duration_s)}."
