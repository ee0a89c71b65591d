"""What the sandbox remembers of a batch, small enough for hundreds of thousands. No JSON, no
clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

PROCESSING_SECONDS = 1.0
"""How long a batch is PROCESSING after it was set up."""


class Dataset(NamedTuple):
    """A file of examples; copies share it."""

    id: str
    total_datapoint_count: int
    filename: str


class Content(NamedTuple):
    """What a source and all its copies have in common, kept once."""

    task_details: Mapping[str, str]
    total_instruction_count: int


@dataclass(slots=True)
class Batch:
    """A batch. Times are seconds since 1970; `set_up_at` is None for a copy that was not set up
    yet, and `source_id` for a batch that is no copy."""

    id: str
    name: str
    content: Content
    datasets: tuple[Dataset, ...]
    created_at: float
    created_by: str
    workspace_id: str
    source_id: str | None = None
    set_up_at: float | None = None
    tasks_per_group: int = 1

    def status(self, now: float) -> str:
        """The API's word for how far it is."""
        if self.set_up_at is None:
            return "UNINITIALISED"
        return "PROCESSING" if now < self.set_up_at + PROCESSING_SECONDS else "READY"

    def task_count(self, now: float) -> int:
        """How many tasks it has: one for each example, once it is ready."""
        ready = self.status(now) == "READY"
        return sum(dataset.total_datapoint_count for dataset in self.datasets) if ready else 0
