"""The jobs that a command line names: files and folders in, job files out; what several jobs of one
command must have in common; and the exit code of all. Reads folders, but no file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from worker.model.errors import UsageError
from worker.model.job import Job
from worker.settings.settings import Layer, Settings

ENDINGS = (".csv", ".tsv", ".yaml", ".yml")
"""The endings, in any case, of the job files in a folder."""

SEVERITY = (0, 1, 2, 75, 3)
"""Exit codes, the mildest first. A signal's code (from 128) is above all."""


class JobFile(NamedTuple):
    """A job as the user names it; `error` says why there is none (None: nothing is known)."""

    name: str
    error: UsageError | None = None


class ReadyJob(NamedTuple):
    """A job whose header was read, with its settings and its campaign."""

    name: str
    job: Job
    settings: Settings
    campaign: str


def job_files(arguments: Sequence[str]) -> list[JobFile]:
    """The job files that the `arguments` name, in their order and each one once. A folder stands
    for its job files in name order, without hidden files and subfolders."""
    found: dict[str, JobFile] = {}
    for argument in arguments:
        for file in _files(argument):
            found.setdefault(_place(file.name), file)
    return list(found.values())


def _files(argument: str) -> Iterator[JobFile]:
    if not argument:  # an unset variable must not mean the current folder
        yield JobFile(argument, UsageError("JOB: is empty; give the path of a file or folder"))
        return
    folder = Path(argument)
    if not _is_folder(folder):
        yield JobFile(argument)
        return
    try:
        names = sorted(one.name for one in folder.iterdir() if _is_job(one))
    except OSError as error:
        why = f"{argument}: this folder cannot be read: {error.strerror}"
        yield JobFile(argument, UsageError(why))
        return
    if not names:
        why = f"{argument}: there is no job file in this folder"
        hint = f"A job file ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}."
        hint += " Hidden files and subfolders are not searched."
        yield JobFile(argument, UsageError(why, hint=hint))
    yield from (JobFile(str(folder / name)) for name in names)


def _is_job(path: Path) -> bool:
    """Whether a path in a folder is a job file. A link that leads nowhere is reported as one."""
    name = path.name
    return not name.startswith(".") and name.lower().endswith(ENDINGS) and not _is_folder(path)


def _is_folder(path: Path) -> bool:
    """Whether there is a folder; what cannot be looked at is reported when it is opened."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _place(name: str) -> str:
    """One text for all ways to write the path. A link to a job file counts as another job, because
    its name is another campaign."""
    path = Path(name)
    return str(Path(os.path.realpath(path.parent)) / path.name)


def refuse_single(settings: Settings) -> None:
    """Raise UsageError if a setting only fits one job."""
    if settings.is_set("campaign", Layer.OPTION, Layer.ENVIRONMENT):
        raise UsageError(
            f"{settings.origin('campaign')}: names one campaign, but there are several jobs",
            hint="Nothing was sent. Leave it out: each job has a campaign of its own.",
        )
    if "{campaign}" not in settings.ledger:
        raise UsageError(
            f"{settings.origin('ledger')}: must contain {{campaign}}, because there are several"
            " jobs",
            hint="Nothing was sent. Each job needs a ledger file of its own, such as"
            " ledgers/{campaign}.csv.",
        )


def refuse_mixed(jobs: Sequence[ReadyJob]) -> None:
    """Raise UsageError if two jobs have the same campaign, or different databases."""
    seen: dict[str, ReadyJob] = {}
    for one in jobs:
        other = seen.setdefault(one.campaign, one)
        if other is not one:
            fix = "Rename one of the files, or name its campaign in its YAML."
            if one.settings.is_set("campaign", Layer.FILE):
                fix = f"{one.settings.origin('campaign')} names one for all jobs; remove it."
            raise UsageError(
                f"{other.name} and {one.name}: both jobs have the campaign {one.campaign}",
                hint=f"Nothing was sent. {fix}",
            )
        if one.settings.database != jobs[0].settings.database:
            raise UsageError(
                f"{jobs[0].name} and {one.name}: these jobs have different databases,"
                f" {jobs[0].settings.database} and {one.settings.database}",
                hint="Nothing was sent. Name one for all with --database or in a config file, or"
                " run them separately.",
            )


def severest(codes: Iterable[int]) -> int:
    """The most severe of these exit codes; 0 if there are none."""
    return max(codes, key=lambda code: SEVERITY.index(code) if code < 128 else 128, default=0)
