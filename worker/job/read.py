"""Opens a job file: decides its format. The format's own module reads it."""

from __future__ import annotations

from pathlib import Path

from worker.job.csv_file import open_csv
from worker.job.text_file import encoding_of
from worker.model.job import Job


def open_job(path: Path) -> Job:
    """The job at `path`: YAML if its name ends in .yaml or .yml, otherwise CSV.

    Raises `UsageError` if there is no readable file. Raises `JobError` if it is not text or its
    header is invalid; for YAML, if its syntax or its top-level keys are invalid, and then also with
    all problems of its rows."""
    encoding = encoding_of(path)
    if path.name.lower().endswith((".yaml", ".yml")):
        from worker.job.yaml_file import open_yaml  # noqa: PLC0415 - a CSV job need not load a YAML parser

        return open_yaml(path, encoding)
    return open_csv(path, encoding)
