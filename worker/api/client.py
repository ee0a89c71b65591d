"""Sends requests to the API: one method for each operation, one request for each call, no retries.

Every method returns a reply, also if no answer came: `outcome` and `verdicts` decide what it means.
Every text that leaves this module is scrubbed of the token."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
import anyio
import ijson
from aiohttp import BytesPayload, ClientTimeout
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from worker.api.bodies import decode
from worker.api.errors import TooLargeError, describe, error_message, one_line
from worker.api.headers import quota, retry_after, timestamp
from worker.api.listing import ListingParser
from worker.model.clock import MachineClock
from worker.model.replies import Answer, Listing, NoAnswer, Page, Reply

BATCHES = "/api/v1/data-collection/batches"
ME = "/api/v1/users/me/"
WORKSPACES = "/api/v1/workspaces/"

_MOST_BYTES = 16 * 2**20
"""The largest answer about one batch that is read to its end; a larger one would fill the
memory."""

_PAGE = 500
"""A page of a listing has at least this many batches, except the last one."""

CONNECT_SHARE = 0.9
"""The share of the time limit that connecting may take. A request that times out later had a
connection, so it may have left. (Tracing each connection tells the same, but costs a fifth of a
request.)"""

_LIMITED = frozenset(
    {"RateLimit", "RateLimit-Remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining"}
)
"""Headers that say how many requests are left."""

WRITTEN_WITHIN_S = 0.5
"""Seconds, after the time for connecting, within which a request's body must be written. If this
process was stopped meanwhile, another machine may have taken over and sent the request itself."""

_monotonic = MachineClock().monotonic

Scrub = Callable[[str], str]


class Api(Protocol):
    """The operations that a run calls. The simulation has its own."""

    async def me(self) -> Reply:
        """Get the token's owner."""

    async def workspaces(self) -> Reply:
        """List the workspaces that the token sees."""

    async def batch(self, batch_id: str) -> Reply:
        """Get one batch."""

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        """Create a duplicate: the one request that must not be sent twice."""

    async def set_up(self, batch_id: str, tasks_per_group: int) -> Reply:
        """Set a batch up: what a second request does is not documented."""

    async def status(self, batch_id: str) -> Reply:
        """Get the status of one batch."""

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        """List every batch of a workspace. Pages go to `take` as they arrive."""


class _Timely(BytesPayload):
    """A JSON body that is not written after `leave_by`. Without its body, a request has no
    effect."""

    def __init__(self, body: bytes, leave_by: float) -> None:
        super().__init__(body, content_type="application/json")
        self._leave_by = leave_by

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body. Raises TimeoutError if it is too late."""
        self._refuse_late()
        await super().write(writer)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write the body. Raises TimeoutError if it is too late."""
        self._refuse_late()
        await super().write_with_length(writer, content_length)

    def _refuse_late(self) -> None:
        if _monotonic() > self._leave_by:
            raise TimeoutError("this process was stopped before the request left")


