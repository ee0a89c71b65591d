"""What the client sends, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.edge import (
    BATCHES,
    NEW,
    SOURCE,
    TOKEN,
    against,
    keep,
)
from tests.support.raw_server import (
    always,
    answer,
    serving,
)
from worker import __version__
from worker.api import client as http
from worker.api.outcome import OutcomeKind, classify
from worker.model.replies import Answer, NoAnswer


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
