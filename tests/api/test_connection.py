"""Connections that were made too late give no request away."""

from __future__ import annotations

import pytest

from tests.support.raw_server import always, answer, serving
from worker.api import connection
from worker.api.connection import connected
from worker.model.clock import MachineClock
from worker.model.replies import Answer, NoAnswer

SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"


class Sleeper(MachineClock):
    """The clock of a machine that sleeps for a minute between two looks at it."""

    slept = 0.0

    def monotonic(self) -> float:
        self.slept += 60.0
        return super().monotonic() + self.slept


async def test_a_request_does_not_leave_if_the_machine_slept_while_it_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MachineClock", Sleeper)
    async with (
        serving(always(answer(201, {"id": SOURCE}))) as server,
        connected(server.url, "a-token", 5.0, str, connect_s=8.0) as api,
    ):
        reply = await api.duplicate(SOURCE, "Name", False)
        assert isinstance(reply, NoAnswer)
        assert not reply.left
        assert not server.requests


async def test_a_machine_that_is_awake_sends() -> None:
    async with (
        serving(always(answer(201, {"id": SOURCE}))) as server,
        connected(server.url, "a-token", 5.0, str, connect_s=8.0) as api,
    ):
        assert isinstance(await api.duplicate(SOURCE, "Name", False), Answer)
