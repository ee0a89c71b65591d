"""Loading settings as a command line would, with everything around it made up."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from worker.model.errors import UsageError
from worker.settings.load import load_settings
from worker.settings.options import add_options
from worker.settings.settings import Settings

TODAY = dt.date(2026, 3, 31)


def load(
    cwd: Path,
    arguments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
    *,
    command: str = "run",
    job: str | None = "wave.csv",
    job_campaign: str | None = None,
) -> Settings:
    """Settings of `command` with `arguments`, where `cwd`/config.toml holds `config`."""
    if config is not None:
        (cwd / "config.toml").write_text(config, encoding="utf-8")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_options(parser, command)
    return load_settings(
        command,
        vars(parser.parse_args(arguments)),
        environ or {},
        job=Path(job) if job else None,
        job_campaign=job_campaign,
        today=TODAY,
        cwd=cwd,
    )


def refusal(
    cwd: Path,
    arguments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
    *,
    job: str | None = "wave.csv",
    job_campaign: str | None = None,
) -> str:
    """The message that `load` ends with."""
    with pytest.raises(UsageError) as caught:
        load(cwd, arguments, environ, config, job=job, job_campaign=job_campaign)
    return str(caught.value)