class ProlificClient:
    """The API over HTTP. `timeout_s` limits a whole request; in a listing, the time without a
    byte."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        timeout_s: float,
        scrub: Scrub,
        connect_s: float = math.inf,
    ) -> None:
        """Connecting may take `connect_s` seconds at most."""
        self._session = session
        self._url = URL(url)
        # (aiohttp rounds long limits up to whole seconds, which would blur the two limits.)
        self._whole = ClientTimeout(
            total=timeout_s,
            connect=min(timeout_s * CONNECT_SHARE, connect_s),
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

    async def workspaces(self) -> Reply:
        """GET the workspaces that the token sees."""
        return await self._ask("GET", WORKSPACES)

    async def batch(self, batch_id: str) -> Reply:
        """GET one batch."""
        return await self._ask("GET", f"{BATCHES}/{batch_id}")

    async def duplicate(self, batch_id: str, name: str | None, upload_new_dataset: bool) -> Reply:
        """POST a duplicate request. Without a `name`, the API names the copy."""
        body: dict[str, Any] = {"upload_new_dataset": upload_new_dataset}
        if name is not None:
            body["name"] = name
        return await self._ask("POST", f"{BATCHES}/{batch_id}/duplicate", json.dumps(body).encode())

    async def set_up(self, batch_id: str, tasks_per_group: int) -> Reply:
        """POST a setup request, with the batch's own dataset."""
        body = json.dumps({"tasks_per_group": tasks_per_group}).encode()
        return await self._ask("POST", f"{BATCHES}/{batch_id}/setup", body)

    async def status(self, batch_id: str) -> Reply:
        """GET the status of one batch. The reply's `message` is what else the answer says."""
        reply = await self._ask("GET", f"{BATCHES}/{batch_id}/status")
        if isinstance(reply, Answer) and reply.status < 300 and isinstance(reply.json, dict):
            more = {key: value for key, value in reply.json.items() if key != "status"}
            return reply._replace(message=self._clean(error_message(more, b"", "")))
        return reply

    async def listing(self, workspace_id: str, take: Callable[[Page], Awaitable[None]]) -> Listing:
        """GET the batches of a workspace as a stream."""
        parser = ListingParser(workspace_id)
        try:
            async with self._session.get(
                self._url.with_path(BATCHES).with_query(workspace_id=workspace_id),
                timeout=self._quiet, allow_redirects=False,
            ) as response:  # fmt: skip
                if response.status != 200:
                    with anyio.fail_after(self._quiet.sock_read):
                        answer = await self._read(response)
                    problem = f"HTTP {answer.status}: {answer.message}"
                    return Listing(0, None, problem, answer.date, answer.retry_after_s)
                date = timestamp(response.headers.get("Date"))
                while part := await self._next_part(response):
                    parser.feed(part)
                    if len(parser.page) >= _PAGE:
                        await take(parser.turn_page())
                parser.close()
        except (aiohttp.ClientError, TimeoutError, OSError, ijson.JSONError) as error:
            await take(parser.turn_page())
            return Listing(
                len(parser.ids), parser.meta_count, f"cut short: {self._clean(describe(error))}"
            )
        await take(parser.turn_page())
        return Listing(len(parser.ids), parser.meta_count, parser.problem(), date)

    async def _next_part(self, response: aiohttp.ClientResponse) -> bytes:
        """What has arrived of the body, or arrives next; empty at its end. Raises ClientError,
        TimeoutError or OSError."""
        # After an error in the middle of a chunked body, aiohttp's own time limit is gone.
        with anyio.fail_after(self._quiet.sock_read):
            return await _read_any(response)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Reply:
        try:
            async with self._session.request(
                method,
                self._url.with_path(path, encoded=True),
                timeout=self._whole,
                allow_redirects=False,
                data=None if body is None else _Timely(body, self._leave_by()),
            ) as response:
                return await self._read(response)
        except (
            aiohttp.ClientHttpProxyError,
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
        ) as error:
            # No connection: name, address, proxy (also if it refuses), TLS, or time limit.
            return NoAnswer(left=False, message=self._clean(describe(error)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(left=True, message=self._clean(describe(error)))

    def _leave_by(self) -> float:
        """When the request that begins now must have left (monotonic seconds)."""
        return _monotonic() + (self._whole.connect or math.inf) + WRITTEN_WITHIN_S

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        """Read the whole answer. Raises ClientError if its body is cut short or too large."""
        body = await _read_any(response)
        while not response.content.at_eof():  # the first part is nearly always all of it
            body += await _read_any(response)
            if len(body) > _MOST_BYTES:
                raise TooLargeError("the answer is larger than any batch")
        decoded = decode(body)
        message = "" if response.ok else error_message(decoded, body, response.reason or "")
        date = timestamp(response.headers.get("Date"))
        return Answer(
            status=response.status,
            json=decoded,
            message=message and self._clean(message),
            date=date if decoded is not None else None,
            retry_after_s=retry_after(response.headers.get("Retry-After"), date),
            quota=(
                None
                if response.headers.keys().isdisjoint(_LIMITED)
                else quota(response.headers, date)
            ),
        )

    def _clean(self, text: str) -> str:
        """Text from elsewhere, safe to show. Scrubbing comes first, because half a token would not
        be found."""
        return one_line(self._scrub(text))


async def _read_any(response: aiohttp.ClientResponse) -> bytes:
    """What has arrived of the body, or arrives next; empty at its end."""
    try:
        return await response.content.readany()
    except RuntimeError as error:  # a chunked body went wrong while nobody read it
        raise aiohttp.ClientPayloadError(str(error)) from error
