"""What the API takes: each request's body, read and checked. No state; what is wrong becomes a `Refusal`."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the sandbox
    """The API says no: with this HTTP status, `title` in short and `detail` in full, and perhaps after how many
    seconds to come again."""

    def __init__(self, status: int, title: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class DuplicateBody:
    """The body of a duplicate request; no `name` is None."""

    name: str | None
    upload_new_dataset: bool


@dataclass(frozen=True, slots=True)
class SetupBody:
    """The body of a setup request; no `dataset_id` is None."""

    dataset_id: str | None
    tasks_per_group: int


def read_duplicate(raw: bytes) -> DuplicateBody:
    """Read a duplicate request's body; Refusal (400) where it is not as documented. Unknown keys are ignored."""
    body = _json_object(raw)
    name = body.get("name", "")
    upload_new_dataset = body.get("upload_new_dataset", False)
    if not isinstance(name, str):
        raise _invalid("name must be a string.")
    if not isinstance(upload_new_dataset, bool):
        raise _invalid("upload_new_dataset must be true or false.")
    return DuplicateBody(name if "name" in body else None, upload_new_dataset)


def read_setup(raw: bytes) -> SetupBody:
    """Read a setup request's body; Refusal (400) where it is not as documented."""
    body = _json_object(raw)
    dataset_id = body.get("dataset_id")
    tasks_per_group = body.get("tasks_per_group", 1)
    if dataset_id is not None and not _is_uuid(dataset_id):
        raise _invalid("dataset_id must be a UUID.")
    if type(tasks_per_group) is not int or tasks_per_group < 1:
        raise _invalid("tasks_per_group must be a whole number from 1.")
    return SetupBody(dataset_id, tasks_per_group)


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise _invalid("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise _invalid("The body must be a JSON object.")
    return body


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False


def _invalid(detail: str) -> Refusal:
    return Refusal(400, "Invalid request", detail)
