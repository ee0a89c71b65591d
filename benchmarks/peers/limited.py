"""The plain script with aiolimiter: `async with AsyncLimiter(RATE, PERIOD)` round each request.

`python limited.py JOB URL TOKEN IN_FLIGHT RATE PERIOD`. A request that is rejected is not sent
again."""

from __future__ import annotations

import asyncio
import csv
import sys

import aiohttp
from aiolimiter import AsyncLimiter


async def main(job: str, url: str, token: str, in_flight: int, rate: float, period: float) -> None:
    """Ask for a duplicate of every row of the job."""
    with open(job, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    gate, limiter = asyncio.Semaphore(in_flight), AsyncLimiter(rate, period)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Token {token}"}, connector=aiohttp.TCPConnector(limit=in_flight)
    ) as session:

        async def duplicate(row: dict[str, str]) -> None:
            async with (
                gate,
                limiter,
                session.post(
                    f"{url}/api/v1/data-collection/batches/{row['batch_id']}/duplicate",
                    json={"name": row["name"], "upload_new_dataset": False},
                ) as response,
            ):
                await response.read()

        await asyncio.gather(*(duplicate(row) for row in rows))


if __name__ == "__main__":
    _job, _url, _token, _in_flight, _rate, _period = sys.argv[1:]
    asyncio.run(main(_job, _url, _token, int(_in_flight), float(_rate), float(_period)))
