"""What the API says: whose token it is, its workspaces, complete listings, its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from worker.api.bodies import user_id
from worker.api.client import ProlificClient
from worker.api.verdicts import TokenVerdict, token_verdict, workspaces_in
from worker.doctor.check import Check
from worker.model.replies import Answer, Page
from worker.text import counted, verb

LARGEST_OFFSET_S = 120.0
"""Seconds that the clock may differ from the API's before it is worth a look: logs and `--since`
mislead then. (Settling measures the offset by itself.)"""


async def check_api(client: ProlificClient, now: Callable[[], float]) -> AsyncIterator[Check]:
    """Ask the API, with a few requests that only read; `now` in seconds since 1970."""
    reply = await client.me()
    verdict = token_verdict(reply)
    if not isinstance(reply, Answer) or verdict is TokenVerdict.UNCLEAR:
        yield Check("API", f"no usable answer: {reply.message}", "Check the network and the proxy.")
        return
    if verdict is TokenVerdict.REFUSED:
        yield Check(
            "token",
            f"the API refused it: HTTP {reply.status}: {reply.message}",
            "Create a new token in Prolific, and save it where the old one is.",
        )
        return
    yield Check("token", f"valid, of user {user_id(reply.json)}")
    if reply.date is not None:
        yield _clock(now() - reply.date)
    async for check in _workspaces(client):
        yield check


def _clock(ahead_s: float) -> Check:
    if abs(ahead_s) > LARGEST_OFFSET_S:
        how = "ahead of" if ahead_s > 0 else "behind"
        return Check(
            "clock",
            f"{abs(ahead_s):,.0f} seconds {how} the API's",
            "Switch on time synchronisation: timedatectl set-ntp true.",
        )
    return Check("clock", f"{counted(round(abs(ahead_s)), 'second')} off the API's")


async def _workspaces(client: ProlificClient) -> AsyncIterator[Check]:
    reply = await client.workspaces()
    found = workspaces_in(reply)
    if found is None:
        yield Check(
            "workspaces",
            f"the API does not list them: {reply.message or 'an answer without them'}",
            "Ask Prolific whether the token may list workspaces; runs work without it.",
        )
        return
    for workspace in found:
        listing = await client.listing(workspace.id, _ignore)
        count = f"{listing.shown:,} {verb(listing.shown, 'batch', 'batches')}"
        if listing.problem is None:
            yield Check("workspace", f"{workspace}: {count}, the listing is complete")
        else:
            yield Check(
                "workspace",
                f"{workspace}: the listing is not complete: {listing.problem}",
                "Unknown duplicates cannot be settled until it is; try again later, then ask"
                " Prolific.",
            )


async def _ignore(_page: Page) -> None:
    """Drop the page: only the length of the listing is shown."""
