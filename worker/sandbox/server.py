"""The sandbox's HTTP server: routes, waiting, and what each fault does to an answer. The batches
are in `World`."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from worker.model.errors import UsageError
from worker.sandbox.answers import Json, created_batch, error, full_batch, gateway_page
from worker.sandbox.batch import Batch, Dataset
from worker.sandbox.faults import (
    BEFORE_EFFECT,
    DUPLICATE_FAULTS,
    LISTING_FAULTS,
    SETUP_FAULTS,
    check_faults,
    draw,
)
from worker.sandbox.made_up import USER_ID
from worker.sandbox.options import SandboxOptions
from worker.sandbox.rate import TokenBucket
from worker.sandbox.requests import DuplicateBody, Refusal, SetupBody, read
from worker.sandbox.world import World
from worker.text import system_reason

NO_ANSWER = 0
"""The status under which `World.responses` counts a connection that closed without an answer."""

HANG_SECONDS = 120.0
LIST_CHUNK = 200  # batches in one piece of a listing

_Answer = Awaitable[web.StreamResponse | None]  # None: close the connection without an answer


class Sandbox:
    """A server that stands in for the API. `world` has the batches, and counts requests and
    answers."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.world = World(options.listing_lag, processing=options.processing)
        self._port = options.port
        self._bucket = TokenBucket(options.rate, options.burst)
        # Two streams, so that latency does not change which request meets which fault.
        self._dice = Random(options.seed)
        self._spread = Random(options.seed)
        self.misbehave(options.faults)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None

    def misbehave(self, faults: Mapping[str, float]) -> None:
        """From now on have only these faults, each with its probability."""
        check_faults(faults)
        self._duplicate_faults = {n: p for n, p in faults.items() if n in DUPLICATE_FAULTS}
        self._setup_faults = {n: p for n, p in faults.items() if n in SETUP_FAULTS}
        self._listing_faults = {n: p for n, p in faults.items() if n in LISTING_FAULTS}

    async def start(self) -> str:
        """Listen. Returns the base URL, without a slash at its end.

        Raises UsageError if the server cannot listen on the port. After `stop`, `start` serves the
        same world again on the same port."""
        runner = web.AppRunner(
            self._app(), access_log=None, shutdown_timeout=0.1, handler_cancellation=False
        )
        await runner.setup()
        host = self.options.host
        try:
            await web.TCPSite(runner, host, self._port).start()
        except OSError as why:
            await runner.cleanup()
            raise UsageError(
                f"The sandbox cannot listen on port {self._port} of {host}: {system_reason(why)}.",
                hint="Choose another port, or 0 for any free one.",
            ) from why
        self._runner = runner
        self._port = runner.addresses[0][1]
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    async def stop(self) -> None:
        """Close every connection at once. Requests under way get no answer, and late batches are
        never created."""
        runner, self._runner = self._runner, None
        await self._cancel_all()  # otherwise the clean-up would wait for answers
        if runner is not None:
            await runner.cleanup()
        await self._cancel_all()  # tasks that a last request started meanwhile

    # Routes

    def _app(self) -> web.Application:
        batches = "/api/v1/data-collection/batches"
        routes: tuple[tuple[str, str, str, Callable[[web.Request], _Answer]], ...] = (
            ("duplicate", "POST", batches + "/{batch_id}/duplicate", self._duplicate),
            ("status", "GET", batches + "/{batch_id}/status", self._status),
            ("setup", "POST", batches + "/{batch_id}/setup", self._set_up),
            ("get", "GET", batches + "/{batch_id}", self._get),
            ("list", "GET", batches, self._list),
            ("me", "GET", "/api/v1/users/me", self._me),
            ("workspaces", "GET", "/api/v1/workspaces", self._workspaces),
        )
        app = web.Application(middlewares=[_errors_as_json])
        for operation, method, path, handler in routes:
            served = self._served(operation, handler)
            app.router.add_route(method, path, served)
            app.router.add_route(method, path + "/", served)
        return app

    def _served(self, operation: str, handler: Callable[[web.Request], _Answer]) -> Handler:
        """The handler, with what all operations have in common: counting, admission, latency,
        errors, closing the connection."""
        requests, responses = self.world.requests, self.world.responses

        async def answer(request: web.Request) -> web.StreamResponse:
            requests[operation] += 1
            response: web.StreamResponse | None
            self._own(asyncio.current_task())
            try:
                self._admit(operation, request)
                await self._latency()
                response = await handler(request)
            except Refusal as refusal:
                response = _refused(refusal)
            except ConnectionError:  # the client left in the middle
                response = None
            responses[operation, response.status if response is not None else NO_ANSWER] += 1
            return response if response is not None else _hang_up(request)

        return answer

    def _admit(self, operation: str, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Token {self.options.token}":
            raise _unauthorised()
        if operation == "duplicate" and (wait := self._bucket.take()):
            raise self._too_many(wait)

    # Operations

    async def _duplicate(self, request: web.Request) -> web.StreamResponse | None:
        fault = draw(self._dice, self._duplicate_faults)
        if fault in BEFORE_EFFECT:
            return await self._refuse_by(fault, request)
        body = read(DuplicateBody, await request.read())
        source = self._asked_for(request)
        if fault == "late":
            delay = self._dice.uniform(*self.options.late_by)
            self._own(asyncio.create_task(self._duplicate_later(delay, source, body)))
            return self._dice.choice((None, _gateway(504, "Gateway Time-out")))
        copy = self.world.duplicate(source, body.given_name, body.upload_new_dataset)
        if fault == "fewer-instructions":
            left = max(0, copy.content.total_instruction_count - 1)
            copy.content = copy.content._replace(total_instruction_count=left)
        answer = created_batch(copy, self.world.now())
        match fault:
            case "drop-answer":
                return None
            case "error-500-after":
                raise _internal_error()
            case "cut-answer":
                return await self._cut(request, 201, answer)
            case "slow":
                await asyncio.sleep(10 * self.options.latency + 1)
        return _json(201, answer)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return _json(200, full_batch(self._asked_for(request), self.world.now()))

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return _json(200, {"status": self._asked_for(request).status(self.world.now())})

    async def _set_up(self, request: web.Request) -> web.StreamResponse | None:
        fault = draw(self._dice, self._setup_faults)
        if fault in BEFORE_EFFECT:
            return await self._refuse_by(fault, request)
        body = read(SetupBody, await request.read())
        batch = self._asked_for(request)
        if body.dataset_id is None and not batch.datasets:
            raise Refusal(
                400, "Invalid request", "This batch has no dataset: dataset_id is required."
            )
        known = {dataset.id: dataset for dataset in batch.datasets}
        asked = body.dataset_id and str(body.dataset_id)
        dataset = asked and (known.get(asked) or Dataset(asked, 100, "new.csv"))
        set_up = partial(
            self.world.set_up,
            batch,
            dataset or None,
            body.tasks_per_group,
            fails=fault == "setup-error",
        )
        if fault == "late":
            delay = self._dice.uniform(*self.options.late_by)
            self._own(asyncio.create_task(_later(delay, set_up)))
            return self._dice.choice((None, _gateway(504, "Gateway Time-out")))
        set_up()
        match fault:
            case "drop-answer":
                return None
            case "error-500-after":
                raise _internal_error()
            case "cut-answer":
                return await self._cut(request, 202, {"status": "PROCESSING"})
            case "slow":
                await asyncio.sleep(10 * self.options.latency + 1)
        return _json(202, {})

    async def _me(self, request: web.Request) -> web.StreamResponse:
        return _json(200, {"id": USER_ID, "email": "sandbox@example.org"})

    async def _workspaces(self, request: web.Request) -> web.StreamResponse:
        workspaces = self.world.workspaces.items()
        results = [{"id": one, "title": title} for one, title in workspaces]
        return _json(200, {"results": results})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        workspace_id = request.query.get("workspace_id")
        if not workspace_id:
            raise Refusal(400, "Invalid request", "workspace_id is required.")
        listing = self.world.listing(workspace_id)
        count = len(listing)
        fault = draw(self._dice, self._listing_faults)
        if fault == "list-500":
            raise _internal_error()
        if fault == "list-short":
            lost = set(self._dice.sample(range(count), math.ceil(count / 10)))
            listing = [batch for place, batch in enumerate(listing) if place not in lost]
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in _listing_pieces(listing, count, self.world.now()):
            await response.write(piece)
            await asyncio.sleep(0)  # other requests must not wait for a long listing
        return response

    def _asked_for(self, request: web.Request) -> Batch:
        batch = self.world.find(request.match_info["batch_id"])
        if batch is None:
            raise Refusal(404, "Not found", "There is no batch with this id.")
        return batch

    # Faults

    async def _refuse_by(self, fault: str, request: web.Request) -> web.StreamResponse | None:
        """Answer as this fault does, which happens before anything is created."""
        match fault:
            case "error-500":
                raise _internal_error()
            case "busy":
                raise self._too_many(1)
            case "refuse":
                done = "set up" if "/setup" in request.path else "duplicated"
                raise Refusal(422, "Unprocessable", f"This batch cannot be {done}.")
            case "unauthorised":
                raise _unauthorised()
            case "error-502":
                return _gateway(502, "Bad Gateway")
            case "hang":
                await _until_given_up(request)
        return None

    async def _duplicate_later(self, delay: float, source: Batch, body: DuplicateBody) -> None:
        await asyncio.sleep(delay)
        self.world.duplicate(source, body.given_name, body.upload_new_dataset)

    async def _cut(self, request: web.Request, status: int, answer: Json) -> web.StreamResponse:
        """Send an answer that announces its full length, but ends at a random place in its body."""
        body = json.dumps(answer).encode()
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: self._dice.randrange(1, len(body))])
        if request.transport is not None:
            request.transport.close()
        return response

    def _too_many(self, wait: float) -> Refusal:
        retry_after = math.ceil(wait) if self.options.retry_after else None
        return Refusal(429, "Too many requests", "This workspace is busy.", retry_after=retry_after)

    # Time and tasks

    async def _latency(self) -> None:
        if self.options.latency:
            await asyncio.sleep(self._spread.gammavariate(4, self.options.latency / 4))

    def _own(self, task: asyncio.Task[Any] | None) -> None:
        """Keep `task` until it is done, so that `stop` can cancel it."""
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _cancel_all(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an unknown path or a method that is not allowed in the API's format of errors."""
    try:
        return await handler(request)
    except web.HTTPException as why:
        return _json(why.status, error(why.status, why.reason, why.reason))


async def _later(delay: float, happen: Callable[[], None]) -> None:
    await asyncio.sleep(delay)
    happen()


async def _until_given_up(request: web.Request) -> None:
    """Wait until the client has closed the connection, or for `HANG_SECONDS`."""
    for _ in range(int(HANG_SECONDS / 0.1)):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(0.1)


def _listing_pieces(listing: Sequence[Batch], count: int, now: float) -> Iterator[bytes]:
    """The JSON of a listing, in pieces of at most `LIST_CHUNK` batches."""
    yield b'{"results": ['
    for start in range(0, len(listing), LIST_CHUNK):
        part = listing[start : start + LIST_CHUNK]
        comma = ", " if start else ""
        yield (comma + ", ".join(json.dumps(full_batch(batch, now)) for batch in part)).encode()
    yield f'], "meta": {{"count": {count}}}}}'.encode()


def _json(status: int, body: Json) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )


def _gateway(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=gateway_page(status, reason), content_type="text/html")


def _refused(refusal: Refusal) -> web.Response:
    response = _json(refusal.status, error(refusal.status, refusal.title, refusal.detail))
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _unauthorised() -> Refusal:
    return Refusal(401, "Unauthorised", "Invalid token, or no access to this resource.")


def _internal_error() -> Refusal:
    return Refusal(500, "Internal server error", "Something went wrong.")


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection. aiohttp needs a response, but nobody receives it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
