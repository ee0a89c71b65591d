"""Asks the API: one method for each operation that the worker calls, each one request, never
repeated here.

A reply is returned, not raised, because what a missing answer means is the caller's decision
(`outcome`). The token goes into one header and into nothing else; every text that leaves this
module is scrubbed of it."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
import ijson
from aiohttp import BytesPayload, ClientTimeout
from yarl import URL

from worker.api.bodies import decode
from worker.api.errors import TooLargeError, describe, error_message, one_line
from worker.api.headers import quota, retry_after, timestamp
from worker.api.listing import ListingParser
from worker.model.replies import Answer, Listing, NoAnswer, Page, Reply

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

Scrub = Callable[[str], str]


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
        reading = ListingParser(workspace_id)
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
                len(reading.ids), reading.meta_count, f"cut short: {self._clean(describe(error))}"
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
            return NoAnswer(left=False, words=self._clean(describe(error)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(left=True, words=self._clean(describe(error)))

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        """The whole answer. Raises ClientError where its body is cut short or too large."""
        content = response.content
        body = await content.readany()
        while not content.at_eof():  # nearly always the first part is all of it
            body += await content.readany()
            if len(body) > _MOST_BYTES:
                raise TooLargeError("the answer is larger than any batch")
        decoded = decode(body)
        date = timestamp(response.headers.get("Date"))
        return Answer(
            status=response.status,
            json=decoded,
            words=""
            if response.ok
            else self._clean(error_message(decoded, body, response.reason or "")),
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
        return one_line(self._scrub(text))
