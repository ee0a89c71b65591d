"""What comes before the run of a job, alone or as one of several."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from worker.cli.accidents import Guard
from worker.cli.common import Target, campaign_of, for_job, open_job_with_settings
from worker.cli.jobs import JobFile, ReadyJob
from worker.cli.run_request import RunRequest
from worker.export import ledger_file as export
from worker.export.own_files import refuse_foreign_file
from worker.job.plan import planned
from worker.ledger.database import Held
from worker.ledger.stamp import stamp
from worker.model.errors import UsageError
from worker.model.job import Job
from worker.settings.file_conflicts import refuse_file_conflicts
from worker.settings.settings import Settings


def read_jobs(
    command: str,
    files: Sequence[JobFile],
    common: Settings,
    args: argparse.Namespace,
    environ: Mapping[str, str],
) -> list[ReadyJob | UsageError]:
    """Each job with its header read, or why it cannot be read. Raises UsageError if the command
    would write to one of the `files`, by the settings that are `common` to all jobs."""
    for file in files:
        refuse_file_conflicts(common, Path.cwd() / file.name)
    return [_read(command, file, args, environ) for file in files]


def _read(
    command: str, file: JobFile, args: argparse.Namespace, environ: Mapping[str, str]
) -> ReadyJob | UsageError:
    if file.error is not None:
        return file.error
    try:
        job, settings = open_job_with_settings(command, for_job(args, file.name), environ)
        return ReadyJob(file.name, job, settings, campaign_of(settings))
    except UsageError as error:
        return error


@contextmanager
def prepared(
    job: Job, settings: Settings, api: Target, run_id: str, lock: AbstractContextManager[Held]
) -> Iterator[tuple[RunRequest, Held]]:
    """Plan the job and take the `lock`. Raises WorkerError, also if somebody changed the job
    while this run waited for another one: what was planned is no longer wanted."""
    ledger_file = settings.ledger_path(run_id)
    campaign = campaign_of(settings)
    refuse_foreign_file(export.LEDGER_FILE, ledger_file, campaign)
    before = stamp(job.path)
    with planned(job, campaign, settings.date) as plan:
        export.make_folder(ledger_file)
        with lock as held:
            if stamp(job.path) != before:
                raise UsageError(
                    f"{job.path}: the job was changed while this run waited for another one",
                    hint="Nothing was sent. Run the command again.",
                )
            request = RunRequest(
                settings,
                api,
                run_id=run_id,
                campaign=campaign,
                job=job.path,
                ledger_file=ledger_file,
                plan=plan,
                guard=Guard(settings, job, plan, api.url),
            )
            yield request, held
