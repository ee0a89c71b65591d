"""A TCP proxy before the sandbox that breaks the wire where a test says: after so many bytes of the
duplicate request or of its answer. It may speak TLS to its client. Reads and other requests pass as
they are."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Break:
    """Pass `after` bytes of the `side` (`request` or `answer`), then end the connection in this
    `manner`: `cut` (an orderly end), `reset`, or `silent` (nothing more, until the client gives
    up)."""

    side: str
    after: int
    manner: str


class Wire:
    """A proxy in a thread with its own event loop. Everything passes until `break_at` is called.
    `lengths` and `heads` note the duplicate requests that passed with their answers: how long both
    were, and the request itself."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.breaks: list[Break | None] = []
        self.met = 0
        self.lengths: list[tuple[int, int]] = []
        self.heads: list[bytes] = []
        self.port = 0
        self._host, _, port = target.removeprefix("http://").partition(":")
        self._port = int(port)
        self._tls = tls
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="wire", daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def break_at(self, breaks: Sequence[Break | None]) -> None:
        """From now on the k-th duplicate request meets the k-th of `breaks` (None: it passes)."""
        self.breaks, self.met = list(breaks), 0

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await self._connection(reader, writer)
            finally:
                tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(self._host, self._port)
        try:
            while True:
                request = await _message(reader)
                fault = None
                if request.startswith(b"POST "):
                    fault = self.breaks[self.met] if self.met < len(self.breaks) else None
                    self.met += 1
                if fault is not None and fault.side == "request":
                    forth.write(request[: fault.after])
                    await forth.drain()
                    await _broken(fault.manner, reader, writer, forth)
                    return
                forth.write(request)
                await forth.drain()
                answer = await _message(back)
                if fault is not None:
                    writer.write(answer[: fault.after])
                    await writer.drain()
                    await _broken(fault.manner, reader, writer, forth)
                    return
                if request.startswith(b"POST "):
                    self.lengths.append((len(request), len(answer)))
                    self.heads.append(request)
                writer.write(answer)
                await writer.drain()
                if self._tls is not None:
                    return  # each request makes a handshake of its own
        finally:
            forth.transport.abort()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A whole request or answer, its body by length or in chunks. Raises IncompleteReadError where
    there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if found:
        return head + await reader.readexactly(int(found[1]))
    if not re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        return head
    body = b""
    while not body.endswith(b"0\r\n\r\n"):
        size = await reader.readuntil(b"\r\n")
        body += size + await reader.readexactly(int(size, 16) + 2)
    return head + body


async def _broken(
    manner: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    forth: asyncio.StreamWriter,
) -> None:
    """End both connections in this manner."""
    if manner == "silent":
        await reader.read()  # until the client gives up
        return
    for one in (writer, forth):
        if manner == "reset":
            raw = one.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.transport.abort()
        else:
            one.close()
            with suppress(OSError):
                await one.wait_closed()


def handshakes(
    good: ssl.SSLContext, instead: Callable[[], ssl.SSLContext | int | None]
) -> ssl.SSLContext:
    """`good`, but each handshake asks `instead` first: another context's certificate, or an alert
    that ends it."""

    def choose(
        connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        chosen = instead()
        if isinstance(chosen, ssl.SSLContext):
            connection.context = chosen
            return None
        return chosen

    good.sni_callback = choose
    return good
