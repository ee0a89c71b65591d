"""Reads and checks the bodies of requests. No state. A body that is wrong raises `Refusal`."""

from __future__ import annotations

from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Body = TypeVar("Body", bound=BaseModel)


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the sandbox
    """The API rejects a request: with this HTTP status, a short `title`, the full `detail`, and
    possibly the seconds after which to try again."""

    def __init__(
        self, status: int, title: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.retry_after = retry_after


class DuplicateBody(BaseModel):
    """The body of a duplicate request. Unknown keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)
    name: str = ""
    upload_new_dataset: bool = False

    @property
    def given_name(self) -> str | None:
        """The name, or None if the request has none."""
        return self.name if "name" in self.model_fields_set else None


class SetupBody(BaseModel):
    """The body of a setup request. Without a `dataset_id` it is None."""

    model_config = ConfigDict(strict=True, frozen=True)
    dataset_id: UUID | None = None
    tasks_per_group: Annotated[int, Field(ge=1)] = 1


def read(kind: type[Body], raw: bytes) -> Body:
    """Read a request's body. Raises Refusal (400) if it is not as documented."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(400, "Invalid request", f"{where or 'body'}: {first['msg']}.") from None
