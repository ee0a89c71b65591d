"""A running sandbox and a client that speaks plain HTTP to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from worker.sandbox.options import SandboxOptions
from worker.sandbox.server import Sandbox

BATCHES = "/api/v1/data-collection/batches"
SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"


class Client:
    """Requests to one sandbox, with a good token unless told otherwise."""

    def __init__(self, sandbox: Sandbox, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.sandbox = sandbox
        self.world = sandbox.world
        self._session = session

    async def call(
        self, method: str, path: str, **more: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """The status, the JSON body (None for another type) and the response."""
        more.setdefault("headers", {"Authorization": f"Token {self.sandbox.options.token}"})
        async with self._session.request(method, path, **more) as response:
            body = await response.json() if response.content_type == "application/json" else None
            await response.read()
            return response.status, body, response

    async def duplicate(
        self, source: str = SOURCE, **body: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        return await self.call("POST", f"{BATCHES}/{source}/duplicate", json=body)

    async def get(self, batch_id: str = SOURCE) -> tuple[int, Any]:
        status, body, _ = await self.call("GET", f"{BATCHES}/{batch_id}")
        return status, body

    async def listing(self) -> Any:
        _, source = await self.get()
        status, body, _ = await self.call(
            "GET", BATCHES, params={"workspace_id": source["workspace_id"]}
        )
        assert status == 200
        return body


@asynccontextmanager
async def serve(**options: Any) -> AsyncIterator[Client]:
    defaults: dict[str, Any] = {"latency": 0.0, "seed": 1, "late_by": (0.1, 0.1)}
    sandbox = Sandbox(SandboxOptions(**defaults | options))
    url = await sandbox.start()
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(url, timeout=timeout) as session:
            yield Client(sandbox, url, session)
    finally:
        await sandbox.stop()


Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a sandbox with these options; it is stopped after the test."""
    async with AsyncExitStack() as stack:

        async def begin(**options: Any) -> Client:
            return await stack.enter_async_context(serve(**options))

        yield begin


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A sandbox without faults."""
    async with serve() as client:
        yield client
