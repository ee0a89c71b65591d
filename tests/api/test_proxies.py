"""Proxies and certificates, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import trustme

from tests.api.edge import (
    NEW,
    SOURCE,
    TOKEN,
    against,
    free_port,
    lost,
)
from tests.support.raw_server import (
    always,
    answer,
    connect_proxy,
    serving,
)
from worker.model.replies import Answer, NoAnswer


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

    assert reply == NoAnswer(left=False, message=f"the proxy refused: HTTP {status} {reason}")
    assert server.connections == 0
    assert proxy.requests[0].method == "CONNECT"


async def test_a_proxy_that_is_not_there_let_nothing_leave_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", f"http://user:hidden-word@127.0.0.1:{free_port()}")
    reply = await lost("https://127.0.0.1:1")

    assert not reply.left
    assert "hidden-word" not in reply.message


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

    assert "certificate" in reply.message.lower()
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
