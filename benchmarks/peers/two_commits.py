"""The plain script made durable the simple way: one SQLite commit before each request, and one
after its answer.

`python two_commits.py JOB URL TOKEN IN_FLIGHT DATABASE`. The commits are as durable as the worker's
(a write-ahead log, `synchronous = FULL`); nothing else of what the worker does is done."""

from __future__ import annotations

import asyncio
import csv
import sqlite3
import sys

import aiohttp


async def main(job: str, url: str, token: str, in_flight: int, path: str) -> None:
    """Duplicate every row of the job."""
    with open(job, encoding="utf-8", newline="") as file:
        rows = list(enumerate(csv.DictReader(file)))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE item (number INTEGER PRIMARY KEY, batch_id, name, new_batch_id)")
    gate = asyncio.Semaphore(in_flight)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Token {token}"}, connector=aiohttp.TCPConnector(limit=in_flight)
    ) as session:

        async def duplicate(number: int, row: dict[str, str]) -> None:
            async with gate:
                database.execute(
                    "INSERT INTO item VALUES (?, ?, ?, NULL)",
                    (number, row["batch_id"], row["name"]),
                )
                async with session.post(
                    f"{url}/api/v1/data-collection/batches/{row['batch_id']}/duplicate",
                    json={"name": row["name"], "upload_new_dataset": False},
                ) as response:
                    response.raise_for_status()
                    body = await response.json()
                database.execute(
                    "UPDATE item SET new_batch_id = ? WHERE number = ?", (body["id"], number)
                )

        await asyncio.gather(*(duplicate(number, row) for number, row in rows))
    database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
