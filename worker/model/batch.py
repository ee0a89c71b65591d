"""A batch as the API shows it, and what the ledger keeps of it. `worker.api.bodies` parses it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any, NamedTuple

from worker.model.differences import Content
from worker.model.records import Listed


class Batch(NamedTuple):
    """A batch as the API shows it. A field except `id` is None if it is missing or has another
    type. `datasets` contains the ids of the datasets that have one, `instructions` is a number,
    `auto_sync` says whether rows that are appended to a dataset reach the batch."""

    id: str
    name: str | None
    status: str | None
    created_at: str | None
    created_by: str | None
    workspace_id: str | None
    datasets: tuple[str, ...] | None
    task_details: Any
    instructions: int | None = None
    auto_sync: bool | None = None

    @property
    def content(self) -> Content:
        """What is compared with its source or its copies."""
        return Content(self.instructions, self.auto_sync, self.datasets)


class Workspace(NamedTuple):
    """A workspace as the API names it; `title` is empty if it has none."""

    id: str
    title: str

    def __str__(self) -> str:
        return f"{self.title} ({self.id})" if self.title else self.id


def listed(batch: Batch, workspace_id: str = "") -> Listed:
    """What the ledger keeps of a batch. `workspace_id` is the listing's workspace, for a batch
    without one."""
    return Listed(
        id=batch.id,
        name=batch.name or "",
        status=batch.status,
        workspace_id=batch.workspace_id or workspace_id,
        created_at=batch.created_at,
        created_by=batch.created_by,
        details=_digest(batch.task_details, _canonical),
        loose_details=_digest(batch.task_details, _loose),
        datasets=tuple(sorted(batch.datasets or ())),
        instructions=batch.instructions,
        auto_sync=batch.auto_sync,
    )


def _digest(details: Any, form: Any) -> str:
    return hashlib.blake2b(
        form(details).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def _canonical(details: Any) -> str:
    try:
        return json.dumps(details, sort_keys=True, ensure_ascii=False, default=str)
    except RecursionError:  # the listing's parser allows deeper nesting than this one
        return "nested too deeply"


def _loose(details: Any) -> str:
    """The details without what an API may normalize: case, spaces, Unicode form."""
    return "".join(unicodedata.normalize("NFKC", _canonical(details)).casefold().split())
