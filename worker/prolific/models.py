"""Reads the API's bodies. New fields appear over time and others may be missing: only an id is insisted on."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from worker.ledger.records import Listed

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _batch_id(value: object) -> object:
    """The id in lower case; ValueError where it is no UUID."""
    if isinstance(value, str) and UUID.fullmatch(value.lower()):
        return value.lower()
    raise ValueError("not a UUID")


def _text(value: object) -> object:
    """The text, or None where the API sends something else. Half a surrogate pair, which JSON may hold and neither
    UTF-8 nor the database can, becomes the `?` that it is in a listing."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _datasets(value: object) -> object:
    """The datasets that have an id."""
    return [d for d in value if isinstance(d, dict) and isinstance(d.get("id"), str)] if isinstance(value, list) else []


Text = Annotated[str | None, BeforeValidator(_text)]
GivenText = Annotated[str, BeforeValidator(_text)]


class Dataset(BaseModel):
    """A dataset of a batch."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: GivenText


class Batch(BaseModel):
    """A batch as the API shows it; what is missing or odd is None, but for the id."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: Annotated[str, BeforeValidator(_batch_id)]
    name: Text = None
    status: Text = None
    created_at: Text = None
    created_by: Text = None
    workspace_id: Text = None
    datasets: Annotated[list[Dataset], BeforeValidator(_datasets)] = []
    task_details: Any = None


class User(BaseModel):
    """The owner of a token."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: GivenText


def read_batch(body: object) -> Batch | None:
    """The batch in a decoded body; None where there is none."""
    try:
        return Batch.model_validate(body)
    except ValidationError:
        return None


def read_user(body: object) -> User | None:
    """The user in a decoded body; None where there is none."""
    try:
        return User.model_validate(body)
    except ValidationError:
        return None


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
        datasets=tuple(sorted(dataset.id for dataset in batch.datasets)),
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
