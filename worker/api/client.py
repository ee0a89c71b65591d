"""Asks the API: one method for each operation that the worker calls, each one request, never
repeated here.

A reply is returned, not raised, because what a missing answer means is the caller's decision
(`outcome`). The token goes into one header and into nothing else; every text that leaves this
module is scrubbed of it."""

from __future__ import annotations

import json
import math
import re
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import ijson
from aiohttp import BytesPayload, ClientTimeout
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from worker import __version__
from worker.api.headers import quota, retry_after, timestamp
from worker.model.batch import listed, read_batch
from worker.model.errors import UsageError
from worker.model.replies import Answer, Listing, NoAnswer, Page, Reply
from worker.text import verb

BATCHES = "/api/v1/data-collection/batches"
ME = "/api/v1/users/me/"

_MOST_BYTES = 16 * 2**20
"""An answer about one batch that is larger than this is not read to its end: it would eat the
memory."""

_PAGE = 500
"""Batches of a listing that are handed on together."""

CONNECT_SHARE = 0.9
"""A connection that takes this share of the time limit is given up, so that what runs out of the
rest is known to have had one and may have left. (A trace of each connection would tell it too, and
costs a fifth of a request.)"""

_LIMITED = ("RateLimit", "RateLimit-Remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining")
"""Headers that tell how many requests are left."""

_NUMBERS = ("status", "error_code", "interactive")
"""Keys of an error whose numbers and booleans add nothing to the HTTP status."""

_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
)
"""What OpenSSL calls bytes that are no TLS at all, in its several versions."""

_MOST_WORDS = 500
"""Characters of an error that are kept: enough for the API's own words, too few for a gateway's
whole page."""

Scrub = Callable[[str], str]

_decode_text = json.JSONDecoder().decode
"""(`json.loads` would guess at the encoding of each answer.)"""


class Api(Protocol):
    """The operations that a run calls. A simulation hands in its own."""

    async def me(self) -> Reply:
        """Whose token it is."""

    async def batch(self, batch_id: str) -> Reply:
        """One batch."""

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        """Make a duplicate: the one request that must not be sent twice."""

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        """Every batch of a workspace; pages are handed to `take` as they come."""


