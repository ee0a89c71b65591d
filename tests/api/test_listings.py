"""Listings over real sockets: what they show, and whether they are complete."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.edge import (
    DATE,
    DATE_S,
    NEW,
    TOKEN,
    against,
    keep,
)
from tests.support.raw_server import (
    Request,
    always,
    answer,
)
from worker.model.replies import Listing, Page


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


async def test_a_refused_listing_with_a_bad_chunk_in_its_middle_ends() -> None:
    async def bad(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"5\r\n<html\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"zz\r\nerror\r\n")

    async with against(bad, timeout_s=0.5) as (api, _):
        listing = await asyncio.wait_for(api.listing("w", keep([])), 5)

    assert (listing.problem or "").startswith("cut short: ")


@pytest.mark.parametrize("busy_s", [0.0, 0.3], ids=["waiting", "storing a page"])
async def test_a_listing_with_a_bad_chunk_in_its_middle_ends(busy_s: float) -> None:
    """As from a proxy whose backend dies while it passes a listing on."""
    entries = ", ".join(json.dumps(entry(number)) for number in range(600))
    part = f'{{"results": [{entries}, '.encode()

    async def bad(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"zz\r\nerror\r\n")

    async def take(_page: Page) -> None:
        await asyncio.sleep(busy_s)

    async with against(bad, timeout_s=0.5) as (api, _):
        listing = await asyncio.wait_for(api.listing("w", take), 5)

    assert listing.shown >= 500
    assert (listing.problem or "").startswith("cut short: ")


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


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """This process may take so many bytes more than it has. Only Linux says how many it has."""
    if sys.platform != "linux":
        yield
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("level", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]": ', b"}]")])
@pytest.mark.parametrize("closed", [True, False])
async def test_a_listing_that_is_nested_100_000_levels_deep_is_cut_short_in_little_memory(
    level: tuple[bytes, bytes], closed: bool
) -> None:
    """Its parser would need gigabytes for it."""
    opens, closes = level
    deep = opens * 100_000 + b"1" + closes * 100_000 * closed
    body = b'{"results": [{"id": "%s"}, {"task_details": %s' % (NEW.encode(), deep)
    with limited_memory(2**29):
        listing, _ = await listed(answer(200, body))

    problem = "cut short: the answer is nested more than 5,000 levels deep"
    assert (listing.problem, listing.meta_count) == (problem, None)


async def test_a_batch_whose_details_are_nested_without_end_is_still_a_batch() -> None:
    deep = b"[" * 4_990 + b"]" * 4_990
    body = b'{"results": [{"id": "%s", "task_details": %s}], "meta": {"count": 1}}' % (
        NEW.encode(),
        deep,
    )
    listing, kept = await listed(answer(200, body))

    assert (listing.shown, listing.problem) == (1, None)
    assert [batch.id for batch in kept] == [NEW]
