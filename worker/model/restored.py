"""What restoring works with: rows of a ledger file, and the job's duplicates that they may mean."""

from __future__ import annotations

from typing import NamedTuple

from worker.model.differences import Difference


class Identity(NamedTuple):
    """What distinguishes a duplicate from others, except its name."""

    source_id: str
    upload_new_dataset: bool
    copy: int


class Planned(NamedTuple):
    """A planned duplicate of the job."""

    id: int
    template: str
    status: str
    line: int | None


class FileItem(NamedTuple):
    """A row of a ledger file. `where` is `FILE:LINE`; `line` is the job's line, as text;
    `whole_name` is None if the file contains only the beginning of the name."""

    where: str
    line: str
    identity: Identity
    name: str
    whole_name: str | None
    status: str
    new_batch_id: str
    new_batch_status: str | None
    created_at: str | None
    settled_by: str | None
    attempts: int | None
    http_status: int | None
    first_sent_at: str | None
    last_sent_at: str | None
    tasks_per_group: int | None = None
    setup_status: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def is_unsent(self) -> bool:
        """Whether the file says that nothing existed for it when it was written: only a later
        request can have created something. A row that was restored before is unknown."""
        return self.status in ("pending", "failed")
