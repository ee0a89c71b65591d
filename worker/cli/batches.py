"""`batches`: lists the batches of a workspace, or turns them into a job file. It reads only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import anyio

from worker.api.client import ProlificClient
from worker.api.reader import ApiUnusableError, reader_without_run
from worker.api.verdicts import workspaces_in
from worker.cli.choice import statuses
from worker.cli.common import api_client, settings_for, target
from worker.export.batch_list import batch_values, write_csv, write_job
from worker.model.batch import Workspace
from worker.model.errors import UsageError
from worker.model.records import Listed
from worker.model.replies import Page
from worker.terminal import output
from worker.terminal.secrets import Scrubber
from worker.terminal.tables import batch_table, open_console
from worker.text import visible

STATUSES = ("UNINITIALISED", "PROCESSING", "READY", "ERROR")


class _Found(NamedTuple):
    """The batches of a workspace, and why they may not be all (None: they are)."""

    workspace: Workspace
    batches: list[Listed]
    problem: str | None


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """List; the exit code: 1 if the API gave no complete answer. Raises WorkerError."""
    settings = settings_for("batches", args, environ)
    wanted = statuses(args.status, STATUSES)
    api = target(settings, environ)

    async def look() -> _Found:
        async with api_client(api, settings.timeout, Scrubber(api.token), ()) as client:
            return await _look(client, args.workspace)

    found = anyio.run(look)
    batches = [
        batch
        for batch in sorted(found.batches, key=lambda one: (one.created_at or "", one.id))
        if (args.name is None or fnmatchcase(batch.name.casefold(), args.name.casefold()))
        and (not wanted or batch.status in wanted)
    ]
    _print(args.format, found, batches)
    if found.batches and not batches:
        output.complain(f"none of the {len(found.batches):,} batches is selected")
    if found.problem is not None:
        output.complain(f"the list may not be complete: {visible(found.problem)}")
        return 1
    return 0


async def _look(client: ProlificClient, workspace_id: str | None) -> _Found:
    reader = reader_without_run(client)
    await reader.owner()
    workspace = await _workspace(client, workspace_id)
    pages: dict[int, list[Listed]] = {}

    async def take(number: int, page: Page) -> None:
        pages.setdefault(number, []).extend(page)

    result = await reader.listing(workspace.id, take)
    return _Found(workspace, pages.get(result.number, []), result.problem)


async def _workspace(client: ProlificClient, wanted: str | None) -> Workspace:
    """The workspace that is wanted, or the only one. Raises UsageError if there are several, and
    ApiUnusableError if the API does not list them."""
    reply = await client.workspaces()
    found = workspaces_in(reply)
    if wanted is not None:  # named by its title if that is known
        return next((one for one in found or () if one.id == wanted), Workspace(wanted, ""))
    if found is None:
        raise ApiUnusableError(
            f"the API does not list the workspaces: {reply.message or 'an answer without them'}",
            hint="Name the workspace with --workspace ID.",
        )
    if len(found) != 1:
        shown = "".join(f"\n    --workspace {one.id}   {visible(one.title)}" for one in found)
        raise UsageError(
            f"the token sees {len(found)} workspaces; choose one{shown and ':'}{shown}"
        )
    return found[0]


def _print(form: str, found: _Found, batches: list[Listed]) -> None:
    if form == "json":
        output.say_json(
            {
                "workspace": found.workspace._asdict(),
                "complete": found.problem is None,
                "batches": [batch_values(batch) for batch in batches],
            },
            indent=1,
        )
    elif form == "table":
        batch_table(
            found.workspace, [batch_values(batch) for batch in batches], open_console(sys.stdout)
        )
    else:
        with output.data() as file:
            if form == "job":
                write_job(file, found.workspace, batches, found.problem)
            else:
                write_csv(file, batches)