class ProlificClient:
    """The API over HTTP. `timeout_s` is for one request in all, for a listing without a byte."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, timeout_s: float, scrub: Scrub
    ) -> None:
        self._session = session
        self._url = URL(url)
        # (aiohttp rounds long limits up to whole seconds, which would blur the two.)
        self._whole = ClientTimeout(
            total=timeout_s,
            connect=timeout_s * CONNECT_SHARE,
            sock_connect=None,
            sock_read=None,
            ceil_threshold=math.inf,
        )
        self._quiet = ClientTimeout(
            total=None, connect=timeout_s, sock_connect=timeout_s, sock_read=timeout_s
        )
        self._scrub = scrub

    async def me(self) -> Reply:
        """GET the token's owner."""
        return await self._ask("GET", ME)

    async def batch(self, batch_id: str) -> Reply:
        """GET one batch."""
        return await self._ask("GET", f"{BATCHES}/{batch_id}")

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        """POST a duplicate request; without a `name` the API names the copy itself."""
        body: dict[str, Any] = {"upload_new_dataset": upload_new_dataset}
        if name is not None:
            body["name"] = name
        return await self._ask("POST", f"{BATCHES}/{batch_id}/duplicate", json.dumps(body).encode())

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        """GET a workspace's batches, read as a stream so that 100,000 of them need little
        memory."""
        reading = _ListingReader(workspace_id)
        try:
            async with self._session.get(
                self._url.with_path(BATCHES).with_query(workspace_id=workspace_id),
                timeout=self._quiet, allow_redirects=False,
            ) as response:  # fmt: skip
                if response.status != 200:
                    answer = await self._read(response)
                    problem = f"HTTP {answer.status}: {answer.words}"
                    return Listing(0, None, problem, answer.date, answer.retry_after_s)
                date = timestamp(response.headers.get("Date"))
                async for chunk in response.content.iter_chunked(2**16):
                    reading.feed(chunk)
                    if len(reading.page) >= _PAGE:
                        await take(reading.turn_page())
                reading.close()
        except (aiohttp.ClientError, TimeoutError, OSError, ijson.JSONError) as error:
            await take(reading.turn_page())
            return Listing(
                len(reading.ids), reading.meta_count, f"cut short: {self._clean(_told(error))}"
            )
        await take(reading.turn_page())
        return Listing(len(reading.ids), reading.meta_count, reading.problem(), date)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Reply:
        try:
            async with self._session.request(
                method,
                self._url.with_path(path, encoded=True),
                timeout=self._whole,
                allow_redirects=False,
                data=None if body is None else BytesPayload(body, content_type="application/json"),
            ) as response:
                return await self._read(response)
        except (
            aiohttp.ClientHttpProxyError,
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
        ) as error:
            # No connection, or none in time: name, address, proxy (also its refusal), TLS.
            return NoAnswer(left=False, words=self._clean(_told(error)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(left=True, words=self._clean(_told(error)))

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        """The whole answer. Raises ClientError where its body is cut short or too large."""
        content = response.content
        body = await content.readany()
        while not content.at_eof():  # nearly always the first part is all of it
            body += await content.readany()
            if len(body) > _MOST_BYTES:
                raise _TooLargeError("the answer is larger than any batch")
        decoded = _decode(body)
        date = timestamp(response.headers.get("Date"))
        return Answer(
            status=response.status,
            json=decoded,
            words="" if response.ok else self._clean(_words(decoded, body, response.reason or "")),
            date=date if decoded is not None else None,
            retry_after_s=retry_after(response.headers.get("Retry-After"), date),
            quota=(
                quota(response.headers, date)
                if any(name in response.headers for name in _LIMITED)
                else None
            ),
        )

    def _clean(self, text: str) -> str:
        """Text from elsewhere as it may be shown: scrubbed first, because a token that is cut in
        two is not found."""
        return shortened(self._scrub(text))


class _TooLargeError(aiohttp.ClientPayloadError):
    """An answer that is not read to its end."""


class _ListingReader:
    """Decodes a listing byte by byte: its batches in pages, the ids it shows, its count."""

    def __init__(self, workspace_id: str) -> None:
        self.page: Page = []
        self.ids: set[int] = set()
        self._workspace_id = workspace_id
        self._odd = 0
        self._items = ijson.sendable_list()
        self._counts = ijson.sendable_list()
        self._parsers = (
            ijson.items_coro(self._items, "results.item", use_float=True),
            ijson.items_coro(self._counts, "meta.count", use_float=True),
        )

    @property
    def meta_count(self) -> int | None:
        """How many batches the answer says it shows, None where it does not."""
        count = self._counts[-1] if self._counts else None
        return count if isinstance(count, int) and not isinstance(count, bool) else None

    def feed(self, chunk: bytes) -> None:
        """Take bytes. Raises ijson.JSONError where they are no JSON; what stood before that is
        taken."""
        try:
            for parser in self._parsers:
                parser.send(chunk)
        finally:
            self._take_items()

    def _take_items(self) -> None:
        for item in self._items:
            batch = read_batch(item)
            if batch is None:
                self._odd += 1
                continue
            self.ids.add(int(batch.id.replace("-", ""), 16))
            self.page.append(listed(batch, self._workspace_id))
        del self._items[:]

    def close(self) -> None:
        """No more bytes come. Raises ijson.JSONError where the JSON is not whole."""
        for parser in self._parsers:
            parser.close()

    def turn_page(self) -> Page:
        """What was read since the last page."""
        page, self.page = self.page, []
        return page

    def problem(self) -> str | None:
        """NotSentReason this is no whole listing."""
        if self._odd:
            return f"{self._odd} of its entries {verb(self._odd, 'has', 'have')} no batch id"
        if self.meta_count is None:
            return "it does not say how many batches there are"
        if self.meta_count != len(self.ids):
            shown, count = len(self.ids), self.meta_count
            shows = f"it shows {shown} {verb(shown, 'batch', 'batches')}"
            return f"{shows} and says that there {verb(count, 'is', 'are')} {count}"
        return None


@asynccontextmanager
async def connected(
    url: str, token: str, timeout_s: float, scrub: Scrub
) -> AsyncIterator[ProlificClient]:
    """A client for the API at `url`; its connections are closed after the block.

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
        # The senders bound the connections. An idle one is dropped early, because one that the
        # server is about to close turns a request into an unknown outcome.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=5),
        # Our own header must hold: trust_env would also read ~/.netrc for credentials.
        trust_env=False,
        proxy=proxy_for(url),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield ProlificClient(session, url, timeout_s, scrub)


def proxy_for(url: str) -> URL | None:
    """The proxy for the API at `url`, from the environment (or the system's settings), with its
    credentials.

    Raises UsageError where it is no address; its text is not told, since it may hold a password."""
    target = URL(url)
    if target.scheme == "http" or urllib.request.proxy_bypass(f"{target.host}:{target.port}"):
        return None  # plain http goes to this machine's loopback only
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
        "HTTPS_PROXY (or ALL_PROXY): is no address of an HTTP proxy",
        hint="Write it as in http://localhost:3128, or unset it.",
    )


def _decode(body: bytes) -> Any:
    """The JSON in a body, which is UTF-8 (RFC 8259), perhaps with half a surrogate pair; None where
    it is none."""
    try:
        return _decode_text(body.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def _words(decoded: Any, body: bytes, reason: str) -> str:
    """What an error answer says, in any of the shapes that the API and its gateways use. Values
    under unknown keys follow as JSON, because they may be the reason: `{"name": ["too long"]}`."""
    if isinstance(decoded, dict):
        error = decoded.get("error")
        if isinstance(error, dict):
            told = [
                *_told_by(error, "title", "detail", "additional_information"),
                _rest(decoded, "error"),
            ]
        else:
            told = _told_by(decoded, "type", "message", "detail", "error")
    elif decoded is not None:
        told = [decoded]
    else:
        title = re.search(rb"<title[^>]*>(.*?)</title>", body, re.DOTALL | re.IGNORECASE)
        told = [(title[1] if title else body).decode("utf-8", "replace")]
    try:
        texts = [t if isinstance(t, str) else json.dumps(t, ensure_ascii=False) for t in told if t]
    except RecursionError:  # what could just be decoded may be nested too deeply to be encoded
        return reason
    return ": ".join(texts) or reason


def _told_by(error: dict[str, Any], *known: str) -> list[Any]:
    """The values of the `known` keys of an error, then the other keys as one mapping."""
    return [*map(error.get, known), _rest(error, *known)]


def _rest(error: dict[str, Any], *known: str) -> dict[str, Any]:
    """The keys other than the `known`, without empty values and the error's own numbers."""
    return {
        key: value
        for key, value in error.items()
        if value and key not in known and not (key in _NUMBERS and isinstance(value, bool | int))
    }


def shortened(text: str) -> str:
    """One line of at most 500 characters, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MOST_WORDS else line[: _MOST_WORDS - 1] + "…"


def _told(error: BaseException) -> str:
    """An exception in words for people: a name alone where it says nothing."""
    match error:
        case _TooLargeError():
            return str(error)
        case TimeoutError():
            return "no answer within the time limit"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed without an answer"
        case aiohttp.ClientPayloadError():
            return "the answer was cut short"
        case ijson.JSONError():
            return "the answer is no whole JSON"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused: HTTP {error.status} {error.message}"
        case aiohttp.ClientResponseError():
            return _unreadable(error)  # its status, 400, is aiohttp's own and in no answer
        case aiohttp.ClientConnectorSSLError() if getattr(error.os_error, "reason", "") in _NOT_TLS:
            where = f"{error.host}:{error.port}"
            return f"{where} does not speak TLS, which https needs; is the address or port wrong?"
        case aiohttp.ClientConnectorError() if error.strerror is None:
            closed = "it closed the connection where TLS begins; does it speak TLS on this port?"
            return (
                f"Cannot connect to host {error.host}:{error.port}: {str(error.os_error) or closed}"
            )
    return str(error) or type(error).__name__


def _unreadable(error: aiohttp.ClientResponseError) -> str:
    """NotSentReason an answer could not be read as HTTP."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return "the answer's header is too long to be read"
        cause = cause.__cause__
    return f"the answer is not valid HTTP: {' '.join(error.message.split()).removesuffix(' ^')}"
