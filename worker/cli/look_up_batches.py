"""Looks up the batches that a person names as copies, before `settle` records that."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from worker.api.reader import reader_without_run
from worker.cli.common import Target, api_client
from worker.model.batch import listed
from worker.model.errors import TokenRefusedError, WorkerError
from worker.model.records import Listed
from worker.settings.settings import Settings
from worker.terminal.secrets import Scrubber

NOTHING_RECORDED = "Nothing was recorded."

NO_SUCH_BATCH = (
    "there is no batch with this id, or your token may not see it; compare the id with Prolific"
)

AT_ONCE = 8
"""How many batches are looked up at once."""


def look_up_batches(
    ids: Sequence[str], settings: Settings, api: Target | None
) -> tuple[dict[str, Listed], dict[str, str]]:
    """These batches as the API shows them, and why others do not exist. `api` may be None if
    there are no ids. Raises TokenRefusedError or WorkerError if the API cannot be asked."""
    if not ids:
        return {}, {}
    if api is None:
        raise AssertionError("batches are looked up at an API")
    return anyio.run(_look_up, ids, settings, api)


async def _look_up(
    ids: Sequence[str], settings: Settings, api: Target
) -> tuple[dict[str, Listed], dict[str, str]]:
    """As `look_up_batches`."""
    found: dict[str, Listed] = {}
    missing: dict[str, str] = {}
    unclear: list[WorkerError] = []
    limiter = anyio.CapacityLimiter(AT_ONCE)
    async with api_client(api, settings.timeout, Scrubber(api.token), ids) as client:
        reader = reader_without_run(client)

        async def look_up(batch_id: str) -> None:
            async with limiter:
                if unclear:
                    return
                verdict = await reader.source(batch_id)
            if verdict.batch is not None:
                found[batch_id] = listed(verdict.batch)
            elif verdict.state == "missing":
                missing[batch_id] = NO_SUCH_BATCH
            else:
                refused = verdict.http_status == 401
                error = TokenRefusedError if refused else WorkerError
                unclear.append(error(f"{batch_id}: {verdict.reason}", hint=NOTHING_RECORDED))

        async with anyio.create_task_group() as group:
            for batch_id in dict.fromkeys(ids):
                group.start_soon(look_up, batch_id)
    if unclear:
        raise unclear[0]
    return found, missing
