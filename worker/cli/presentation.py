"""What people see during a run and at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from worker.cli.run_request import RunRequest
from worker.export.commands import Commands
from worker.export.next_steps import CampaignState, steps
from worker.run.job_run import JobRun
from worker.run.result import Result
from worker.terminal.output import complain, say, say_json
from worker.terminal.secrets import Scrubber
from worker.terminal.snapshot import Snapshot
from worker.terminal.summary import Summary, summary_json, summary_text
from worker.text import for_window, near, visible


def summary_of(
    request: RunRequest, result: Result, commands: Commands, report: Path | None
) -> Summary:
    """The summary of a run; `commands` are its follow-up commands, `report` is the path of its
    report."""
    # If the limit were kept, it would also apply to the rest.
    follow_up = commands.without("--limit") if result.stopped_by == "limit" else commands
    state = CampaignState(
        result.counts,
        result.undecided,
        stopped_by=result.stopped_by,
        nothing_to_do=result.nothing_to_do,
        settling=request.only_settle,
        setups=result.setups,
        to_set_up=result.setup_work.open,
    )
    return Summary(
        campaign=request.campaign,
        run_id=request.run_id,
        job=request.job if request.typed_job is None else Path(request.typed_job),
        ledger=request.ledger_file,
        database=str(request.settings.database),
        counts=result.counts,
        created_this_run=result.tally.created,
        settled_this_run=result.tally.settled,
        requests=result.tally.requests,
        throttled=result.tally.throttled,
        duration_s=result.duration_s,
        exit_code=result.exit_code,
        stopped_by=result.stopped_by,
        reasons=result.reasons,
        steps=tuple(steps(state, follow_up)),
        sandbox=request.target.is_sandbox,
        report=report,
        settling=request.only_settle,
        absent=result.tally.absent,
        warnings=result.warnings,
        setups=result.setups,
        setup_reasons=result.setup_reasons,
    )


def present(
    request: RunRequest, summary: Summary, troubles: Iterable[str], scrub: Scrubber
) -> None:
    """Print the summary, as text or JSON, and then the problems. (The JSON of one of several jobs
    is printed with that of the others.)"""
    settings = request.settings
    if settings.json:
        if request.alone:
            say_json(scrub(summary_json(summary)))
    elif not settings.quiet or summary.exit_code:
        text = scrub(summary_text(_near(summary)))
        lines = [command.line for step in summary.steps for command in step.commands]
        say(for_window(text, sys.stdout, sorted(map(visible, lines), key=len, reverse=True)))
        if not request.alone:
            say("")
    if not settings.quiet or summary.exit_code:
        for trouble in troubles:
            complain(scrub(trouble))


def snapshot_of(run: JobRun | None, ceiling: float | None) -> Snapshot:
    """The progress of the run. The display's own thread calls this, so it only reads."""
    if run is None:
        return Snapshot()
    counts, waiting = run.counts, run.waiting
    return Snapshot(
        total=counts.total,
        **counts._asdict(),
        in_flight=run.pacer.in_flight,
        rate=run.created_per_s(),
        ceiling=ceiling,
        waiting_s=run.pacer.waiting_s(),
        phase=run.phase,
        elapsed_s=run.elapsed(),
        unanswered=waiting.requests if waiting else 0,
        looks_in_s=run.looks_in_s(),
    )


def _near(summary: Summary) -> Summary:
    """The same summary, with paths as a person at this terminal would write them."""
    report = None if summary.report is None else near(Path(summary.report), sys.stdout)
    return summary._replace(ledger=near(Path(summary.ledger), sys.stdout), report=report)
