"""Reads the bodies of the API's answers: JSON in bytes, a batch, the token's owner.

The models say what the worker relies on. New fields appear over time and others may be missing,
so a batch needs nothing but an id. Nothing is converted: `7` is not the text `"7"`. What leaves
this module are plain values of `worker.model`.

One decoder reads every body, because whether a body is JSON decides between 'rejected' and
'unknown'. Pydantic's own, in `model_validate_json`, refuses a byte order mark, half a surrogate
pair and 200 levels of nesting, all of which may come with a batch that exists."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    OnErrorOmit,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from worker.model.batch import Batch, Workspace
from worker.model.batch_id import BATCH_ID

T = TypeVar("T")

_decode_text = json.JSONDecoder().decode
"""(`json.loads` would guess at the encoding of each answer.)"""


class Body(BaseModel):
    """A JSON object of the API. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _NoneIfOdd:
    """Marks a value that becomes None if it is not of its type."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


def _encodable(value: object) -> object:
    """Text with `?` for half a surrogate pair, which JSON may hold and neither UTF-8 nor the
    database can. The parser of listings puts the same `?` there."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-8", "replace").decode()


Lenient = Annotated[T | None, _NoneIfOdd]
Text = Annotated[str, BeforeValidator(_encodable)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
BatchId = Annotated[str, StringConstraints(pattern=rf"\A{BATCH_ID.pattern}\z", to_lower=True)]


class DatasetBody(Body):
    """A dataset of a batch."""

    id: Text


class BatchBody(Body):
    """A batch, in an answer of its own or as an entry of a listing."""

    id: BatchId
    name: Lenient[Text] = None
    status: Lenient[Text] = None
    created_at: Lenient[Text] = None
    created_by: Lenient[Text] = None
    workspace_id: Lenient[Text] = None
    datasets: Lenient[list[OnErrorOmit[DatasetBody]]] = None
    task_details: Any = None
    total_instruction_count: Lenient[Count] = None
    auto_sync_enabled: Lenient[bool] = None


class WorkspaceBody(Body):
    """A workspace in the list of those that a token sees."""

    id: Text
    title: Lenient[Text] = None


class WorkspacesBody(Body):
    """The workspaces that a token sees."""

    results: list[OnErrorOmit[WorkspaceBody]]


class StatusBody(Body):
    """The status of a batch."""

    status: Text


class OwnerBody(Body):
    """The token's owner, as `me` answers."""

    id: Text


_COUNT: TypeAdapter[int | None] = TypeAdapter(Lenient[int], config=ConfigDict(strict=True))


def decode(body: bytes) -> Any:
    """The JSON in a body; None if there is none, or `null`. The body is UTF-8 (RFC 8259), but half
    a surrogate pair does not make it unreadable."""
    try:
        return _decode_text(body.removeprefix(BOM_UTF8).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def read_batch(decoded: object) -> Batch | None:
    """The batch in a decoded body or in an entry of a listing; None if there is none."""
    try:
        body = BatchBody.model_validate(decoded)
    except ValidationError:
        return None
    return Batch(
        body.id,
        body.name,
        body.status,
        body.created_at,
        body.created_by,
        body.workspace_id,
        None if body.datasets is None else tuple(dataset.id for dataset in body.datasets),
        body.task_details,
        body.total_instruction_count,
        body.auto_sync_enabled,
    )


def read_workspaces(decoded: object) -> list[Workspace] | None:
    """The workspaces in a decoded body; None if it is not such a list."""
    try:
        body = WorkspacesBody.model_validate(decoded)
    except ValidationError:
        return None
    return [Workspace(one.id, one.title or "") for one in body.results]


def user_id(decoded: object) -> str | None:
    """The id of the token's owner in a decoded body; None if there is none."""
    try:
        return OwnerBody.model_validate(decoded).id
    except ValidationError:
        return None


def read_status(decoded: object) -> str | None:
    """The status in a decoded body; None if there is none."""
    try:
        return StatusBody.model_validate(decoded).status
    except ValidationError:
        return None


def read_count(decoded: object) -> int | None:
    """The count in a listing's `meta`; None if it is not a whole number."""
    return _COUNT.validate_python(decoded)
