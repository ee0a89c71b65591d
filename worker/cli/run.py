"""`run`: reads and plans the job, takes the lock, and creates what is missing. `run_jobs` does it
for several jobs."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from worker.cli.common import for_job, open_job_with_settings, settings_for, target
from worker.cli.failure import failure, prints_json
from worker.cli.jobs import JobFile, job_files
from worker.cli.main import refused_by_system
from worker.cli.notified import record, write_metrics
from worker.cli.prepare import prepared
from worker.cli.run_session import RunSession
from worker.cli.signals import interrupted
from worker.ledger.database import hold
from worker.model.clock import MachineClock
from worker.model.errors import UsageError, WorkerError
from worker.model.job import Job
from worker.model.run_id import new_run_id
from worker.notify.notifier import Notifier, complaint
from worker.settings.settings import Settings
from worker.terminal.output import complain, say_json
from worker.terminal.secrets import Scrubber


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the jobs. Returns the exit code. Raises WorkerError if something is wrong before anything
    is sent."""
    if args.dry_run:
        from worker.cli import check  # noqa: PLC0415 - another command

        return check.main(args, environ, command="run")
    files = job_files(args.jobs)
    if len(files) > 1:
        from worker.cli import run_jobs  # noqa: PLC0415 - most commands have one job

        return run_jobs.main(files, args, environ)
    return _run_alone(files[0], for_job(args, files[0].name), environ)


def _run_alone(file: JobFile, args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    sessions: list[RunSession] = []
    try:
        return _run_and_notify(file, args, environ, sessions)
    except KeyboardInterrupt:
        raise interrupted(began=_began(sessions)) from None


def _run_and_notify(
    file: JobFile,
    args: argparse.Namespace,
    environ: Mapping[str, str],
    sessions: list[RunSession],
) -> int:
    """Run the job and notify of its end. Adds its session to `sessions`, if it comes that far."""
    try:
        if file.error is not None:
            raise file.error
        job, settings = open_job_with_settings("run", args, environ)
    except UsageError as error:
        summary = _failed(args.job, error.exit_code, error.message, environ)
        if prints_json("run", args, environ):
            say_json(summary)
        _notify_of_unreadable(args, environ, summary)
        raise
    notifier = Notifier(settings.heartbeat_url, settings.on_finish)
    notifier.started()
    run_id = new_run_id(MachineClock().wall())
    code, summary = 1, _failed(args.job, 1, "a bug", environ)
    try:
        code, summary = _run(job, settings, environ, run_id, sessions)
    except (WorkerError, OSError) as error:
        refused = error if isinstance(error, WorkerError) else refused_by_system(error)
        code = refused.exit_code
        summary = _summary_so_far(sessions) | _failed(args.job, code, refused.message, environ)
        if settings.json:
            say_json(summary)
        raise
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
        message = str(interrupted(began=_began(sessions)))
        summary = _summary_so_far(sessions) | _failed(args.job, code, message, environ)
        raise
    finally:
        sent = [*write_metrics(settings), *notifier.finished([summary], code)]
        troubles = [*filter(None, map(complaint, sent)), *record(settings, [run_id], sent)]
        if code or not settings.quiet:
            for trouble in troubles:
                complain(trouble)
    return code


def _notify_of_unreadable(
    args: argparse.Namespace, environ: Mapping[str, str], summary: Mapping[str, Any]
) -> None:
    """Notify that the job cannot be read, as the summary says, if the settings can be."""
    with suppress(UsageError):  # if both cannot be read, the job's error is reported
        settings = settings_for("run", args, environ)
        notifier = Notifier(settings.heartbeat_url, settings.on_finish)
        notifier.started()
        notifier.finished([summary], summary["exit_code"])


def _failed(job: str, code: int, error: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The summary of a job for which there was no run."""
    scrub = Scrubber(environ.get("PROLIFIC_TOKEN") or None)
    return failure(job, code, scrub(error))


def _began(sessions: list[RunSession]) -> bool:
    return any(session.began for session in sessions)


def _summary_so_far(sessions: list[RunSession]) -> dict[str, Any]:
    """The summary of a run that was over before its command failed; otherwise nothing."""
    return sessions[-1].summary if sessions else {}


def _run(
    job: Job,
    settings: Settings,
    environ: Mapping[str, str],
    run_id: str,
    sessions: list[RunSession],
) -> tuple[int, dict[str, Any]]:
    """Run one job; the exit code and the summary as JSON values. Adds its session to `sessions`.
    Raises WorkerError."""
    api = target(settings, environ)
    lock = hold(settings.database, settings.wait)
    with prepared(job, settings, api, run_id, lock) as (request, held):
        session = RunSession(request, held)
        sessions.append(session)
        return session.run(), session.summary
