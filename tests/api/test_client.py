"""The HTTP edge against real sockets: what goes out, what comes back, and what is known when
nothing does."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import sys
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.raw_server import (
    Handler,
    RawServer,
    Request,
    always,
    answer,
    connect_proxy,
    listening,
    serving,
)
from worker import __version__
from worker.api import client as http
from worker.api.client import ProlificClient
from worker.api.connection import connected
from worker.api.outcome import OutcomeKind, classify
from worker.model.replies import Answer, Listing, NoAnswer, Page
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


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# -- what goes out


async def test_a_duplicate_request_is_what_the_api_asks_for() -> None:
    async with against(always(answer(201, {"id": NEW}))) as (api, server):
        reply = await api.duplicate(SOURCE, "Wave é", True)

    (request,) = server.requests
    assert (request.method, request.target) == ("POST", f"{BATCHES}/{SOURCE}/duplicate")
    assert request.all("Authorization") == [f"Token {TOKEN}"]
    assert (
        request.all("Referer") == request.all("User-Agent") == [f"duplicate-batches/{__version__}"]
    )
    assert request.all("Accept") == ["application/json"]
    assert request.all("Content-Type") == ["application/json"]
    assert json.loads(request.body) == {"name": "Wave é", "upload_new_dataset": True}
    assert request.raw.count(TOKEN.encode()) == 1
    assert reply == Answer(201, {"id": NEW}, "", None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such option")
async def test_the_kernel_gives_a_request_up_when_its_time_limit_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise it could leave minutes after it was settled, when the network is back."""
    limits: list[int] = []
    connect = socket.socket.connect

    async def noting(loop: Any, made: socket.socket, to: Any) -> None:
        limits.append(made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        made.setblocking(True)
        connect(made, to)
        made.setblocking(False)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", noting)
    async with against(always(answer(201, {"id": NEW})), timeout_s=7.5) as (api, _):
        await api.duplicate(SOURCE, None, upload_new_dataset=False)
    assert limits == [7500]


async def test_a_request_of_a_process_that_was_stopped_before_it_left_does_not_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another machine may have taken over meanwhile, and have sent it."""
    times = iter((0.0, 100.0))
    monkeypatch.setattr(http, "_monotonic", lambda: next(times, 100.0))
    async with against(always(answer(201, {"id": NEW}))) as (api, server):
        reply = await api.duplicate(SOURCE, "Copy", False)
        assert isinstance(reply, NoAnswer)
        assert classify(reply, SOURCE).kind is OutcomeKind.UNKNOWN
        assert not server.requests
        assert isinstance(await api.duplicate(SOURCE, "Copy", False), Answer)
        assert len(server.requests) == 1


async def test_without_a_name_none_is_sent() -> None:
    async with against(always(answer(201, {"id": NEW}))) as (api, server):
        await api.duplicate(SOURCE, None, False)

    assert json.loads(server.requests[0].body) == {"upload_new_dataset": False}


async def test_look_ups_are_plain_gets() -> None:
    async with against(always(answer(200, {"results": [], "meta": {"count": 0}}))) as (api, server):
        await api.me()
        await api.batch(SOURCE)
        await api.listing("a b&c=d", keep([]))

    assert [(r.method, r.target, r.body) for r in server.requests] == [
        ("GET", "/api/v1/users/me/", b""),
        ("GET", f"{BATCHES}/{SOURCE}", b""),
        ("GET", f"{BATCHES}?workspace_id=a+b%26c%3Dd", b""),
    ]
    assert all(r.all("Authorization") == [f"Token {TOKEN}"] for r in server.requests)
    assert server.connections == 1


async def test_a_netrc_file_does_not_replace_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    async with against(always(answer(200, {"id": "me"}))) as (api, server):
        await api.me()

    assert server.requests[0].all("Authorization") == [f"Token {TOKEN}"]


async def test_cookies_are_not_kept() -> None:
    async with against(always(answer(200, {"id": "me"}, {"Set-Cookie": "a=b; Path=/"}))) as (
        api,
        server,
    ):
        await api.me()
        await api.me()

    assert [r.all("Cookie") for r in server.requests] == [[], []]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with serving(always(answer(201, {"id": NEW}))) as target:
        redirect = answer(status, b"", {"Location": f"{target.url}{BATCHES}"})
        async with against(always(redirect)) as (api, server):
            replies = [await api.duplicate(SOURCE, None, False), await api.batch(SOURCE)]
            listing = await api.listing("w", keep([]))

    assert [reply.status for reply in replies if isinstance(reply, Answer)] == [status, status]
    assert listing.problem is not None
    assert listing.problem.startswith(f"HTTP {status}")
    assert len(server.requests) == 3
    assert target.connections == 0


# -- words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"error": {"status": 400, "error_code": 1, "title": "Bad", "detail": "too long"}},
            "Bad: too long",
        ),
        ({"error": {"title": "Bad", "detail": ["one", "two"]}}, 'Bad: ["one", "two"]'),
        ({"error": {"title": "Bad", "detail": {"name": ["é"]}}}, 'Bad: {"name": ["é"]}'),
        ({"error": {"detail": "x", "additional_information": "see there"}}, "x: see there"),
        ({"message": "no", "detail": "way"}, "no: way"),
        ({"type": "conflict", "message": "busy"}, "conflict: busy"),
        ({"error": "just words"}, "just words"),
        ({"name": ["too long"]}, '{"name": ["too long"]}'),
        ({"errors": [{"field": "name"}]}, '{"errors": [{"field": "name"}]}'),
        ({"non_field_errors": ["é"]}, '{"non_field_errors": ["é"]}'),
        (
            {"message": "Invalid", "name": ["too long"], "id": None},
            'Invalid: {"name": ["too long"]}',
        ),
        ({"error": {"title": "Bad", "fields": {"name": "x"}}}, 'Bad: {"fields": {"name": "x"}}'),
        ({"error": {"title": "Bad"}, "errors": ["x"]}, 'Bad: {"errors": ["x"]}'),
        ({"error": "Bad", "errors": ["x"], "status": 422}, 'Bad: {"errors": ["x"]}'),
        ({"status": "locked", "error_code": 1}, '{"status": "locked"}'),
        (
            {
                "error": {
                    "status": 400,
                    "error_code": 140100,
                    "traceback": None,
                    "interactive": False,
                }
            },
            "Reason",
        ),
        ({"error": {}}, "Reason"),
        ({}, "Reason"),
        ([], "Reason"),
        (["a", 1], '["a", 1]'),
        ("text", "text"),
        (
            b"<html><head><TITLE lang=en>502\n Bad  Gateway</TITLE></head><body>x</body></html>",
            "502 Bad Gateway",
        ),
        (b"upstream gave up", "upstream gave up"),
        (b"\xff\xfe\x00", "\ufffd\ufffd"),
        (b"", "Reason"),
        (b"<title></title>", "Reason"),
    ],
)
async def test_every_shape_of_an_error_becomes_words(body: Any, words: str) -> None:
    reply = await answered(answer(400, body))

    assert (reply.status, reply.words) == (400, words)


async def test_control_characters_of_an_error_are_cleaned() -> None:
    reply = await answered(answer(400, {"message": "a\x00b\x1b[31mc\r\nd\u202ee\ud800f\u0085g"}))

    assert reply.words == "a b [31mc d e f g"


async def test_long_errors_are_cut() -> None:
    reply = await answered(answer(400, {"message": "x" * 10_000}))

    assert reply.words == "x" * 499 + "…"


@pytest.mark.parametrize("status", [401, 500])
async def test_a_token_that_an_error_echoes_is_hidden(status: int) -> None:
    bodies: list[Any] = [
        {"message": f"Token {TOKEN}"}, {"error": {"detail": {"header": TOKEN}}}, [TOKEN], TOKEN,
        f"<title>{TOKEN}</title>".encode(), f"bad {TOKEN}".encode(),
        {"message": b64encode(f"Token {TOKEN}".encode()).decode()},
    ]  # fmt: skip
    for body in bodies:
        words = (await answered(answer(status, body))).words
        assert "[token]" in words
        assert TOKEN[:8] not in words
    assert "[token]" in (await answered(answer(status, b"", reason=TOKEN))).words


@pytest.mark.parametrize("before", range(500 - len(TOKEN) - 2, 502))
async def test_a_token_where_a_long_error_is_cut_leaves_no_part(before: int) -> None:
    for body in ({"message": "x" * before + TOKEN}, ("y" * before + TOKEN).encode()):
        assert TOKEN[:4] not in (await answered(answer(400, body))).words


async def test_a_422_keeps_the_apis_message_whatever_keys_it_uses() -> None:
    """As people see it: the error of a duplicate that is refused."""
    outcome = classify(
        await duplicated(answer(422, {"name": ["Ensure this has at most 255 characters."]})), SOURCE
    )

    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.error == 'HTTP 422: {"name": ["Ensure this has at most 255 characters."]}'


async def test_an_error_that_is_nested_as_deeply_as_can_be_read_ends_nothing() -> None:
    depths = range(sys.getrecursionlimit() - 120, sys.getrecursionlimit())
    bodies = iter([b'{"name": ' + b"[" * depth + b"1" + b"]" * depth + b"}" for depth in depths])

    async def deeper(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(400, next(bodies)))

    async with against(deeper) as (api, _):
        for _ in depths:
            reply = await api.duplicate(SOURCE, None, False)
            assert isinstance(reply, Answer), reply
            assert reply.words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            answer(201, {"id": NEW}, {"X-Long": "x" * 20_000}),
            "the answer's header is too long to be read",
        ),
        (
            answer(201, {"id": NEW}, {"X" * 20_000: "x"}),
            "the answer's header is too long to be read",
        ),
        (
            answer(201, {"id": NEW}, reason="x" * 20_000),
            "the answer's header is too long to be read",
        ),
        (b"SSH-2.0-OpenSSH_9.0\r\n", "the answer is not valid HTTP: Bad status line"),
        (
            b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "the answer is not valid HTTP: Invalid header token: b'no header'",
        ),
        (
            b"HTTP/1.1 200 OK\r\n" + TOKEN.encode() + b" x\r\n\r\n",
            "Invalid header token: b'[token] x'",
        ),
    ],
)
async def test_an_answer_that_is_no_http_is_reported_as_such_and_may_have_left(
    data: bytes, words: str
) -> None:
    """aiohttp gives it a status of its own, 400, that no server sent."""
    reply = await unanswered(data, close=True)
    async with against(always(data, close=True)) as (api, _):
        listing = await api.listing("w", keep([]))

    assert reply.left
    assert words in reply.words
    assert words in (listing.problem or "")
    assert "400" not in reply.words


# -- headers that matter


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("99999999999999999999", None),
        ("Sun, 01 Mar 99999999999999 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +99999999999999", None),
    ],
)
async def test_retry_after_in_seconds_or_as_a_date_against_the_answers_own_date(
    header: str, seconds: float | None
) -> None:
    reply = await answered(answer(429, {"message": "slow"}, {"Retry-After": header, "Date": DATE}))

    assert (reply.status, reply.retry_after_s) == (429, seconds)


async def test_a_retry_after_date_without_a_date_to_read_it_against_is_nothing() -> None:
    reply = await answered(answer(429, {}, {"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT"}))

    assert reply.retry_after_s is None


async def test_a_gateways_retry_after_counts_but_its_date_does_not() -> None:
    reply = await answered(
        answer(503, b"<html>", {"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT", "Date": DATE})
    )

    assert (reply.retry_after_s, reply.date) == (90.0, None)


@pytest.mark.parametrize(
    ("body", "header", "date"),
    [
        ({"id": NEW}, DATE, DATE_S),
        ({"id": NEW}, "Sun, 01 Mar 2026 13:00:00 +0100", DATE_S),
        ({"id": NEW}, "yesterday", None),
        ({"id": NEW}, "Sun, 01 Mar 99999999999999 12:00:00 GMT", None),
        (b"<html>", DATE, None),
        (b"", DATE, None),
        (b"[" * 100_000, DATE, None),
    ],
)
async def test_a_date_counts_where_the_body_is_json(
    body: Any, header: str, date: float | None
) -> None:
    assert (await answered(answer(200, body, {"Date": header}))).date == date


# -- phases: what may have left


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
    assert reply.words
    assert listing.problem is not None
    return reply


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
    assert reply.words.startswith(f"127.0.0.1:{server.port} does not speak TLS, which https needs")


async def test_a_server_that_closes_where_tls_begins_is_reported() -> None:
    async def close(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with listening(close) as server:
        reply = await lost(f"https://127.0.0.1:{server.port}")

    assert not reply.left
    assert "it closed the connection when TLS began; does it speak TLS on this port?" in reply.words
    assert "None" not in reply.words


async def test_a_tls_handshake_that_hangs_let_nothing_leave() -> None:
    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silence) as server:
        reply = await lost(f"https://127.0.0.1:{server.port}", timeout_s=0.2)

    assert reply == NoAnswer(left=False, words="no answer within the time limit")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


async def test_a_certificate_that_is_not_trusted_let_nothing_leave(tls: ssl.SSLContext) -> None:
    async with serving(always(answer(201, {"id": NEW})), tls) as server:
        reply = await lost(server.url)

    assert not reply.left
    assert "certificate" in reply.words.lower()
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

    assert reply == NoAnswer(left=False, words="no answer within the time limit")


async def test_a_connection_that_is_cut_before_the_answer_may_have_let_it_leave() -> None:
    reply = await unanswered(b"", close=True)

    assert reply == NoAnswer(left=True, words="the connection was closed without an answer")


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
    assert reply.words.isprintable()
    assert reply.words


async def test_silence_until_the_time_limit_may_have_let_it_leave() -> None:
    reply = await unanswered(b"", timeout_s=0.2)

    assert reply == NoAnswer(left=True, words="no answer within the time limit")


async def test_the_time_limit_is_for_the_whole_request() -> None:
    async def trickle(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.03)

    async with against(trickle, timeout_s=0.25) as (api, _):
        reply = await asyncio.wait_for(api.duplicate(SOURCE, None, False), 2)

    assert reply == NoAnswer(left=True, words="no answer within the time limit")


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

    assert reply == NoAnswer(left=True, words="the answer is larger than any batch")
    assert sent < 60


async def test_a_small_answer_that_unpacks_to_a_giant_is_not_unpacked_whole() -> None:
    packed = gzip.compress(b" " * (64 * 2**20), 1)
    reply = await unanswered(answer(200, packed, {"Content-Encoding": "gzip"}))

    assert reply == NoAnswer(left=True, words="the answer is larger than any batch")


# -- proxies and certificates


@pytest.mark.parametrize(
    ("status", "reason"), [(407, "Proxy Authentication Required"), (503, "Busy"), (302, "Found")]
)
async def test_a_proxy_that_refuses_let_nothing_leave(
    status: int, reason: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(always(answer(201, {"id": NEW})), tls) as server,
        connect_proxy(answer(status, b"", reason=reason)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hidden-word@127.0.0.1:{proxy.port}")
        reply = await lost(server.url)

    assert reply == NoAnswer(left=False, words=f"the proxy refused: HTTP {status} {reason}")
    assert server.connections == 0
    assert proxy.requests[0].method == "CONNECT"


async def test_a_proxy_that_is_not_there_let_nothing_leave_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", f"http://user:hidden-word@127.0.0.1:{free_port()}")
    reply = await lost("https://127.0.0.1:1")

    assert not reply.left
    assert "hidden-word" not in reply.words


async def test_the_proxy_sees_its_credentials_and_never_the_token(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(always(answer(201, {"id": NEW})), tls) as server,
        connect_proxy(answer(503)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"user:p%40ss@127.0.0.1:{proxy.port}")
        await lost(server.url)

    request = proxy.requests[0]
    assert request.target == f"127.0.0.1:{server.port}"
    assert request.all("Proxy-Authorization") == ["Basic " + b64encode(b"user:p@ss").decode()]
    assert TOKEN.encode() not in request.raw
    assert not request.all("Authorization")


@pytest.mark.parametrize("names", ["127.0.0.1", "*", "example.com, 127.0.0.1", "127.0.0.1:{port}"])
async def test_no_proxy_is_honoured(
    names: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(always(answer(201, {"id": NEW})), tls) as server, connect_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", names.format(port=server.port))
        reply = await lost(server.url)

    assert "certificate" in reply.words.lower()
    assert proxy.connections == 0


async def test_plain_http_to_this_machine_takes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with against(always(answer(200, {"id": "me"}))) as (api, _):
            assert isinstance(await api.me(), Answer)

    assert proxy.connections == 0


ONE_REQUEST = """
import asyncio, sys
from worker.api.connection import connected
async def main():
    async with connected(sys.argv[1], sys.argv[2], 5.0, str) as api:
        print(await api.duplicate(sys.argv[3], None, False))
asyncio.run(main())
"""


async def in_a_new_process(url: str, **environment: str) -> str:
    """What one duplicate request comes to in a process with this environment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ONE_REQUEST,
        url,
        TOKEN,
        SOURCE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return out.decode()


async def test_a_certificate_from_ssl_cert_file_is_trusted_directly_and_through_a_proxy(
    authority: trustme.CA, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    async with serving(always(answer(201, {"id": NEW})), tls) as server, connect_proxy() as proxy:
        address = f"http://user:pass@127.0.0.1:{proxy.port}"
        direct, through = await asyncio.gather(
            in_a_new_process(server.url, SSL_CERT_FILE=str(bundle)),
            in_a_new_process(server.url, SSL_CERT_FILE=str(bundle), HTTPS_PROXY=address),
        )

    assert direct == through
    assert direct.startswith("Answer(status=201")
    assert [r.all("Authorization") for r in server.requests] == [[f"Token {TOKEN}"]] * 2
    assert not server.requests[0].all("Proxy-Authorization") + server.requests[1].all(
        "Proxy-Authorization"
    )
    (request,) = proxy.requests
    assert request.all("Proxy-Authorization") == ["Basic " + b64encode(b"user:pass").decode()]
    assert TOKEN.encode() not in request.raw


# -- listings


class keep:  # noqa: N801 - reads as a function
    """Takes pages: their batches into `kept`, their sizes into `sizes`."""

    def __init__(self, kept: list[Any]) -> None:
        self.kept = kept
        self.sizes: list[int] = []

    async def __call__(self, page: Page) -> None:
        self.kept += page
        self.sizes.append(len(page))


def entry(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"0192a3b4-5678-7abc-8def-{number:012x}", "name": f"Batch {number}"} | fields


async def listed(
    data: bytes, *, close: bool = False, timeout_s: float = 5.0
) -> tuple[Listing, list[Any]]:
    kept: list[Any] = []
    async with against(always(data, close=close), timeout_s) as (api, _):
        return await api.listing("w", keep(kept)), kept


async def test_a_listing_shows_its_batches() -> None:
    batches = [
        entry(
            1,
            workspace_id="other",
            created_at="t",
            created_by="me",
            datasets=[{"id": "b"}, {"id": "a"}, {"x": 1}, 7],
        ),
        entry(2, id=entry(2)["id"].upper(), name=None, new_field={"deep": [1]}),
    ]
    listing, (first, second) = await listed(
        answer(200, {"results": batches, "meta": {"count": 2}}, {"Date": DATE})
    )

    assert listing == Listing(2, 2, None, DATE_S)
    assert (first.workspace_id, first.created_at, first.created_by, first.datasets) == (
        "other",
        "t",
        "me",
        ("a", "b"),
    )
    assert (second.id, second.name, second.workspace_id) == (entry(2)["id"], "", "w")


async def test_a_listing_of_20_000_batches_is_read_in_pages_and_little_memory() -> None:
    filler = "x" * 400

    async def stream(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
        )
        writer.write(b'{"results": [')
        for start in range(0, 20_000, 500):
            rows = (
                json.dumps(entry(n, task_details={"task_steps": filler}))
                for n in range(start, start + 500)
            )
            writer.write((("," if start else "") + ",".join(rows)).encode())
            await writer.drain()
        writer.write(b'], "meta": {"count": 20000}}')
        writer.close()
        await writer.wait_closed()  # the server would cut off what is not written yet

    take = keep([])

    async def count(page: Page) -> None:
        take.sizes.append(len(page))

    async with against(stream, timeout_s=300) as (api, _):
        tracemalloc.start()
        try:
            listing = await api.listing("w", count)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (listing.shown, listing.meta_count, listing.problem) == (20_000, 20_000, None)
    assert sum(take.sizes) == 20_000
    assert max(take.sizes) < 2_000
    assert peak < 8 * 2**20  # the body has 10 MB, its text alone


@pytest.mark.parametrize(
    ("body", "shown", "count", "problem"),
    [
        (
            {"results": [entry(1), 7, None, {}, {"id": 3}], "meta": {"count": 5}},
            1,
            5,
            "4 of its entries have no batch id",
        ),
        (
            {"results": [entry(1)], "meta": {"count": 2}},
            1,
            2,
            "it shows 1 batch and says that there are 2",
        ),
        (
            {"results": [entry(1), entry(1)], "meta": {"count": 2}},
            1,
            2,
            "it shows 1 batch and says that there are 2",
        ),
        ({"results": [entry(1)]}, 1, None, "it does not say how many batches there are"),
        (
            {"results": [entry(1)], "meta": {"count": "1"}},
            1,
            None,
            "it does not say how many batches there are",
        ),
        (
            {"results": [entry(1)], "meta": {"count": True}},
            1,
            None,
            "it does not say how many batches there are",
        ),
        (
            {"results": [entry(1)], "meta": {"count": 1.0}},
            1,
            None,
            "it does not say how many batches there are",
        ),
        ({"meta": {"count": 1}}, 0, 1, "it shows 0 batches and says that there is 1"),
        ([entry(1)], 0, None, "it does not say how many batches there are"),
        ({"meta": {"count": 1}, "results": [entry(1)]}, 1, 1, None),
        ({"results": [], "meta": {"count": 0}}, 0, 0, None),
        (
            {"results": [entry(1, meta={"count": 9}, results=[entry(2)])], "meta": {"count": 1}},
            1,
            1,
            None,
        ),
    ],
)
async def test_a_listing_says_whether_it_is_whole(
    body: Any, shown: int, count: int | None, problem: str | None
) -> None:
    listing, kept = await listed(answer(200, body))

    assert (listing.shown, listing.meta_count, listing.problem) == (shown, count, problem)
    assert len({batch.id for batch in kept}) == shown


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (b"", "cut short: the answer was cut short"),
        (b" ]] ", "cut short: the answer is not complete JSON"),
        (b", oops", "cut short: the answer is not complete JSON"),
        (b', "\xff"]}', "cut short: the answer is not complete JSON"),
    ],
)
async def test_what_a_broken_listing_showed_before_it_broke_is_taken(
    end: bytes, problem: str
) -> None:
    start = b'{"results": [' + json.dumps(entry(1)).encode()
    length = len(start) + (len(end) or 100)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nDate: {DATE}\r\n\r\n".encode()
    listing, kept = await listed(head + start + end, close=True)

    assert listing == Listing(1, None, problem)
    assert [batch.id for batch in kept] == [entry(1)["id"]]


