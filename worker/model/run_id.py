"""The ids of runs. An id contains the run's start, so that it can be read even if only a ledger
file is left."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

FORM = "%Y%m%dT%H%M%S"


def new_run_id(now: datetime) -> str:
    """An id for a run that begins now: it sorts by start in UTC and is unique."""
    return f"{now.astimezone(UTC):{FORM}}-{secrets.token_hex(3)}"


def began_at(run_id: str) -> float | None:
    """When the run with this id began, in seconds since 1970 by its machine's clock; None if the id
    does not say."""
    try:
        return datetime.strptime(run_id.partition("-")[0], FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
