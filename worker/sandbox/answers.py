"""The API's answers, as JSON values and pages: one pure function for each kind. No state, no HTTP.

The fields are the documented ones: the answer to a create lacks some that get and list have."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from worker.sandbox.batch import Batch

Json = dict[str, Any]


def created_batch(batch: Batch, now: float) -> Json:
    """A batch as the answer to a create shows it; `now` in seconds since 1970."""
    return {
        "id": batch.id,
        "created_at": _iso(batch.created_at),
        "created_by": batch.created_by,
        "datasets": [
            {"id": d.id, "total_datapoint_count": d.total_datapoint_count} for d in batch.datasets
        ],
        "name": batch.name,
        "status": batch.status(now),
        "total_task_count": batch.task_count(now),
        "total_instruction_count": batch.content.total_instruction_count,
        "workspace_id": batch.workspace_id,
        "task_details": batch.content.task_details,
    }


def full_batch(batch: Batch, now: float) -> Json:
    """A batch as get and list show it; `now` in seconds since 1970."""
    datasets = [
        {"id": d.id, "total_datapoint_count": d.total_datapoint_count, "filename": d.filename}
        for d in batch.datasets
    ]
    return created_batch(batch, now) | {
        "datasets": datasets,
        "schema_version": 1,
        "total_task_groups": math.ceil(batch.task_count(now) / batch.tasks_per_group),
    }


def error(status: int, title: str, detail: str) -> Json:
    """An error in the API's format."""
    return {
        "error": {
            "status": status,
            "error_code": 140_000 + status,
            "title": title,
            "detail": detail,
        }
    }


def gateway_page(status: int, reason: str) -> str:
    """An error from a gateway in front of the API: an HTML page, not JSON."""
    line = f"{status} {reason}"
    body = f"<body><center><h1>{line}</h1></center></body>"
    return f"<html><head><title>{line}</title></head>{body}</html>\n"


def _iso(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )
