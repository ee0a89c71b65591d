"""Sets up the connections to the API: headers, proxy, limits. It sends no request."""

from __future__ import annotations

import math
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from worker import __version__
from worker.api.client import ProlificClient, Scrub
from worker.model.errors import UsageError


@asynccontextmanager
async def connected(
    url: str, token: str, timeout_s: float, scrub: Scrub, connect_s: float = math.inf
) -> AsyncIterator[ProlificClient]:
    """A client for the API at `url`, whose connections are closed after the block. The token goes
    into one header and nowhere else. Connecting may take `connect_s` seconds at most.

    Proxies come from HTTPS_PROXY and NO_PROXY, certificates from the system or SSL_CERT_FILE.
    """
    async with aiohttp.ClientSession(
        headers={
            "Authorization": f"Token {token}",
            "Accept": "application/json",
            "User-Agent": f"duplicate-batches/{__version__}",
            # Prolific asks libraries to name themselves here.
            "Referer": f"duplicate-batches/{__version__}",
        },
        # The number of senders limits the connections. An idle one is closed early: if the server
        # closed it just as we send, the request's outcome would be unknown.
        connector=QuietConnector(
            limit=0, keepalive_timeout=5, socket_factory=partial(impatient_socket, timeout_s)
        ),
        # trust_env would read ~/.netrc and replace our header by its credentials.
        trust_env=False,
        proxy=proxy_for(url),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield ProlificClient(session, url, timeout_s, scrub, connect_s)


class QuietConnector(aiohttp.TCPConnector):
    """Gives out no kept connection on which something has arrived that nobody asked for: an answer
    that was sent twice, or came late. It would be taken for the next request's answer, and that
    one's for the answer after it: rows would get each other's batches."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._given: WeakSet[object] = WeakSet()
        """The connections that were given out before."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as its base has it
    ) -> Connection:
        """A connection for the request, from the pool or a new one. Raises as its base does."""
        while True:
            found = await super().connect(req, traces, timeout)
            protocol = found.protocol
            assert protocol is not None  # until the connection is given back
            if protocol not in self._given or not protocol.should_close:
                self._given.add(protocol)
                return found
            found.close()


def impatient_socket(timeout_s: float, address: AddrInfoType) -> socket.socket:
    """A socket for this address whose unacknowledged bytes are given up after `timeout_s` seconds.

    Otherwise the kernel would repeat a request for up to a quarter of an hour while the network is
    down, even after this process has died: it could take effect after it was settled."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, math.ceil(timeout_s * 1000))
    return made


def proxy_for(url: str) -> URL | None:
    """The proxy for the API at `url`, from the environment (or the system's settings), with its
    credentials.

    Raises UsageError if it is not an address; the message leaves it out, because it may hold a
    password."""
    target = URL(url)
    if target.scheme == "http" or urllib.request.proxy_bypass(f"{target.host}:{target.port}"):
        return None  # plain http only goes to this machine
    found = urllib.request.getproxies()
    address = found.get(target.scheme) or found.get("all")
    if not address:
        return None
    try:
        proxy = URL(address if "://" in address else f"http://{address}")
        if proxy.scheme in ("http", "https") and proxy.host and proxy.port:
            return proxy
    except ValueError:
        pass
    raise UsageError(
        "HTTPS_PROXY (or ALL_PROXY): is not the address of an HTTP proxy",
        hint="Write it as in http://localhost:3128, or unset it.",
    )
