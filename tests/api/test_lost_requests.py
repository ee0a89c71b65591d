"""What is known of a request without an answer, over real sockets: whether it may have left."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import uuid
from contextlib import ExitStack, closing, suppress

import pytest

from tests.api.edge import (
    NEW,
    SOURCE,
    against,
    free_port,
    lost,
    unanswered,
)
from tests.support.raw_server import (
    Request,
    always,
    answer,
    listening,
    serving,
)
from worker.model.replies import Answer, NoAnswer


async def test_a_refused_connection_let_nothing_leave() -> None:
    assert not (await lost(f"http://127.0.0.1:{free_port()}")).left


async def test_a_name_that_is_not_resolved_let_nothing_leave() -> None:
    assert not (await lost("http://nobody.invalid")).left


async def test_a_failed_tls_handshake_let_nothing_leave() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
        await writer.drain()

    async with listening(garbage) as server:
        reply = await lost(f"https://127.0.0.1:{server.port}")

    assert not reply.left
    assert reply.message.startswith(
        f"127.0.0.1:{server.port} does not speak TLS, which https needs"
    )


async def test_a_server_that_closes_where_tls_begins_is_reported() -> None:
    async def close(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with listening(close) as server:
        reply = await lost(f"https://127.0.0.1:{server.port}")

    assert not reply.left
    assert (
        "it closed the connection when TLS began; does it speak TLS on this port?" in reply.message
    )
    assert "None" not in reply.message


async def test_a_tls_handshake_that_hangs_let_nothing_leave() -> None:
    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silence) as server:
        reply = await lost(f"https://127.0.0.1:{server.port}", timeout_s=0.2)

    assert reply == NoAnswer(left=False, message="no answer within the time limit")


async def test_a_certificate_that_is_not_trusted_let_nothing_leave(tls: ssl.SSLContext) -> None:
    async with serving(always(answer(201, {"id": NEW})), tls) as server:
        reply = await lost(server.url)

    assert not reply.left
    assert "certificate" in reply.message.lower()
    assert not server.requests


async def test_a_connect_that_hangs_let_nothing_leave() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(closing(socket.socket()))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)  # nobody accepts, so the queue is soon full
        for _ in range(4):
            filler = stack.enter_context(closing(socket.socket()))
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        reply = await lost(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2)

    assert reply == NoAnswer(left=False, message="no answer within the time limit")


async def test_a_connection_that_is_cut_before_the_answer_may_have_let_it_leave() -> None:
    reply = await unanswered(b"", close=True)

    assert reply == NoAnswer(left=True, message="the connection was closed without an answer")


async def test_a_connection_that_is_reset_may_have_let_it_leave() -> None:
    async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with against(reset) as (api, _):
        reply = await api.duplicate(SOURCE, None, False)

    assert isinstance(reply, NoAnswer)
    assert reply.left


@pytest.mark.parametrize(
    "data",
    [
        answer(201, {"id": NEW})[:20],
        answer(201, {"id": NEW})[:-5],
        answer(400, {"message": "no"})[:-5],
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/9.9 what\r\n\r\n",
        b"220 smtp.example.com ESMTP\r\n",
        b"\x00\xff\x16\x03",
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_whole_or_no_http_may_have_let_it_leave(data: bytes) -> None:
    reply = await unanswered(data, close=True)

    assert reply.left
    assert reply.message.isprintable()
    assert reply.message


async def test_silence_until_the_time_limit_may_have_let_it_leave() -> None:
    reply = await unanswered(b"", timeout_s=0.2)

    assert reply == NoAnswer(left=True, message="no answer within the time limit")


async def test_the_time_limit_is_for_the_whole_request() -> None:
    async def trickle(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.03)

    async with against(trickle, timeout_s=0.25) as (api, _):
        reply = await asyncio.wait_for(api.duplicate(SOURCE, None, False), 2)

    assert reply == NoAnswer(left=True, message="no answer within the time limit")


async def test_a_kept_connection_that_the_server_has_closed_is_replaced() -> None:
    async def once(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(201, {"id": NEW}))
        await writer.drain()
        writer.close()

    async with against(once) as (api, server):
        for _ in range(3):
            assert isinstance(await api.duplicate(SOURCE, None, False), Answer)
            await asyncio.sleep(0.02)  # the end of the connection arrives

    assert (len(server.requests), server.connections) == (3, 3)


async def test_a_duplicate_request_on_a_kept_connection_that_breaks_is_sent_once() -> None:
    async def second_breaks(_: Request, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(answer(201, {"id": NEW}))
        else:
            writer.transport.abort()

    async with against(second_breaks) as (api, server):
        first = await api.duplicate(SOURCE, None, False)
        second = await api.duplicate(SOURCE, None, False)

    assert isinstance(first, Answer)
    assert isinstance(second, NoAnswer)
    assert second.left
    assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.parametrize(
    "surplus",
    [
        answer(429, {"error": "slow down"}),
        answer(201, {"id": NEW}),
        answer(200, {"id": NEW})[:30],
        b"\r\n",
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["429", "201", "part of one", "an empty line", "408"],
)
async def test_what_arrives_on_an_idle_connection_answers_no_request(surplus: bytes) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(1, 5)]

    async def twice(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(201, {"id": ids[len(server.requests) - 1]}))
        await writer.drain()
        await asyncio.sleep(0.02)  # the connection is idle by then
        writer.write(surplus)

    async with against(twice) as (api, server):
        seen = []
        for _ in ids:
            reply = await api.duplicate(SOURCE, None, False)
            assert isinstance(reply, Answer)
            seen.append(reply.json["id"])
            await asyncio.sleep(0.06)

    assert seen == ids
    assert len(server.requests) == 4


async def test_a_giant_answer_is_not_read_to_its_end() -> None:
    sent = 0

    async def giant(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _chunk in range(400):
            writer.write(b"100000\r\n" + b" " * 2**20 + b"\r\n")
            await writer.drain()
            sent += 1

    async with against(giant, timeout_s=10) as (api, _):
        reply = await api.duplicate(SOURCE, None, False)

    assert reply == NoAnswer(left=True, message="the answer is larger than any batch")
    assert sent < 60


async def test_a_small_answer_that_unpacks_to_a_giant_is_not_unpacked_whole() -> None:
    packed = gzip.compress(b" " * (64 * 2**20), 1)
    reply = await unanswered(answer(200, packed, {"Content-Encoding": "gzip"}))

    assert reply == NoAnswer(left=True, message="the answer is larger than any batch")
