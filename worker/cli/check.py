"""`check`: shows what a run would do, for each job. `check_job` finds it out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker.accidents.message import ALLOW
from worker.cli.check_job import check_job
from worker.cli.common import Target, for_job, open_job_with_settings, settings_for, target
from worker.cli.failure import failure, prints_json
from worker.cli.jobs import JobFile, ReadyJob, job_files, refuse_mixed, refuse_single
from worker.cli.outcomes import Outcomes
from worker.cli.prepare import read_jobs
from worker.model.errors import TokenRefusedError, UsageError, WorkerError
from worker.settings.settings import Settings
from worker.terminal.findings import Findings, findings_text
from worker.terminal.output import say, say_json
from worker.terminal.secrets import Scrubber
from worker.text import for_window, near


def main(args: argparse.Namespace, environ: Mapping[str, str], command: str = "check") -> int:
    """Check the jobs; the exit code. Raises WorkerError."""
    files = job_files(args.jobs)
    if len(files) > 1:
        return _check_all(command, files, args, environ)
    alone = for_job(args, files[0].name)
    try:
        return _check_alone(command, files[0], alone, environ)
    except WorkerError as error:
        if prints_json(command, alone, environ):
            scrub = Scrubber(environ.get("PROLIFIC_TOKEN") or None)
            say_json(failure(alone.job, error.exit_code, scrub(error.message)))
        raise


def _check_alone(
    command: str, file: JobFile, args: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    """Check one job; the exit code. Raises WorkerError."""
    if file.error is not None:
        raise file.error
    job, settings = open_job_with_settings(command, args, environ)
    found, warnings = check_job(job, settings, environ, *_target(settings, environ))
    if settings.json:
        say_json(found.model_dump(mode="json"))
    else:
        _print(found, warnings, settings)
    return found.exit_code


def _check_all(
    command: str, files: Sequence[JobFile], args: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    """Check several jobs, one after the other; the exit code. Raises UsageError if the settings are
    invalid."""
    common = settings_for(command, for_job(args, None), environ)
    scrub = Scrubber(environ.get("PROLIFIC_TOKEN") or None)
    outcomes = Outcomes([file.name for file in files], scrub, json=common.json)
    try:
        refuse_single(common)
        found = read_jobs(command, files, common, args, environ)
        refuse_mixed([one for one in found if isinstance(one, ReadyJob)])
        api, why_not = _target(common, environ)
    except UsageError as error:
        outcomes.fail_all(error)
        return outcomes.code
    limit, refused = common.limit, False
    for file, one in zip(files, found, strict=True):
        if isinstance(one, UsageError):
            outcomes.failed(file.name, one)
            continue
        if refused:
            outcomes.not_run(one.name, one.campaign, "token", TokenRefusedError.exit_code)
            continue
        settings = replace(one.settings, limit=limit)
        try:
            findings, warnings = check_job(one.job, settings, environ, api, why_not)
        except WorkerError as error:
            refused = isinstance(error, TokenRefusedError)
            outcomes.failed(one.name, error)
            continue
        limit = None if limit is None else limit - findings.to_create
        outcomes.add(findings.model_dump(mode="json"))
        if not common.json:
            _print(findings, warnings, settings, end="\n\n")
    if not common.json and (outcomes.code or not common.quiet):
        outcomes.print_table()
    return outcomes.code


def _print(found: Findings, warnings: tuple[str, ...], settings: Settings, end: str = "\n") -> None:
    """Print the findings for people, unless all is well and the settings say to be quiet."""
    if not settings.quiet or found.exit_code:
        shown = found.model_copy(update={"ledger": str(near(Path(found.ledger), sys.stdout))})
        say(for_window(findings_text(shown, warnings, ALLOW), sys.stdout), end=end)


def _target(settings: Settings, environ: Mapping[str, str]) -> tuple[Target | None, str]:
    """The API to ask, or why it is not asked. A token that is set but invalid is an error."""
    if not settings.sandbox and settings.token_file is None and not environ.get("PROLIFIC_TOKEN"):
        return None, "there is no token (PROLIFIC_TOKEN)"
    return target(settings, environ), ""
