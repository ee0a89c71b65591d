"""A sandbox in a thread with its own event loop, for tests whose worker is another process or
another loop.

Only starting and stopping lives here; what the sandbox does is `worker.sandbox`'s.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Self

from worker.sandbox.options import SandboxOptions
from worker.sandbox.server import Sandbox
from worker.sandbox.world import World


class SandboxThread:
    """Serves while its `with` block lasts; without `options` there is no latency. `world` may be
    read from here."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.sandbox = Sandbox(options or SandboxOptions(latency=0.0))
        self.token = self.sandbox.options.token
        self.url = ""
        self._started: Future[str] = Future()
        self._thread = Thread(
            target=lambda: asyncio.run(self._serve()), name="sandbox", daemon=True
        )

    @property
    def world(self) -> World:
        return self.sandbox.world

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._started.result(timeout=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(timeout=10)
        assert not self._thread.is_alive(), "the sandbox did not stop"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        try:
            url = await self.sandbox.start()
        except Exception as why:
            self._started.set_exception(why)  # raised where the block is entered
            return
        self._started.set_result(url)
        await self._ended.wait()
        await self.sandbox.stop()
