"""A loopback server that answers bytes: what a test wants to see on the wire, and every way to
answer badly.

It speaks just enough HTTP to read a request whole. What it answers is the test's handler's
business."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it came: header names in lower case, repeated ones kept."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.lower()]


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """What a server has seen. `connections` counts those that were accepted."""

    url: str = ""
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)


def answer(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, reason: str = "Reason"
) -> bytes:
    """A whole answer; a body that is not bytes becomes JSON."""
    lines = {"Content-Type": "text/html" if isinstance(body, bytes) else "application/json"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines |= {"Content-Length": str(len(data))} | (headers or {})
    head = f"HTTP/1.1 {status} {reason}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in lines.items()
    )
    return head.encode("latin-1") + b"\r\n" + data


def always(data: bytes, *, close: bool = False) -> Handler:
    """The same bytes for every request; `close` ends the connection after them."""

    async def handle(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if close:
            writer.close()

    return handle


async def read_request(reader: asyncio.StreamReader) -> Request:
    """The next request. Raises IncompleteReadError where there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple(
        (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    body = await reader.readexactly(length)
    return Request(method, target, headers, body, head + body)


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawServer]:
    """Accept connections on loopback and let `handle` have each; all are closed after the block."""
    seen = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handle(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    seen.url = f"{'https' if tls else 'http'}://127.0.0.1:{seen.port}"
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports are closed one turn of the loop later


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve HTTP on loopback: every request is noted, then `handler` answers it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            request = await read_request(reader)
            server.requests.append(request)
            await handler(request, writer)
            await writer.drain()

    async with listening(talk, tls) as server:
        yield server


@asynccontextmanager
async def connect_proxy(refuse: bytes = b"") -> AsyncIterator[RawServer]:
    """A real HTTP CONNECT proxy; with `refuse` it answers that instead of making tunnels."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        proxy.requests.append(request)
        if refuse or request.method != "CONNECT":
            writer.write(refuse or answer(405))
            await writer.drain()
            return
        host, _, port = request.target.rpartition(":")
        back, forth = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, forth), _pump(back, writer))
        finally:
            forth.transport.abort()

    async with listening(talk) as proxy:
        yield proxy


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
