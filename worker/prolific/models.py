"""Reads the API's bodies. New fields appear over time and others may be missing: only an id is insisted on.

(With so little insisted on a validating library has nothing to do, and importing one takes longer than aiohttp.)
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.ledger.records import Listed

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Batch(NamedTuple):
    """A batch as the API shows it; what is missing or odd is None, but for the id. `datasets` are those that have an
    id, by their ids."""

    id: str
    name: str | None = None
    status: str | None = None
    created_at: str | None = None
    created_by: str | None = None
    workspace_id: str | None = None
    datasets: tuple[str, ...] = ()
    task_details: Any = None


@dataclass(frozen=True, slots=True)
class User:
    """The owner of a token."""

    id: str


def read_batch(body: object) -> Batch | None:
    """The batch in a decoded body, its id in lower case; None where there is none with a UUID for its id."""
    if not isinstance(body, dict):
        return None
    found = body.get("id")
    if not isinstance(found, str) or not UUID.fullmatch(batch_id := found.lower()):
        return None
    return Batch(
        id=batch_id,
        name=_text(body.get("name")),
        status=_text(body.get("status")),
        created_at=_text(body.get("created_at")),
        created_by=_text(body.get("created_by")),
        workspace_id=_text(body.get("workspace_id")),
        datasets=_datasets(body.get("datasets")),
        task_details=body.get("task_details"),
    )


def read_user(body: object) -> User | None:
    """The user in a decoded body; None where there is none."""
    found = _text(body.get("id")) if isinstance(body, dict) else None
    return None if found is None else User(found)


def _text(value: object) -> str | None:
    """The text, or None where the API sends something else. Half a surrogate pair, which JSON may hold and neither
    UTF-8 nor the database can, becomes the `?` that it is in a listing."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _datasets(value: object) -> tuple[str, ...]:
    """The ids of the datasets that have one."""
    found = [_text(one.get("id")) for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return tuple(one for one in found if one is not None)


def listed(batch: Batch, workspace_id: str = "") -> Listed:
    """What the ledger keeps of a batch; `workspace_id` is the listing's own, for a batch that does not say."""
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
    return hashlib.blake2b(form(details).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _canonical(details: Any) -> str:
    try:
        return json.dumps(details, sort_keys=True, ensure_ascii=False, default=str)
    except RecursionError:  # a listing's parser goes deeper than this one
        return "nested too deeply"


def _loose(details: Any) -> str:
    """Without what a cleaning API may change: case, spaces, Unicode form."""
    return "".join(unicodedata.normalize("NFKC", _canonical(details)).casefold().split())
