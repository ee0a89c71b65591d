"""The plain script: aiohttp, one task for each row, a semaphore, and nothing kept but a CSV at the
end.

`python gather.py JOB URL TOKEN IN_FLIGHT OUTPUT`. It knows no pace, repeats nothing, and a crash
loses all."""

from __future__ import annotations

import asyncio
import csv
import sys

import aiohttp


async def main(job: str, url: str, token: str, in_flight: int, output: str) -> None:
    """Duplicate every row of the job."""
    with open(job, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    gate = asyncio.Semaphore(in_flight)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Token {token}"}, connector=aiohttp.TCPConnector(limit=in_flight)
    ) as session:

        async def duplicate(row: dict[str, str]) -> tuple[str, str, str]:
            async with (
                gate,
                session.post(
                    f"{url}/api/v1/data-collection/batches/{row['batch_id']}/duplicate",
                    json={"name": row["name"], "upload_new_dataset": False},
                ) as response,
            ):
                response.raise_for_status()
                body = await response.json()
            return row["batch_id"], row["name"], body["id"]

        made = await asyncio.gather(*(duplicate(row) for row in rows))
    with open(output, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("batch_id", "name", "new_batch_id"))
        writer.writerows(made)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
