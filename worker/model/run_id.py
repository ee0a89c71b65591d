"""The names of runs: when a run began can be read from its name, also where nothing but a ledger
file is left of it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

FORM = "%Y%m%dT%H%M%S"


def new_run_id(now: datetime) -> str:
    """A name for a run that begins now: sortable by its start in UTC, and never used twice."""
    return f"{now.astimezone(UTC):{FORM}}-{secrets.token_hex(3)}"


def began_at(run_id: str) -> float | None:
    """When the run of this name began, in seconds since 1970 by its machine's clock; None where the
    name does not say."""
    try:
        return datetime.strptime(run_id.partition("-")[0], FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
