"""The line of JSON for a job that ended with an error, by itself or as one of several. Imports
little, because every run needs it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from worker.cli.common import for_job, settings_for
from worker.model.errors import UsageError


def failure(job: str, code: int, error: str) -> dict[str, Any]:
    """The line of a job that ended with an error; it replaces these values in a run's summary."""
    return {"job": job, "exit_code": code, "error": error}


def prints_json(command: str, args: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Whether the settings ask for JSON, of a job that may be unreadable. False if the settings
    are invalid: then there is no line for several jobs either."""
    with suppress(UsageError):
        return settings_for(command, for_job(args, None), environ).json
    return False
