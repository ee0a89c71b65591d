"""What the API takes: each request's body, read and checked. No state; what is wrong becomes a
`Refusal`."""

from __future__ import annotations

from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Body = TypeVar("Body", bound=BaseModel)


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the sandbox
    """The API says no: with this HTTP status, `title` in short and `detail` in full, and perhaps
    after how many seconds to come again."""

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
        """The name, or None where the request has none."""
        return self.name if "name" in self.model_fields_set else None


class SetupBody(BaseModel):
    """The body of a setup request; no `dataset_id` is None."""

    model_config = ConfigDict(strict=True, frozen=True)
    dataset_id: UUID | None = None
    tasks_per_group: Annotated[int, Field(ge=1)] = 1


def read(kind: type[Body], raw: bytes) -> Body:
    """Read a request's body; Refusal (400) where it is not as documented."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(400, "Invalid request", f"{where or 'body'}: {first['msg']}.") from None
