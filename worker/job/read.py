"""The way into a job file: which format it is. How a format is read is the business of its own
module."""

from __future__ import annotations

from pathlib import Path

from worker.job.csv_file import open_csv
from worker.job.text_file import encoding_of
from worker.model.job import Job


def open_job(path: Path) -> Job:
    """The job at `path`: YAML where its name ends in .yaml or .yml, CSV otherwise.

    Raises `UsageError` where there is no file to be read, `JobError` where it is no text or its
    outside is wrong (the header; in YAML the syntax and the keys at the top, and then with all
    problems of its rows)."""
    encoding = encoding_of(path)
    if path.name.lower().endswith((".yaml", ".yml")):
        from worker.job.yaml_file import open_yaml  # noqa: PLC0415 - a CSV job need not load a YAML parser

        return open_yaml(path, encoding)
    return open_csv(path, encoding)