async def test_a_page_of_html_is_no_listing_and_its_date_does_not_count() -> None:
    listing, _ = await listed(answer(200, b"<html>", {"Date": DATE}))

    assert listing == Listing(0, None, "cut short: the answer is not complete JSON")


async def test_silence_in_the_middle_of_a_listing_ends_it() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    listing, kept = await listed(
        head + b'{"results": [' + json.dumps(entry(1)).encode() + b",", timeout_s=0.2
    )

    assert listing == Listing(1, None, "cut short: no answer within the time limit")
    assert len(kept) == 1


async def test_a_slow_listing_may_take_longer_than_the_time_limit_in_all() -> None:
    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        whole = answer(200, {"results": [entry(n) for n in range(4)], "meta": {"count": 4}})
        size = len(whole) // 8 + 1
        for start in range(0, len(whole), size):
            writer.write(whole[start : start + size])
            await asyncio.sleep(0.05)

    async with against(slow, timeout_s=0.25) as (api, _):
        listing = await api.listing("w", keep([]))

    assert listing.problem is None


@pytest.mark.parametrize("status", [429, 500])
async def test_a_refused_listing_says_why_and_how_long_to_wait(status: int) -> None:
    headers = {"Retry-After": "3", "Date": DATE}
    listing, kept = await listed(answer(status, {"message": f"no {TOKEN}"}, headers))

    assert listing == Listing(0, None, f"HTTP {status}: no [token]", DATE_S, 3.0)
    assert not kept


async def test_a_batch_whose_details_are_nested_without_end_is_still_a_batch() -> None:
    deep = b"[" * 3_000 + b"]" * 3_000
    body = b'{"results": [{"id": "%s", "task_details": %s}], "meta": {"count": 1}}' % (
        NEW.encode(),
        deep,
    )
    listing, kept = await listed(answer(200, body))

    assert (listing.shown, listing.problem) == (1, None)
    assert [batch.id for batch in kept] == [NEW]
