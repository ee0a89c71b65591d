"""What the sandbox stores about a batch, small enough for hundreds of thousands of batches. No
JSON, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

PROCESSING_SECONDS = 1.0
"""How many seconds a batch is PROCESSING after it was set up, unless somebody chooses otherwise."""


class Dataset(NamedTuple):
    """A file of examples. A source and its copies share it."""

    id: str
    total_datapoint_count: int
    filename: str


class Content(NamedTuple):
    """What a source and all its copies have in common, stored once."""

    task_details: Mapping[str, str]
    total_instruction_count: int


@dataclass(slots=True)
class Batch:
    """A batch. Times are seconds since 1970. `set_up_at` is None for a copy that is not set up yet;
    `source_id` is None for a batch that is not a copy. It is ready `ready_after`
    seconds after it was set up, or ends in ERROR if it `fails`."""

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
    ready_after: float = PROCESSING_SECONDS
    fails: bool = False

    def status(self, now: float) -> str:
        """Its status, in the API's words."""
        if self.set_up_at is None:
            return "UNINITIALISED"
        if now < self.set_up_at + self.ready_after:
            return "PROCESSING"
        return "ERROR" if self.fails else "READY"

    def task_count(self, now: float) -> int:
        """How many tasks it has: none until it is ready, then one for each example."""
        ready = self.status(now) == "READY"
        return sum(dataset.total_datapoint_count for dataset in self.datasets) if ready else 0
