"""Requests of the client to servers that answer over real sockets, byte by byte."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from tests.support.raw_server import (
    Handler,
    RawServer,
    always,
    serving,
)
from worker.api.client import ProlificClient
from worker.api.connection import connected
from worker.model.replies import Answer, NoAnswer, Page
from worker.terminal.secrets import Scrubber

TOKEN = "s3cret-token-0123456789"
SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"
NEW = "0192a3b4-5678-7abc-8def-00000000000f"
BATCHES = "/api/v1/data-collection/batches"
DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
DATE_S = 1_772_366_400.0


@asynccontextmanager
async def client(url: str, timeout_s: float = 5.0) -> AsyncIterator[ProlificClient]:
    async with connected(url, TOKEN, timeout_s, Scrubber(TOKEN)) as api:
        yield api


@asynccontextmanager
async def against(
    handler: Handler, timeout_s: float = 5.0
) -> AsyncIterator[tuple[ProlificClient, RawServer]]:
    async with serving(handler) as server, client(server.url, timeout_s) as api:
        yield api, server


async def duplicated(
    data: bytes, *, close: bool = False, timeout_s: float = 5.0
) -> Answer | NoAnswer:
    """What becomes of a duplicate request that is answered with these bytes."""
    async with against(always(data, close=close), timeout_s) as (api, _):
        return await api.duplicate(SOURCE, "Name", False)


async def answered(data: bytes) -> Answer:
    reply = await duplicated(data)
    assert isinstance(reply, Answer), reply
    return reply


async def unanswered(data: bytes, *, close: bool = False, timeout_s: float = 5.0) -> NoAnswer:
    reply = await duplicated(data, close=close, timeout_s=timeout_s)
    assert isinstance(reply, NoAnswer), reply
    return reply


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def lost(url: str, timeout_s: float = 5.0) -> NoAnswer:
    """A duplicate request to `url`, which ends without an answer."""
    async with client(url, timeout_s) as api:
        reply = await api.duplicate(SOURCE, None, False)
        listing = await api.listing("w", keep([]))
    assert isinstance(reply, NoAnswer), reply
    assert reply.message
    assert listing.problem is not None
    return reply


class keep:  # noqa: N801 - reads as a function
    """Takes pages: their batches into `kept`, their sizes into `sizes`."""

    def __init__(self, kept: list[Any]) -> None:
        self.kept = kept
        self.sizes: list[int] = []

    async def __call__(self, page: Page) -> None:
        self.kept += page
        self.sizes.append(len(page))
