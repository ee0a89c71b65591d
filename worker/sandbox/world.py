"""The sandbox's state: which batches exist, and which of them a listing shows. No HTTP, no faults,
no waiting."""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from worker.sandbox.answers import full_batch
from worker.sandbox.batch import PROCESSING_SECONDS, Batch, Dataset
from worker.sandbox.made_up import USER_ID, WORKSPACE_ID, WORKSPACE_TITLE, made_up_source


class World:
    """The sources that were asked for and the copies that were created, in order of appearance.

    `listing_lag` is for how many seconds listings do not show a new copy; `clock` returns seconds
    since 1970; `processing` is for how many seconds a batch is PROCESSING after it was set up.
    `requests` counts by operation (duplicate, get, list, status, setup, me, workspaces).
    `responses` counts by operation and HTTP status, which is 0 if the connection closed without an
    answer. `made` counts the copies, `set_ups` by batch the setup requests that took effect."""

    def __init__(
        self,
        listing_lag: float = 0.0,
        clock: Callable[[], float] = time.time,
        processing: float = PROCESSING_SECONDS,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self.responses: Counter[tuple[str, int]] = Counter()
        self.workspaces = {WORKSPACE_ID: WORKSPACE_TITLE}
        """The title of each workspace that the token sees."""
        self.made = 0
        self.set_ups: Counter[str] = Counter()
        self._lag = listing_lag
        self._processing = processing
        self._clock = clock
        self._batches: dict[str, Batch] = {}

    @property
    def duplicates(self) -> list[dict[str, Any]]:
        """Every copy in order of creation, as `get` answers it, with its `source_batch_id`."""
        now = self.now()
        copies = [batch for batch in list(self._batches.values()) if batch.source_id is not None]
        return [full_batch(copy, now) | {"source_batch_id": copy.source_id} for copy in copies]

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    def find(self, batch_id: str) -> Batch | None:
        """The batch with this id (in upper or lower case); None if there is none. A source that is
        asked for the first time is invented now."""
        key = batch_id.lower()
        batch = self._batches.get(key)
        if batch is None and (batch := made_up_source(key)) is not None:
            self._batches[key] = batch
        return batch

    def duplicate(self, source: Batch, name: str | None, upload_new_dataset: bool) -> Batch:
        """Create a copy of `source` now. Without a `name`, it gets the name that the API gives to
        copies."""
        copy = Batch(
            # Not from the seed: a ledger may outlive this sandbox, and must never see an id again.
            id=str(uuid.uuid4()),
            name=f"{source.name} (Copy)" if name is None else name,
            content=source.content,
            datasets=() if upload_new_dataset else source.datasets,
            created_at=self.now(),
            created_by=USER_ID,
            workspace_id=source.workspace_id,
            source_id=source.id,
        )
        self._batches[copy.id] = copy
        self.made += 1
        return copy

    def set_up(
        self, batch: Batch, dataset: Dataset | None, tasks_per_group: int, *, fails: bool = False
    ) -> None:
        """Give `batch` its tasks, from `dataset` or otherwise from its own datasets; it ends in
        ERROR if it `fails`. A second call changes nothing, and is counted."""
        self.set_ups[batch.id] += 1
        if batch.set_up_at is None:
            batch.datasets = batch.datasets if dataset is None else (dataset,)
            batch.tasks_per_group = tasks_per_group
            batch.ready_after, batch.fails = self._processing, fails
            batch.set_up_at = self.now()

    def listing(self, workspace_id: str) -> list[Batch]:
        """The batches that a listing of this workspace shows now."""
        # Without a lag nothing is hidden, even if the clock was set back.
        latest = self.now() - self._lag if self._lag else math.inf
        return [
            batch
            for batch in self._batches.values()
            if batch.workspace_id == workspace_id
            and (batch.source_id is None or batch.created_at <= latest)
        ]
