"""The plain script with httpx: as `gather.py`, with another library.

`python httpx_script.py JOB URL TOKEN IN_FLIGHT OUTPUT`.
"""

from __future__ import annotations

import asyncio
import csv
import sys

import httpx


async def main(job: str, url: str, token: str, in_flight: int, output: str) -> None:
    """Duplicate every row of the job."""
    with open(job, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    gate = asyncio.Semaphore(in_flight)
    async with httpx.AsyncClient(
        headers={"Authorization": f"Token {token}"},
        limits=httpx.Limits(max_connections=in_flight),
        timeout=60,
    ) as client:

        async def duplicate(row: dict[str, str]) -> tuple[str, str, str]:
            async with gate:
                response = await client.post(
                    f"{url}/api/v1/data-collection/batches/{row['batch_id']}/duplicate",
                    json={"name": row["name"], "upload_new_dataset": False},
                )
            response.raise_for_status()
            return row["batch_id"], row["name"], response.json()["id"]

        made = await asyncio.gather(*(duplicate(row) for row in rows))
    with open(output, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("batch_id", "name", "new_batch_id"))
        writer.writerows(made)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
