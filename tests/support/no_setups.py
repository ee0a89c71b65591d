"""For stand-ins of the API in tests that set nothing up."""

from __future__ import annotations

from worker.model.replies import Reply


class NoSetups:
    """The operations of setups, which nothing may call."""

    async def set_up(self, batch_id: str, tasks_per_group: int) -> Reply:
        raise AssertionError("nothing is to be set up")

    async def status(self, batch_id: str) -> Reply:
        raise AssertionError("nothing is to be followed")
