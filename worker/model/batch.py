"""Reads the API's bodies. New fields appear over time and others may be missing: only an id is
insisted on."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any, NamedTuple

from worker.model.batch_id import BATCH_ID
from worker.model.records import Listed


class Batch(NamedTuple):
    """A batch as the API shows it; what is missing or odd is None, but for the id. `datasets` are
    the ids of those that have one."""

    id: str
    name: str | None
    status: str | None
    created_at: str | None
    created_by: str | None
    workspace_id: str | None
    datasets: tuple[str, ...]
    task_details: Any


def read_batch(body: object) -> Batch | None:
    """The batch in a decoded body; None where there is none.

    (Each answer comes through here. Read by pydantic it cost 5 µs, of 200 for a request, and 60 ms
    of each start.)"""
    if not isinstance(body, dict):
        return None
    batch_id = body.get("id")
    if not isinstance(batch_id, str) or not BATCH_ID.fullmatch(batch_id := batch_id.lower()):
        return None
    return Batch(
        batch_id,
        _text(body.get("name")),
        _text(body.get("status")),
        _text(body.get("created_at")),
        _text(body.get("created_by")),
        _text(body.get("workspace_id")),
        _dataset_ids(body.get("datasets")),
        body.get("task_details"),
    )


def user_id(body: object) -> str | None:
    """The id of the token's owner in a decoded body; None where there is none."""
    return _text(body.get("id")) if isinstance(body, dict) else None


def _text(value: object) -> str | None:
    """The text, or None where the API sends something else. Half a surrogate pair, which JSON may
    hold and neither UTF-8 nor the database can, becomes the `?` that it is in a listing."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _dataset_ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    ids = (_text(one.get("id")) for one in value if isinstance(one, dict))
    return tuple(one for one in ids if one is not None)


def listed(batch: Batch, workspace_id: str = "") -> Listed:
    """What the ledger keeps of a batch; `workspace_id` is the listing's own, for a batch that does
    not say."""
    return Listed(
        id=batch.id,
        name=batch.name or "",
        status=batch.status,
        workspace_id=batch.workspace_id or workspace_id,
        created_at=batch.created_at,
        created_by=batch.created_by,
        details=_digest(batch.task_details, _canonical),
        loose_details=_digest(batch.task_details, _loose),
        datasets=tuple(sorted(batch.datasets)),
    )


def _digest(details: Any, form: Any) -> str:
    return hashlib.blake2b(
        form(details).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def _canonical(details: Any) -> str:
    try:
        return json.dumps(details, sort_keys=True, ensure_ascii=False, default=str)
    except RecursionError:  # a listing's parser goes deeper than this one
        return "nested too deeply"


def _loose(details: Any) -> str:
    """Without what a cleaning API may change: case, spaces, Unicode form."""
    return "".join(unicodedata.normalize("NFKC", _canonical(details)).casefold().split())
